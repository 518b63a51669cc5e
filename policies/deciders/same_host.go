package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// SameHost keeps two copies of a shard off one host, where several nodes of one machine or hypervisor say the same host.
// Setting cluster.routing.allocation.same_shard.host; off by default. Nodes that say no host are hosts of their own. The
// copy that is to be replaced is not counted: its successor may be beside it.
type SameHost struct{}

// Name is same_host.
func (SameHost) Name() string { return "same_host" }

// PerShard is true: the answer is about where the shard's copies are.
func (SameHost) PerShard() bool { return true }

// hosts lists the nodes of each host; only asked, never visited.
var hosts = policies.Derive(func(v *policies.View) map[string][]int {
	list := map[string][]int{}
	for n := range v.Nodes {
		if host := v.Nodes[n].Host; host != "" {
			list[host] = append(list[host], n)
		}
	}
	return list
})

// Allocate says NO on the hosts of the other copies.
func (SameHost) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	crowded(v, q, r, func(*cluster.Copy) bool { return true })
}

// Remain says NO where an older copy is on the host: of two, the younger moves.
func (SameHost) Remain(v *policies.View, q *policies.Question, r policies.Row) {
	crowded(v, q, r, func(first *cluster.Copy) bool { return first.ID < q.Copy.ID })
}

// crowded looks at the other nodes of the hosts where copies are, at each with the first copy that is beside it.
func crowded(v *policies.View, q *policies.Question, r policies.Row, speaks func(first *cluster.Copy) bool) {
	if !v.Settings.SameHost {
		return
	}
	for i := range q.Shard.Copies {
		at := v.Node(q.Shard.Copies[i].Node)
		if at < 0 || v.Nodes[at].Host == "" {
			continue
		}
		for _, n := range hosts.Of(v)[v.Nodes[at].Host] {
			if first := beside(v, q, n); first != nil && speaks(first) {
				r.Raise(n, policies.Say(policies.No, 1))
			}
		}
	}
}

// beside is the first copy on another node of the same host, apart from the copy in question and one that is being replaced.
func beside(v *policies.View, q *policies.Question, node int) *cluster.Copy {
	host := v.Nodes[node].Host
	if host == "" {
		return nil
	}
	for i := range q.Shard.Copies {
		c := &q.Shard.Copies[i]
		if q.Copy != nil && (c.ID == q.Copy.ID || c.Source == q.Copy.ID) || c.Node == v.Nodes[node].ID {
			continue
		}
		if n := v.Node(c.Node); n >= 0 && v.Nodes[n].Host == host {
			return c
		}
	}
	return nil
}

// Reason names the setting, the host and the copy.
func (SameHost) Reason(v *policies.View, q *policies.Question, node int, _ policies.Answer) string {
	c := beside(v, q, node)
	return fmt.Sprintf("node %s is on host %s, as is node %s with copy c%d of shard %s, and setting %s is true",
		v.Nodes[node].Name, v.Nodes[node].Host, v.State.NodeName(c.Node), c.ID, v.State.ShardName(q.Shard.ID), cluster.SettingSameHost)
}
