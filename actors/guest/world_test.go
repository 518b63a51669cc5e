package guest

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

var engine = sync.OnceValue(func() *wasm.Engine {
	e, err := wasm.NewEngine(wasm.Config{})
	if err != nil {
		panic(err)
	}
	return e
})

var interpreter = sync.OnceValue(func() *wasm.Engine {
	e, err := wasm.NewEngine(wasm.Config{Interpreter: true})
	if err != nil {
		panic(err)
	}
	return e
})

func load(t testing.TB, e *wasm.Engine, binary []byte) *Module {
	t.Helper()
	m, err := Load(context.Background(), e, binary, wasm.Host{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// ticket is the example of ACT.md.
func ticket(t *testing.T) []byte {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join("..", "..", "wasm", "abi", "act", "testdata", "ticket.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join("..", "..", "wasm", "abi", "act", "testdata", "ticket.json"))
	if err != nil {
		t.Fatal(err)
	}
	if binary, err = act.WithManifest(binary, manifest); err != nil {
		t.Fatal(err)
	}
	return binary
}

// kit is a rehearsal of the kit, whose actors do what they are told.
type kit struct {
	*Rehearsal
	t *testing.T
}

func newKit(t *testing.T, e *wasm.Engine, fresh bool) *kit {
	t.Helper()
	return &kit{NewRehearsal(load(t, e, fixture(t, "kit.wasm")), fresh), t}
}

// ask sends commands as a call of kit/NAME.
func (k *kit) ask(name, commands string) Outcome {
	k.t.Helper()
	payload, err := json.Marshal(commands)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.send(Request{Event: act.Call, Envelope: act.Envelope{Self: "kit/" + name, Method: "run", Payload: payload, Now: 1000, Seed: 7}})
}

func (k *kit) send(r Request) Outcome {
	k.t.Helper()
	o, err := k.Handle(context.Background(), r)
	if err != nil {
		k.t.Fatal(err)
	}
	return o
}

// said is a reply's text, with one blank between words.
func (o *Outcome) said() string {
	if o.Err != nil {
		return "! " + o.Err.Error()
	}
	var text string
	if json.Unmarshal(o.Reply, &text) != nil {
		return string(o.Reply)
	}
	return strings.Join(strings.Fields(text), " ")
}

func code(err error) virtual.Code { return virtual.CodeOf(err) }
