package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
)

// Maintenance leaves a node in peace that may restart at any moment: it gets no new copies, keeps those it has, and others
// lead if they can. While it is down the allocator waits for it as long as the maintenance lasts.
type Maintenance struct{}

// Name is maintenance.
func (Maintenance) Name() string { return "maintenance" }

// PerShard is false.
func (Maintenance) PerShard() bool { return false }

// Allocate says NO on nodes in maintenance.
func (Maintenance) Allocate(v *policies.View, _ *policies.Question, r policies.Row) {
	onMaintained(v, r, policies.No)
}

// Rebalance says NO for copies on nodes in maintenance.
func (Maintenance) Rebalance(v *policies.View, _ *policies.Question, r policies.Row) {
	onMaintained(v, r, policies.No)
}

// Promote says NOT_PREFERRED on nodes in maintenance.
func (Maintenance) Promote(v *policies.View, _ *policies.Question, r policies.Row) {
	onMaintained(v, r, policies.NotPreferred)
}

func onMaintained(v *policies.View, r policies.Row, verdict policies.Verdict) {
	for i := range v.Nodes {
		if v.Nodes[i].Maintained {
			r.Raise(i, policies.Say(verdict, 1))
		}
	}
}

// Reason names the node.
func (Maintenance) Reason(v *policies.View, _ *policies.Question, node int, _ policies.Answer) string {
	return fmt.Sprintf("node %s is in maintenance and may restart", v.Nodes[node].Name)
}
