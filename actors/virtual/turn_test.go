package virtual

import (
	"bytes"
	"errors"
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
		"too large: it sends more than 1024 messages": func(c *Context[struct{}]) (string, error) {
			for range MaxSends {
				if err := c.Tell(c.Self(), "run", 0); err != nil {
					t.Error(err)
				}
			}
			return "", c.Tell(c.Self(), "run", 0)
		},
		"method run: too large: the key \"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\"… has 61441 bytes; at most 61440": func(c *Context[struct{}]) (string, error) {
			c.Set(strings.Repeat("k", MaxKey+1), nil)
			c.Set("k", nil)
			return "", nil
		},
		"method run: too large: the name of reminder": func(c *Context[struct{}]) (string, error) {
			return "", c.Remind(strings.Repeat("k", MaxKey+1), 0, 0, "run", 0)
		},
		"method run: too large: the name of marker": func(c *Context[struct{}]) (string, error) {
			return "", c.SetMarker(strings.Repeat("k", MaxKey+1), nil)
		},
		"method run: too large: what it keeps and sends has": func(c *Context[struct{}]) (string, error) {
			return "", c.Tell(c.Self(), strings.Repeat("k", MaxKept), 0)
		},
		"method run: too large: the key": func(c *Context[struct{}]) (string, error) {
			_, _, err := c.Get(strings.Repeat("k", MaxKey+1))
			return "", err
		},
		"too large: its reply has 4194306 bytes; at most 4194304": func(*Context[struct{}]) (string, error) { return strings.Repeat("x", MaxPayload), nil },
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

// What can be no key is not there: to delete it is no error.
func TestTooLongIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(drawers(func(c *Context[struct{}]) (string, error) {
			c.Delete(strings.Repeat("k", 1<<20))
			c.Forget(strings.Repeat("k", 1<<20))
			c.Set(strings.Repeat("k", MaxKey), nil)
			return "kept", nil
		}))
		if got := w.must("n1", "drawer/a", "run", 0); got != "kept" || len(w.keys("d")) != 1 {
			t.Errorf("%q, %d keys", got, len(w.keys("d")))
		}
	})
}

// A reminder that could never be handled is refused when it is set; one that is late already comes at once.
func TestRemindersAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(func() *Kind {
			k := NewKind[int]("drawer")
			HandleAnswer(k, "answer", func(*Context[int], Answer[int]) error { return nil })
			Handle(k, "came", func(c *Context[int], _ int) (int, error) { *c.State++; return *c.State, nil })
			HandleRead(k, "count", func(c *Reading[int], _ int) (int, error) { return *c.State, nil })
			Handle(k, "run", func(c *Context[int], _ int) (string, error) {
				for want, err := range map[string]error{
					`has no method "none"`: c.Remind("a", 0, 0, "none", 0),
					"takes answers only":   c.Remind("a", 0, 0, "answer", 0),
					"timer a: method":      c.SetTimer(Timer{Name: "a", Method: "answer"}),
					"once a second":        c.Remind("a", 0, time.Millisecond, "came", 0),
				} {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%v, which does not say %q", err, want)
					}
				}
				return "", c.Remind("a", -time.Hour, 0, "came", 0)
			})
			return k.Kind
		})
		w.must("n1", "drawer/a", "run", 0)
		pass(time.Second)
		if came, kept := w.must("n1", "drawer/a", "count", 0), w.keys("m"); came != "1" || len(kept) != 0 {
			t.Errorf("it came %s times; kept are %v", came, kept)
		}
	})
}

