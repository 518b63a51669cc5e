package guest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// hostile is what no guest should do: each is stopped, tells its caller what it was, keeps nothing and harms no other actor.
var hostile = []struct {
	name, commands string
	code           virtual.Code
	says           string
}{
	{"an endless handler", "L", virtual.CodePanicked, "used more than its fuel of 1000000"},
	{"a deep recursion", "R", virtual.CodePanicked, "nested more than 1000 deep"},
	{"an unreachable", "U", virtual.CodePanicked, "unreachable"},
	{"a bad pointer", "B", virtual.CodePanicked, "act.put: wasm: module"},
	{"a flood of sends", "F 100000 kit/b run", virtual.CodeTooLarge, "sends and reminds more than 10 times; do less in one, or raise sends"},
	{"a flood of writes", strings.Repeat("p k 1;", 41), virtual.CodeTooLarge, "more than 40 operations on data"},
	{"a flood of bytes", "K 12000;K 12000", virtual.CodeTooLarge, "more than 20000 bytes"},
	{"a value beyond all", "K 2000000", virtual.CodeTooLarge, "a value has 2000000 bytes; at most 1048576"},
	{"a value from beyond memory", "K 900000", virtual.CodePanicked, "not in the guest's memory"},
	{"a key without bytes", "Z", virtual.CodePanicked, "act.put: the key has 0 bytes; must be 1 to 1024"},
	{"a reply that is no JSON", "J", virtual.CodePanicked, `act.reply: the reply "{" is no JSON`},
	{"a cursor that is not open", "O", virtual.CodePanicked, "7 is no cursor"},
	{"seventeen cursors", strings.Repeat("s ;", 17), virtual.CodePanicked, "16 cursors are open"},
	{"no actor", "t nobody run", virtual.CodePanicked, "nobody"},
	{"no kind", "t /x run", virtual.CodePanicked, "no kind"},
	{"a payload that is no JSON", "t kit/b run {", virtual.CodePanicked, `act.tell: the payload "{" is no JSON`},
	{"an impatient reminder", "m r 0 999 run", virtual.CodePanicked, "every 999 ms"},
	{"a reminder in the year 9999999", "m r 9999999999999999 0 run", virtual.CodePanicked, "a hundred years"},
	{"a method of no name", "t kit/b " + strings.Repeat("m", 65), virtual.CodePanicked, "the method has 65 bytes; must be 1 to 64"},
}

func TestHostileGuests(t *testing.T) {
	for name, e := range map[string]*wasm.Engine{"compiled": engine(), "interpreted": interpreter()} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, e, false)
			k.ask("good", "p a 1")
			for _, c := range hostile {
				o := k.ask("bad", "p x 1;t kit/b run;h;"+c.commands)
				if code(o.Err) != c.code || !strings.Contains(o.Err.Error(), c.says) || o.Effects != nil {
					t.Errorf("%s: %v; should be %v and say %q; it does %q", c.name, o.Err, c.code, c.says, o.Effects)
				}
				if o := k.ask("good", "h;g a"); o.said() != "1 1" {
					t.Errorf("after %s another actor says %q", c.name, o.said())
				}
			}
			if data, _ := k.Data("kit/bad"); len(data) != 0 {
				t.Errorf("something is kept: %v", data)
			}
		})
	}
}

// A guest that grows gets no more than its pages, and the instance that has grown serves nobody else.
func TestHostileMemory(t *testing.T) {
	k := newKit(t, engine(), false)
	if o := k.ask("a", "M 100"); o.said() != "1" {
		t.Errorf("growing by 100 pages of 4: %q, where 1 says that it was refused", o.said())
	}
	made := k.module.Counts().Made
	if o := k.ask("a", "M 1;h"); o.said() != "0 1" {
		t.Errorf("growing by a page: %q", o.said())
	}
	if o := k.ask("a", "h;M 1"); o.said() != "1 0" {
		t.Errorf("then: %q", o.said())
	}
	if got := k.module.Counts().Made; got != made+1 {
		t.Errorf("%d instances were made, then %d", made, got)
	}
}

