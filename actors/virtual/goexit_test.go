package virtual

import (
	"context"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// leavers is a kind whose handlers end their goroutines, as t.FailNow does.
func leavers(onActivate, onPassivate *atomic.Bool) func() *Kind {
	return func() *Kind {
		k := NewKind[int]("leaver", IdleAfter(time.Minute))
		leave := func() (int, error) { goruntime.Goexit(); return 0, nil }
		Handle(k, "leave", func(c *Context[int], _ int) (int, error) { *c.State = 77; return leave() })
		Handle(k, "add", func(c *Context[int], n int) (int, error) { *c.State += n; return *c.State, nil })
		HandleRead(k, "lookAndLeave", func(*Reading[int], int) (int, error) { return leave() })
		Handle(k, "tell", func(c *Context[int], method string) (int, error) { return 0, c.Tell(ID{"leaver", "b"}, method, 1) })
		Handle(k, "timer", func(c *Context[int], _ int) (int, error) {
			return 0, c.SetTimer(Timer{Name: "t", After: time.Second, Method: "leave"})
		})
		OnActivate(k, func(*Context[int]) error {
			if onActivate.Load() {
				goruntime.Goexit()
			}
			return nil
		})
		OnPassivate(k, func(ID, *int) {
			if onPassivate.Load() {
				goruntime.Goexit()
			}
		})
		return k.Kind
	}
}

// A handler that ends its goroutine has panicked: its caller hears of it at once, or with the next try if it ran on the one that served the call; and the actor handles what comes next, wherever it was.
func TestGoexitIsAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var onActivate, onPassivate atomic.Bool
		w := newWorld(t, 1, "n1", "n2")
		w.register(leavers(&onActivate, &onPassivate))
		hears := func(node shards.NodeID, method string) {
			t.Helper()
			began := time.Now()
			_, err := Call[int, int](t.Context(), w.hosts[node], ID{"leaver", "a"}, method, 1)
			if CodeOf(err) != CodePanicked || !strings.Contains(err.Error(), "runtime.Goexit") || time.Since(began) > 2*firstPause {
				t.Errorf("%s from %s: %v after %v", method, node, err, time.Since(began))
			}
		}
		adds := func(want string) {
			t.Helper()
			if got := w.must("n1", "leaver/a", "add", 1); got != want {
				t.Errorf("the actor has %s, not %s", got, want)
			}
		}
		hears("n1", "lookAndLeave") // it is not in memory, and comes there for that
		adds("1")
		hears("n1", "leave")
		hears("n2", "leave")
		hears("n2", "lookAndLeave")
		adds("2")
		onActivate.Store(true)
		w.lead(0, "n2")
		hears("n1", "add")
		onActivate.Store(false)
		adds("3")
		w.must("n1", "leaver/a", "timer", 0)
		pass(2 * time.Second)
		adds("4")
		onPassivate.Store(true)
		pass(10 * time.Minute) // idle: it leaves memory
		if n := w.hosts["n1"].Active() + w.hosts["n2"].Active(); n != 0 {
			t.Errorf("%d actors in memory", n)
		}
		adds("5")
		w.lead(0, "n1")
		adds("6")
		w.lead(0, "n2") // where its activation is out of date
		adds("7")
		w.lead(0, "n1")
		onPassivate.Store(false)
		for _, method := range []string{"leave", "lookAndLeave"} {
			w.must("n1", "leaver/a", "tell", method)
		}
		w.must("n1", "leaver/a", "tell", "add")
		pass(time.Minute)
		if list, _, err := w.hosts["n1"].Aside(t.Context(), 0, AsidePage{Limit: 10}); err != nil || len(list) != 2 || !strings.Contains(list[1].Reason, "runtime.Goexit") {
			t.Errorf("set aside: %v, %v", list, err)
		}
		if got := w.must("n1", "leaver/b", "add", 1); got != "2" {
			t.Errorf("behind those that leave: %s", got)
		}
	})
}

// What waits behind a handler that ends its goroutine while the host closes is answered.
func TestGoexitWhileTheHostCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(func() *Kind {
			k := NewKind[int]("leaver")
			Handle(k, "leave", func(c *Context[int], _ int) (int, error) {
				<-c.Context().Done()
				goruntime.Goexit()
				return 0, nil
			})
			return k.Kind
		})
		answers := make(chan error)
		for range 3 {
			go func() {
				_, err := Call[int, int](context.Background(), w.hosts["n1"], ID{"leaver", "a"}, "leave", 1)
				answers <- err
			}()
		}
		synctest.Wait()
		w.hosts["n1"].Close()
		for range 3 {
			if err := <-answers; err == nil {
				t.Error("an answer without an error")
			}
		}
	})
}

// A kind that ends the goroutine when it is told that an actor leaves memory is told once for each time, also in the middle of a message that
// found another state than this node had.
func TestGoexitWhileAMessageFindsAnotherState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		w := newWorld(t, 1, "n1", "n2")
		w.register(func() *Kind {
			k := NewKind[int]("adder")
			Handle(k, "add", func(c *Context[int], n int) (int, error) { *c.State += n; return *c.State, nil })
			OnPassivate(k, func(ID, *int) {
				if told.Add(1) <= 100 {
					goruntime.Goexit()
				}
			})
			return k.Kind
		})
		for i, node := range []shards.NodeID{"n1", "n2", "n1", "n2"} {
			w.lead(0, node)
			if got := w.must("n1", "adder/a", "add", 1); got != fmt.Sprint(i+1) {
				t.Errorf("on %s the actor has %s", node, got)
			}
		}
		if n := told.Load(); n > 8 {
			t.Errorf("the kind was told %d times", n)
		}
	})
}
