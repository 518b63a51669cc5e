package deciders

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// What follows is policies.Silent: most rules are about settings that nobody has made, and nodes that are well. Whoever plans for a
// hundred thousand copies need not ask them about each.

// Silent where the setting is off.
func (SameHost) Silent(v *policies.View, _ policies.Capability) bool { return !v.Settings.SameHost }

// Silent where no keyspace names an attribute.
func (Awareness) Silent(v *policies.View, _ policies.Capability) bool {
	return !slices.ContainsFunc(awareness.all(v), func(a *aware) bool { return len(a.attributes) > 0 })
}

// Silent where all nodes hold data.
func (Role) Silent(v *policies.View, _ policies.Capability) bool {
	return !slices.ContainsFunc(v.Nodes, func(n policies.Node) bool { return !n.Has(cluster.RoleData) })
}

// Silent where all nodes speak one format.
func (Version) Silent(v *policies.View, _ policies.Capability) bool { return !formats.Of(v) }

// Silent where nothing stands against any node.
func (Alive) Silent(v *policies.View, _ policies.Capability) bool {
	for n := range v.Nodes {
		if standing(v, n) != 0 {
			return false
		}
	}
	return true
}

// Silent where no node drains.
func (Draining) Silent(v *policies.View, _ policies.Capability) bool {
	return !slices.ContainsFunc(v.Nodes, func(n policies.Node) bool { return n.Draining })
}

// Silent where no node takes another's place.
func (Replace) Silent(v *policies.View, _ policies.Capability) bool { return len(pairs.Of(v)) == 0 }

// Silent where no node is in maintenance.
func (Maintenance) Silent(v *policies.View, _ policies.Capability) bool {
	return !slices.ContainsFunc(v.Nodes, func(n policies.Node) bool { return n.Maintained })
}

// Silent where no number is bounded.
func (ShardsLimit) Silent(v *policies.View, _ policies.Capability) bool {
	return !slices.ContainsFunc(bounds.all(v), func(b *bound) bool { return b.all >= 0 || b.own >= 0 })
}

// Silent where no disk is known, or asked what may remain, where none is too full.
func (Disk) Silent(v *policies.View, c policies.Capability) bool { return diskMarks.silent(v, c) }

// Silent is the same of memory.
func (Memory) Silent(v *policies.View, c policies.Capability) bool { return memoryMarks.silent(v, c) }

func (w *watermarks) silent(v *policies.View, c policies.Capability) bool {
	s := w.state.Of(v)
	return !s.on || c == policies.Remain && !s.over
}

// Silent where copies may move whatever others do.
func (AllowRebalance) Silent(v *policies.View, _ policies.Capability) bool {
	return allowRebalance.Of(v) == cluster.RebalanceAlways
}

// Silent where no keyspace has windows.
func (Windows) Silent(v *policies.View, _ policies.Capability) bool {
	return !slices.ContainsFunc(windows.all(v), func(list *[]cluster.Window) bool { return len(*list) > 0 })
}

// KeepsApart is true: see policies.Spreader.
func (SameNode) KeepsApart() bool { return true }

// KeepsApart is true.
func (SameHost) KeepsApart() bool { return true }

// KeepsApart is true: nodes that do not say an attribute are the searcher's to leave out.
func (Awareness) KeepsApart() bool { return true }

// IsBlind is true, as of all that look at nodes alone: see policies.Blind.
func (Role) IsBlind() bool { return true }

// IsBlind is true.
func (Alive) IsBlind() bool { return true }

// IsBlind is true.
func (Draining) IsBlind() bool { return true }

// IsBlind is true.
func (Maintenance) IsBlind() bool { return true }

// IsBlind is true: a shard's size makes its class.
func (Disk) IsBlind() bool { return true }

// IsBlind is true.
func (Memory) IsBlind() bool { return true }

// IsBlind is true.
func (Throttling) IsBlind() bool { return true }
