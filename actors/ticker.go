package actors

import (
	"hash/fnv"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Ticker ticks like a time.Ticker, but in step with all other tickers of its node whose periods are multiples of each other: a
// node that has nothing to do wakes once for all of them, and waking is most of what an idle node costs. Nodes are out of step
// with each other, so that those who count the same number of ticks do not stand for election in the same moment.
//
//	 50 ms  |    |    |    |    |    |    |
//	100 ms  |         |         |         |
//	                  └ one wake-up for both
//
// One goroutine at a time uses it, and calls Next after each tick that it has received. Ticks that it is too slow for are left
// out.
//
// Who only counts ticks, and is woken by other things as well, need not be woken for each: it calls Rest with how many may pass
// before it has to look, and Take, whatever woke it, for how many have passed. Both instead of Next.
//
//	ticks     |    |    |    |    |    |    |    |
//	Rest(4)   ●────┄────┄────┄────●                      the timer
//	message             ▲ Take() = 2, Rest(4) ┄──●       and with a message in between
type Ticker struct {
	C      <-chan time.Time
	timer  *time.Timer
	period time.Duration
	phase  time.Duration
	next   time.Time // the first tick that was not taken
	rest   int       // ticks until the timer, from the last one taken
}

// phaseSpan is a multiple of every period that is used.
const phaseSpan = 10 * time.Second

// NewTicker starts a ticker of a node, whose first tick comes within a period. The period is above zero.
func NewTicker(node shards.NodeID, period time.Duration) *Ticker {
	h := fnv.New64a()
	h.Write([]byte(node))
	phase := time.Duration(h.Sum64() % uint64(phaseSpan))
	now := time.Now()
	since := time.Duration((now.UnixNano() + int64(phase)) % int64(period))
	t := &Ticker{period: period, phase: phase, next: now.Add(period - since), rest: 1}
	t.timer = time.NewTimer(time.Until(t.next))
	t.C = t.timer.C
	return t
}

// Due is when the first tick that was not taken should have come or comes.
func (t *Ticker) Due() time.Time { return t.next }

// Next has the next tick come.
func (t *Ticker) Next() {
	now := time.Now()
	t.next = t.next.Add(t.period)
	t.skip(now)
	t.timer.Reset(t.next.Sub(now))
}

// skip leaves out the ticks that have passed.
func (t *Ticker) skip(now time.Time) {
	if late := now.Sub(t.next); late >= 0 {
		t.next = t.next.Add((late/t.period + 1) * t.period)
	}
}

// Take says how many ticks have passed that were not taken before, and takes them: as many as it was to rest at most, since
// through the others it was too slow; and a single one after a sleep much longer than that, which is nobody's silence.
func (t *Ticker) Take() int {
	now := time.Now()
	late := now.Sub(t.next)
	if late < 0 {
		return 0
	}
	passed := int64(late/t.period) + 1
	t.skip(now)
	if passed > 2*int64(t.rest)+1 {
		return 1
	}
	return int(min(passed, int64(t.rest)))
}

// Until is how many ticks there are, one or more, from the last that was taken to one that all tickers of the node with this
// period rest to who ask for the same number: what is done every so many ticks is then done in one wake-up.
func (t *Ticker) Until(every int) int {
	at := (t.next.UnixNano() + int64(t.phase)) / int64(t.period) % int64(every)
	return 1 + int((int64(every)-at)%int64(every))
}

// Rest has the timer wake after so many ticks, one or more, from the last that was taken.
func (t *Ticker) Rest(ticks int) {
	t.rest = max(1, ticks)
	t.timer.Reset(time.Until(t.Wakes()))
}

// Wakes is when the timer goes off, or went.
func (t *Ticker) Wakes() time.Time { return t.next.Add(time.Duration(t.rest-1) * t.period) }

// Stop ends the ticks.
func (t *Ticker) Stop() { t.timer.Stop() }
