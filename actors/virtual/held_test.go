package virtual

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// talker asks another, which replies and asks back before its handler returns.
type talker struct{ Log []string }

func talkers(name string, options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[talker](name, options...)
		Handle(k, "begin", func(c *Context[talker], to string) (int, error) {
			id, err := ParseID(to)
			if err != nil {
				return 0, err
			}
			_, err = c.Ask(id, "talk", 0, "answered")
			return 0, err
		})
		Handle(k, "talk", func(c *Context[talker], _ int) (int, error) {
			_, err := c.Ask(c.Sender(), "listen", 0, "answered")
			return 1, err
		})
		Handle(k, "listen", func(*Context[talker], int) (int, error) { return 2, nil })
		HandleAnswer(k, "answered", func(c *Context[talker], a Answer[int]) error {
			text := fmt.Sprint(a.Reply)
			if a.Refused != nil {
				text = a.Refused.Error()
			}
			c.State.Log = append(c.State.Log, text)
			return nil
		})
		HandleRead(k, "heard", func(c *Reading[talker], _ struct{}) (string, error) { return strings.Join(c.State.Log, " "), nil })
		return k.Kind
	}
}

// Who is asked may ask back while it handles the question: whatever the two are called, and if the answer is later on its way than the question.
func TestAskedBack(t *testing.T) {
	for _, back := range []string{"strict", "loose"} {
		for _, first := range []string{"a", "b"} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 8, "n1", "n2")
				w.register(talkers("strict", HoldWhileAsking()), talkers("loose"))
				w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
					reply, err := serve(ctx, to, body)
					pass(20 * time.Millisecond)
					return reply, err
				}
				asker, asked := ID{"strict", first}, ID{back, "ab"}
				for w.home(asked) == w.home(asker) {
					asked.Name += "x"
				}
				w.lead(w.home(asked), "n2")
				w.must("n1", asker.String(), "begin", asked.String())
				pass(10 * time.Second)
				if a, b := w.must("n1", asker.String(), "heard", struct{}{}), w.must("n1", asked.String(), "heard", struct{}{}); a != "1" || b != "2" {
					t.Errorf("%s asks %s: it hears %s, and that %s", asker, asked, a, b)
				}
			})
		}
	}
}

// A question that was handled, and comes again since its reply was lost, is answered with that, although its receiver holds others off by now.
func TestHoldLetsReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		oven, lost := make(gate), 0
		w.register(cooks(nil), ovens(oven), clerks)
		w.lead(w.home(ID{"cook", "a"}), "n2")
		clerk := ID{"clerk", "c"}
		for w.home(clerk) == w.home(ID{"cook", "a"}) {
			clerk.Name += "c"
		}
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			reply, err := serve(ctx, to, body)
			if m, _ := decodeMessage(body); m.Method == "want" && lost == 0 {
				lost++
				return nil, errors.New("the link broke")
			}
			return reply, err
		}
		w.must("n1", clerk.String(), "ask", question{"cook/a", "want", 1})
		pass(time.Second)
		if got := fmt.Sprint(w.clerk(clerk.Name).Answers); got != "[cook/a=0]" || lost != 1 {
			t.Errorf("the clerk has the answers %s; %d replies were lost", got, lost)
		}
		close(oven)
		pass(time.Minute)
		w.logged("a", "ask answer")
	})
}

// What waits for actors that hold it off, or for a kind that is not ready, keeps no worker from what can be delivered.
func TestHeldMessagesKeepNoWorker(t *testing.T) {
	for _, to := range []string{"cook/a", "unready/a"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 4, "n1")
			oven, ready := make(gate), make(chan struct{})
			w.register(cooks(nil), ovens(oven), clerks, journals(nil), lateKind(ready))
			w.must("n1", "cook/a", "bake", "x")
			for i := range maxWorkers + 40 {
				w.must("n1", fmt.Sprint("journal/", i), "send", orders{to + " add told"})
			}
			w.must("n1", "clerk/c", "ask", question{"clerk/d", "serve", 1})
			pass(time.Second)
			if got := fmt.Sprint(w.clerk("c").Answers); got != "[clerk/d=1]" {
				t.Errorf("while others wait for %s the clerk has the answers %s", to, got)
			}
			close(oven)
			close(ready)
			pass(time.Minute)
			if left := w.keys("o"); len(left) != 0 {
				t.Errorf("on the way: %v", left)
			}
		})
	}
}

// An actor that is at something which passes is no reason to wait for longer, nor to be told of others.
func TestHeldOffByOneThatIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		g := make(gate)
		w.register(ovens(g), func() *Kind {
			k := NewKind[int]("napper", HoldWhileAsking())
			Handle(k, "begin", func(c *Context[int], _ int) (int, error) {
				_, err := c.Ask(ID{"oven", "x"}, "bake", "x", "baked")
				return 0, errors.Join(err, c.Tell(c.Self(), "nap", 0))
			})
			Handle(k, "nap", func(*Context[int], int) (int, error) { <-g; return 0, nil })
			Handle(k, "add", func(c *Context[int], _ int) (int, error) { *c.State++; return *c.State, nil })
			HandleAnswer(k, "baked", func(*Context[int], Answer[int]) error { return nil })
			return k.Kind
		})
		w.must("n1", "napper/a", "begin", 0)
		pass(time.Second)
		b := w.begin("n1", "napper/a", "add", 0)
		pass(30 * time.Second)
		if !b.over() || CodeOf(b.err) != CodeAsking || b.took != 5*time.Second {
			t.Errorf("after %v: %v", b.took, b.err)
		}
		close(g)
		pass(time.Minute)
		w.must("n1", "napper/a", "add", 0)
	})
}
