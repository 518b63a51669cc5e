package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
)

// ReplicaAfterPrimary lets a shard have no more copies while nobody leads it: there is nobody to recover from.
type ReplicaAfterPrimary struct{}

// Name is replica_after_primary.
func (ReplicaAfterPrimary) Name() string { return "replica_after_primary" }

// PerShard is true: the answer is about the shard's primary.
func (ReplicaAfterPrimary) PerShard() bool { return true }

// Class is 1 for shards that have copies, and no primary.
func (ReplicaAfterPrimary) Class(_ *policies.View, q *policies.Question) (class uint64, ok bool) {
	if q.Shard.Primary == 0 && len(q.Shard.Copies) > 0 {
		return 1, true
	}
	return 0, true
}

// Allocate says THROTTLE everywhere until a copy has been promoted.
func (d ReplicaAfterPrimary) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	if class, _ := d.Class(v, q); class == 1 {
		r.RaiseAll(policies.Say(policies.Throttle, 1))
	}
}

// Reason names the shard.
func (ReplicaAfterPrimary) Reason(v *policies.View, q *policies.Question, node int, _ policies.Answer) string {
	return fmt.Sprintf("node %s waits with a copy of shard %s until that has a primary to recover from", v.Nodes[node].Name, v.State.ShardName(q.Shard.ID))
}
