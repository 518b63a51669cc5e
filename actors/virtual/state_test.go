package virtual

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/shards"
)

type vessel struct{ Full int }

// vessels is a kind whose handlers put another state in the place of theirs, or nil.
func vessels() *Kind {
	k := NewKind[vessel]("vessel")
	put := func(c *Context[vessel], n int) {
		if c.State = nil; n >= 0 {
			c.State = &vessel{n}
		}
	}
	Handle(k, "put", func(c *Context[vessel], n int) (int, error) { put(c, n); return n, nil })
	Handle(k, "refuse", func(c *Context[vessel], n int) (int, error) { put(c, n); return 0, Fail("no", "no") })
	Handle(k, "clear", func(c *Context[vessel], n int) (int, error) { put(c, n); return 0, c.Clear() })
	Handle(k, "ask", func(c *Context[vessel], n int) (uint64, error) {
		return c.Ask(ID{"vessel", "other"}, "put", n, "answered")
	})
	HandleAnswer(k, "answered", func(c *Context[vessel], a Answer[int]) error { put(c, a.Reply+1); return nil })
	HandleAny(k, func(c *Context[vessel], m Message) (json.RawMessage, error) {
		var n int
		err := json.Unmarshal(m.Payload, &n)
		put(c, n)
		return m.Payload, err
	})
	OnActivate(k, func(c *Context[vessel]) error {
		if c.State.Full == 0 {
			put(c, 1)
		}
		return nil
	})
	HandleRead(k, "look", func(c *Reading[vessel], _ int) (int, error) { return c.State.Full, nil })
	return k.Kind
}

// A handler may put another state in the place of the actor's: what its State points to when it returns is what is kept. Nil is refused.
func TestStateIsWhatItPointsTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(vessels)
		holds := func(want string) {
			t.Helper()
			if got := w.must("n1", "vessel/a", "look", 0); got != want {
				t.Errorf("it has %s, not %s", got, want)
			}
		}
		holds("1")
		w.must("n1", "vessel/a", "put", 7)
		holds("7")
		w.lead(0, "n2")
		holds("7")
		if _, err := w.call("n1", "vessel/a", "refuse", 8); ReasonOf(err) != "no" {
			t.Errorf("a refusal: %v", err)
		}
		if _, err := w.call("n1", "vessel/a", "refuse", -1); ReasonOf(err) != "no" {
			t.Errorf("a refusal that leaves nil: %v", err)
		}
		for _, method := range []string{"put", "any"} {
			if _, err := w.call("n1", "vessel/a", method, -1); CodeOf(err) != CodeFailed || !strings.Contains(err.Error(), "c.State nil") {
				t.Errorf("%s leaves nil: %v", method, err)
			}
		}
		holds("7")
		w.must("n1", "vessel/a", "any", 9)
		holds("9")
		w.must("n1", "vessel/a", "ask", 20)
		synctest.Wait()
		holds("21")
		for _, n := range []int{-1, 5} {
			w.must("n1", "vessel/a", "put", 4)
			w.must("n1", "vessel/a", "clear", n)
			holds("0")
		}
	})
}

// A state that JSON cannot write is refused as a reply is that it cannot: it is not too large, and no smaller one helps.
func TestAStateThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		type state struct {
			Good int
			Bad  any
		}
		w.register(func() *Kind {
			k := NewKind[state]("jar")
			Handle(k, "bad", func(c *Context[state], _ int) (int, error) {
				c.State.Good, c.State.Bad = 7, make(chan int)
				return 0, nil
			})
			Handle(k, "large", func(c *Context[state], n int) (int, error) {
				c.State.Good, c.State.Bad = 8, strings.Repeat("x", n)
				return 0, nil
			})
			Handle(k, "look", func(c *Context[state], _ int) (int, error) { return c.State.Good, nil })
			return k.Kind
		})
		if _, err := w.call("n1", "jar/a", "bad", 0); CodeOf(err) != CodeFailed || !strings.Contains(err.Error(), "its state cannot be written as JSON: json: unsupported type: chan int") {
			t.Errorf("a channel: %v", err)
		}
		if _, err := w.call("n1", "jar/a", "large", MaxPayload); CodeOf(err) != CodeTooLarge || !strings.Contains(err.Error(), "keep what is large with Set") {
			t.Errorf("a large one: %v", err)
		}
		if good := w.must("n1", "jar/a", "look", 0); good != "0" {
			t.Errorf("the state is %s", good)
		}
	})
}

// moody is a type that panics when it is written as "write", and when it is read as "read".
type moody struct{ Text string }

// MarshalJSON panics if it is told to.
func (m moody) MarshalJSON() ([]byte, error) {
	if m.Text == "write" {
		panic("not to be written")
	}
	return json.Marshal(m.Text)
}

// UnmarshalJSON panics if it is told to.
func (m *moody) UnmarshalJSON(text []byte) error {
	if string(text) == `"read"` {
		panic("not to be read")
	}
	return json.Unmarshal(text, &m.Text)
}

// What a state's or a reply's own methods for JSON panic with is an error of the message as what its handler panics with, wherever they are called.
func TestStatesAndRepliesThatPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(func() *Kind {
			k := NewKind[moody]("cat")
			Handle(k, "set", func(c *Context[moody], text string) (int, error) { c.State.Text = text; return 0, nil })
			Handle(k, "say", func(_ *Context[moody], text string) (moody, error) { return moody{text}, nil })
			HandleRead(k, "show", func(_ *Reading[moody], text string) (moody, error) { return moody{text}, nil })
			HandleRead(k, "look", func(c *Reading[moody], _ int) (string, error) { return c.State.Text, nil })
			return k.Kind
		})
		panics := func(method, text string) {
			t.Helper()
			for _, node := range []shards.NodeID{"n1", "n2"} {
				if _, err := w.call(node, "cat/a", method, text); CodeOf(err) != CodePanicked || !strings.Contains(err.Error(), "not to be ") {
					t.Errorf("%s %s by way of %s: %v", method, text, node, err)
				}
			}
		}
		w.must("n1", "cat/a", "set", "good")
		panics("set", "write")
		panics("say", "write")
		panics("show", "write")
		if got := w.must("n2", "cat/a", "look", 0); got != "good" {
			t.Errorf("the state is %s", got)
		}
		w.must("n1", "cat/a", "set", "read")
		panics("show", "good")
		w.lead(0, "n2")
		panics("set", "good")
		panics("show", "good")
		if told := w.log.String(); !strings.Contains(told, "panicked when it was written or read as JSON") {
			t.Errorf("the log says: %s", told)
		}
	})
}
