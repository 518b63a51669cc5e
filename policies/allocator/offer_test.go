package allocator

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// An operator whose move is refused is told which move would make it possible, and where the copy could go instead.
func TestRefusedMovesAreAnsweredWithAnOffer(t *testing.T) {
	w := newWorld(t, 1)
	for i, host := range []string{"a", "b", "c", "h", "h"} {
		w.join(i+1, host, cluster.DefaultRoles)
	}
	set := func(name, value string) {
		w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: name, Value: value}}}})
	}
	set(cluster.SettingSameHost, "true")
	w.keyspace("orders", 12, 1)
	w.settle()
	r := &w.state.Shards[0]
	for i := range w.state.Shards {
		if w.state.Shards[i].CopyOn(nodeID(4)) != nil {
			r = &w.state.Shards[i]
		}
	}
	beside := r.CopyOn(nodeID(4))
	moved := &r.Copies[0]
	if moved.ID == beside.ID {
		moved = &r.Copies[1]
	}
	wish := &cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(5), Source: moved.ID}
	o, err := Counter(w.input(), r.ID, wish)
	if err != nil || o == nil || o.First == nil || o.First.Copy != beside.ID || len(o.Nodes) == 0 || len(o.Rules) != 1 || o.Rules[0].Decider != "same_host" {
		t.Fatalf("offered %+v, %v", o, err)
	}
	if !strings.Contains(o.String(), "once copy") || !strings.Contains(o.String(), "may go to") {
		t.Error(o.String())
	}
	carryOut(w, o)
	if e, err := Permit(w.input(), r.ID, wish); err != nil || e.Verdict != policies.Yes {
		t.Errorf("the helping move was made, and the wish is %s, %v", e.String(), err)
	}
	if o, err := Counter(w.input(), r.ID, wish); o != nil || err != nil {
		t.Errorf("for what is allowed %+v is offered, %v", o, err)
	}
}

// carryOut makes the move that was offered, and lets the nodes do it.
func carryOut(w *world, o *Offer) {
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		if w.state.ShardName(r.ID) != o.First.Shard {
			continue
		}
		move := cluster.Move{Kind: cluster.MoveAllocate, Node: w.state.MemberByName(o.First.To).ID, Source: o.First.Copy}
		w.must(&cluster.Command{Reroute: &cluster.Reroute{Rows: []cluster.RowChange{{Shard: r.ID, Base: r.Version, Moves: []cluster.Move{move}}}}})
		break
	}
	for range 3 {
		w.work()
	}
}

// A node that is full takes the copy once another has left it; where nothing helps, nothing is promised.
func TestOffersMakeRoom(t *testing.T) {
	w := newWorld(t, 1)
	for i := 1; i <= 4; i++ {
		w.join(i, "", cluster.DefaultRoles)
	}
	w.keyspace("orders", 10, 0)
	w.settle()
	w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: cluster.SettingShardsPerNode, Value: "3"}}}})
	full, free := -1, 0
	for i := 1; i <= 4; i++ {
		held := 0
		for _, r := range w.state.Shards {
			if r.CopyOn(nodeID(i)) != nil {
				held++
			}
		}
		if held == 3 {
			full = i
		} else {
			free++
		}
	}
	if full < 0 || free == 0 {
		t.Fatalf("%s: the test has no full node, or no other", w.spread())
	}
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		if r.CopyOn(nodeID(full)) != nil {
			continue
		}
		wish := &cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(full), Source: r.Primary}
		o, err := Counter(w.input(), r.ID, wish)
		if err != nil || o == nil || o.First == nil || o.First.From != w.state.NodeName(nodeID(full)) {
			t.Fatalf("offered %+v, %v", o, err)
		}
		carryOut(w, o)
		if e, err := Permit(w.input(), r.ID, wish); err != nil || e.Verdict != policies.Yes {
			t.Errorf("room was made, and the wish is %s, %v", e.String(), err)
		}
		break
	}
	w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: cluster.SettingAllocationEnable, Value: "none"}}}})
	r := &w.state.Shards[0]
	for i := 1; i <= 4; i++ {
		if r.CopyOn(nodeID(i)) == nil {
			o, err := Counter(w.input(), r.ID, &cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(i), Source: r.Primary})
			if err != nil || o == nil || o.First != nil || len(o.Nodes) > 0 || len(o.Rules) == 0 {
				t.Errorf("while nothing may be allocated %+v is offered, %v", o, err)
			}
		}
	}
}
