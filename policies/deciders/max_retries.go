package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// MaxRetries leaves a shard alone after so many failed copies in a row, so that one that breaks its nodes does not walk
// through the cluster. Setting cluster.routing.allocation.max_retries, 5 by default. A reroute with retry_failed begins anew.
type MaxRetries struct{}

// Name is max_retries.
func (MaxRetries) Name() string { return "max_retries" }

// PerShard is true: each shard counts its own failures.
func (MaxRetries) PerShard() bool { return true }

// Allocate says NO everywhere once the failures are too many.
func (MaxRetries) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	if int(q.Shard.Failures) >= v.Settings.MaxRetries {
		r.RaiseAll(policies.Say(policies.No, 1))
	}
}

// Reason names the failures, the setting and the way out.
func (MaxRetries) Reason(v *policies.View, q *policies.Question, node int, _ policies.Answer) string {
	return fmt.Sprintf("shard %s is not tried on node %s: %d copies failed in a row, and setting %s is %d; reroute with retry_failed when the cause is gone",
		v.State.ShardName(q.Shard.ID), v.Nodes[node].Name, q.Shard.Failures, cluster.SettingMaxRetries, v.Settings.MaxRetries)
}
