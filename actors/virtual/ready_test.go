package virtual

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// lateKind is a kind that is ready when the channel is closed.
func lateKind(ready chan struct{}, options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[int]("unready", append([]Option{ReadyWhen(func() (<-chan struct{}, string) {
			select {
			case <-ready:
				return nil, ""
			default:
				return ready, "it is being compiled"
			}
		})}, options...)...)
		Handle(k, "add", func(c *Context[int], _ string) (int, error) {
			*c.State++
			return *c.State, nil
		})
		return k.Kind
	}
}

// What waits for a kind to be ready is bounded.
func TestTooManyWaitForAKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		ready := make(chan struct{})
		w.register(lateKind(ready, Mailbox(2)))
		var list []*begun
		for i := range 2 * 16 {
			list = append(list, w.begin([]shards.NodeID{"n1", "n2"}[i%2], fmt.Sprint("unready/", i), "add", ""))
		}
		if _, err := w.call("n2", "unready/more", "add", ""); CodeOf(err) != CodeBusy || !strings.Contains(err.Error(), "it is being compiled") {
			t.Errorf("one more: %v", err)
		}
		pass(time.Minute)
		close(ready)
		synctest.Wait()
		for i, b := range list {
			if !b.over() || b.err != nil {
				t.Errorf("message %d: %s, %v", i, b.reply, b.err)
			}
		}
		w.must("n2", "unready/more", "add", "")
	})
}

// However many wait, for a kind or for actors that wait for an answer themselves, one of them looks whether they wait in the right place; and
// nobody does when all have been answered.
func TestOneLooksForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1")
		oven, ready := make(gate), make(chan struct{})
		w.register(lateKind(ready), cooks(nil), ovens(oven))
		w.must("n1", "cook/a", "bake", "x")
		looks := func(d time.Duration) int {
			w.mu.Lock()
			before := w.looks
			w.mu.Unlock()
			pass(d)
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.looks - before
		}
		var list []*begun
		for i := range 20 {
			list = append(list, w.begin("n1", fmt.Sprint("unready/", i), "add", ""), w.begin("n1", "cook/a", "add", "x"))
		}
		const long = 4 * time.Second // less than the node is patient
		if n, most := looks(long), int(2*long/lookAgain); n > most {
			t.Errorf("they have looked %d times in %v, not %d", n, long, most)
		}
		close(ready)
		close(oven)
		pass(time.Second)
		for _, b := range list {
			if !b.over() || b.err != nil {
				t.Errorf("%s, %v", b.reply, b.err)
			}
		}
		if n := looks(time.Minute); n != 0 {
			t.Errorf("somebody has looked %d times, and nobody waits", n)
		}
	})
}

// A node that goes on leading for a moment after the change that has it lead no more still sends those elsewhere who wait there.
func TestWaitsNoLongerThanItLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		never := make(chan struct{})
		for name, h := range w.hosts {
			k := NewKind[int]("one", ReadyWhen(func() (<-chan struct{}, string) {
				if name == "n2" {
					return nil, ""
				}
				return never, "its code"
			}))
			Handle(k, "get", func(c *Context[int], _ int) (int, error) { return *c.State, nil })
			if err := h.Register(k.Kind); err != nil {
				t.Fatal(err)
			}
		}
		b := w.begin("n2", "one/a", "get", 0)
		w.mu.Lock()
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		synctest.Wait() // who waited has looked
		w.mu.Lock()
		w.leader[0], w.term[0] = "n2", 2
		w.mu.Unlock()
		pass(time.Second)
		if !b.over() || b.err != nil {
			t.Errorf("it waits where its actor lives no more: %v", b.err)
		}
	})
}
