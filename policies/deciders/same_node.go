package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
)

// SameNode refuses a second copy of a shard on one node: it would fall with the first.
type SameNode struct{}

// Name is same_node.
func (SameNode) Name() string { return "same_node" }

// PerShard is true: the answer is about where the shard's copies are.
func (SameNode) PerShard() bool { return true }

// Allocate says NO where a copy is.
func (SameNode) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	for i := range q.Shard.Copies {
		if n := v.Node(q.Shard.Copies[i].Node); n >= 0 {
			r.Raise(n, policies.Say(policies.No, 1))
		}
	}
}

// Meter is the answer about one node.
func (d SameNode) Meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	if class, _ := d.PairClass(v, q, node); class == 1 {
		return policies.Say(policies.No, 1)
	}
	return 0
}

// PairClass is 1 where a copy of the shard is on the node.
func (SameNode) PairClass(v *policies.View, q *policies.Question, node int) (class uint64, ok bool) {
	if q.Shard.CopyOn(v.Nodes[node].ID) != nil {
		return 1, true
	}
	return 0, true
}

// Reason names the copy that is there.
func (SameNode) Reason(v *policies.View, q *policies.Question, node int, _ policies.Answer) string {
	c := q.Shard.CopyOn(v.Nodes[node].ID)
	return fmt.Sprintf("node %s has copy c%d of shard %s already", v.Nodes[node].Name, c.ID, v.State.ShardName(q.Shard.ID))
}
