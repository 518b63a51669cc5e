package deciders_test

import (
	"math"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/shards"
)

// three is a cluster of a small node, a large one and one that has measured nothing. The shard leads on the first.
func three() (*policies.View, *policies.Question) {
	s := &cluster.State{Keyspaces: []cluster.Keyspace{{Keyspace: shards.Keyspace{Name: "k", Shards: 2, Replicas: 1}}}, Shards: []cluster.Shard{
		{ID: shards.NewShardID(0, 0), Primary: 1, Copies: []cluster.Copy{{ID: 1, Node: "a", InSync: true, Started: true}, {ID: 2, Node: "b", Source: 1}}},
		{ID: shards.NewShardID(0, 1), Primary: 3, Copies: []cluster.Copy{{ID: 3, Node: "a", InSync: true, Started: true}}}}}
	for _, id := range []shards.NodeID{"a", "b", "c"} {
		s.Members = append(s.Members, cluster.Member{ID: id, Name: string(id), Epoch: 1, Roles: cluster.DefaultRoles})
	}
	v := policies.NewView(s, policies.Facts{Loads: policies.Loads{
		Nodes: []policies.NodeLoad{
			{Node: "a", Epoch: 1, Capacity: policies.Load{CPU: 4, Disk: 100}, Used: policies.Load{CPU: 2, Disk: 10}},
			{Node: "b", Epoch: 1, Capacity: policies.Load{CPU: 16, Disk: 1000}, Used: policies.Load{CPU: 2, Disk: 800}}},
		Shards: []policies.ShardLoad{{Shard: shards.NewShardID(0, 0), Primary: policies.Load{CPU: 1, Disk: 20}, Replica: policies.Load{CPU: 0.5, Disk: 20}}}}})
	return v, &policies.Question{Capability: policies.Allocate, Keyspace: &s.Keyspaces[0], Shard: &s.Shards[0]}
}

// "The part of the capacity that is used in the dimension where that is most, with what is coming, without what is leaving, and
// with the copy in question."
func TestLoadIsCapacityRelative(t *testing.T) {
	v, q := three()
	scores := make([]float64, 3)
	deciders.Load{}.Score(v, q, scores)
	for n, want := range []float64{(2 - 1 + 0.5) / 4.0, (800 + 20 + 20) / 1000.0, 0} {
		if math.Abs(scores[n]-want) > 1e-9 {
			t.Errorf("node %s: %v, want %v", v.Nodes[n].Name, scores[n], want)
		}
	}
	clear(scores)
	q.Primary = true
	deciders.Load{}.Score(v, q, scores)
	if want := (2 - 1 + 1) / 4.0; scores[0] != want {
		t.Errorf("as a primary %v, want %v", scores[0], want)
	}
}

// "Which is not counted twice where it is": else every copy would look better elsewhere, and go to and fro.
func TestACopyIsNotCountedTwiceWhereItIs(t *testing.T) {
	v, q := three()
	scores := make([]float64, 3)
	q.Copy, q.Primary = &q.Shard.Copies[0], true
	deciders.Load{}.Score(v, q, scores)
	for n, want := range []float64{(2 - 1 + 0) / 4.0, (800 + 20 + 20) / 1000.0, 0} {
		if math.Abs(scores[n]-want) > 1e-9 {
			t.Errorf("load of node %s: %v, want %v", v.Nodes[n].Name, scores[n], want)
		}
	}
	q.Shard = &v.State.Shards[1]
	q.Copy = &q.Shard.Copies[0]
	clear(scores)
	deciders.Primaries{}.Score(v, q, scores)
	if scores[0] != 0 || scores[1] != 1 {
		t.Errorf("primaries: %v, want 0 where it is, and 1 where another is to be led", scores)
	}
}

// "For copies that do not lead it has no figure."
func TestPrimariesAreSpread(t *testing.T) {
	v, q := three()
	set := policies.Set{Scorers: []policies.Scorer{deciders.Primaries{}}}
	if got := set.Scores(v, q); got[0] != 0 || got[1] != 0 {
		t.Errorf("a replica: %v", got)
	}
	q.Primary = true
	if got := set.Scores(v, q); got[0] != 1 || got[1] != 1 || got[2] != 0 { // the first is to be led by b, once its copy there is in sync
		t.Errorf("a primary: %v", got)
	}
}
