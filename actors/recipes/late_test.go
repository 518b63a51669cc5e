package recipes

import (
	"context"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// comesLate has the next commit come to be only when World.Land says so.
func comesLate(w *virtualtest.World) {
	first := true
	w.Faults(func(int) (f virtualtest.Fault) {
		if first {
			f = virtualtest.Late
		}
		first = false
		return f
	})
}

// What a call wanted that failed comes to be when the session has let go, or has asked again, as far as it knows: the last word counts.
func TestFailedCallsComeLate(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		s, other := must[*Session](t)(Open(ctx, w.Host(1), time.Hour)), must[*Session](t)(Open(ctx, w.Host(0), time.Hour))
		defer s.crash()
		defer other.crash()
		taken, left, left2, barrier := NewLock(w.Host(1), "taken"), NewLock(w.Host(1), "left"), NewLock(w.Host(1), "left2"), NewBarrier(w.Host(1), "b")
		fails := func(what string, call func(ctx context.Context) error) {
			t.Helper()
			w.Pass(time.Second)
			comesLate(w)
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if call(short) == nil {
				t.Errorf("%s, and nobody knows: no error", what)
			}
			w.Pass(leaveTimeout)
		}
		lands := func() {
			w.Pass(time.Second)
			w.Land()
			w.Pass(10 * time.Second)
		}

		fails("the lock is taken", func(ctx context.Context) error { return lastError(taken.Acquire(ctx, s)) })
		lands()
		if h := must[Holder](t)(taken.Holder(ctx)); h.Session != "" {
			t.Errorf("a lock that the session could not acquire is held by %+v", h)
		}
		fails("it is taken, and let go of", func(ctx context.Context) error {
			_, err := taken.TryAcquire(ctx, s)
			_ = taken.Release(ctx, s)
			return err
		})
		lands()
		if h := must[Holder](t)(taken.Holder(ctx)); h.Session != "" {
			t.Errorf("a lock that the session let go of is held by %+v", h)
		}

		for _, c := range []struct {
			lock  Lock
			again func() (uint64, error)
		}{
			{left, func() (uint64, error) { return left.Acquire(ctx, s) }},
			{left2, func() (uint64, error) { return left2.TryAcquire(ctx, s) }},
		} {
			must[uint64](t)(c.lock.Acquire(ctx, s))
			fails("the lock is let go of", func(ctx context.Context) error { return c.lock.Release(ctx, s) })
			got := make(chan uint64, 1)
			go func() {
				token, _ := c.again()
				got <- token
			}()
			lands()
			if h, token := must[Holder](t)(c.lock.Holder(ctx)), <-got; h.Session != s.Name() || h.Token != token {
				t.Errorf("the session has acquired the lock again, with token %d, and it is held by %+v", token, h)
			}
		}

		fails("the session comes to the barrier", func(ctx context.Context) error { return lastError(barrier.Wait(ctx, s, 2)) })
		lands()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if lastError(barrier.Wait(short, other, 2)) == nil {
			t.Error("a barrier for two opens for one")
		}
		if v := must[SessionView](t)(Look(ctx, w.Host(0), s.Name())); len(v.Held) != 2 || len(s.places) != 2 {
			t.Errorf("it is attached to %+v, and %d places are remembered", v.Held, len(s.places))
		}
	})
}
