package allocator

import (
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// leadRule refuses nodes by name, as rules of users do who have nodes that may be taken from them.
type leadRule struct {
	lead    []string // where no copy may be put or remain that leads
	hold    []string // nor any other
	promote []string // where none may be promoted
}

// nolead lets nodes hold copies, and lead none.
func nolead(names ...string) leadRule { return leadRule{lead: names, promote: names} }

func (d leadRule) Name() string   { return "nolead" }
func (d leadRule) PerShard() bool { return false }
func (d leadRule) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	for n := range v.Nodes {
		if name := v.Nodes[n].Name; q.Primary && slices.Contains(d.lead, name) || slices.Contains(d.hold, name) {
			r.Raise(n, policies.Say(policies.No, 1))
		}
	}
}
func (d leadRule) Remain(v *policies.View, q *policies.Question, r policies.Row) {
	d.Allocate(v, q, r)
}
func (d leadRule) Promote(v *policies.View, _ *policies.Question, r policies.Row) {
	for n := range v.Nodes {
		if slices.Contains(d.promote, v.Nodes[n].Name) {
			r.Raise(n, policies.Say(policies.No, 1))
		}
	}
}
func (d leadRule) Reason(v *policies.View, _ *policies.Question, node int, _ policies.Answer) string {
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
	w.policies.Deciders = append(w.policies.Deciders, nolead(names...))
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
	w.policies.Deciders = append(w.policies.Deciders, nolead("N2", "N3"))
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

// kinds counts the moves of each kind since it was asked last.
func (w *world) kinds() map[cluster.MoveKind]int {
	kinds := map[cluster.MoveKind]int{}
	for _, m := range w.moves {
		kinds[m.Kind]++
	}
	w.moves = nil
	return kinds
}

// Where a copy may stay but for its lead, and another may lead, the lead is handed over and nothing is copied.
func TestLeadsAreHandedOverAndNotMoved(t *testing.T) {
	for _, measured := range []bool{false, true} {
		w := lenient(t, 4, measured)
		w.keyspace("orders", 16, 1)
		if measured {
			w.weighAll()
		}
		w.settle()
		w.leadOf(2)
		w.kinds()
		w.policies.Deciders = append(w.policies.Deciders, nolead("N2"))
		w.settle()
		kinds := w.kinds()
		if kinds[cluster.MoveAllocate] != 0 || kinds[cluster.MoveHandTo] == 0 || !strings.Contains(w.spread(), "N2 8/0") {
			t.Errorf("measured %v: %v, and %s", measured, kinds, w.spread())
		}
	}
}

// What nobody else can lead is moved. So is what a rule lets be promoted again where it may not stay: a hand-over would be undone.
func TestLeadsThatNobodyElseCanHaveAreMoved(t *testing.T) {
	for name, c := range map[string]struct {
		replicas int
		rule     policies.Decider
	}{
		"no replica":          {0, nolead("N2")},
		"none may lead":       {1, nolead("N1", "N2", "N3")},
		"it would come back":  {1, leadRule{lead: []string{"N2"}}},
		"it would not stay":   {1, leadRule{lead: []string{"N1", "N2", "N3"}, promote: []string{"N2"}}},
		"no replica may stay": {1, leadRule{hold: []string{"N2"}, promote: []string{"N2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := lenient(t, 4, false)
			w.keyspace("orders", 16, c.replicas)
			w.settle()
			w.leadOf(2)
			w.kinds()
			w.policies.Deciders = append(w.policies.Deciders, c.rule)
			moved := 0
			for _, d := range Make(w.input()).Decisions {
				if r := w.state.Shard(d.Shard); d.Lane == Evacuate && d.Move.Kind == cluster.MoveAllocate && r.PrimaryCopy().ID == d.Move.Source && r.PrimaryCopy().Node == nodeID(2) {
					moved++
				}
			}
			if moved == 0 {
				t.Error("nothing of what N2 leads is moved")
			}
		})
	}
}
