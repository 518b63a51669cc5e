package recipes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// A session that holds as much as one may is refused more. It was given a lock, which went to the next one a moment later: two believed to hold it.
func TestSessionsHoldOnlySoMuch(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		s, other := open(t, w), open(t, w)
		lock := func(i int) Lock { return NewLock(w.Host(0), fmt.Sprint("l", i)) }
		registry := NewRegistry(w.Host(0), "r")
		must[uint64](t)(registry.Put(ctx, "k", nil, s))
		for i := 1; i < MaxAttached; i++ {
			must[uint64](t)(lock(i).TryAcquire(ctx, s))
		}
		if _, err := lock(MaxAttached).Acquire(ctx, s); !errors.Is(err, ErrSessionFull) {
			t.Errorf("one lock more: %v", err)
		}
		if _, err := NewRegistry(w.Host(0), "other").Put(ctx, "k", nil, s); !errors.Is(err, ErrSessionFull) {
			t.Errorf("one registry more: %v", err)
		}
		must[uint64](t)(registry.Put(ctx, "k2", nil, s)) // it is there already
		if err := lock(1).Release(ctx, s); err != nil {
			t.Fatal(err)
		}
		must[uint64](t)(lock(MaxAttached).Acquire(ctx, s))
		w.Pass(time.Minute)
		for i := 2; i <= MaxAttached; i++ {
			if h := must[Holder](t)(lock(i).Holder(ctx)); h.Session != s.Name() {
				t.Fatalf("lock %d is held by %+v", i, h)
			}
		}
		must[uint64](t)(lock(1).Acquire(ctx, other))
	})
}

// Who has waited for something in vain is attached to it no more, however often that was.
func TestWhoGivesUpIsNotAttached(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		s, other := open(t, w), open(t, w)
		lock, barrier := NewLock(w.Host(0), "l"), NewBarrier(w.Host(0), "b")
		must[uint64](t)(lock.Acquire(ctx, other))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := barrier.Wait(short, s, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("alone at a barrier: %v", err)
		}
		if _, err := lock.Acquire(short, s); err == nil {
			t.Error("a lock that another holds was got")
		}
		w.Pass(time.Second)
		if v := must[SessionView](t)(Look(ctx, w.Host(0), s.Name())); len(v.Held) != 0 || len(s.places) != 0 {
			t.Errorf("it is attached to %+v, and %d places are remembered", v.Held, len(s.places))
		}
	})
}

// A session ends also if it is attached to more than one message can tell of it.
func TestSessionsEndHoweverMuchTheyHold(t *testing.T) {
	for _, closed := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *virtualtest.World) {
			ctx := t.Context()
			s, other := open(t, w), open(t, w)
			lock := NewLock(w.Host(0), "l")
			for i := range virtual.MaxSends + 50 { // what it has let go of may have to say so yet
				must[struct{}](t)(virtual.Call[virtual.ID, struct{}](ctx, w.Host(0), sessionID(s.Name()), "attach", virtual.ID{Kind: KindLock, Name: fmt.Sprint(i)}))
			}
			must[uint64](t)(lock.Acquire(ctx, s))
			if closed {
				if err := s.Close(ctx); err != nil {
					t.Error(err)
				}
			}
			s.crash()
			w.Pass(time.Minute)
			if token := must[uint64](t)(lock.TryAcquire(ctx, other)); token == 0 {
				t.Error("the lock is held still")
			}
			w.Pass(20 * time.Minute)
			if n := w.Keys("s/{session/") + w.Keys("m/{session/") + w.Keys("a/"); n > 2 { // the other's
				t.Errorf("%d keys are left", n)
			}
		})
	}
}

// Items that were set aside are items of the queue: who pushes is told when there are as many as may be, instead of never.
func TestItemsSetAsideAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := true
		w := virtualtest.New(t, 2, func() []*virtual.Kind {
			list := kinds()
			if full { // the first node
				other := virtual.NewKind[queue](KindQueue)
				virtual.Handle(other, "fill", func(c *virtual.Context[queue], _ struct{}) (int, error) {
					c.State.Waiting, c.State.InFlight, c.State.Aside, c.State.Next = 1, 1, MaxItems-2, MaxItems
					return 0, entry{Body: []byte("late")}.save(c, "p/", 7)
				})
				for i := range list {
					if list[i].Name() == KindQueue {
						list[i] = other.Kind
					}
				}
			}
			full = false
			return list
		})
		ctx, q := t.Context(), NewQueue(w.Host(1), "jobs")
		must[int](t)(virtual.Call[struct{}, int](ctx, w.Host(0), q.id, "fill", struct{}{}))
		w.Lead(1)
		if _, err := q.Push(ctx, []byte("one more")); err == nil || !strings.Contains(err.Error(), "1000000 items, of which 999998 are set aside") {
			t.Errorf("pushed: %v", err)
		}
		if !must[bool](t)(q.Redrive(ctx, 7)) {
			t.Error("what was set aside is not delivered again")
		}
	})
}
