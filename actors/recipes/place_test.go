package recipes

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// A call that fails gives up nothing that another call of its session has, or waits for.
func TestWhoGivesUpTakesNothingFromOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		over, cancel := context.WithCancel(ctx)
		cancel()
		s, other := open(t, w), open(t, w)
		lock, election := NewLock(w.Host(0), "l"), NewElection(w.Host(0), "e")
		token := must[uint64](t)(lock.Acquire(ctx, s))
		term := must[uint64](t)(election.Campaign(ctx, s, "here"))
		if _, err := lock.Acquire(over, s); !errors.Is(err, context.Canceled) {
			t.Errorf("a call whose context has ended: %v", err)
		}
		_, _ = lock.TryAcquire(over, s)
		_, _ = election.Campaign(over, s, "there")
		if h := must[Holder](t)(lock.Holder(ctx)); h.Session != s.Name() || h.Token != token {
			t.Errorf("the lock is held by %+v", h)
		}
		if h := must[Holder](t)(election.Leader(ctx)); h.Session != s.Name() || h.Token != term {
			t.Errorf("the leader is %+v", h)
		}
		if err := lock.Release(ctx, s); err != nil {
			t.Fatal(err)
		}
		must[uint64](t)(lock.Acquire(ctx, other))
		waits := make(chan error, 1)
		go func() { waits <- lastError(lock.Acquire(ctx, s)) }()
		synctest.Wait()
		w.Pass(time.Second)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := lastError(lock.Acquire(short, s)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a lock that another holds: %v", err)
		}
		if h := must[Holder](t)(lock.Holder(ctx)); h.Waiting != 1 {
			t.Errorf("%d wait", h.Waiting)
		}
		if err := lock.Release(ctx, other); err != nil {
			t.Fatal(err)
		}
		if err := <-waits; err != nil {
			t.Errorf("who waited: %v", err)
		}
		if len(s.places) != 2 || len(other.places) != 0 {
			t.Errorf("%d and %d places are remembered", len(s.places), len(other.places))
		}
		if err := lock.Release(ctx, s); err != nil || len(s.places) != 1 {
			t.Errorf("%v: %d places are remembered", err, len(s.places))
		}
	})
}

// A session that waits twice at a barrier is counted until both calls have given up.
func TestWhoWaitsTwiceIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		s, other, barrier := open(t, w), open(t, w), NewBarrier(w.Host(0), "b")
		waits := make(chan error, 1)
		go func() { waits <- lastError(barrier.Wait(ctx, s, 2)) }()
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := lastError(barrier.Wait(short, s, 2)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("alone at a barrier: %v", err)
		}
		last, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := lastError(barrier.Wait(last, other, 2)); err != nil {
			t.Errorf("the second at a barrier for two: %v", err)
		}
		if err := <-waits; err != nil {
			t.Error(err)
		}
	})
}

// Who gives up, or lets go, while nobody can be told of it, does so as soon as somebody can be: others need not wait for the end of its session.
func TestWhoGivesUpUnheardIsHeardLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		s, other := must[*Session](t)(Open(ctx, w.Host(1), time.Hour)), must[*Session](t)(Open(ctx, w.Host(0), time.Hour))
		defer s.crash()
		defer other.crash()
		free, held, barrier := NewLock(w.Host(1), "free"), NewLock(w.Host(1), "held"), NewBarrier(w.Host(1), "b")
		must[uint64](t)(free.Acquire(ctx, s))
		must[uint64](t)(held.Acquire(ctx, other))
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		failed := make(chan error, 3)
		go func() { failed <- lastError(held.Acquire(short, s)) }()
		go func() { failed <- lastError(barrier.Wait(short, s, 2)) }()
		w.Pass(time.Second) // they wait
		w.Lead(-1)
		go func() { failed <- free.Release(short, s) }()
		for range 3 {
			if err := <-failed; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("while nobody answers: %v", err)
			}
		}
		w.Pass(time.Minute)
		w.Lead(0)
		w.Pass(10 * time.Second)
		if err := held.Release(ctx, other); err != nil {
			t.Fatal(err)
		}
		for name, l := range map[string]Lock{"free": free, "held": held} {
			if token := must[uint64](t)(l.TryAcquire(ctx, other)); token == 0 {
				t.Errorf("lock %s is held by %+v", name, must[Holder](t)(l.Holder(ctx)))
			}
		}
		if v := must[SessionView](t)(Look(ctx, w.Host(0), s.Name())); len(v.Held) != 0 || len(s.places) != 0 {
			t.Errorf("it is attached to %+v, and %d places are remembered", v.Held, len(s.places))
		}
	})
}
