package virtual

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// The key of an actor goes if the actor keeps nothing, and only then: whatever its state is when it clears itself, whatever it keeps beside
// that, and whoever is refused by it.
func TestKeyGoesWithWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		home, other := shards.NodeID("n1"), shards.NodeID("n2")
		lost := 0 // tries that do not arrive
		w := newWorld(t, 1, home, other)
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			if lost--; lost >= 0 {
				return nil, errors.New("the link broke")
			}
			return serve(ctx, to, body)
		}
		w.register(func() *Kind {
			k := NewKind[int]("drawer")
			add := func(name string, f func(c *Context[int]) error) {
				Handle(k, name, func(c *Context[int], _ int) (int, error) { return *c.State, f(c) })
			}
			add("fill", func(c *Context[int]) error { *c.State = 1; return nil })
			add("empty", func(c *Context[int]) error { *c.State = 0; return nil })
			add("put", func(c *Context[int]) error { c.Set("x", nil); return nil })
			add("clear", func(c *Context[int]) error { return c.Clear() })
			add("clear and put", func(c *Context[int]) error {
				err := c.Clear()
				c.Set("x", nil)
				return err
			})
			add("clear and remind", func(c *Context[int]) error { return errors.Join(c.Clear(), c.Remind("x", 3*replyTTL, 0, "look", 0)) })
			add("clear and fill", func(c *Context[int]) error { err := c.Clear(); *c.State = 1; return err })
			add("look", func(*Context[int]) error { return nil })
			add("refuse", func(*Context[int]) error { return errors.New("no") })
			return k.Kind
		})
		for _, c := range []struct {
			name  string
			does  []string
			stays bool
		}{
			{"a zero state", []string{"fill", "empty", "clear"}, false},
			{"no state", []string{"clear"}, false},
			{"a state", []string{"fill", "clear"}, false},
			{"cleared twice", []string{"fill", "clear", "clear"}, false},
			{"data since", []string{"fill", "clear", "put"}, true},
			{"data in the same message", []string{"fill", "clear and put"}, true},
			{"a reminder in the same message", []string{"fill", "clear and remind"}, true},
			{"a state in the same message", []string{"fill", "clear and fill"}, true},
			{"data and no state, refused", []string{"put", "lost refuse"}, true},
			{"data and no state, asked", []string{"put", "lost look"}, true},
			{"data and no state, refused when it has just come into memory", []string{"put", "move", "lost refuse"}, true},
			{"cleared, then refused", []string{"fill", "clear", "lost refuse"}, false},
			{"cleared, then refused when it has just come into memory", []string{"fill", "clear", "move", "lost refuse"}, false},
			{"refused only", []string{"lost refuse"}, false},
			{"refused, then with data", []string{"lost refuse", "put", "lost refuse"}, true},
		} {
			for _, what := range c.does {
				if what == "move" {
					home, other = other, home
					w.lead(0, home)
					continue
				}
				method, found := strings.CutPrefix(what, "lost ")
				if found {
					lost = 1
				}
				if _, err := w.call(other, "drawer/"+c.name, method, 0); err != nil && CodeOf(err) != CodeFailed {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
			pass(2 * replyTTL)
			found := 0
			list, _, err := w.hosts[home].Kept(t.Context(), 0, "drawer", "", 100, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range list {
				if k.ID.Name == c.name {
					found++
				}
			}
			if (found == 1) != c.stays {
				t.Errorf("%s: its key is there: %v", c.name, found == 1)
			}
		}
	})
}

// An actor is cleared in as many messages as it takes, also where its data and its reminders are together one too many for the last.
func TestClearSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(func() *Kind {
			k := NewKind[int]("drawer")
			Handle(k, "fill", func(c *Context[int], keys int) (int, error) {
				for *c.State < keys {
					*c.State++
					c.Set(strconv.Itoa(*c.State), nil)
				}
				return *c.State, nil
			})
			Handle(k, "remind", func(c *Context[int], _ int) (int, error) {
				return 0, errors.Join(c.Remind("a", time.Hour, 0, "fill", 0), c.Remind("b", time.Hour, 0, "fill", 0))
			})
			Handle(k, "clear", func(c *Context[int], most int) (bool, error) { return c.ClearSome(most) })
			return k.Kind
		})
		for _, c := range []struct{ keys, most, want int }{{0, 10, 1}, {30, 10, 3}, {31, 10, 4}, {MaxOps - 1, MaxOps, 2}} {
			w.must("n1", "drawer/a", "fill", c.keys)
			w.must("n1", "drawer/a", "remind", 0)
			took := 1
			for w.must("n1", "drawer/a", "clear", c.most) != "true" {
				if took++; took > c.want {
					break
				}
			}
			if left := len(w.keys("d")) + len(w.keys("m")); took != c.want || left > 0 {
				t.Errorf("%+v: it took %d messages, and %d keys are left", c, took, left)
			}
		}
	})
}
