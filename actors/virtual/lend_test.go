package virtual

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// An actor runs on the goroutine that serves another node's call. What comes meanwhile waits for its turn, and is handled by a goroutine of the host;
// whoever has called waits for its own reply alone, and no longer than it wants to.
func TestLentGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		steps := make(chan struct{})
		w.register(func() *Kind {
			k := NewKind[int]("counter")
			Handle(k, "add", func(c *Context[int], _ int) (int, error) {
				<-steps
				*c.State++
				return *c.State, nil
			})
			return k.Kind
		})
		add := func(ctx context.Context, node shards.NodeID, to chan<- int) {
			go func() {
				got, err := Call[int, int](ctx, w.hosts[node], ID{"counter", "a"}, "add", 0)
				if err != nil && !errors.Is(err, ctx.Err()) {
					t.Error(err)
				}
				to <- got
			}()
			synctest.Wait() // it is being handled, or behind those before it
		}
		replies := make([]chan int, 6)
		for i := range replies {
			replies[i] = make(chan int, 1)
			add(t.Context(), []shards.NodeID{"n2", "n1", "n2"}[i%3], replies[i])
		}
		for i, reply := range replies {
			steps <- struct{}{}
			synctest.Wait()
			select {
			case got := <-reply:
				if got != i+1 {
					t.Errorf("reply %d is %d", i+1, got)
				}
			default:
				t.Fatalf("reply %d waits for what is behind it", i+1)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began, left := time.Now(), make(chan int, 1)
		add(ctx, "n2", left)
		if <-left; time.Since(began) != time.Second {
			t.Errorf("who waits for a second waited %v", time.Since(began))
		}
		next := make(chan int, 1)
		add(t.Context(), "n2", next)
		steps <- struct{}{} // of the one that nobody waits for: what it changes stays
		steps <- struct{}{}
		if got := <-next; got != 8 {
			t.Errorf("behind one that was left: %d", got)
		}
	})
}

// A host that closes waits for the actors that run on others' goroutines.
func TestCloseWaitsForLentGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		step, ended := make(chan struct{}), false
		w.register(func() *Kind {
			k := NewKind[int]("counter")
			Handle(k, "wait", func(c *Context[int], _ int) (int, error) {
				<-step
				ended = true
				return 0, nil
			})
			return k.Kind
		})
		go func() { _, _ = Call[int, int](t.Context(), w.hosts["n2"], ID{"counter", "a"}, "wait", 0) }()
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			w.hosts["n1"].Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed while an actor runs")
		default:
		}
		close(step)
		if <-closed; !ended {
			t.Error("closed before it had ended")
		}
	})
}
