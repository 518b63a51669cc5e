package wasm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func newPool(t testing.TB, e *Engine, size int, ready func(*Instance) error) *Pool {
	t.Helper()
	m, err := e.Compile(context.Background(), fixture(t, "guest.wasm"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return NewPool(m, Host{}, size, ready)
}

func TestPoolLendsAndBuries(t *testing.T) {
	ctx := context.Background()
	made := 0
	p := newPool(t, engines()["interpreter"], 2, func(i *Instance) error {
		made++
		return i.Func("nothing").Call(0, nil)
	})
	var seen []*Instance
	use := func(export string) error {
		return p.Do(ctx, func(i *Instance) error {
			seen = append(seen, i)
			return i.Func(export).Call(0, make([]uint64, 2))
		})
	}
	for range 3 {
		if err := use("counted"); err != nil {
			t.Fatal(err)
		}
	}
	if made != 1 || seen[0] != seen[2] {
		t.Errorf("%d instances made for one caller at a time", made)
	}
	var trap *Trap
	if err := use("stop"); !errors.As(err, &trap) {
		t.Fatal(err)
	}
	if err := use("counted"); err != nil || seen[4] == seen[3] {
		t.Errorf("after a trap: %v, the same instance %t", err, seen[4] == seen[3])
	}
	if c := p.Counts(); c != (Counts{Made: 2, Dropped: 1, Idle: 1}) {
		t.Errorf("%+v", c)
	}
	// Two may be out, the third waits as long as its context does.
	waiting, cancel := context.WithCancel(ctx)
	err := p.Do(ctx, func(a *Instance) error {
		return p.Do(ctx, func(b *Instance) error {
			if a == b {
				t.Error("one instance has two callers")
			}
			cancel()
			return p.Do(waiting, func(*Instance) error { return nil })
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a third caller got %v", err)
	}
	// Who is inside when the pool closes finishes; nobody comes after.
	err = p.Do(ctx, func(i *Instance) error {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		return i.Func("counted").Call(0, make([]uint64, 1))
	})
	if err != nil {
		t.Errorf("a call while the pool closed: %v", err)
	}
	if err := use("counted"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if c := p.Counts(); c.Idle != 0 {
		t.Errorf("%+v after Close", c)
	}
}

func TestPoolDoesNotLendWhatIsNotReady(t *testing.T) {
	refused := errors.New("refused")
	p := newPool(t, engines()["interpreter"], 1, func(*Instance) error { return refused })
	for range 2 { // the place is free again after the first
		if err := p.Do(context.Background(), func(*Instance) error { return nil }); !errors.Is(err, refused) {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A pool that is closed while many call lets each call end as it would, lets nobody in after that, and frees all that it has made.
func TestPoolClosesUnderItsCallers(t *testing.T) {
	const callers, rounds = 4, 5
	e := fastest()
	for range rounds {
		p := newPool(t, e, callers, nil)
		var calls sync.WaitGroup
		errs := make(chan error, callers)
		called := make(chan struct{}, callers)
		for w := range callers {
			calls.Go(func() {
				for n := uint64(0); ; n++ {
					if err := addOnce(p, uint64(w), n); err != nil {
						errs <- err
						return
					}
					if n == 0 {
						called <- struct{}{}
					}
				}
			})
		}
		for range callers {
			<-called
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		calls.Wait()
		for range callers {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		if c := p.Counts(); c.Idle != 0 || c.Dropped != 0 {
			t.Errorf("%+v after Close", c)
		}
	}
}

func addOnce(p *Pool, a, b uint64) error {
	return p.Do(context.Background(), func(i *Instance) error {
		stack := [2]uint64{a, b}
		if err := i.Func("add").Call(0, stack[:]); err != nil {
			return err
		}
		if stack[0] != a+b {
			return fmt.Errorf("%d + %d = %d", a, b, stack[0])
		}
		return nil
	})
}
