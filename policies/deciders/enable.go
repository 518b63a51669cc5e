package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Enable switches kinds of allocation off by two settings, which a keyspace may say for itself:
//
//	cluster.routing.allocation.enable  all | primaries | new_primaries | none    which new copies there may be
//	cluster.routing.rebalance.enable   all | primaries | replicas | none         which copies may move for balance alone
//
// An in-sync copy is promoted whatever they say: a restarted node serves what it has.
type Enable struct{}

// Name is enable.
func (Enable) Name() string { return "enable" }

// PerShard is false.
func (Enable) PerShard() bool { return false }

// Allocate says NO everywhere to what is switched off.
func (Enable) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	allowed := true
	switch value, _ := v.Setting(q.Keyspace, cluster.SettingAllocationEnable); value {
	case cluster.EnablePrimaries:
		allowed = q.Primary || q.New
	case cluster.EnableNewPrimaries:
		allowed = q.New
	case cluster.EnableNone:
		allowed = false
	}
	if !allowed {
		r.RaiseAll(policies.Say(policies.No, 1))
	}
}

// Rebalance says NO everywhere to what is switched off.
func (Enable) Rebalance(v *policies.View, q *policies.Question, r policies.Row) {
	allowed := true
	switch value, _ := v.Setting(q.Keyspace, cluster.SettingRebalanceEnable); value {
	case cluster.EnablePrimaries:
		allowed = q.Primary
	case cluster.EnableReplicas:
		allowed = !q.Primary
	case cluster.EnableNone:
		allowed = false
	}
	if !allowed {
		r.RaiseAll(policies.Say(policies.No, 2))
	}
}

// Reason names the setting and its value.
func (Enable) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	kind := "replica"
	switch {
	case q.New:
		kind = "new primary"
	case q.Primary:
		kind = "primary"
	}
	if a.Code() == 2 {
		value, from := v.Setting(q.Keyspace, cluster.SettingRebalanceEnable)
		return fmt.Sprintf("no %s leaves node %s for balance: setting %s is %s", kind, v.Nodes[node].Name, from, value)
	}
	value, from := v.Setting(q.Keyspace, cluster.SettingAllocationEnable)
	return fmt.Sprintf("no %s is allocated on node %s: setting %s is %s", kind, v.Nodes[node].Name, from, value)
}
