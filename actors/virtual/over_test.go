package virtual

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A goroutine that a handler has left behind has what it does refused: it would be in no commit, and was lost with success.
func TestAContextIsOverWithItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		var kept *Context[int]
		w.register(func() *Kind {
			k := NewKind[int]("box")
			Handle(k, "keep", func(c *Context[int], n int) (int, error) {
				kept = c
				switch {
				case n == 1:
					return 0, errors.New("refused")
				case n == 2:
					panic("it panics")
				}
				return n, nil
			})
			Handle(k, "note", func(c *Context[int], _ int) (int, error) { *c.State++; return *c.State, nil })
			HandleAnswer(k, "answered", func(*Context[int], Answer[int]) error { return nil })
			return k.Kind
		})
		id := ID{"box", "a"}
		for n := range 3 {
			_, _ = w.call("n1", "box/a", "keep", n)
			c := kept
			_, asked := c.Ask(id, "note", 1, "answered")
			_, _, got := c.Get("k")
			_, marker := c.Marker("m")
			_, bare := c.Bare()
			for what, err := range map[string]error{
				"Tell": c.Tell(id, "note", 1), "Ask": asked, "Remind": c.Remind("r", 0, 0, "note", 1), "SetTimer": c.SetTimer(Timer{Name: "t", Method: "note", Request: 1}),
				"Get": got, "Marker": marker, "SetMarker": c.SetMarker("m", nil), "Bare": bare, "Clear": c.Clear(),
			} {
				if !errors.Is(err, errOver) {
					t.Errorf("%s after handler %d has returned: %v", what, n, err)
				}
			}
			c.Set("k", []byte("v"))
			c.Delete("k")
			c.Forget("r")
			c.StopTimer("t")
			c.Abandon(1)
			if c.Context().Err() == nil || !errors.Is(context.Cause(c.Context()), errOver) {
				t.Errorf("its context has not ended")
			}
			if len(c.ops)+len(c.outbox)+len(c.remind)+len(c.timers)+len(c.abandoned)+len(c.marked) > 0 || c.looked || c.given != nil {
				t.Errorf("it holds %+v", c.Turn)
			}
		}
		<-time.After(time.Minute)
		if noted := w.must("n1", "box/a", "note", 0); noted != "1" {
			t.Errorf("it was told %s times", noted)
		}
	})
}
