package virtual

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// scribes is a kind whose methods are names only: each writes down how its message came.
func scribes() *Kind {
	k := NewKind[[]string]("scribe")
	Handle(k, "look", func(c *Context[[]string], _ struct{}) (string, error) { return strings.Join(*c.State, " "), nil })
	HandleAny(k, func(c *Context[[]string], m Message) (json.RawMessage, error) {
		if m.Method == "unknown" {
			return nil, &Error{Code: CodeUnknown, Text: "a scribe cannot do that"}
		}
		*c.State = append(*c.State, fmt.Sprintf("%s:%d:%s:%s", m.Method, c.Event(), c.Sender(), m.Payload))
		if (m.Token != 0) != (c.Event() == EventReply) || m.Token != 0 && m.Token != c.Number() {
			return nil, fmt.Errorf("token %d, number %d", m.Token, c.Number())
		}
		if m.Refused != nil {
			*c.State = append(*c.State, m.Refused.Code.String())
		}
		switch m.Method {
		case "ask":
			_, err := c.Ask(ID{"scribe", "b"}, string(m.Payload), m.Payload, "reply")
			return nil, err
		case "tell":
			return nil, c.Tell(ID{"scribe", "b"}, "told", json.RawMessage(m.Payload))
		case "remind":
			return nil, c.Remind("r", time.Second, 0, "ring", 7)
		case "broken":
			return json.RawMessage("{"), nil
		}
		return json.RawMessage(`[1, 2]`), nil
	})
	return k.Kind
}

func TestHandleAnyLearnsHowAMessageCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		w.register(scribes)
		if got := w.must("n2", "scribe/a", "hello", "x"); got != "[1,2]" {
			t.Errorf("the reply is %s", got)
		}
		if got := w.must("n2", "scribe/a", "tell", 5); got != "null" {
			t.Errorf("an empty reply is %s", got)
		}
		w.must("n1", "scribe/a", "remind", 5)
		pass(2 * time.Second)
		w.must("n1", "scribe/a", "ask", 6)
		synctest.Wait()
		if err := w.hosts["n2"].Tell(ID{"scribe", "a"}, "hey", []byte("1")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got, want := w.must("n1", "scribe/a", "look", nil), `hello:1:/:\"x\" tell:1:/:5 remind:1:/:5 ring:4:/:7 ask:1:/:6 reply:3:scribe/b:[1,2] hey:2:/:1`; got != want {
			t.Errorf("a has\n%s, not\n%s", got, want)
		}
		if got, want := w.must("n1", "scribe/b", "look", nil), "told:2:scribe/a:5 6:1:scribe/a:6"; got != want {
			t.Errorf("b has\n%s, not\n%s", got, want)
		}
		if _, err := w.call("n2", "scribe/a", "unknown", 1); CodeOf(err) != CodeUnknown || !strings.Contains(err.Error(), "scribe/a, method unknown") {
			t.Errorf("a method that it refuses: %v", err)
		}
		if _, err := w.call("n2", "scribe/a", "broken", 1); err == nil || !strings.Contains(err.Error(), "cannot be written as JSON") {
			t.Errorf("a reply that is no JSON: %v", err)
		}
	})
}

// JSON that is sent as it is arrives as it is.
func TestPayloadsStayAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		const sharp = `{"a":"<&> é"}`
		w.register(func() *Kind {
			k := NewKind[int]("sharp")
			HandleAny(k, func(c *Context[int], m Message) (json.RawMessage, error) {
				switch m.Method {
				case "send":
					if err := c.Remind("r", time.Second, 0, "hear", json.RawMessage(sharp)); err != nil {
						return nil, err
					}
					return nil, c.Tell(c.Self(), "hear", json.RawMessage(sharp))
				case "broken":
					return nil, c.Tell(c.Self(), "hear", json.RawMessage(`1,"To":2`))
				case "hear":
					*c.State++
					if string(m.Payload) != sharp {
						t.Errorf("%s arrives as %s", sharp, m.Payload)
					}
				}
				return json.RawMessage(fmt.Sprint(*c.State)), nil
			})
			return k.Kind
		})
		w.must("n1", "sharp/a", "send", nil)
		pass(2 * time.Second)
		if got := w.must("n2", "sharp/a", "count", nil); got != "2" {
			t.Errorf("%s of 2 messages came", got)
		}
		if _, err := w.call("n2", "sharp/a", "broken", nil); CodeOf(err) != CodeFailed {
			t.Errorf("a message that is no JSON: %v", err)
		}
	})
}

// A message that a marker was changed under is handled again, with what the marker says now; other actors of the shard see it at once.
func TestMarkerHoldsForAShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		g := make(gate)
		w.register(func() *Kind {
			k := NewKind[[]string]("reader")
			Handle(k, "read", func(c *Context[[]string], wait bool) (string, error) {
				value, err := c.Marker("version")
				if wait {
					g <- struct{}{}
					g <- struct{}{}
				}
				*c.State = append(*c.State, string(value))
				return string(value), err
			})
			Handle(k, "peek", func(c *Context[[]string], _ struct{}) (string, error) {
				value, err := c.Marker("version")
				return string(value), err
			})
			Handle(k, "set", func(c *Context[[]string], value string) (int, error) { return 0, c.SetMarker("version", []byte(value)) })
			return k.Kind
		})
		var here []string // three actors of one shard
		for i := 0; len(here) < 3; i++ {
			if id := (ID{"reader", fmt.Sprint(i)}); w.home(id) == 2 {
				here = append(here, id.String())
			}
		}
		if got := w.must("n1", here[0], "read", false); got != "" {
			t.Errorf("at first the marker is %q", got)
		}
		w.must("n1", here[1], "set", "1")
		if got := w.must("n2", here[2], "read", false) + w.must("n2", here[0], "peek", nil); got != "11" {
			t.Errorf("then it is %q", got)
		}
		done := make(chan string)
		go func() {
			got, err := w.call("n1", here[0], "read", true)
			done <- fmt.Sprint(got, err)
		}()
		<-g
		w.must("n1", here[1], "set", "2")
		<-g
		<-g // it begins anew
		<-g
		if got := <-done; got != "2<nil>" {
			t.Errorf("a message that was under way has %q", got)
		}
		w.lead(2, "n2")
		w.must("n1", here[1], "set", "3")
		w.lead(2, "n1")
		if got := w.must("n1", here[0], "peek", nil) + w.must("n1", here[2], "read", false); got != "33" {
			t.Errorf("after another node has led it is %q", got)
		}
		if keys := w.keys("v"); len(keys) != 1 || w.shardOf(keys[0]) != 2 {
			t.Errorf("markers lie at %v", keys)
		}
	})
}
