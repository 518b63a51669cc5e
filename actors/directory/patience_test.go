package directory

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
)

func TestPatienceEnds(t *testing.T) {
	w := newTown(t, "a", "b")
	for _, h := range w.nodes {
		h.config.Patience = 20 * time.Millisecond
	}
	got := w.nodes["a"].do(1, set("k", "v"))
	if kindOf(got.err) != shards.KindUnavailable || !errors.Is(got.err, errNoPrimary) {
		t.Errorf("a shard without a primary: %v", got.err)
	}
	if err := w.nodes["a"].KeysInSlot(t.Context(), shards.NewShardID(0, 1), 0, 1, func([]byte) bool { return true }); !errors.Is(err, errNoPrimary) {
		t.Errorf("a read: %v", err)
	}
	w.lead("b", "b", "b", "b")
	w.spoil = func(shards.NodeID, transport.Kind, func() ([]byte, error)) ([]byte, error) {
		return nil, transport.ErrPeerGone
	}
	if got := w.nodes["a"].do(1, set("k", "v")); kindOf(got.err) != shards.KindOutcomeUnknown {
		t.Errorf("a write that nobody answered: %v", got.err)
	}
}

// What was sent and not answered may have happened, whatever is said of it later, until it is answered.
func TestARefusalSaysNothingOfAnEarlierTry(t *testing.T) {
	w := newTown(t, "a", "b")
	w.nodes["a"].config.Patience = 20 * time.Millisecond
	for name, then := range map[string]func(w *town) error{
		"it is gone":       func(*town) error { return transport.ErrNoPeer },
		"nobody leads":     func(w *town) error { w.lead("", "", "", ""); return transport.ErrPeerGone },
		"the disk is full": func(*town) error { return &shards.Error{Kind: shards.KindDiskFull, Err: errors.New("full")} },
		"it leads no more": func(*town) error { return &shards.NotPrimaryError{Primary: "c"} },
	} {
		t.Run(name, func(t *testing.T) {
			w.lead("b", "b", "b", "b")
			var calls atomic.Int64 // the last one may go on when nobody waits for it any more
			w.spoil = func(_ shards.NodeID, _ transport.Kind, serve func() ([]byte, error)) ([]byte, error) {
				if calls.Add(1) == 1 {
					_, _ = serve()
					return nil, transport.ErrPeerGone
				}
				return nil, then(w)
			}
			got := w.nodes["a"].do(0, increment("n"))
			if kindOf(got.err) != shards.KindOutcomeUnknown {
				t.Errorf("a write: %v", got.err)
			}
			if moved := (*shards.NotPrimaryError)(nil); errors.As(got.err, &moved) {
				t.Errorf("a write that may have happened is sent elsewhere: %v", got.err)
			}
			calls.Store(0)
			w.lead("b", "b", "b", "b")
			if got := w.nodes["a"].do(0, get("n")); got.err == nil || kindOf(got.err) == shards.KindOutcomeUnknown {
				t.Errorf("a read: %v", got.err)
			}
		})
	}
}

// Patience counts from the first try on. One that took long has a little left for what it has learned.
func TestPatienceHasTheFirstTryInIt(t *testing.T) {
	for first, want := range map[time.Duration]time.Duration{0: 2 * time.Second, 1500 * time.Millisecond: 2 * time.Second, 10 * time.Second: 10400 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t, "a", "b")
			w.lead("b", "b", "b", "b")
			var calls atomic.Int64 // the last one may go on when nobody waits for it any more
			w.spoil = func(shards.NodeID, transport.Kind, func() ([]byte, error)) ([]byte, error) {
				if calls.Add(1) == 1 {
					<-time.After(first)
				}
				return nil, transport.ErrNoPeer
			}
			began := time.Now()
			if got := w.nodes["a"].do(0, increment("n")); time.Since(began) != want || !errors.Is(got.err, ErrGivenUp) {
				t.Errorf("the first try took %v: %v after %v", first, got.err, time.Since(began))
			}
		})
	}
}
