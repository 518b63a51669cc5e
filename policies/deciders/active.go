package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
)

// Active moves nothing for balance while a shard lacks a copy, or has one on its way: first whole, then even.
type Active struct{}

// Name is active.
func (Active) Name() string { return "active" }

// PerShard is true: the answer is about the shard's copies.
func (Active) PerShard() bool { return true }

// Class is 0 for a shard that lacks nothing, and is that way to stay.
func (Active) Class(_ *policies.View, q *policies.Question) (class uint64, ok bool) {
	if in := q.Shard.InSync(); in < q.Keyspace.Copies() || in < len(q.Shard.Copies) || q.Shard.Primary == 0 || q.Shard.HandTo != 0 || moving(q) {
		return 1, true
	}
	return 0, true
}

// Rebalance says NO everywhere unless all copies are in sync and none is on its way.
func (d Active) Rebalance(v *policies.View, q *policies.Question, r policies.Row) {
	if class, _ := d.Class(v, q); class != 0 {
		r.RaiseAll(policies.Say(policies.No, 1))
	}
}

func moving(q *policies.Question) bool {
	for i := range q.Shard.Copies {
		if q.Shard.Copies[i].Source != 0 {
			return true
		}
	}
	return false
}

// Reason names the shard's state.
func (Active) Reason(v *policies.View, q *policies.Question, node int, _ policies.Answer) string {
	return fmt.Sprintf("shard %s leaves node %s alone for now: %d of %d copies are in sync, or one is on its way",
		v.State.ShardName(q.Shard.ID), v.Nodes[node].Name, q.Shard.InSync(), q.Keyspace.Copies())
}
