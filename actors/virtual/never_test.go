package virtual

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What can never be committed has an end like what is refused, however it has come: those behind it come, who has asked is answered, and who
// holds others off lets them in again.
func TestNeverCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(hopefuls("hopeful"), hopefuls("holder", HoldWhileAsking()))
		for _, from := range []string{"hopeful/a", "holder/a"} {
			w.must("n1", from, "tell", "never")
			w.must("n1", from, "ask", "never")
			w.must("n1", from, "remind", "never")
		}
		_, err := w.call("n2", "hopeful/z", "never", 0)
		if CodeOf(err) != CodeFailed || !strings.Contains(err.Error(), "actor hopeful/z, method never: ") || !strings.Contains(err.Error(), "bytes too many") {
			t.Errorf("who has called hears: %v", err)
		}
		pass(time.Minute)
		for _, from := range []string{"hopeful/a", "holder/a"} {
			got := w.must("n1", from, "look", 0)
			if !strings.Contains(got, "1 failed") || !strings.Contains(got, "bytes too many") {
				t.Errorf("%s has %s", from, got)
			}
		}
		if got := w.must("n1", "hopeful/b", "look", 0); got != "2 " {
			t.Errorf("behind what can never be: %s", got)
		}
		list, _, err := w.hosts["n1"].Aside(t.Context(), 0, AsidePage{Limit: 10})
		var said []string
		for _, a := range list {
			said = append(said, fmt.Sprint(a.From, ">", a.To, " ", a.Method, " ", a.Tries))
		}
		const want = "holder/a>hopeful/b never 5, holder/a>holder/a never 5, hopeful/a>hopeful/b never 5, hopeful/a>hopeful/a never 5"
		if got := strings.Join(said, ", "); err != nil || got != want {
			t.Errorf("set aside: %s (%v), not %s", got, err, want)
		}
	})
}

// hopeful counts what came, and keeps what its questions were answered.
type hopeful struct {
	Came   int
	Answer string
}

// hopefuls are such. What their method "never" leaves behind no shard takes.
func hopefuls(name string, options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[hopeful](name, options...)
		never := func(c *Context[hopeful], _ int) (int, error) {
			c.Set(unkeepable, nil)
			return 0, nil
		}
		came := func(c *Context[hopeful], _ int) (int, error) { c.State.Came++; return 0, nil }
		Handle(k, "never", never)
		Handle(k, "came", came)
		Handle(k, "tell", func(c *Context[hopeful], method string) (int, error) {
			to := ID{"hopeful", "b"}
			return 0, errors.Join(c.Tell(to, method, 0), c.Tell(to, "came", 0))
		})
		Handle(k, "ask", func(c *Context[hopeful], method string) (uint64, error) {
			return c.Ask(ID{"hopeful", "c"}, method, 0, "answered")
		})
		Handle(k, "remind", func(c *Context[hopeful], method string) (int, error) { return 0, c.Remind("r", 0, 0, method, 0) })
		HandleAnswer(k, "answered", func(c *Context[hopeful], a Answer[int]) error {
			c.State.Came++
			if c.State.Answer = "fine"; a.Refused != nil {
				c.State.Answer = a.Refused.Code.String() + " " + a.Refused.Text
			}
			return nil
		})
		Handle(k, "look", func(c *Context[hopeful], _ int) (string, error) {
			return fmt.Sprint(c.State.Came, " ", c.State.Answer), nil
		})
		return k.Kind
	}
}

// Names of reminders count towards what a message leaves behind, like all else.
func TestNamesOfRemindersCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(drawers(func(c *Context[struct{}]) (string, error) {
			for i := range MaxKept/MaxKey + 1 {
				if err := c.Remind(fmt.Sprint(strings.Repeat("x", MaxKey-8), i), time.Hour, 0, "run", 0); err != nil {
					return "", err
				}
			}
			return "", nil
		}))
		if _, err := w.call("n1", "drawer/a", "run", 0); CodeOf(err) != CodeTooLarge {
			t.Errorf("%v", err)
		}
	})
}
