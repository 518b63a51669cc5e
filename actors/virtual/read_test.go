package virtual

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// pages keeps the same number in its state and in its data.
func pages(g gate, options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[int]("page", options...)
		Handle(k, "turn", func(c *Context[int], _ int) (int, error) {
			*c.State++
			c.Set("number", fmt.Append(nil, *c.State))
			return *c.State, nil
		})
		Handle(k, "hang", func(c *Context[int], _ struct{}) (int, error) {
			*c.State += 1000
			<-g
			return 0, errors.New("on purpose")
		})
		HandleRead(k, "wait", func(*Reading[int], struct{}) (int, error) { <-g; return 0, nil })
		HandleRead(k, "read", func(c *Reading[int], add int) (int, error) {
			switch text, found, err := c.Get("number"); {
			case err != nil:
				return 0, err
			case found && string(text) != fmt.Sprint(*c.State) || !found && *c.State != 0:
				return 0, fmt.Errorf("torn: the state is %d, the data %q", *c.State, text)
			case add < 0:
				panic("on purpose")
			}
			*c.State += add // kept nowhere
			return *c.State, nil
		})
		return k.Kind
	}
}

func TestReadsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate)
		w := newWorld(t, 1, "n1", "n2")
		w.register(pages(g, Mailbox(2)))
		reads := func(when, want string) {
			t.Helper()
			if got := w.must("n2", "page/a", "read", 0); got != want {
				t.Errorf("%s: %s, not %s", when, got, want)
			}
		}
		reads("at first", "0")
		if len(w.keys("s")) != 0 {
			t.Errorf("a read keeps %v", w.keys("s"))
		}
		w.must("n1", "page/a", "turn", nil)
		if got := w.must("n1", "page/a", "read", 5); got != "6" {
			t.Errorf("a read that changes its copy: %s", got)
		}
		if _, err := w.call("n1", "page/a", "read", -1); CodeOf(err) != CodePanicked {
			t.Errorf("a read that panics: %v", err)
		}
		failed := make(chan error)
		go func() { _, err := w.call("n1", "page/a", "hang", nil); failed <- err }()
		synctest.Wait()
		reads("while the actor hangs", "1")
		var waits sync.WaitGroup
		for range 2 {
			waits.Go(func() {
				if _, err := w.call("n1", "page/a", "wait", nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if _, err := w.call("n1", "page/a", "read", 0); CodeOf(err) != CodeBusy {
			t.Errorf("too many reads at once: %v", err)
		}
		close(g)
		if err := <-failed; CodeOf(err) != CodeFailed {
			t.Error(err)
		}
		waits.Wait()
		reads("after it has failed", "1")
		w.lead(0, "n2")
		w.must("n2", "page/a", "turn", nil)
		w.lead(0, "n1")
		reads("after another node has led", "2")
		if w.hosts["n1"].Active() != 1 {
			t.Error("the read was not that of an activation")
		}
	})
}

// Whatever happens, a read is of one moment, and not before the call: it is not older than what was answered before it began.
func TestReadsAreWhole(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1", "n2")
			w.register(pages(nil, IdleAfter(time.Second)))
			dice := rand.New(rand.NewPCG(seed, 3))
			w.spoil = func([]Op) error { // the world's lock is held
				if dice.IntN(10) == 0 {
					return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the link broke")}
				}
				return nil
			}
			var mu sync.Mutex
			answered := 0
			now := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				answered = max(answered, n)
				return answered
			}
			ask := func(method string, node shards.NodeID) {
				before := now(0)
				n, err := Call[int, int](t.Context(), w.hosts[node], ID{"page", "a"}, method, 0)
				if err != nil || n < before {
					t.Errorf("seed %d: %s: %d after %d, %v", seed, method, n, before, err)
				}
				now(n)
			}
			var callers sync.WaitGroup
			for i, method := range []string{"turn", "read", "read", "turn"} {
				callers.Go(func() {
					for range 200 {
						ask(method, []shards.NodeID{"n1", "n2"}[i%2])
					}
				})
			}
			for i := range 20 {
				pass(time.Duration(i) * time.Millisecond)
				w.lead(0, []shards.NodeID{"n1", "n2"}[i%2])
			}
			callers.Wait()
		})
	}
}

// However many methods that only read hang, by messages of other actors: what else actors send arrives.
func TestReadsThatHangHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		g := make(gate)
		defer close(g)
		w.register(func() *Kind {
			k := NewKind[int]("reader")
			HandleRead(k, "hang", func(*Reading[int], int) (int, error) { <-g; return 0, nil })
			Handle(k, "add", func(c *Context[int], n int) (int, error) { *c.State += n; return *c.State, nil })
			Handle(k, "tell", func(c *Context[int], most int) (int, error) {
				for i := range most {
					if err := c.Tell(ID{"reader", fmt.Sprint(i)}, "hang", 0); err != nil {
						return 0, err
					}
				}
				return 0, c.Tell(ID{"reader", "other"}, "add", 7)
			})
			return k.Kind
		})
		for i := range maxWorkers {
			w.must("n1", fmt.Sprint("reader/", i), "add", 1) // it is in memory, and answers reads beside its messages
		}
		w.must("n1", "reader/teller", "tell", maxWorkers)
		pass(time.Minute)
		if got := w.must("n1", "reader/other", "add", 0); got != "7" {
			t.Errorf("the other actor has %s", got)
		}
	})
}

// A method that only reads, and hangs, holds nobody up, also if it is what has woken its actor.
func TestReadsThatWakeHoldNobodyUp(t *testing.T) {
	for _, option := range []Option{IdleAfter(time.Minute), HoldWhileAsking()} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1", "n2")
			g := make(gate)
			w.register(func() *Kind {
				k := NewKind[int]("reader", option)
				HandleRead(k, "hang", func(c *Reading[int], _ int) (int, error) { <-g; return *c.State, nil })
				Handle(k, "add", func(c *Context[int], n int) (int, error) { *c.State += n; return *c.State, nil })
				return k.Kind
			})
			for _, node := range []shards.NodeID{"n1", "n2"} { // where it lives, and from elsewhere
				id := "reader/" + string(node)
				hung := w.begin(node, id, "hang", 0)
				begun := time.Now()
				if got := w.must(node, id, "add", 7); got != "7" || time.Since(begun) > 0 {
					t.Errorf("by way of %s it has %s after %v", node, got, time.Since(begun))
				}
				g <- struct{}{}
				if <-hung.done; hung.err != nil || hung.reply != "0" {
					t.Errorf("by way of %s the read has %q, %v", node, hung.reply, hung.err)
				}
			}
		})
	}
}
