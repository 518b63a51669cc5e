package hosted

import (
	"context"
	"os"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A guest that goes from set to set is the same one, knows each set's view, and its lines are heard where it is asked. One with
// other settings is started anew.
func TestTakeOver(t *testing.T) {
	e, err := NewEngine(EngineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	code, err := os.ReadFile("../../actors/placement/testdata/keep_off.wasm")
	if err != nil {
		t.Fatal(err)
	}
	v, err := Load(context.Background(), e, code)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	k := shards.Keyspace{Name: "orders", Shards: 1}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	s := &cluster.State{Keyspaces: []cluster.Keyspace{{Keyspace: k}}, Shards: []cluster.Shard{{}}}
	settings := map[string]string{"nodes": "n2"}
	set := NewSet(nil, []Policy{{Version: v, Settings: settings}})
	var guest *guest
	for round, name := range []string{"n1", "n2", "n3", "n2"} {
		s.Members = append(s.Members, cluster.Member{ID: shards.NodeID(rune('a' + round)), Name: name})
		view := policies.NewView(s, policies.Facts{})
		row := set.Ask(view, &policies.Question{Capability: policies.Allocate, Keyspace: &s.Keyspaces[0], Shard: &s.Shards[0]})
		for n := range row {
			if want := s.Members[n].Name == "n2"; (row[n].Verdict() == policies.No) != want {
				t.Errorf("round %d: node %s: %v", round, s.Members[n].Name, row[n].Verdict())
			}
		}
		if now := set.minds[0].guest; guest != nil && now != guest {
			t.Errorf("round %d: another guest was started", round)
		} else {
			guest = now
		}
		if lines, _ := set.Lines(); len(lines) == 0 {
			t.Errorf("round %d: nothing was heard of it", round)
		}
		next := NewSet(nil, []Policy{{Version: v, Settings: map[string]string{"nodes": "n2"}}})
		next.TakeOver(set)
		set.Close()
		set = next
	}
	other := NewSet(nil, []Policy{{Version: v, Settings: map[string]string{"nodes": "n3"}}})
	other.TakeOver(set)
	if other.minds[0].guest != nil {
		t.Error("a guest went to other settings")
	}
	set.Close()
}
