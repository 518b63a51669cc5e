package act

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden vectors and the parts of ACT.md that follow from the code")

// golden compares bytes with a file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); !bytes.Equal(got, want) {
		t.Errorf("%s is published otherwise; a change of it breaks every module that is out there. It would now be:\n%s", path, got)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// published are the envelopes that guests of all languages are tested with.
func published() map[string]*Envelope {
	return map[string]*Envelope{
		"call": {Now: 1_764_000_000_123, Seed: 0x0102030405060708, Number: 42, Self: "vote/lunch", Method: "cast", Payload: []byte(`{"for":"soup"}`)},
		"reply": {Now: -1, Seed: 1<<64 - 1, Token: 0xfedcba9876543210, Number: 1 << 63, Self: "vote/é", Sender: "menu/today", Method: "dishes",
			Payload: []byte(`"no such menu"`), Status: Refused},
		"empty": {Self: "a/"},
	}
}

func TestVectorEnvelopes(t *testing.T) {
	for name, e := range published() {
		out := bytes.Repeat([]byte{0xff}, e.Size()+8)
		e.Put(out)
		if !bytes.Equal(out[e.Size():], bytes.Repeat([]byte{0xff}, 8)) {
			t.Errorf("%s is written beyond its size", name)
		}
		golden(t, "testdata/envelope_"+name+".bin", out[:e.Size()])
		golden(t, "testdata/envelope_"+name+".txt", []byte(hex.Dump(out[:e.Size()])))
		again, err := ReadEnvelope(out[:e.Size()])
		if again != nil && len(again.Payload) == 0 {
			again.Payload = nil
		}
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s is read as %+v, %v", name, again, err)
		}
		for cut := range e.Size() {
			if _, err := ReadEnvelope(out[:cut]); err == nil {
				t.Errorf("%s, cut to %d bytes, is read", name, cut)
			}
		}
	}
}

// TestVectorRandom publishes what act.random gives.
func TestVectorRandom(t *testing.T) {
	var text strings.Builder
	for _, seed := range []uint64{0, 1, 0x0102030405060708, 1<<64 - 1} {
		whole, parts := make([]byte, 40), make([]byte, 40)
		d := NewDice(seed)
		d.Fill(whole)
		d = NewDice(seed)
		for at, n := 0, 1; at < len(parts); at, n = at+n, n+1 {
			d.Fill(parts[at:min(at+n, len(parts))])
		}
		if !bytes.Equal(whole, parts) {
			t.Errorf("seed %#x gives other bytes piece by piece", seed)
		}
		fmt.Fprintf(&text, "%016x  %x\n", seed, whole)
	}
	golden(t, "testdata/random.txt", []byte(text.String()))
	golden(t, "testdata/entry.bin", Entry(nil, "key", []byte("value")))
}

func TestVectorManifest(t *testing.T) {
	text := read(t, "testdata/manifest.json")
	m, err := ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/manifest_read.json", append(m.JSON(), '\n'))
	module, err := WithManifest([]byte("\x00asm\x01\x00\x00\x00"), text)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/manifest.wasm", module)
}

// TestTextIsTheCode holds ACT.md to the code: its tables, the names and types of exports and imports, its examples.
func TestTextIsTheCode(t *testing.T) {
	const path = "../ACT.md"
	text := string(read(t, path))
	e := published()["call"]
	envelope := make([]byte, e.Size())
	e.Put(envelope)
	for part, content := range map[string]string{
		"events":   eventTable(),
		"limits":   limitTable(),
		"envelope": "```\n" + hex.Dump(envelope) + "```\n",
		"ticket":   "```wat\n" + string(read(t, "testdata/ticket.wat")) + "```\n",
		"manifest": "```json\n" + string(read(t, "testdata/ticket.json")) + "```\n",
	} {
		from, to := "<!-- "+part+" begin -->\n", "<!-- "+part+" end -->"
		before, rest, found := strings.Cut(text, from)
		_, after, ended := strings.Cut(rest, to)
		if !found || !ended {
			t.Fatalf("%s has no part %s", path, part)
		}
		text = before + from + content + to + after
	}
	golden(t, path, []byte(text))
	for _, name := range append(Required(), ExportMigrate, ExportInitialize) {
		if !strings.Contains(text, `(export "`+name+`"`) {
			t.Errorf("%s says nothing of export %s", path, name)
		}
	}
	imports := Imports()
	for _, name := range slices.Sorted(maps.Keys(imports)) {
		_, line, found := strings.Cut(text, fmt.Sprintf("(import %q %q", Module, name))
		if !found {
			t.Errorf("%s says nothing of import %s", path, name)
		}
		line, _, _ = strings.Cut(line, ")))\n")
		if got := typeOf(line + ")"); got != imports[name] {
			t.Errorf("%s gives import %s the type %v, the code %v", path, name, got, imports[name])
		}
	}
}

// typeOf reads the type out of a line of WAT.
func typeOf(line string) (s Signature) {
	letter := func(word string) string {
		return map[string]string{"i32": "i", "i64": "I"}[strings.TrimRight(word, ")")]
	}
	words := strings.Fields(line)
	for i, w := range words {
		switch w {
		case "(param":
			s.Params += letter(words[i+2])
		case "(result":
			s.Result += letter(words[i+1])
		}
	}
	return s
}

func eventTable() string {
	means := map[Event]string{
		Call:     "somebody waits for the reply",
		Tell:     "a message that nobody waits for: its reply goes nowhere",
		Reply:    "the answer to an `ask` of this actor: `token` says which, `status` whether it is one",
		Reminder: "a reminder of this actor has come; `sender` is the actor itself",
		Activate: "kept for a later version; not sent",
	}
	var out strings.Builder
	out.WriteString("| number | event | |\n|---|---|---|\n")
	for e := Call; e <= Activate; e++ {
		fmt.Fprintf(&out, "| %d | %s | %s |\n", e, e, means[e])
	}
	return out.String()
}

func limitTable() string {
	var out strings.Builder
	out.WriteString("| limit | default | at most | of what |\n|---|---|---|---|\n")
	d, m := DefaultLimits, MaxLimits
	for _, l := range []struct {
		name       string
		usual, top any
		what       string
	}{
		{"fuel", d.Fuel, m.Fuel, "instructions"},
		{"ops", d.Ops, m.Ops, "calls of get, put, del, scan and next"},
		{"bytes", d.Bytes, m.Bytes, "of keys and values that are put, of payloads that are sent, and of the reply, together"},
		{"sends", d.Sends, m.Sends, "calls of tell, ask, remind and forget"},
		{"memory_pages", d.Pages, m.Pages, "pages of 64 KiB; `memory.grow` gives -1 beyond. Go guests need 64"},
	} {
		fmt.Fprintf(&out, "| `%s` | %v | %v | %s |\n", l.name, l.usual, l.top, l.what)
	}
	return out.String()
}
