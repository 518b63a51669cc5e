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
type Ticker struct {
	C      <-chan time.Time
	timer  *time.Timer
	period time.Duration
	next   time.Time
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
	t := &Ticker{period: period, next: now.Add(period - since)}
	t.timer = time.NewTimer(time.Until(t.next))
	t.C = t.timer.C
	return t
}

// Due is when the tick that was received last, or the first one, should have come or comes.
func (t *Ticker) Due() time.Time { return t.next }

// Next has the next tick come.
func (t *Ticker) Next() {
	now := time.Now()
	t.next = t.next.Add(t.period)
	if late := now.Sub(t.next); late >= 0 {
		t.next = t.next.Add((late/t.period + 1) * t.period)
	}
	t.timer.Reset(t.next.Sub(now))
}

// Stop ends the ticks.
func (t *Ticker) Stop() { t.timer.Stop() }
