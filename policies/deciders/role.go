package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Role refuses copies on nodes without the role data, and moves away those of a node that has given it up.
type Role struct{}

// Name is role.
func (Role) Name() string { return "role" }

// PerShard is false.
func (Role) PerShard() bool { return false }

// Allocate says NO on nodes without the role.
func (Role) Allocate(v *policies.View, _ *policies.Question, r policies.Row) { withoutData(v, r) }

// Remain says NO on nodes without the role.
func (Role) Remain(v *policies.View, _ *policies.Question, r policies.Row) { withoutData(v, r) }

func withoutData(v *policies.View, r policies.Row) {
	for i := range v.Nodes {
		if !v.Nodes[i].Has(cluster.RoleData) {
			r.Raise(i, policies.Say(policies.No, 1))
		}
	}
}

// Reason names the roles.
func (Role) Reason(v *policies.View, _ *policies.Question, node int, _ policies.Answer) string {
	return fmt.Sprintf("node %s has the roles %v, and holds no copies without the role data", v.Nodes[node].Name, v.Nodes[node].Roles)
}
