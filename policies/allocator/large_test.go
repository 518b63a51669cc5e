package allocator

import (
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// Where nodes are too many to be ranked one by one for each copy, numbers come out as even all the same: nothing is to be moved or
// handed over afterwards, and what a node that dies held and led is spread.
func TestManyNodesAreEvenToo(t *testing.T) {
	w := newWorld(t, 1)
	for i := 1; i <= few+36; i++ {
		w.join(i, fmt.Sprintf("h%d", i), cluster.DefaultRoles)
	}
	w.keyspace("orders", 1000, 2)
	w.keyspace("carts", 200, 1)
	w.reroute()
	for w.work() {
	}
	if p := Make(w.input()); p.Command() != nil {
		t.Errorf("there is something left to do: %+v", p.Decisions[0])
	}
	w.judge(nodeID(7), liveness.Dead, "killed")
	w.settle()
	w.ticks += 10000
	w.settle()
	copies, primaries := map[string]int{}, map[string]int{}
	for _, r := range w.state.Shards {
		if len(r.Copies) != w.state.Keyspace(r.ID.Keyspace()).Copies() {
			t.Fatalf("%s", w.state.Describe(&r))
		}
		for _, c := range r.Copies {
			copies[string(c.Node)]++
		}
		primaries[string(r.PrimaryCopy().Node)]++
	}
	for n, c := range copies {
		if c < 31 || c > 38 || primaries[n] < 9 || primaries[n] > 15 {
			t.Errorf("node %s has %d copies and leads %d", n, c, primaries[n])
		}
	}
}
