package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// ConcurrentRebalance bounds the relocations that go on in the whole cluster, before another begins for balance alone. Setting
// cluster.routing.allocation.cluster_concurrent_rebalance.
type ConcurrentRebalance struct{}

var concurrentRebalance = policies.Derive(func(v *policies.View) int { return v.State.Number(cluster.SettingConcurrentRebalance) })

// Name is concurrent_rebalance.
func (ConcurrentRebalance) Name() string { return "concurrent_rebalance" }

// PerShard is true: the answer changes with every relocation.
func (ConcurrentRebalance) PerShard() bool { return true }

// Class is 1 for every shard while relocations are too many, and 0 otherwise.
func (ConcurrentRebalance) Class(v *policies.View, _ *policies.Question) (class uint64, ok bool) {
	if v.Relocating >= concurrentRebalance.Of(v) {
		return 1, true
	}
	return 0, true
}

// Rebalance says THROTTLE everywhere while relocations are too many.
func (d ConcurrentRebalance) Rebalance(v *policies.View, q *policies.Question, r policies.Row) {
	if class, _ := d.Class(v, q); class == 1 {
		r.RaiseAll(policies.Say(policies.Throttle, 1))
	}
}

// Reason names the relocations and the setting.
func (ConcurrentRebalance) Reason(v *policies.View, _ *policies.Question, node int, _ policies.Answer) string {
	return fmt.Sprintf("nothing leaves node %s for balance now: %d relocations go on, and setting %s is %d",
		v.Nodes[node].Name, v.Relocating, cluster.SettingConcurrentRebalance, concurrentRebalance.Of(v))
}
