package act

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
)

const small = `{"kind":"ticket","version":"1","abi":1,"methods":{"next":"gives the next number"}}`

func TestManifestDefaults(t *testing.T) {
	m, err := ParseManifest([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if m.Data != 1 || m.Keyspace != "actors" || m.Limits != DefaultLimits || m.Reuse {
		t.Errorf("read as %+v", m)
	}
}

// TestManifestRefusals: what is wrong is named, with what would be right.
func TestManifestRefusals(t *testing.T) {
	for _, c := range []struct{ from, to, says string }{
		{`"ticket"`, `"Ticket"`, "must be 1 to 64 of a-z"},
		{`"version":"1"`, `"version":""`, "must be 1 to 64 bytes"},
		{`"abi":1`, `"abi":2`, "this host speaks 1"},
		{`"abi":1`, `"abi":1,"data":-1`, "numbered from 1"},
		{`"abi":1`, `"abi":1,"reusse":true`, "reusse"},
		{`{"next":"gives the next number"}`, `{}`, "0 methods; must be 1 to 256"},
		{`"next":`, `"a/b":`, `method "a/b" of ticket`},
		{`"next":`, `"":`, "a name is 1 to 64"},
		{`"abi":1`, `"abi":1,"limits":{"ops":4001}`, "limits.ops is 4001; must be from 1 to 4000"},
		{`"abi":1`, `"abi":1,"limits":{"fuel":1000000001}`, "limits.fuel"},
		{`"abi":1`, `"abi":1,"limits":{"memory_pages":-1}`, "from 1 to 256"},
		{`"abi":1`, `"abi":1,"keyspace":"` + strings.Repeat("k", 256) + `"`, "at most 255"},
		{`}}`, `}`, "unexpected end"},
	} {
		text := strings.Replace(small, c.from, c.to, 1)
		if _, err := ParseManifest([]byte(text)); !errors.Is(err, abi.ErrManifest) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the error is %v; should say %q", text, err, c.says)
		}
	}
}

func TestManifestTravelsInTheModule(t *testing.T) {
	empty := []byte("\x00asm\x01\x00\x00\x00")
	if _, err := FindManifest(empty); !errors.Is(err, abi.ErrManifest) || !strings.Contains(err.Error(), "troupe actor pack") {
		t.Errorf("a module without: %v", err)
	}
	module, err := WithManifest(empty, []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	again, err := WithManifest(module, []byte(small))
	if err != nil || !bytes.Equal(module, again) {
		t.Errorf("appending it a second time changes the module: %v", err)
	}
	if m, err := FindManifest(module); err != nil || m.Kind != "ticket" {
		t.Errorf("found %+v, %v", m, err)
	}
	if _, err := FindManifest(append(bytes.Clone(module), module[len(empty):]...)); err == nil || !strings.Contains(err.Error(), "2 sections") {
		t.Errorf("a module with two: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(small))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		if _, err := ParseManifest(m.JSON()); err != nil {
			t.Errorf("%s is taken, and written as %s refused: %v", text, m.JSON(), err)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	for _, e := range published() {
		out := make([]byte, e.Size())
		e.Put(out)
		f.Add(out)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ReadEnvelope(data)
		if err != nil {
			if !errors.Is(err, ErrEnvelope) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if e.Size() > MaxEnvelope { // fields may overlap, and then there is more of them than of bytes
			return
		}
		out := make([]byte, e.Size())
		e.Put(out)
		again, err := ReadEnvelope(out)
		if err != nil || again.Self != e.Self || again.Method != e.Method || !bytes.Equal(again.Payload, e.Payload) || again.Status != e.Status {
			t.Errorf("%+v is written and read as %+v, %v", e, again, err)
		}
	})
}
