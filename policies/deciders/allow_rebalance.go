package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// AllowRebalance moves nothing for balance while any shard of the cluster is not well. Setting
// cluster.routing.allocation.allow_rebalance:
//
//	always                     whatever the others do (the default)
//	indices_primaries_active   once every shard has a primary
//	indices_all_active         once every shard has all its copies in sync
type AllowRebalance struct{}

// The codes of its reasons, which are its classes too.
const (
	someUnled = iota + 1
	someUnwhole
)

var allowRebalance = policies.Derive(func(v *policies.View) string { return v.State.Value(cluster.SettingAllowRebalance) })

// Name is allow_rebalance.
func (AllowRebalance) Name() string { return "allow_rebalance" }

// PerShard is true: the answer changes with every shard's copies.
func (AllowRebalance) PerShard() bool { return true }

// Class is the same for every shard: whether others are waited for.
func (AllowRebalance) Class(v *policies.View, _ *policies.Question) (class uint64, ok bool) {
	switch allowed := allowRebalance.Of(v); {
	case allowed == cluster.RebalanceAlways:
	case v.Unled > 0:
		return someUnled, true
	case allowed == cluster.RebalanceWithAll && v.Unwhole > 0:
		return someUnwhole, true
	}
	return 0, true
}

// Rebalance says NO everywhere while others are waited for.
func (d AllowRebalance) Rebalance(v *policies.View, q *policies.Question, r policies.Row) {
	if class, _ := d.Class(v, q); class != 0 {
		r.RaiseAll(policies.Say(policies.No, uint8(class)))
	}
}

// Reason names the setting, its value and the shards that are waited for.
func (AllowRebalance) Reason(v *policies.View, _ *policies.Question, node int, a policies.Answer) string {
	lack, count := "no primary", v.Unled
	if a.Code() == someUnwhole {
		lack, count = "fewer copies in sync than they should", v.Unwhole
	}
	return fmt.Sprintf("nothing leaves node %s for balance while shards have %s, now %d: setting %s is %s",
		v.Nodes[node].Name, lack, count, cluster.SettingAllowRebalance, allowRebalance.Of(v))
}
