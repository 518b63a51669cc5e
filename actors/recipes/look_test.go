package recipes

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// An operator sees what a session holds, and what it waits for.
func TestLook(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx, h := t.Context(), w.Host(0)
		a, b := open(t, w), open(t, w)
		must[uint64](t)(NewLock(h, "l").Acquire(ctx, a))
		must[uint64](t)(NewElection(h, "e").Campaign(ctx, a, "me"))
		for _, key := range []string{"k1", "k2"} {
			must[uint64](t)(NewRegistry(h, "r").Put(ctx, key, nil, a))
		}
		go func() { _, _ = NewLock(h, "l").Acquire(ctx, b) }()
		go func() { _, _ = NewBarrier(h, "b").Wait(ctx, b, 2) }()
		w.Pass(time.Second)
		v := must[SessionView](t)(Look(ctx, h, a.Name()))
		want := []HeldView{{Actor: NewElection(h, "e").id, Token: 1}, {Actor: NewLock(h, "l").id, Token: 1}, {Actor: NewRegistry(h, "r").id, Keys: 2}}
		if v.Session != a.Name() || v.TTL != 10*time.Second || !v.Until.After(time.Now()) || !slices.Equal(v.Held, want) {
			t.Errorf("%+v", v)
		}
		v = must[SessionView](t)(Look(ctx, h, b.Name()))
		want = []HeldView{{Actor: NewBarrier(h, "b").id, Waits: true}, {Actor: NewLock(h, "l").id, Ahead: 1, Waits: true}}
		if !slices.Equal(v.Held, want) {
			t.Errorf("%+v", v.Held)
		}
		if v := must[SessionView](t)(LookAt(ctx, h, b.Name())); len(v.Held) != 2 || v.Held[0].Waits {
			t.Errorf("without asking: %+v", v)
		}
		if err := a.Close(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := Look(ctx, h, a.Name()); !errors.Is(err, ErrNoSession) {
			t.Errorf("one that has ended: %v", err)
		}
		w.Pass(time.Second)
		v = must[SessionView](t)(Look(ctx, h, b.Name()))
		if at := slices.IndexFunc(v.Held, func(x HeldView) bool { return x.Actor.Kind == KindLock }); at < 0 || v.Held[at].Token != 2 {
			t.Errorf("the lock goes on to the next: %+v", v.Held)
		}
	})
}