// Messages larger than an inbox, than the guest wants and than any may be.
func TestHostileSizes(t *testing.T) {
	k := newKit(t, engine(), false)
	for _, c := range []struct {
		bytes int
		code  virtual.Code
		says  string
	}{
		{3000, 0, ""}, {5000, 0, ""}, {40_000, 0, ""},
		{70_000, virtual.CodeTooLarge, "no room for an envelope of 70088 bytes"},
		{act.MaxPayload, virtual.CodeTooLarge, "no room"},
		{act.MaxPayload + 1, virtual.CodeTooLarge, "takes at most 1048576"},
	} {
		payload := []byte(`"` + strings.Repeat(" ", c.bytes-5) + `h;h"`)[:c.bytes]
		o := k.send(Request{Event: act.Call, Envelope: act.Envelope{Self: "kit/a", Method: "run", Payload: payload}})
		if code(o.Err) != c.code || c.code != 0 && !strings.Contains(o.Err.Error(), c.says) {
			t.Errorf("%d bytes: %v; should say %q", c.bytes, o.Err, c.says)
		}
		if (o.Fuel == 0) != (c.bytes > act.MaxPayload) {
			t.Errorf("%d bytes: %d of fuel; only what no guest sees costs nothing", c.bytes, o.Fuel)
		}
	}
	if o := k.ask("a", "h"); o.said() != "1" {
		t.Errorf("then it says %q", o.said())
	}
}

// A guest that traps every third time is as good as new the other times, for many callers at once.
func TestHostileEveryThird(t *testing.T) {
	m := load(t, engine(), fixture(t, "kit.wasm"))
	var callers sync.WaitGroup
	for n := range 8 {
		callers.Go(func() {
			r := NewRehearsal(m, false)
			for i := range 60 {
				commands := fmt.Sprintf(`"h;g n;p n %d"`, i)
				if i%3 == 2 {
					commands = `"p n 0;h;` + hostile[(i+n)%4].commands + `"`
				}
				o, err := r.Handle(context.Background(), Request{Event: act.Call, Envelope: act.Envelope{Self: fmt.Sprintf("kit/%d", n), Method: "run", Payload: []byte(commands)}})
				switch {
				case err != nil:
					t.Error(err)
				case i%3 == 2 && o.Err == nil:
					t.Errorf("message %d was not stopped", i)
				case i%3 != 2 && o.Err != nil:
					t.Errorf("message %d: %v", i, o.Err)
				case i%3 == 1 && o.said() != fmt.Sprintf("1 %d", i-1):
					t.Errorf("message %d says %q", i, o.said())
				}
			}
		})
	}
	callers.Wait()
	if c := m.Counts(); c.Idle > instances() || c.Made > uint64(instances()) {
		t.Errorf("%+v instances for 8 callers: those that trapped should have been put back", c)
	}
	m.Trim()
	m.Trim()
	if c := m.Counts(); c.Idle != 0 {
		t.Errorf("after a time without work %d instances are kept", c.Idle)
	}
}

// A guest that is allowed to keep its memory is dropped when it traps, since nobody vouches for it then.
func TestHostileReuse(t *testing.T) {
	m := load(t, engine(), with(t, fixture(t, "kit.wasm"), `"reuse":true,"limits":{"memory_pages":4}`))
	r := NewRehearsal(m, false)
	send := func(commands string) Outcome {
		o, err := r.Handle(context.Background(), Request{Event: act.Call, Envelope: act.Envelope{Self: "x/a", Method: "run", Payload: []byte(`"` + commands + `"`)}})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	var said []string
	for _, commands := range []string{"h", "h", "U", "h"} {
		o := send(commands)
		said = append(said, o.said()[:1])
	}
	if !slices.Equal(said, []string{"1", "2", "!", "1"}) {
		t.Errorf("it counts %v", said)
	}
}

// Imports of act belong to messages: a module that uses one while it gives its inbox does not load.
func TestImportsNeedAMessage(t *testing.T) {
	if _, err := Load(context.Background(), engine(), fixture(t, "early.wasm"), wasm.Host{}); err == nil || !strings.Contains(err.Error(), "may be called while a message is handled") {
		t.Errorf("loaded: %v", err)
	}
}