// An actor that clears itself keeps nothing, in the end not even that it was there; what it gets later is kept.
func TestClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(func() *Kind {
			k := NewKind[[]string]("drawer")
			Handle(k, "put", func(c *Context[[]string], word string) (struct{}, error) {
				*c.State = append(*c.State, word)
				c.Set(word, []byte(word))
				return struct{}{}, c.Remind(word, time.Hour, time.Hour, "put", word)
			})
			Handle(k, "clear", func(c *Context[[]string], fail bool) (struct{}, error) {
				c.Set("late", nil)
				err := errors.Join(c.Remind("late", time.Hour, 0, "put", ""), c.Clear())
				if fail {
					err = errors.New("no")
				}
				return struct{}{}, err
			})
			Handle(k, "look", func(c *Context[[]string], _ int) (string, error) { return fmt.Sprint(*c.State), nil })
			return k.Kind
		})
		look := func(want string) {
			t.Helper()
			if got := w.must("n1", "drawer/a", "look", 0); got != want {
				t.Errorf("the state is %s, not %s", got, want)
			}
		}
		counts := func(want ...int) {
			t.Helper()
			for i, class := range []string{"s", "d", "m"} {
				if got := w.keys(class); len(got) != want[i] {
					t.Errorf("%s: %v", class, got)
				}
			}
		}
		put := func(words ...string) {
			for _, word := range words {
				if _, err := Call[string, struct{}](t.Context(), w.hosts["n1"], ID{"drawer", "a"}, "put", word); err != nil {
					t.Fatal(err)
				}
			}
		}
		clear := func(fail bool) error {
			_, err := Call[bool, struct{}](t.Context(), w.hosts["n1"], ID{"drawer", "a"}, "clear", fail)
			return err
		}
		put("x", "y")
		if clear(true) == nil {
			t.Error("a handler that fails")
		}
		counts(1, 2, 2)
		if err := clear(false); err != nil {
			t.Fatal(err)
		}
		look("[]")
		counts(1, 0, 0)
		put("z")
		pass(replyTTL + time.Second)
		look("[z]")
		if err := clear(false); err != nil {
			t.Fatal(err)
		}
		pass(replyTTL + time.Second)
		if left, err := (memory{w, "n1"}).Read(t.Context(), "", []string{ID{"drawer", "a"}.key("s", "")}); err != nil || left[0].Version != 0 {
			t.Errorf("its key is there: %+v, %v", left, err)
		}
		put("v") // by an activation that has seen another version
		look("[v]")
		w.lead(0, "n2")
		look("[v]")
	})
}

func TestRequestsOfAStrictKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type point struct{ X, Y int }
		for _, strict := range []bool{false, true} {
			w := newWorld(t, 1, "n1")
			w.register(func() *Kind {
				var options []Option
				if strict {
					options = append(options, Strict())
				}
				k := NewKind[struct{}]("drawer", options...)
				Handle(k, "point", func(*Context[struct{}], point) (struct{}, error) { return struct{}{}, nil })
				Handle(k, "number", func(*Context[struct{}], int) (struct{}, error) { return struct{}{}, nil })
				Handle(k, "list", func(*Context[struct{}], []int) (struct{}, error) { return struct{}{}, nil })
				return k.Kind
			})
			for _, c := range []struct {
				method, request string
				loose           bool // only a kind that is not strict takes it
			}{
				{"point", `{"X": 1}`, false}, {"point", ``, false}, {"list", `null`, false}, {"list", `[1]`, false}, {"number", `7 `, false},
				{"point", `{"X": 1, "Z": 2}`, true}, {"point", `null`, true}, {"number", ` null`, true},
			} {
				_, err := w.hosts["n1"].Call(t.Context(), ID{"drawer", "a"}, c.method, []byte(c.request))
				if refused := CodeOf(err) == CodeBadRequest; refused != (strict && c.loose) {
					t.Errorf("strict %v: %s of %q: %v", strict, c.method, c.request, err)
				}
			}
			for _, request := range []string{`{"X": 1}}`, `{"X": 1}]`, `{"X": 1} {}`, `{"X": 1},`} {
				if _, err := w.hosts["n1"].Call(t.Context(), ID{"drawer", "a"}, "point", []byte(request)); CodeOf(err) != CodeBadRequest {
					t.Errorf("strict %v: %q: %v", strict, request, err)
				}
			}
			if err := Tell(w.hosts["n1"], ID{"drawer", "a"}, "point", point{1, 2}); err != nil {
				t.Error(err)
			}
			if err := Tell(w.hosts["n1"], ID{"drawer", "a"}, "point", func() {}); err == nil {
				t.Error("a function was told")
			}
		}
	})
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
			reply, err := serve(t.Context(), w.hosts["n1"], body)
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
