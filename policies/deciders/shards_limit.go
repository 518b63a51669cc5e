package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// ShardsLimit bounds the copies that a node holds, of all keyspaces and of one. Setting
// cluster.routing.allocation.total_shards_per_node, and keyspace.NAME.routing.allocation.total_shards_per_node beside it; -1, the
// default, for any number. Copies that are on their way count, and those that are being replaced do not.
type ShardsLimit struct{}

// bound is how many copies a node may hold; -1: any number.
type bound struct{ all, own int }

var bounds = perKeyspace(func(v *policies.View, k *cluster.Keyspace) bound {
	b := bound{all: v.State.Number(cluster.SettingShardsPerNode), own: -1}
	if k != nil {
		if n, from := number(v, k, cluster.SettingShardsPerNode); from != cluster.SettingShardsPerNode {
			b.own = n
		}
	}
	return b
})

// The codes of its reasons.
const (
	limitOfAll = iota + 1
	limitOfKeyspace
)

// Name is shards_limit.
func (ShardsLimit) Name() string { return "shards_limit" }

// PerShard is false.
func (ShardsLimit) PerShard() bool { return false }

// Meter is the answer about one node.
func (ShardsLimit) Meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	b, more := bounds.of(v, q.Keyspace), 0
	if q.Capability == policies.Allocate {
		more = 1
	}
	switch {
	case b.own >= 0 && v.Spread[v.Keyspace(q.Keyspace.ID)].Copies[node]+more > b.own:
		return policies.Say(policies.No, limitOfKeyspace)
	case b.all >= 0 && v.Nodes[node].Copies+more > b.all:
		return policies.Say(policies.No, limitOfAll)
	}
	return 0
}

// Allocate says NO on nodes that hold as many as they may.
func (d ShardsLimit) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	d.row(v, q, r)
}

// Remain says NO on nodes that hold more.
func (d ShardsLimit) Remain(v *policies.View, q *policies.Question, r policies.Row) { d.row(v, q, r) }

func (d ShardsLimit) row(v *policies.View, q *policies.Question, r policies.Row) {
	if b := bounds.of(v, q.Keyspace); b.all < 0 && b.own < 0 {
		return
	}
	for n := range v.Nodes {
		r.Raise(n, d.Meter(v, q, n))
	}
}

// Reason names the node, its copies and the setting.
func (ShardsLimit) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	n, b := &v.Nodes[node], bounds.of(v, q.Keyspace)
	if a.Code() == limitOfKeyspace {
		return fmt.Sprintf("node %s has %d copies of keyspace %s, and setting %s is %d", n.Name, v.Spread[v.Keyspace(q.Keyspace.ID)].Copies[node],
			q.Keyspace.Name, cluster.ScopedName(q.Keyspace.Name, cluster.SettingShardsPerNode), b.own)
	}
	return fmt.Sprintf("node %s has %d copies, and setting %s is %d", n.Name, n.Copies, cluster.SettingShardsPerNode, b.all)
}
