package allocator

import (
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// drawn wants copies on the first half of the nodes, by far.
type drawn struct{}

func (drawn) Name() string   { return "drawn" }
func (drawn) Scale() float64 { return 1 }
func (drawn) Score(_ *policies.View, _ *policies.Question, scores []float64) {
	for n := range scores {
		if n >= len(scores)/2 {
			scores[n] += 20
		}
	}
}

// wasm/abi/ABI.md, section 1: "A scorer ranks nodes for what has to be placed. It moves nothing by itself". What a node must give up goes
// where it says.
func TestScorersMoveNothing(t *testing.T) {
	for _, measured := range []bool{false, true} {
		w := lenient(t, 6, measured)
		w.keyspace("orders", 12, 1)
		if measured {
			w.weighAll()
		}
		w.settle()
		w.policies.Scorers = append(w.policies.Scorers, drawn{})
		if c := Make(w.input()).Command(); c != nil {
			t.Errorf("measured %v: %+v", measured, c)
		}
		w.must(&cluster.Command{Member: &cluster.MemberChange{Node: nodeID(6), Draining: yes()}})
		moved := 0
		for _, d := range Make(w.input()).Decisions {
			if d.Lane != Evacuate || d.Move.Kind != cluster.MoveAllocate {
				continue
			}
			moved++
			r := w.state.Shard(d.Shard)
			free := slices.ContainsFunc(w.state.Members[:3], func(m cluster.Member) bool { return r.CopyOn(m.ID) == nil })
			if free && d.Move.Node > nodeID(3) {
				t.Errorf("measured %v: %s", measured, d.Reason)
			}
		}
		if moved == 0 {
			t.Errorf("measured %v: nothing leaves the node that is drained", measured)
		}
	}
}
