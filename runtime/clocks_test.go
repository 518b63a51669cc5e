package runtime

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// TestMiddleClock: the middle one of the clocks of a majority counts, and of two the earlier one.
func TestMiddleClock(t *testing.T) {
	const h = time.Hour
	for _, x := range []struct {
		name    string
		offsets []time.Duration
		voters  int
		ahead   time.Duration
		known   bool
	}{
		{"alone", []time.Duration{0}, 1, 0, true},
		{"this one is ahead", []time.Duration{h, 0, h}, 3, h, true},
		{"another one is ahead", []time.Duration{0, 0, -h}, 3, 0, true},
		{"of two, this one", []time.Duration{0, h}, 3, h, true},
		{"of two, the other one", []time.Duration{0, -h}, 3, 0, true},
		{"no majority", []time.Duration{0}, 3, 0, false},
		{"nobody", nil, 0, 0, false},
		{"three of five are right", []time.Duration{h, -h, 0, 1, 2}, 5, 1, true},
	} {
		if ahead, known := middle(x.offsets, x.voters); ahead != x.ahead || known != x.known {
			t.Errorf("%s: %v, %v", x.name, ahead, known)
		}
	}
}

// TestAClockThatIsAheadIsCorrected: by what is beyond the slack, and for as long as it is.
func TestAClockThatIsAheadIsCorrected(t *testing.T) {
	n := &Node{config: Config{Logger: slog.New(slog.DiscardHandler)}}
	for _, x := range []struct{ ahead, off time.Duration }{{0, 0}, {clockSlack, 0}, {time.Hour, time.Hour}, {-time.Hour, 0}} {
		n.setAhead(&cluster.State{}, x.ahead)
		before := time.Now().Add(-x.off)
		now := n.now()
		if after := time.Now().Add(-x.off); now.Before(before) || now.After(after) {
			t.Errorf("%v ahead: it takes the time for %v, which is %v to %v", x.ahead, now, before, after)
		}
	}
}

// TestATTLGoesByTheCorrectedClock: a key that is written at a node whose clock is an hour ahead lives as long as it is to, and not an
// hour longer, however it is written.
func TestATTLGoesByTheCorrectedClock(t *testing.T) {
	n := start(t, Config{})
	s := open(t, n, "default")
	for name, put := range map[string]func(op Op) error{
		"alone":    func(op Op) error { _, err := s.one(t.Context(), op); return err },
		"in batch": func(op Op) error { _, err := s.Batch(t.Context(), op); return err },
		"writer": func(op Op) error {
			w, err := s.Writer(WriterOptions{})
			if err != nil {
				return err
			}
			return errors.Join(w.Write(t.Context(), op, nil), w.Close(t.Context()))
		},
	} {
		for off := time.Duration(0); off == 0; off = time.Duration(n.clocks.ahead.Load()) { // until the node has not looked meanwhile
			n.setAhead(n.state(), time.Hour)
			if err := put(Put("k", nil, TTL(2*time.Hour))); err != nil {
				t.Fatal(name, err)
			}
			latest := time.Now().Add(time.Hour)
			if v := must[Value](t)(s.Get(t.Context(), "k")); n.clocks.ahead.Load() != 0 && v.ExpireAt.After(latest) {
				t.Errorf("%s: it expires %v late", name, v.ExpireAt.Sub(latest))
			}
		}
	}
}
