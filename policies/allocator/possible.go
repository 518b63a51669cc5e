package allocator

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// What the cluster state would refuse whatever deciders say: a copy on a node that is down or holds no data, and a second one on a node
// that has one. The rules of the house say as much; one that a user has put in the place of alive or same_node need not, and a plan that
// chose such a node would choose it again and again, with others free:
//
//	              N1 (down)  N2 (has a copy)  N3
//	deciders      YES        YES              YES
//	possible      no         no               yes     ◄── of these the best is taken

// rulePossible is what explanations call it.
const rulePossible = "possible"

// impossible is the answer in rows of deciders'.
var impossible = policies.Say(policies.No, policies.MaxCode)

// lookBarred lists the nodes that can take no copy at all.
func (p *planner) lookBarred() {
	for n := range p.view.Nodes {
		if p.barred(n) {
			p.shut = append(p.shut, int32(n))
		}
	}
}

func (p *planner) barred(n int) bool {
	node := &p.view.Nodes[n]
	return node.Down || !node.Has(cluster.RoleData)
}

// bar raises a row of answers about another copy of a shard where the state refuses it.
func (p *planner) bar(row policies.Row, r *cluster.Shard) {
	for _, n := range p.shut {
		row.Raise(int(n), impossible)
	}
	for at := range r.Copies {
		row.Raise(p.node(r.Copies[at].Node), impossible)
	}
}

// possible says whether the state would let a node have another copy of a shard.
func (p *planner) possible(r *cluster.Shard, n int) bool {
	return !p.barred(n) && r.CopyOn(p.view.Nodes[n].ID) == nil
}

// addPossible has an explanation of a place for a copy say what deciders left unsaid.
func (p *planner) addPossible(e *policies.Explanation, r *cluster.Shard, n int) {
	if e.Verdict == policies.No || p.possible(r, n) {
		return
	}
	e.Verdict = policies.No
	e.Words = append(slices.Clip(e.Words), policies.Word{Decider: rulePossible, Verdict: policies.No, Reason: p.whyImpossible(r, n)})
}

// whyImpossible is the sentence.
func (p *planner) whyImpossible(r *cluster.Shard, n int) string {
	node := &p.view.Nodes[n]
	reason := fmt.Sprintf("node %s has a copy of %s already", node.Name, p.name(r.ID))
	switch {
	case node.Down:
		reason = fmt.Sprintf("node %s is down", node.Name)
	case p.barred(n):
		reason = fmt.Sprintf("node %s has not the role data", node.Name)
	}
	return reason + ", whatever policies say"
}

// whatever is what the state refuses as a rule beside those of the set: for who looks for the rules that leave a copy no node.
type whatever planner

// Name is what explanations call it.
func (w *whatever) Name() string { return rulePossible }

// PerShard says that it looks at a shard's own copies.
func (w *whatever) PerShard() bool { return true }

// Allocate refuses nodes that cannot have another copy of the shard.
func (w *whatever) Allocate(_ *policies.View, q *policies.Question, r policies.Row) {
	(*planner)(w).bar(r, q.Shard)
}

// Reason says why a node cannot.
func (w *whatever) Reason(_ *policies.View, q *policies.Question, n int, _ policies.Answer) string {
	return (*planner)(w).whyImpossible(q.Shard, n)
}
