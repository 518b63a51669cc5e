package allocator

import (
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// nolead lets some nodes hold copies, and lead none: as rules of users do who have nodes that may be taken from them.
type nolead []string

func (d nolead) Name() string   { return "nolead" }
func (d nolead) PerShard() bool { return false }
func (d nolead) refuse(v *policies.View, q *policies.Question, r policies.Row) {
	for n := range v.Nodes {
		if q.Primary && slices.Contains(d, v.Nodes[n].Name) {
			r.Raise(n, policies.Say(policies.No, 1))
		}
	}
}
func (d nolead) Allocate(v *policies.View, q *policies.Question, r policies.Row) { d.refuse(v, q, r) }
func (d nolead) Remain(v *policies.View, q *policies.Question, r policies.Row)   { d.refuse(v, q, r) }
func (d nolead) Promote(v *policies.View, q *policies.Question, r policies.Row)  { d.refuse(v, q, r) }
func (d nolead) Reason(v *policies.View, _ *policies.Question, node int, _ policies.Answer) string {
	return v.Nodes[node].Name + " is a spot node, and leads nothing"
}

// spots makes a settled cluster of four nodes, of which these are to lead nothing from now on.
func spots(t *testing.T, shards, replicas int, names ...string) *world {
	w := newWorld(t, 1)
	for i := 1; i <= 4; i++ {
		w.join(i, "", cluster.DefaultRoles)
	}
	w.keyspace("orders", shards, replicas)
	w.settle()
	w.policies.Deciders = append(w.policies.Deciders, nolead(names))
	return w
}

// leadOf finds a shard that a node leads.
func (w *world) leadOf(i int) *cluster.Shard {
	for at := range w.state.Shards {
		if r := &w.state.Shards[at]; r.PrimaryCopy() != nil && r.PrimaryCopy().Node == nodeID(i) {
			return r
		}
	}
	w.Fatalf("%s: N%d leads nothing", w.spread(), i)
	return nil
}

// An operator's move of the copy that leads takes the lead along, and the rules are told so.
func TestMovesOfALeaderSayThatItLeads(t *testing.T) {
	w := spots(t, 8, 0, "N2", "N3")
	r := w.leadOf(1)
	wish := &cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(2), Source: r.Primary}
	if e, err := Permit(w.input(), r.ID, wish); err != nil || e.Verdict != policies.No {
		t.Errorf("the leader may move to a node that leads nothing: %s, %v", e.String(), err)
	}
	o, err := Counter(w.input(), r.ID, wish)
	if err != nil || o == nil || !slices.Equal(o.Nodes, []string{"N4"}) {
		t.Errorf("offered %+v, %v; want N4 alone", o, err)
	}
	w.keyspace("orders", 8, 1)
	w.policies.Deciders = w.policies.Deciders[:len(w.policies.Deciders)-1]
	w.settle()
	w.policies.Deciders = append(w.policies.Deciders, nolead{"N2", "N3"})
	if r = w.leadOf(1); r.CopyOn(nodeID(2)) != nil {
		wish.Node = nodeID(3)
	}
	for _, c := range r.Copies {
		if wish.Source = c.ID; c.ID != r.Primary && c.Node != wish.Node {
			if e, err := Permit(w.input(), r.ID, wish); err != nil || e.Verdict != policies.Yes {
				t.Errorf("a copy that leads nothing may not move there: %s, %v", e.String(), err)
			}
		}
	}
}

// The reason of a move is the rule's sentence, also of a rule that looks at who leads.
func TestEvacuationsOfLeadersSayWhy(t *testing.T) {
	w := spots(t, 4, 0, "N2")
	id := w.leadOf(2).ID
	for _, d := range Make(w.input()).Decisions {
		if d.Shard == id && d.Lane == Evacuate {
			if !strings.HasSuffix(d.Move.Reason, ": N2 is a spot node, and leads nothing") {
				t.Errorf("the reason is %q", d.Move.Reason)
			}
			return
		}
	}
	t.Error("the copy that leads is not moved")
}
