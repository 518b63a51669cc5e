package hosted_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm/abi"
)

func engine(t testing.TB) *hosted.Engine {
	t.Helper()
	e, err := hosted.NewEngine(hosted.EngineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// orphans is a cluster of 12 nodes of which the first is dead: a third of 60 shards have lost their primary. One of the heirs'
// nodes is sick.
func orphans(t testing.TB) *tck.World {
	t.Helper()
	var text strings.Builder
	for i := range 12 {
		state := map[int]string{0: "dead", 5: "grey"}[i]
		if state == "" {
			state = "alive"
		}
		fmt.Fprintf(&text, "node N%02d state=%s\n", i, state)
	}
	text.WriteString("keyspace k shards=60 replicas=2\n")
	for i := range 60 {
		first := 0
		if i%3 != 0 {
			first = 1 + i%11
		}
		second := 1 + (first+i+i/11)%11
		for second == first {
			second = 1 + second%11
		}
		third := 1 + (second+i)%11
		for third == first || third == second {
			third = 1 + third%11
		}
		fmt.Fprintf(&text, "shard k/%d primary@N%02d sync@N%02d sync@N%02d\n", i, first, second, third)
	}
	w, err := tck.Parse("orphans", text.String())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func input(w *tck.World, set *policies.Set) allocator.Input {
	return allocator.Input{State: w.State, Evidence: w.Facts.Evidence, Policies: set, Seed: 3, Ticks: w.Facts.Ticks, TickLength: w.Facts.TickLength, Loads: w.Facts.Loads}
}

// promotions is who is promoted, shard by shard.
func promotions(w *tck.World, set *policies.Set) string {
	return promoted(allocator.Make(input(w, set)))
}

func promoted(p *allocator.Plan) string {
	var out strings.Builder
	for _, r := range p.Rows {
		for _, m := range r.Moves {
			if m.Kind == cluster.MovePromote {
				fmt.Fprintf(&out, "%v c%d, ", r.Shard, m.Copy)
			}
		}
	}
	return out.String()
}

// readied is the memory of a leader that had time, and has the guests of a set begin meanwhile, which have not been asked anything.
func readied(calm *tck.World, set *hosted.Set) *allocator.Memory {
	memory := &allocator.Memory{}
	memory.Make(input(calm, &policies.Set{Deciders: deciders.All()}))
	set.Haste()
	set.Ready(memory.View())
	return memory
}

// question is about a new copy of a shard.
func question(v *policies.View, place int) *policies.Question {
	r := &v.State.Shards[place]
	return &policies.Question{Capability: policies.Allocate, Keyspace: v.State.Keyspace(r.ID.Keyspace()), Shard: r, Place: place}
}

// fixture is a module of testdata with a manifest.
func fixture(t testing.TB, path string, m abi.Manifest) []byte {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join("testdata", path+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name == "" {
		m.Name = filepath.Base(path)
	}
	m.Version, m.ABI = "1", 1
	if m.Kind == "" {
		m.Kind = abi.Hard
	}
	if m.Per == "" {
		m.Per = abi.PerShard
	}
	if m.Reasons == nil {
		m.Reasons = []string{"", "node {node} may not have shard {shard}"}
	}
	if m.Needs == nil {
		m.Needs = []string{"node_flags"}
	}
	whole, err := abi.WithManifest(binary, m.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func load(t testing.TB, e *hosted.Engine, binary []byte) *hosted.Version {
	t.Helper()
	v, err := hosted.Load(t.Context(), e, binary)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// with is the native deciders with one policy behind them.
func with(users ...*hosted.Version) *hosted.Set {
	var of []hosted.Policy
	for _, v := range users {
		of = append(of, hosted.Policy{Version: v})
	}
	return hosted.NewSet(deciders.All(), of)
}
