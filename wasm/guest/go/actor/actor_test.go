package actor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func init() {
	Use(`{"kind":"counter","version":"1","abi":1,"methods":{"add":"","echo":"","keep":"","list":"","pay":"","take":"","lend":"","later":"","dice":"","lost":""}}`)
	Handle("add", func(c *Context, n int) (int, error) {
		count := 0
		c.Get("count", &count)
		count += n
		c.Put("count", count)
		if count < 0 {
			return 0, RefuseFor("below-zero", 7, "%s would be below zero", c.Self())
		}
		return count, nil
	})
	Handle("echo", func(_ *Context, request json.RawMessage) (json.RawMessage, error) { return request, nil })
	Handle("keep", func(c *Context, request map[string]*string) (any, error) {
		for key, value := range request {
			if value == nil {
				c.Delete(key)
			} else {
				c.PutBytes(key, []byte(*value))
			}
		}
		return nil, nil
	})
	Handle("list", func(c *Context, prefix string) (out string, err error) {
		for key, value := range c.Scan(prefix) {
			out += fmt.Sprintf("%s=%s;", key, value)
		}
		return out, nil
	})
	type payment struct {
		To     string `json:"to"`
		Amount int    `json:"amount"`
	}
	Handle("pay", func(c *Context, p payment) (string, error) {
		c.Tell(c.Peer(p.To), "take", p.Amount)
		return c.Name(), nil
	})
	Handle("take", func(c *Context, amount int) (Event, error) {
		if amount > 100 {
			return 0, errors.New("too much")
		}
		c.Put("from", c.Sender())
		c.Put("count", amount)
		return c.Event(), nil
	})
	Handle("lend", func(c *Context, p payment) (any, error) {
		c.Put("token", c.Ask(p.To, "take", p.Amount))
		return nil, nil
	})
	Replied(func(c *Context, answer int, refusal string) error {
		c.Put("answer", []any{c.Token(), c.Answered(), c.Sender(), answer, refusal})
		return nil
	})
	Handle("later", func(c *Context, r *struct{ After, Every int }) (any, error) {
		c.Forget("tick")
		if r != nil {
			c.Remind("tick", time.Duration(r.After)*time.Millisecond, time.Duration(r.Every)*time.Millisecond, "add", 1)
			c.Put("at", c.Now())
		}
		return nil, nil
	})
	Handle("dice", func(c *Context, _ any) (uint64, error) {
		all := uint64(0)
		for range 1000 {
			all |= 1 << c.Below(6)
		}
		return all + c.Below(1), nil
	})
	Migrate(func(c *Context, from int) error {
		count := 0
		c.Get("count", &count)
		c.Put("count", count*10+from)
		return nil
	})
}

// said is a reply or a refusal as text.
func said(reply string, err error) string {
	if r := (*Refusal)(nil); errors.As(err, &r) {
		return fmt.Sprintf("%d: %s", r.Code, r.Text)
	}
	return reply
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("it is %s; wanted %s", got, want)
	}
}

func TestData(t *testing.T) {
	w := NewWorld()
	expect(t, said(w.Call("a", "add", 5)), "5")
	expect(t, said(w.Call("a", "add", -9)), "7: counter/a would be below zero")
	expect(t, w.Data("a", "count"), "5")
	expect(t, said(w.Call("a", "keep", map[string]string{"k/2": "two", "k/1": "one", "l": "", "k": "x"})), "null")
	expect(t, said(w.Call("a", "list", "k/")), `"k/1=one;k/2=two;"`)
	expect(t, said(w.Call("a", "keep", json.RawMessage(`{"k/1":null}`))), "null")
	expect(t, said(w.Call("a", "list", "")), `"count=5;k=x;k/2=two;l=;"`)
	expect(t, fmt.Sprint(w.Keys("a")), "[count k k/2 l]")
	expect(t, said(w.Call("b", "list", "")), `""`)
	expect(t, said(w.Call("b", "keep", map[string]string{"big": strings.Repeat("y", 60_000)})), "null")
	reply, _ := w.Call("b", "list", "")
	expect(t, fmt.Sprint(len(reply)), "60007")
	expect(t, said(w.Call("a", "echo", "<&>\n")), `"<&>\n"`)
	expect(t, said(w.Call("a", "add", "x")), "-1: the request: json: cannot unmarshal string into Go value of type int")
	for method, reason := range map[string]string{"add": "below-zero", "nothing": ""} {
		_, err := w.Call("c", method, -9)
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Reason != reason {
			t.Errorf("%s is refused with %+v", method, err)
		}
	}
	expect(t, said(w.Call("a", "nothing", nil)), "-1: the manifest has no method nothing: a cluster refuses the message")
	expect(t, said(w.Call("a", "lost", nil)), "-1: there is no method lost")
	expect(t, said(w.Call("a", "dice", nil)), "63")
	expect(t, said("", w.Migrate("a", 3)), "")
	expect(t, w.Data("a", "count"), "53")
}

func TestMessages(t *testing.T) {
	w := NewWorld()
	expect(t, said(w.Call("a", "pay", map[string]any{"to": "b", "amount": 3})), `"a"`)
	expect(t, w.Data("b", "count"), "")
	w.Settle()
	expect(t, w.Data("b", "count")+w.Data("b", "from"), `3"counter/a"`)
	expect(t, said(w.CallAs("bank/x", "b", "take", 3)), "1")
	expect(t, w.Data("b", "from"), `"bank/x"`)
	_, _ = w.Call("a", "pay", map[string]any{"to": "b", "amount": 101})
	w.Settle()
	expect(t, fmt.Sprint(w.Refused), "[too much]")
	for n, c := range []struct{ to, want string }{{"counter/b", `[1,true,"counter/b",1,""]`}, {"counter/c", `[2,false,"counter/c",0,"too much"]`}, {"bank/x", `[3,true,"bank/x",9,""]`}} {
		_, _ = w.Call("a", "lend", map[string]any{"to": c.to, "amount": 4 + 200*(n%2)})
		w.Settle()
		if m, found := w.Sent(); found {
			expect(t, m.To+m.Method+m.Payload, "bank/xtake4")
			w.Answer(m, 9, nil)
			w.Settle()
		}
		expect(t, w.Data("a", "answer"), c.want)
	}
}

func TestReminders(t *testing.T) {
	w := NewWorld()
	_, _ = w.Call("a", "later", map[string]int{"After": 1000, "Every": 1500})
	w.Advance(999 * time.Millisecond)
	expect(t, w.Data("a", "count"), "")
	w.Advance(3251 * time.Millisecond)
	expect(t, w.Data("a", "count")+w.Data("a", "at"), `3"2026-01-01T00:00:00Z"`)
	_, _ = w.Call("a", "later", nil)
	w.Advance(time.Hour)
	expect(t, w.Data("a", "count"), "3")
	defer func() { expect(t, fmt.Sprint(recover()), "trap: a reminder that comes more often than each second") }()
	_, _ = w.Call("a", "later", map[string]int{"After": 1000, "Every": 500})
}

// TestRandomIsTheHosts holds the world's dice to wasm/abi/act/testdata/random.txt.
func TestRandomIsTheHosts(t *testing.T) {
	w := NewWorld()
	w.dice = 0x0102030405060708
	out := make([]byte, 11)
	hostRandom(out[:3])
	hostRandom(out[3:])
	expect(t, fmt.Sprintf("%x", out), "09d45854179ccc0a716507")
}
