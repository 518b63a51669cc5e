package virtual

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// tills is a kind with a balance, which does not go below zero.
func tills() *Kind {
	k := NewKind[int]("till")
	Handle(k, "put", func(c *Context[int], n int) (int, error) {
		*c.State += n
		return *c.State, nil
	})
	Handle(k, "take", func(c *Context[int], n int) (int, error) {
		if *c.State < n {
			return 0, errors.New("there is not enough")
		}
		*c.State -= n
		return *c.State, nil
	})
	Handle(k, "takeIfThere", func(c *Context[int], n int) (bool, error) {
		there := *c.State >= n
		if there {
			*c.State -= n
		}
		return there, nil
	})
	return k.Kind
}

// A try that the caller gave up, and that arrives when a later one has been answered, does nothing: not even if that answer was a
// refusal, or changed nothing, and the actor could do by now what it was asked for.
func TestLateTryDoesNothing(t *testing.T) {
	for _, method := range []string{"take", "takeIfThere"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1", "n2", "n3")
			w.register(tills)
			var late [][]byte
			w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
				if len(late) < 2 {
					late = append(late, body)
					return nil, errors.New("the link broke")
				}
				return serve(ctx, to, body)
			}
			got, err := w.call("n2", "till/a", method, 5)
			if refused := CodeOf(err) == CodeFailed; refused != (method == "take") || err == nil && got != "false" {
				t.Fatalf("%s: %v, %v", method, got, err)
			}
			w.must("n1", "till/a", "put", 10)
			arrive := func(node string) {
				t.Helper()
				for _, body := range late {
					if _, err := serve(t.Context(), w.hosts["n1"], body); node == "n1" && err != nil {
						t.Error(err)
					}
				}
				if got := w.must("n2", "till/a", "put", 0); got != "10" {
					t.Errorf("%s, late: %s are left of 10", method, got)
				}
			}
			arrive("n1")
			w.lead(0, "n3")
			arrive("n3")
			w.lead(0, "n1")
			arrive("n1")
		})
	}
}

// A node that led, led not, and leads again, has been at an earlier try all the while. What it comes to is kept by nobody once a later try was
// answered: it would take the place of the reply to the call after that, whose own earlier try may yet arrive.
func TestKeptAnswerEndsEarlierTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2", "n3")
		begun, release := make(chan struct{}), make(chan struct{})
		handled := 0
		w.register(func() *Kind {
			k := NewKind[int]("till")
			Handle(k, "look", func(c *Context[int], _ int) (int, error) {
				if handled++; handled == 1 {
					close(begun)
					<-release
				}
				return *c.State, nil
			})
			return k.Kind
		})
		tries, done := 0, make(chan error)
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			switch tries++; tries {
			case 2: // it reaches n1, which is deposed while it is at it
				go func() {
					_, err := serve(context.WithoutCancel(ctx), to, body)
					done <- err
				}()
				<-begun
				w.lead(0, "n3")
				fallthrough
			case 1, 4: // lost, so that the next try may be the second to arrive
				return nil, errors.New("the link broke")
			}
			return serve(ctx, to, body)
		}
		for range 2 {
			if got := w.must("n2", "till/a", "look", 0); got != "0" {
				t.Errorf("the till holds %s", got)
			}
		}
		kept := w.keys("r")
		before := string(w.values[0][kept[0]].Bytes)
		w.lead(0, "n1")
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if after := string(w.values[0][kept[0]].Bytes); len(kept) != 1 || after != before {
			t.Errorf("replies are kept under %q: %q has become %q", kept, before, after)
		}
		if handled != 3 {
			t.Errorf("two calls were handled %d times, of which one was in vain", handled)
		}
	})
}
