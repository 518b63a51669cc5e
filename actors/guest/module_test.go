package guest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// TestTicket runs the example of ACT.md, written by hand.
func TestTicket(t *testing.T) {
	for name, e := range map[string]*wasm.Engine{"compiled": engine(), "interpreted": interpreter()} {
		t.Run(name, func(t *testing.T) {
			r := NewRehearsal(load(t, e, ticket(t)), false)
			for want := 1; want <= 120; want++ {
				for _, actor := range []string{"ticket/a", "ticket/b"} {
					o, err := r.Handle(context.Background(), Request{Event: act.Call, Envelope: act.Envelope{Self: actor, Method: "next"}})
					if err != nil || o.Err != nil || string(o.Reply) != fmt.Sprint(want) || len(o.Effects) != 1 {
						t.Fatalf("%s gives %s, not %d: %v %v", actor, o.Reply, want, o.Err, err)
					}
				}
			}
		})
	}
}

// What a guest reads, keeps, sends and learns.
func TestImports(t *testing.T) {
	for _, c := range []struct {
		name, commands, said string
		effects              []string
	}{
		{"nothing", "", "", nil},
		{"own writes are seen", "p a 1;g a;p a 2;g a;d a;g a", " 1  2  -", []string{"del a"}},
		{"what is kept", "g x;g y;g none", "10 20 -", nil},
		{"empty value", "b e 0;g e", "", []string{`put e ""`}},
		{"a scan in order", "s ;n 0;n 0;n 0;n 0;n 0", "0 w=5 x=10 y=20 z=30 .", nil},
		{"a prefix", "s y;n 0;n 0", "0 y=20 .", nil},
		{"a prefix of nothing", "s q;n 0;n 0", "0 . .", nil},
		{"a scan with own writes", "p a 1;p x 11;d y;s ;n 0;n 0;n 0;n 0;n 0", "   0 a=1 w=5 x=11 z=30 .", []string{"put a 1", "put x 11", "del y"}},
		{"writes ahead of a cursor", "s ;n 0;p wx 6;n 0;d x;n 0;p a 1;n 0;n 0", "0 w=5  wx=6  y=20  z=30 .", []string{"put a 1", "put wx 6", "del x"}},
		{"deleted under the cursor", "s ;n 0;d w;d x;n 0", "0 w=5   y=20", []string{"del w", "del x"}},
		{"deleted and back", "d x;p x 3;s x;n 0;n 0", "  0 x=3 .", []string{"put x 3"}},
		{"no room", "s x;c 0 6;c 0 7;n 0", "0 7 x=10 .", nil},
		{"two cursors", "s ;s y;n 0;n 1;n 1;n 0", "0 1 w=5 y=20 . x=10", nil},
		{"tell", "t kit/b run 5;t other/x do", "", []string{"tell kit/b run 5", "tell other/x do null"}},
		{"ask", "a kit/b run 5;a kit/c run", "1 2", []string{"ask kit/b run 5", "ask kit/c run null"}},
		{"remind", "m r 1500 0 run 1;m s 0 1000 run;f r", "", []string{"remind r after 1.5s every 0s run 1", "remind s after 0s every 1s run null", "forget r"}},
		{"random", "x;x", "d70d3259e4e1cb63 1c663cf4d73c4c04", nil},
		{"the envelope", "w", "kit/a||run|1000|0|0", nil},
		{"the last reply counts", "r 7", "7", nil},
		{"memory is put back", "h;h", "1 2", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hashes []string
			for _, k := range []*kit{newKit(t, engine(), false), newKit(t, engine(), true), newKit(t, interpreter(), false)} {
				k.Give("kit/a", 3, map[string]string{"w": "5", "x": "10", "y": "20", "z": "30"})
				k.ask("b", "h;h;h;p a 1;r 3") // whatever another actor has done in the instance before
				o := k.ask("a", c.commands)
				if got := o.said(); got != strings.Join(strings.Fields(c.said), " ") || !slices.Equal(o.Effects, c.effects) {
					t.Errorf("it says %q, not %q; it does %q, not %q", got, c.said, o.Effects, c.effects)
				}
				hashes = append(hashes, o.Hash)
			}
			if hashes[0] != hashes[1] || hashes[0] != hashes[2] {
				t.Errorf("pooled, fresh and interpreted differ: %v", hashes)
			}
		})
	}
}

// The other events: what is told, answered and reminded reaches the guest as such.
func TestEvents(t *testing.T) {
	k := newKit(t, engine(), false)
	o := k.send(Request{Event: act.Tell, Envelope: act.Envelope{Self: "kit/a", Sender: "kit/b", Method: "run", Payload: []byte(`"g note"`), Now: 5}})
	if len(o.Effects) != 1 || !strings.HasPrefix(o.Effects[0], `put note "2 kit/a|kit/b|run|5|0|0|?g note?`) {
		t.Errorf("told: %q %v", o.Effects, o.Err)
	}
	o = k.send(Request{Event: act.Reply, Envelope: act.Envelope{Self: "kit/a", Sender: "x/y", Method: "theirs", Payload: []byte(`"no"`), Token: 9, Status: act.Refused}})
	if len(o.Effects) != 1 || !strings.HasPrefix(o.Effects[0], `put note "3 kit/a|x/y|theirs|0|9|1|?no?`) {
		t.Errorf("answered, by a method of another kind: %q %v", o.Effects, o.Err)
	}
	o = k.send(Request{Event: act.Reminder, Envelope: act.Envelope{Self: "kit/a", Method: "run", Number: 3}})
	if len(o.Effects) != 1 || !strings.HasPrefix(o.Effects[0], `put note "4 kit/a||run|0|0|0|`) {
		t.Errorf("reminded: %q %v", o.Effects, o.Err)
	}
}

