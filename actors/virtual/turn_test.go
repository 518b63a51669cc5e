package virtual

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// drawers is a kind whose method runs what the test gives it.
func drawers(f func(c *Context[struct{}]) (string, error)) func() *Kind {
	return func() *Kind {
		k := NewKind[struct{}]("drawer")
		Handle(k, "run", func(c *Context[struct{}], _ int) (string, error) { return f(c) })
		return k.Kind
	}
}

func TestTurnSeesWhatItHasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f func(c *Context[struct{}]) (string, error)
		w := newWorld(t, 1, "n1")
		w.register(drawers(func(c *Context[struct{}]) (string, error) { return f(c) }))
		scan := func(c *Context[struct{}], prefix string) (text string) {
			for e, err := range c.Scan(prefix) {
				if err != nil {
					t.Error(err)
				}
				text += e.Key + string(e.Value) + " "
			}
			return text
		}
		f = func(c *Context[struct{}]) (string, error) {
			value := []byte("1")
			c.Set("a", value)
			value[0] = 'x' // what was set stays
			c.Set("b", []byte("2"))
			c.Set("b", []byte("3"))
			c.Set("c", nil)
			c.Delete("c")
			got, found, err := c.Get("a")
			if _, gone, _ := c.Get("c"); err != nil || !found || gone || string(got) != "1" {
				return "", fmt.Errorf("a is %q, %v, %v", got, found, err)
			}
			return scan(c, ""), nil
		}
		if got := w.must("n1", "drawer/a", "run", 0); got != "a1 b3 " {
			t.Errorf("first: %q", got)
		}
		f = func(c *Context[struct{}]) (string, error) {
			c.Delete("a")
			c.Set("aa", []byte("4"))
			c.Set("z", []byte("5"))
			got, found, err := c.Get("b")
			return fmt.Sprint(scan(c, ""), scan(c, "a"), string(got), found && err == nil && c.Context().Err() == nil), nil
		}
		if got := w.must("n1", "drawer/a", "run", 0); got != "aa4 b3 z5 aa4 3true" {
			t.Errorf("second: %q", got)
		}
	})
}

// What one message may do has bounds, and beyond them nothing has happened.
func TestTurnIsBounded(t *testing.T) {
	for name, f := range map[string]func(c *Context[struct{}]) (string, error){
		"at most 4096": func(c *Context[struct{}]) (string, error) {
			for i := range MaxOps + 1 {
				c.Set(fmt.Sprint(i), nil)
			}
			return "", nil
		},
		"at most 8388608": func(c *Context[struct{}]) (string, error) {
			for i := range 9 {
				c.Set(fmt.Sprint(i), bytes.Repeat([]byte("x"), 1<<20))
			}
			return "", nil
		},
		"more than 1024 messages": func(c *Context[struct{}]) (string, error) {
			for range MaxSends {
				if err := c.Tell(c.Self(), "run", 0); err != nil {
					t.Error(err)
				}
			}
			return "", c.Tell(c.Self(), "run", 0)
		},
		"its reply has": func(*Context[struct{}]) (string, error) { return strings.Repeat("x", MaxPayload), nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1")
			w.register(drawers(f))
			if _, err := w.call("n1", "drawer/a", "run", 0); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
			if kept := w.keys(""); len(kept)+len(w.keys("d"))+len(w.keys("o"))+len(w.keys("s")) != 0 {
				t.Errorf("%s: something is kept", name)
			}
		})
	}
}

func FuzzID(f *testing.F) {
	f.Add("counter/page-7")
	f.Add("a/{b}/%7D%}c{/")
	f.Add("/")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err != nil {
			return
		}
		if id.String() != text {
			t.Fatalf("%q became %q", text, id)
		}
		key := id.key("d", "/rest{of}it")
		back, rest, ok := idOf(key)
		if !ok || back != id || rest != "/rest{of}it" {
			t.Fatalf("%q became %q, %q", key, back, rest)
		}
		if other := (ID{id.Kind, id.Name + "x"}).key("d", ""); strings.HasPrefix(other, id.key("d", "")) {
			t.Fatalf("the keys of %q lie below those of another", id)
		}
	})
}

// Whatever another node sends, it is answered or refused, and what can be read is what was written.
func FuzzServe(f *testing.F) {
	f.Add((&message{To: ID{"journal", "a"}, Method: "add", Payload: []byte(`"x"`), Client: 1, Lane: 2, Seq: 3, Wait: int64(time.Second)}).encode())
	f.Add((&answer{Code: CodeBusy, Text: "full", Actor: ID{"journal", "a"}, Method: "add"}).encode())
	f.Add([]byte{0x99})
	f.Fuzz(func(t *testing.T, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1")
			w.register(journals(nil))
			if m, err := decodeMessage(body); err == nil {
				again, err := decodeMessage(m.encode())
				if err != nil || !reflect.DeepEqual(m, again) {
					t.Fatalf("%+v became %+v, %v", m, again, err)
				}
				if m.Method == "hang" {
					return
				}
			}
			if a, err := decodeAnswer(body); err == nil {
				again, err := decodeAnswer(a.encode())
				if err != nil || !reflect.DeepEqual(a, again) {
					t.Fatalf("%+v became %+v, %v", a, again, err)
				}
			}
			reply, err := w.hosts["n1"].Serve(t.Context(), body)
			if (err == nil) == (reply == nil) {
				t.Fatalf("%q, %v", reply, err)
			}
		})
	})
}

func FuzzKept(f *testing.F) {
	id := ID{"journal", "a"}
	f.Add(id.sentKey("o", 7), []byte(`{"To":{"Kind":"journal","Name":"b"},"Method":"add","Payload":1}`))
	f.Add("o/{x/y}/zz", []byte(`{}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		k, err := keptOf(&Entry{key, value})
		if err == nil && k.To.validate() != nil {
			t.Fatalf("%+v", k)
		}
		err = decodeState(value, &journal{})
		if err == nil && len(value) < 8 {
			t.Fatalf("%q was read as a state", value)
		}
	})
}
