package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Result is what came of an eval.
type Result struct {
	Line        int             `json:"line,omitempty"`
	Title       string          `json:"title"`
	Took        time.Duration   `json:"-"` // of the world's time
	Seconds     float64         `json:"seconds"`
	Moves       Moves           `json:"moves"`
	MovedTwice  int             `json:"moved_twice"` // shards with a copy that was relocated for balance, and then again
	Unrest      Unrest          `json:"unrest"`
	Bytes       float64         `json:"bytes"`
	Peak        int             `json:"peak_recoveries"`
	Plans       int             `json:"plans"`
	TimeToGreen time.Duration   `json:"-"` // from the last event; negative: it did not become green
	GreenAfter  *float64        `json:"green_after_seconds"`
	Unserved    time.Duration   `json:"-"` // the longest
	UnservedFor float64         `json:"unserved_seconds"`
	Lost        int             `json:"unserved_shards"` // that were unserved for a while
	Red         int             `json:"red"`
	Yellow      int             `json:"yellow"`
	Unplaceable int             `json:"unplaceable"`
	Waiting     int             `json:"waiting"`
	Why         []string        `json:"why,omitempty"` // the first reasons of what waits
	Balance     []BalanceReport `json:"balance"`
	Samples     []Sample        `json:"samples"`
	Marks       []Mark          `json:"events"`
	balances    [dimensions]Balance
	shards      int
}

// BalanceReport is a Balance for people.
type BalanceReport struct {
	Dimension string  `json:"dimension"`
	Ratio     float64 `json:"max_over_mean"`
	Least     float64 `json:"least"`
	Mean      float64 `json:"mean"`
	Most      float64 `json:"most"`
	Fullest   string  `json:"fullest"`
}

// Mark is an event on the time line.
type Mark struct {
	At      time.Duration `json:"-"`
	Seconds float64       `json:"seconds"`
	Text    string        `json:"text"`
}

// Event is something that happens in an eval, so long after it has begun.
type Event struct {
	At   time.Duration
	Text string
	Do   func(*World) error
}

// maxTurns bounds the turns of one eval: a world that needs more never comes to rest.
const maxTurns = 2_000_000

// Run lets so much time go by, with events. Its error is that of an event, or says that the allocator is at odds with the cluster.
func (w *World) Run(title string, length time.Duration, events []Event) (*Result, error) {
	w.tally = newTally()
	began, end := w.ticks, w.ticks+w.ticksOf(length)
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	r := &Result{Title: title, Took: length, Seconds: length.Seconds(), Marks: []Mark{}}
	lastEvent, greenSince := began, int64(-1)
	looked := int64(-1 << 40)
	for turn := 0; ; turn++ {
		if turn > maxTurns {
			return nil, fmt.Errorf("%s: not over after %d turns, at %v; make step longer", title, maxTurns, w.after(w.ticks-began))
		}
		for len(events) > 0 && began+w.ticksOf(events[0].At) <= w.ticks {
			if err := events[0].Do(w); err != nil {
				return nil, err
			}
			r.Marks = append(r.Marks, Mark{At: w.after(w.ticks - began), Seconds: w.after(w.ticks - began).Seconds(), Text: events[0].Text})
			events, lastEvent = events[1:], w.ticks
		}
		if err := w.settleDue(); err != nil {
			return nil, err
		}
		if w.ticks >= looked+w.step {
			version := w.State.Version
			if _, err := w.look(); err != nil {
				return nil, err
			}
			if looked = w.ticks; w.State.Version != version || w.plan.Waiting == 0 {
				w.vain = 0
			} else {
				w.vain++
			}
		}
		w.work()
		red, yellow := w.health()
		if red+yellow > 0 {
			greenSince = -1
		} else if greenSince < 0 {
			greenSince = w.ticks
		}
		r.keep(w.sample(began))
		if w.ticks >= end {
			break
		}
		w.advance(w.soonest(began, end, looked, events))
		changed, err := w.finish()
		if err != nil {
			return nil, err
		}
		if changed {
			w.forget()
		}
	}
	w.sum(r, greenSince, lastEvent)
	return r, nil
}

// A leader looks every lookPeriod, whatever happens. Here that is done while something waits, at intervals that double up to lookLimit:
// a day of waiting is not ten thousand plans. While a policy looks at the time it is done as a leader does it: nobody knows when the
// policy changes its mind.
const (
	lookPeriod = 10 * time.Second
	lookLimit  = time.Hour
)

// soonest is the next tick at which there is something to do.
func (w *World) soonest(began, end, looked int64, events []Event) int64 {
	at := end
	closer := func(tick int64) {
		if tick > w.ticks && tick < at {
			at = tick
		}
	}
	if next := w.next(); next > 0 {
		closer(next)
	}
	if len(events) > 0 {
		closer(began + w.ticksOf(events[0].At))
	}
	for _, d := range w.due {
		closer(d.tick)
	}
	if w.plan != nil && w.plan.Next > 0 {
		closer(max(w.plan.Next, looked+w.step))
	}
	if w.vain > 0 {
		closer(looked + max(w.step, w.ticksOf(min(lookPeriod<<min(w.vain-1, 20), lookLimit))))
	}
	if w.Policies.LooksAtTime() {
		closer(looked + max(w.step, w.ticksOf(lookPeriod), w.ticksOf(w.patience)))
	}
	if w.restless {
		closer(looked + max(w.step, w.ticksOf(lookPeriod)))
	}
	if w.handing() || looked < w.ticks {
		closer(max(w.ticks+1, looked+w.step))
	}
	return at
}

// handing says whether a hand-over is asked for, which takes a tick.
func (w *World) handing() bool {
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		if p := r.PrimaryCopy(); p != nil && w.alive(p.Node) && (r.HandTo != 0 || p.Fresh) {
			return true
		}
	}
	return false
}

// settleDue does what is due by now.
func (w *World) settleDue() error {
	for len(w.due) > 0 && w.due[0].tick <= w.ticks {
		d := w.due[0]
		w.due = w.due[1:]
		if err := d.do(); err != nil {
			return err
		}
	}
	return nil
}

// later has something done at a tick.
func (w *World) later(tick int64, do func() error) {
	w.due = append(w.due, deed{tick, do})
	slices.SortStableFunc(w.due, func(a, b deed) int { return cmp.Compare(a.tick, b.tick) })
}

// keep adds a sample; of a long eval every other is dropped when there are too many.
func (r *Result) keep(s Sample) {
	if n := len(r.Samples); n > 0 && r.Samples[n-1].At == s.At {
		r.Samples[n-1] = s
		return
	}
	r.Samples = append(r.Samples, s)
	if len(r.Samples) < 4096 {
		return
	}
	half := r.Samples[:0]
	for i, s := range r.Samples {
		if i%2 == 0 || i == len(r.Samples)-1 {
			half = append(half, s)
		}
	}
	r.Samples = half
}
