package allocator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// lenient makes a cluster in which some rules of the house do not hold, as under a policy of the same name that always says YES.
func lenient(t *testing.T, nodes int, measured bool, rules ...string) *world {
	w := newWorld(t, 1)
	w.policies.Deciders = slices.DeleteFunc(w.policies.Deciders, func(d policies.Decider) bool { return slices.Contains(rules, d.Name()) })
	for i := 1; i <= nodes; i++ {
		w.join(i, "", cluster.DefaultRoles)
		if measured {
			if w.power == nil {
				w.power = map[shards.NodeID]policies.Load{}
			}
			w.power[nodeID(i)] = policies.Load{CPU: 4, Memory: 16 << 30, Disk: 100 << 30}
		}
	}
	return w
}

// weighAll gives every shard the same load, where that is measured.
func (w *world) weighAll() {
	for i := range w.state.Shards {
		l := policies.Load{CPU: 0.1, Memory: 1 << 30, Disk: 2 << 30}
		w.weights = append(w.weights, policies.ShardLoad{Shard: w.state.Shards[i].ID, Primary: l, Replica: l})
	}
}

// A rule that is too lenient does not keep plans from what the state allows: the next node is taken.
func TestPlansChooseWhatIsPossible(t *testing.T) {
	for _, nodes := range []int{5, few + 6} {
		for _, measured := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d nodes, measured %v", nodes, measured), func(t *testing.T) {
				w := lenient(t, nodes, measured, "same_node", "alive")
				w.keyspace("orders", 8, 2)
				if measured {
					w.weighAll()
				}
				w.settle()
				for i := range w.state.Shards {
					if r := &w.state.Shards[i]; len(r.Copies) != 3 {
						t.Errorf("%s", w.state.Describe(r))
					}
				}
				p := w.die(1)
				w.must(&cluster.Command{Member: &cluster.MemberChange{Node: nodeID(2), Draining: yes()}})
				w.settle()
				for i := range w.state.Shards {
					if r := &w.state.Shards[i]; r.CopyOn(nodeID(2)) != nil || len(r.Copies) != 3 {
						t.Errorf("N2 is drained, and %s", w.state.Describe(r))
					}
				}
				for _, d := range append(p.Decisions, Make(w.input()).Decisions...) {
					if strings.Contains(d.Reason, "the state does not") {
						t.Error(d.Reason)
					}
				}
			})
		}
	}
}

// die has a node die so long ago that nobody waits for it any more, and gives the plan that says so.
func (w *world) die(i int) *Plan {
	w.judge(nodeID(i), liveness.Dead, "dead by this test")
	p := w.reroute()
	w.ticks += 100_000
	return p
}

func yes() *bool { b := true; return &b }

// An explanation says what the plan goes by where deciders say nothing.
func TestExplanationsSayWhatIsImpossible(t *testing.T) {
	w := lenient(t, 3, false, "same_node", "alive")
	w.keyspace("orders", 1, 0)
	w.settle()
	r := &w.state.Shards[0]
	lead := w.state.Member(r.PrimaryCopy().Node)
	other := 1 + slices.IndexFunc(w.state.Members, func(m cluster.Member) bool { return m.ID != lead.ID })
	w.die(other)
	e, err := Explain(w.input(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for n := range e.Nodes {
		want := policies.Word{}
		switch e.Nodes[n].Node {
		case lead.Name:
			want = policies.Word{Decider: rulePossible, Verdict: policies.No, Reason: "node " + lead.Name + " has a copy of orders/0 already, whatever policies say"}
		case fmt.Sprintf("N%d", other):
			want = policies.Word{Decider: rulePossible, Verdict: policies.No, Reason: fmt.Sprintf("node N%d is down, whatever policies say", other)}
		}
		if got := e.Nodes[n].Decisive(); got != want {
			t.Errorf("%s: %+v", e.Nodes[n].Node, got)
		}
	}
}

// What the state refuses is among the rules in the way of a copy, where no policy says it.
func TestConflictsNameWhatIsImpossible(t *testing.T) {
	w := lenient(t, 4, false, "same_node", "alive")
	w.keyspace("orders", 1, 1)
	w.settle()
	r := &w.state.Shards[0]
	dead := 1
	for ; r.CopyOn(nodeID(dead)) == nil || nodeID(dead) == r.PrimaryCopy().Node; dead++ {
	}
	for i := range w.state.Members {
		if r.CopyOn(w.state.Members[i].ID) == nil {
			w.must(&cluster.Command{Member: &cluster.MemberChange{Node: w.state.Members[i].ID, Draining: yes()}})
		}
	}
	w.die(dead)
	e, err := Explain(w.input(), w.state.Shards[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range e.Conflict {
		out = append(out, e.Conflict[i].String())
	}
	if len(out) != 2 || !strings.HasPrefix(out[0], "[draining] refuses 2 nodes, 2 of them alone, as ") || !strings.HasPrefix(out[1], "[possible] refuses 2 nodes, 2 of them alone, as ") {
		t.Errorf("in the way: %q", out)
	}
}
