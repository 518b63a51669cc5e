package hosted_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// engines are both ways in which a guest runs.
func engines(t *testing.T) map[string]*hosted.Engine {
	return map[string]*hosted.Engine{"compiled": engine(t), "interpreted": interpreter(t)}
}

// The vectors that are published hold of the module that is published, in both engines; of what says otherwise the sentence names the vector,
// what was expected and what was answered.
func TestPublishedVectors(t *testing.T) {
	binary, err := os.ReadFile("../../wasm/abi/testdata/first.wasm")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile("../../wasm/abi/testdata/first.json")
	if err != nil {
		t.Fatal(err)
	}
	if binary, err = abi.WithManifest(binary, manifest); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../wasm/abi/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range engines(t) {
		v := load(t, e, binary)
		all, err := abi.ParseVectors(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Prove(t.Context(), all); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c := &all.Fixtures[0].Cases[0]
		for _, x := range []struct {
			spoil func()
			want  string
		}{
			{func() { c.Row[1] = 0 }, "first.yaml:5: allocate orders/0: node n2: expected YES, answered NO (node n2 is draining)"},
			{func() { c.Row[1], c.Row[2] = 0xc1, 0xc9 }, "node n3: expected NO with reason 9, which its manifest does not have, answered YES"},
			{func() { c.Export = abi.ExportPromote }, "asks can_promote, which policy first does not export"},
		} {
			x.spoil()
			if err := v.Prove(t.Context(), all); !errors.Is(err, hosted.ErrVector) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: %v, want %q", name, err, x.want)
			}
		}
		c.Export = abi.ExportAllocate
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.Prove(ctx, all); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "first.yaml:5: allocate orders/0 not at all") {
			t.Errorf("%s: after its time: %v", name, err)
		}
	}
}

// asks are all questions about all shards of a world, about the first copy where there is one.
func asks(v *policies.View) (all []hosted.Asked) {
	for place := range v.State.Shards {
		for c := policies.Allocate; c <= policies.Start; c++ {
			q := *question(v, place)
			q.Capability, q.New = c, len(q.Shard.Copies) == 0
			if len(q.Shard.Copies) > 0 {
				q.Copy, q.Primary = &q.Shard.Copies[0], q.Shard.Copies[0].ID == q.Shard.Primary
			}
			all = append(all, hosted.Asked{Question: q, Line: len(all) + 1, Name: fmt.Sprintf("%v shard %d", c, place)})
		}
		all = append(all, hosted.Asked{Question: *question(v, place), Score: true, Name: fmt.Sprintf("score shard %d", place)})
	}
	return all
}

// What is recorded in one engine is answered so in both, also when it has been a section.
func TestRecordedVectors(t *testing.T) {
	view := parse(t, `node N1
node N2 +draining
node N3 disk=900/1000
keyspace orders shards=3 replicas=1
shard orders/0 primary@N1 sync@N2 disk=10/10
shard orders/1 primary@N2 init@N3
`).View()
	for path, want := range map[string]string{
		"../../actors/placement/testdata/keep_off.wasm": `"row":"c10000"`,
		"../modules/draining/draining.wasm":             `"row":"00c100"`,
		"../modules/load/load.wasm":                     `"points":[`,
	} {
		binary, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		own := map[string]string{}
		if strings.Contains(path, "keep_off") {
			own["nodes"] = "N1"
		}
		var texts []string
		for name, e := range engines(t) {
			v := load(t, e, binary)
			f, err := v.Record(t.Context(), "town.yaml", view, own, asks(view))
			if err != nil || len(f.Cases) == 0 {
				t.Fatalf("%s, %s: %v", path, name, err)
			}
			with, err := abi.WithVectors(binary, &abi.Vectors{Format: abi.VectorsFormat, Fixtures: []abi.Fixture{*f}})
			if err != nil {
				t.Fatal(err)
			}
			all, err := abi.FindVectors(with)
			if err != nil || all.Count() != len(f.Cases) {
				t.Fatalf("%s: %d vectors, %v", path, all.Count(), err)
			}
			if err := load(t, e, with).Prove(t.Context(), all); err != nil {
				t.Errorf("%s, %s: %v", path, name, err)
			}
			text, err := abi.Custom(with, abi.VectorsSection)
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s, %s: %q is not in %s, %v", path, name, want, text, err)
			}
			texts = append(texts, string(text))
		}
		if texts[0] != texts[1] {
			t.Errorf("%s: both engines are recorded otherwise", path)
		}
	}
}

// A module that fails in a vector, or takes too long for all of them, has not answered.
func TestVectorsThatFail(t *testing.T) {
	view := orphans(t).View()
	yes := load(t, engine(t), fixture(t, "hostile/yes", abi.Manifest{}))
	f, err := yes.Record(t.Context(), "town.yaml", view, nil, asks(view)[:1])
	if err != nil {
		t.Fatal(err)
	}
	prove := func(v *hosted.Version, f abi.Fixture, cases int) error {
		one := f.Cases[0]
		for len(f.Cases) < cases {
			f.Cases = append(f.Cases, one)
		}
		return v.Prove(t.Context(), &abi.Vectors{Format: abi.VectorsFormat, Fixtures: []abi.Fixture{f}})
	}
	for _, x := range []struct {
		path, want string
		cases      int
		manifest   abi.Manifest
	}{
		{"hostile/loop", "town.yaml:1: allocate shard 0: policy loop 1, export can_allocate: ", 1, abi.Manifest{}},
		{"hostile/no", "town.yaml:1: allocate shard 0: node N00: expected YES, answered NO (node N00 may not have shard {shard})", 1, abi.Manifest{}},
		{"plain/both", "they may use together: carry fewer", abi.MaxVectors, abi.Manifest{Scale: 1}},
		{"hostile/refuse", "town.yaml: policy refuse 1, export pol_state: it refuses the state", 1, abi.Manifest{}},
		{"hostile/yes", "was recorded without column node_name, which the manifest of policy yes needs", 1, abi.Manifest{Needs: []string{"node_name"}}},
	} {
		err := prove(load(t, engine(t), fixture(t, x.path, x.manifest)), *f, x.cases)
		if !errors.Is(err, hosted.ErrVector) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.path, err, x.want)
		}
	}
	f.Settings = json.RawMessage(`{}`)
	if err := prove(yes, *f, 1); err != nil {
		t.Errorf("settings that nobody asks for: %v", err)
	}
}
