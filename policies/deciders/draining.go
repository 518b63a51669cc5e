package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
)

// Draining empties a node that is to leave: nothing new comes to it, what it holds moves away, and others lead if they can.
type Draining struct{}

// Name is draining.
func (Draining) Name() string { return "draining" }

// PerShard is false.
func (Draining) PerShard() bool { return false }

// Allocate says NO on draining nodes.
func (Draining) Allocate(v *policies.View, _ *policies.Question, r policies.Row) {
	onDraining(v, r, policies.No)
}

// Remain says NO on draining nodes.
func (Draining) Remain(v *policies.View, _ *policies.Question, r policies.Row) {
	onDraining(v, r, policies.No)
}

// Promote says NOT_PREFERRED on draining nodes: better than nobody.
func (Draining) Promote(v *policies.View, _ *policies.Question, r policies.Row) {
	onDraining(v, r, policies.NotPreferred)
}

func onDraining(v *policies.View, r policies.Row, verdict policies.Verdict) {
	for i := range v.Nodes {
		if v.Nodes[i].Draining {
			r.Raise(i, policies.Say(verdict, 1))
		}
	}
}

// Reason names the node.
func (Draining) Reason(v *policies.View, _ *policies.Question, node int, _ policies.Answer) string {
	return fmt.Sprintf("node %s is draining", v.Nodes[node].Name)
}
