package transport

import (
	"context"
	"errors"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

func TestCancelAndDeadlineTravel(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		const most = 100 // calls that are begun
		ended, began := make(chan error, most), make(chan time.Duration, most)
		a, _ := pair(t, l, func(c *Config) {
			c.Serve = func(ctx context.Context, _ Hello, _ Kind, _ []byte) ([]byte, error) {
				deadline, _ := ctx.Deadline()
				began <- time.Until(deadline)
				<-ctx.Done()
				ended <- ctx.Err()
				return nil, ctx.Err()
			}
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		var left time.Duration
		go func() { left = <-began; cancel() }()
		if _, err := a.Call(ctx, "b", KindForward, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled call: %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the server saw %v", err)
		}
		if left < 30*time.Minute || left > time.Hour {
			t.Errorf("%v of an hour were left at the server", left)
		}
		for patience := 50 * time.Millisecond; ; patience *= 2 { // on a busy machine a deadline may be over before a call is there
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			_, err := a.Call(ctx, "b", KindForward, nil)
			cancel()
			if err == nil || patience > time.Minute {
				t.Fatalf("a call of %v ended with %v", patience, err)
			}
			select {
			case <-began:
				<-ended
				return
			case <-time.After(patience):
			}
		}
	})
}

func TestCallsFailAtOnceWhenThePeerDies(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		const calls = 100
		began := make(chan struct{}, calls)
		a, b := pair(t, l, func(c *Config) {
			c.Serve = func(ctx context.Context, _ Hello, _ Kind, _ []byte) ([]byte, error) {
				began <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		failed := make(chan error, calls)
		for range calls {
			go func() {
				_, err := a.Call(soon(t), "b", KindForward, nil)
				failed <- err
			}()
		}
		for range calls {
			<-began
		}
		b.Drain() // Close, too, ends sockets, and what it says may not arrive before
		for range calls {
			if err := <-failed; !errors.Is(err, ErrPeerGone) {
				t.Fatalf("a call in flight: %v", err)
			}
		}
		if c := a.next(t); c.Up || c.Node != "b" || c.Epoch != 1 || !errors.Is(c.Cause, ErrLeft) {
			t.Errorf("change: %+v", c)
		}
		if _, err := a.Call(soon(t), "b", KindForward, nil); !errors.Is(err, ErrNoPeer) {
			t.Errorf("a call afterwards: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Probe(soon(t), b.Address()); !errors.Is(err, ErrRefused) {
			t.Errorf("probe of the closed port: %v", err)
		}
	})
}

func TestServingIsBounded(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		var mu sync.Mutex
		active, most := 0, 0
		step := make(chan struct{})
		a, _ := pair(t, l, func(c *Config) {
			c.Serving = 3
			c.Serve = func(context.Context, Hello, Kind, []byte) ([]byte, error) {
				mu.Lock()
				active++
				most = max(most, active)
				mu.Unlock()
				<-step
				mu.Lock()
				active--
				mu.Unlock()
				return nil, nil
			}
		})
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := a.Call(soon(t), "b", KindForward, nil); err != nil {
					t.Error(err)
				}
			})
		}
		for range 20 {
			step <- struct{}{}
		}
		calls.Wait()
		if most > 3 {
			t.Errorf("%d were served at once, want 3 at most", most)
		}
	})
}

func TestRestartAtTheSameAddress(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a := l.start(t, "a", 1)
		b := l.start(t, "b", 1)
		a.up(t, b)
		b.Close()
		if c := a.next(t); c.Up {
			t.Fatalf("%+v", c)
		}
		again := l.start(t, "b", 2, func(c *Config) { c.Listen = b.Address() })
		if c := a.next(t); !c.Up || c.Epoch != 2 {
			t.Fatalf("%+v, want epoch 2 up", c)
		}
		if err := a.Send("b", Control, KindRaft, []byte("x")); err != nil {
			t.Fatal(err)
		}
		again.received(t, 1)
	})
}

// What serves a call of an actor may go on for ever, whatever becomes of its caller: it costs no place, and the transport's end does not wait for it.
// It may end its goroutine: that is an error, and costs no place either.
func TestLastingCalls(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		const places = 2
		began, hang := make(chan struct{}), make(chan struct{})
		var ended sync.WaitGroup
		a, b := pair(t, l, func(c *Config) {
			c.Serving = places
			c.Serve = func(_ context.Context, _ Hello, _ Kind, body []byte) ([]byte, error) {
				switch string(body) {
				case "leave":
					goruntime.Goexit()
				case "hang":
					ended.Add(1)
					defer ended.Done()
					began <- struct{}{}
					<-hang
				}
				return body, nil
			}
		})
		answered := func() {
			t.Helper()
			for range 2 * places {
				if body, err := a.Call(soon(t), "b", KindForward, []byte("x")); err != nil || string(body) != "x" {
					t.Fatalf("%q, %v", body, err)
				}
			}
		}
		for range 2 * places {
			var failure *shards.Error
			if _, err := a.Call(soon(t), "b", KindActor, []byte("leave")); !errors.As(err, &failure) || failure.Kind != shards.KindOutcomeUnknown || !strings.Contains(err.Error(), "runtime.Goexit") {
				t.Fatalf("a call that ends its goroutine: %v", err)
			}
		}
		answered()
		for range 2 * places {
			ctx, cancel := context.WithCancel(soon(t))
			over := make(chan error)
			go func() {
				_, err := a.Call(ctx, "b", KindActor, []byte("hang"))
				over <- err
			}()
			<-began
			cancel()
			if err := <-over; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		answered()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		close(hang)
		ended.Wait()
	})
}
