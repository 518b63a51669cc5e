package deciders

import (
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Replace puts one node in the place of another. Setting cluster.routing.replace.NODE is the name of the node that takes its
// place: the copies of NODE go there and nowhere else, and it takes no others until NODE is forgotten or the setting removed. A
// copy of a shard that has another there already goes wherever it may.
// NODE gets no more copies, and others lead if they can. A pair of which one is no member is not looked at.
type Replace struct{}

// pair is a node and the one that takes its place, as places in View.Nodes.
type pair struct {
	from, to int
	setting  cluster.Setting
}

// pairs are sorted by the node that is replaced.
var pairs = policies.Derive(func(v *policies.View) (list []pair) {
	for _, s := range v.State.SettingsUnder(cluster.SettingReplace) {
		from, to := v.State.MemberByName(strings.TrimPrefix(s.Name, cluster.SettingReplace)), v.State.MemberByName(s.Value)
		if from != nil && to != nil && from != to {
			list = append(list, pair{v.Node(from.ID), v.Node(to.ID), s})
		}
	}
	slices.SortFunc(list, func(a, b pair) int { return a.from - b.from })
	return slices.CompactFunc(list, func(a, b pair) bool { return a.from == b.from }) // named by name and by id
})

// The codes of its reasons.
const (
	replaceOther = iota + 1 // the copy goes elsewhere
	replaceTaken            // the node takes the copies of others alone
	replaceGone             // the node is being replaced
)

// Name is replace.
func (Replace) Name() string { return "replace" }

// PerShard is true: the answer is about where the shard's copies are.
func (Replace) PerShard() bool { return true }

// Class is which pair's node the copy in question is on, and whether another is on its successor; as long as there are pairs none is 0, since
// what is on such a node may go where no other may. A shard of which another copy is on one is a class of its own: that may be the one
// which is missed.
func (Replace) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	list := pairs.Of(v)
	if len(list) == 0 || q.Capability != policies.Allocate {
		return 0, true
	}
	if q.Copy != nil {
		own := of(v, list, q.Copy.Node)
		switch {
		case own < 0:
			return 1, true
		case q.Shard.CopyOn(v.Nodes[list[own].to].ID) != nil:
			return uint64(2*own + 3), true
		}
		return uint64(2*own + 2), true
	}
	for i := range q.Shard.Copies {
		if at := of(v, list, q.Shard.Copies[i].Node); at >= 0 {
			return 0, false
		}
	}
	return 1, true
}

// of is the place of the pair that replaces a node, or -1.
func of(v *policies.View, list []pair, node shards.NodeID) int {
	n := v.Node(node)
	return slices.IndexFunc(list, func(p pair) bool { return p.from == n })
}

// Allocate says NO on nodes that are replaced, on those that replace another for copies that are not of that one, and
// everywhere else for the copies that are.
func (Replace) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	list := pairs.Of(v)
	if len(list) == 0 {
		return
	}
	own := -1
	if q.Copy != nil {
		own = of(v, list, q.Copy.Node)
	}
	if own >= 0 && q.Shard.CopyOn(v.Nodes[list[own].to].ID) == nil {
		for n := range v.Nodes {
			if n != list[own].to {
				r.Raise(n, policies.Say(policies.No, replaceOther))
			}
		}
	}
	for _, p := range list {
		r.Raise(p.from, policies.Say(policies.No, replaceGone))
		mine := func(other pair) bool { return other.to == p.to && missed(v, q, other) }
		if !(own >= 0 && list[own].to == p.to) && !slices.ContainsFunc(list, mine) {
			r.Raise(p.to, policies.Say(policies.No, replaceTaken))
		}
	}
}

// missed says whether a copy that is asked for without naming the one that it replaces may stand for one on a node that is
// replaced, which is down.
func missed(v *policies.View, q *policies.Question, p pair) bool {
	return q.Copy == nil && v.Nodes[p.from].Down && q.Shard.CopyOn(v.Nodes[p.from].ID) != nil
}

// Remain says NO on nodes that are replaced.
func (Replace) Remain(v *policies.View, _ *policies.Question, r policies.Row) {
	for _, p := range pairs.Of(v) {
		r.Raise(p.from, policies.Say(policies.No, replaceGone))
	}
}

// Promote says NOT_PREFERRED on nodes that are replaced: better than nobody.
func (Replace) Promote(v *policies.View, _ *policies.Question, r policies.Row) {
	for _, p := range pairs.Of(v) {
		r.Raise(p.from, policies.Say(policies.NotPreferred, replaceGone))
	}
}

// Reason names both nodes and the setting.
func (Replace) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	list, n := pairs.Of(v), v.Nodes[node].Name
	at := slices.IndexFunc(list, func(p pair) bool { return p.from == node })
	switch a.Code() {
	case replaceTaken:
		at = slices.IndexFunc(list, func(p pair) bool { return p.to == node })
	case replaceOther:
		at = of(v, list, q.Copy.Node)
	}
	p := &list[at]
	from, to := v.Nodes[p.from].Name, v.Nodes[p.to].Name
	setting := fmt.Sprintf("setting %s is %s", p.setting.Name, p.setting.Value)
	switch a.Code() {
	case replaceTaken:
		return fmt.Sprintf("node %s takes the place of node %s, and no copies of others until that is forgotten: %s", to, from, setting)
	case replaceOther:
		return fmt.Sprintf("copy c%d is on node %s, whose place node %s takes, and does not go to node %s: %s", q.Copy.ID, from, to, n, setting)
	}
	return fmt.Sprintf("node %s is being replaced by node %s: %s", from, to, setting)
}
