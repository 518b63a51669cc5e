package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
)

// Version puts no copy on a node that speaks an older format than the node of the shard's primary: it could not read what the
// primary sends. While nodes are upgraded one after the other copies go to those that are done.
type Version struct{}

// formats says whether the members speak different ones.
var formats = policies.Derive(func(v *policies.View) bool {
	for n := range v.Nodes {
		if v.Nodes[n].Format != v.Nodes[0].Format {
			return true
		}
	}
	return false
})

// Name is version.
func (Version) Name() string { return "version" }

// PerShard is true: the answer is about the primary's node.
func (Version) PerShard() bool { return true }

// Class is the format of the primary's node; 0 if all nodes speak the same, or nobody leads.
func (Version) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	if n := leader(v, q); n >= 0 && formats.Of(v) {
		return uint64(v.Nodes[n].Format), true
	}
	return 0, true
}

// leader is the node of the primary, or -1.
func leader(v *policies.View, q *policies.Question) int {
	if p := q.Shard.PrimaryCopy(); p != nil {
		return v.Node(p.Node)
	}
	return -1
}

// Allocate says NO on nodes with an older format.
func (d Version) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	format, _ := d.Class(v, q)
	for n := range v.Nodes {
		if uint64(v.Nodes[n].Format) < format {
			r.Raise(n, policies.Say(policies.No, 1))
		}
	}
}

// Reason names both nodes, what they run and what they speak.
func (Version) Reason(v *policies.View, q *policies.Question, node int, _ policies.Answer) string {
	n, p := &v.Nodes[node], &v.Nodes[leader(v, q)]
	return fmt.Sprintf("node %s runs release %s, which speaks format %d; the primary of shard %s is on node %s, which speaks format %d",
		n.Name, n.Release, n.Format, v.State.ShardName(q.Shard.ID), p.Name, p.Format)
}