// A refusal changes nothing, and tells the guest's text, and its reason to programs: the last one.
func TestRefusals(t *testing.T) {
	k := newKit(t, engine(), false)
	for _, c := range []struct {
		commands, says, reason string
	}{
		{"p a 1;t kit/b run;e because;q 3", "because (code 3)", ""},
		{"p a 1;q 300", "refused with code 300, without a text", ""},
		{"y other;y no-funds;e because;q 3", "because (code 3) (no-funds)", "no-funds"},
		{"y no-funds;q 3", "refused with code 3, without a text (no-funds)", "no-funds"},
	} {
		o := k.ask("a", c.commands)
		if code(o.Err) != virtual.CodeFailed || !strings.Contains(o.Err.Error(), c.says) || virtual.ReasonOf(o.Err) != c.reason || o.Effects != nil {
			t.Errorf("%s: %v, %q", c.commands, o.Err, o.Effects)
		}
	}
	if o := k.ask("a", "y no-funds;r 7"); o.Err != nil || string(o.Reply) != "7" {
		t.Errorf("a reason of what is not refused: %s, %v", o.Reply, o.Err)
	}
	if o := k.ask("a", "y "+strings.Repeat("x", act.MaxMethod+1)); code(o.Err) != virtual.CodePanicked || !strings.Contains(o.Err.Error(), "act.reason: the reason has 65 bytes; must be 1 to 64") {
		t.Errorf("a long reason: %v", o.Err)
	}
	if data, layout := k.Data("kit/a"); len(data) != 0 || layout != 0 {
		t.Errorf("kept %v, %d", data, layout)
	}
	o := k.send(Request{Event: act.Call, Envelope: act.Envelope{Self: "kit/a", Method: "walk"}})
	if code(o.Err) != virtual.CodeUnknown || !strings.Contains(o.Err.Error(), "kind kit 1.0.0 has no such method") {
		t.Errorf("a method that it does not have: %v", o.Err)
	}
}

// Data of an older layout is migrated with the first message, and data of a newer one is left alone.
func TestMigrate(t *testing.T) {
	k := newKit(t, engine(), false)
	k.Give("kit/a", 1, map[string]string{"x": "10"})
	o := k.ask("a", "g x;g migrated")
	if o.said() != "10 1" || !slices.Equal(o.Effects, []string{"put migrated 1"}) {
		t.Errorf("migrated: %q %q", o.said(), o.Effects)
	}
	if _, layout := k.Data("kit/a"); layout != 3 {
		t.Errorf("then it is of layout %d", layout)
	}
	if o = k.ask("a", "g x"); o.said() != "10" || o.Effects != nil {
		t.Errorf("again: %q %q", o.said(), o.Effects)
	}
	k.Give("kit/b", 2, map[string]string{"stuck": "1"})
	if o = k.ask("b", "g x"); code(o.Err) != virtual.CodeFailed || !strings.Contains(o.Err.Error(), "it is stuck (code 7)") {
		t.Errorf("a migration that refuses: %v", o.Err)
	}
	k.Give("kit/c", 1, nil)
	if o = k.ask("c", "p x 1;q 1"); o.Err == nil {
		t.Error("the message was not refused")
	}
	if data, layout := k.Data("kit/c"); layout != 1 || len(data) != 0 {
		t.Errorf("a message that is refused takes its migration along: %v, layout %d", data, layout)
	}
	k.Give("kit/d", 4, map[string]string{"x": "1"})
	if o = k.ask("d", "d x"); code(o.Err) != virtual.CodeFailed || !strings.Contains(o.Err.Error(), "layout 4, and kind kit 1.0.0 reads layout 3") {
		t.Errorf("newer data: %v", o.Err)
	}
}

// What cannot be a kind is refused, and the reason says what to do.
func TestLoadRefuses(t *testing.T) {
	counter := fixture(t, "counter.wasm")
	for _, c := range []struct {
		name   string
		binary []byte
		says   string
	}{
		{"no manifest", []byte("\x00asm\x01\x00\x00\x00"), "troupe actor pack"},
		{"nothing in it", with(t, []byte("\x00asm\x01\x00\x00\x00"), ``), "does not export act_abi_1()"},
		{"memory", with(t, counter, `"limits":{"memory_pages":1}`), ""},
		{"kit in a page", with(t, fixture(t, "kit.wasm"), `"limits":{"memory_pages":1}`), "more pages"},
		{"no WebAssembly", []byte("text"), "does not begin with"},
	} {
		m, err := Load(context.Background(), engine(), c.binary, wasm.Host{})
		if m != nil {
			_ = m.Close()
		}
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; should say %q", c.name, err, c.says)
		}
	}
}

// with gives a module another manifest.
func with(t *testing.T, module []byte, fields string) []byte {
	t.Helper()
	text := `{"kind":"x","version":"1","abi":1,"methods":{"run":""}`
	if fields != "" {
		text += "," + fields
	}
	out, err := act.WithManifest(module, []byte(text+"}"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
