package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Throttling bounds the recoveries into a node, and those out of one, which its primaries feed. Setting
// cluster.routing.allocation.node_concurrent_recoveries. A shard that begins, or whose primary has just begun, is not counted:
// there is nothing to copy.
type Throttling struct{}

// The codes of its reasons.
const (
	throttledIn = iota + 1
	throttledOut
)

// Name is throttling.
func (Throttling) Name() string { return "throttling" }

// PerShard is true: the answer is about the primary's node, and changes with every recovery.
func (Throttling) PerShard() bool { return true }

// Start says THROTTLE into nodes with too many recoveries, and everywhere if the primary's node feeds too many.
func (Throttling) Start(v *policies.View, q *policies.Question, r policies.Row) {
	p := q.Shard.PrimaryCopy()
	if p == nil || p.Fresh {
		return
	}
	if n := v.Node(p.Node); n >= 0 && v.Nodes[n].Outgoing >= v.Settings.Recoveries {
		r.RaiseAll(policies.Say(policies.Throttle, throttledOut))
	}
	for i := range v.Nodes {
		if v.Nodes[i].Incoming >= v.Settings.Recoveries {
			r.Raise(i, policies.Say(policies.Throttle, throttledIn))
		}
	}
}

// Reason names the node, its recoveries and the setting.
func (Throttling) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	n, direction, count := &v.Nodes[node], "into", v.Nodes[node].Incoming
	if a.Code() == throttledOut {
		n = &v.Nodes[v.Node(q.Shard.PrimaryCopy().Node)]
		direction, count = "out of", n.Outgoing
	}
	return fmt.Sprintf("%d recoveries go on %s node %s, and setting %s is %d", count, direction, n.Name, cluster.SettingConcurrentRecoveries, v.Settings.Recoveries)
}
