package deciders

import (
	"fmt"
	"strconv"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Throttling bounds what begins on a node at a time. Settings, each cluster.routing.allocation.…:
//
//	node_concurrent_recoveries            recoveries into a node, and those out of one, which its primaries feed
//	node_concurrent_incoming_recoveries   of these the first, if they are to differ
//	node_concurrent_outgoing_recoveries   and the second
//	node_initial_primaries_recoveries     first copies of shards that are not open yet; 0, the default: any number
//
// A copy of a shard whose primary has just begun is not counted: there is nothing to copy.
type Throttling struct{}

// recoveries are the bounds, each with the setting that it comes from.
type recoveries struct {
	in, out, initial int
	inFrom, outFrom  string
}

var throttles = policies.Derive(func(v *policies.View) (b recoveries) {
	read := func(name string) (int, string) {
		if n, err := strconv.Atoi(v.State.Value(name)); err == nil {
			return n, name
		}
		return v.State.Number(cluster.SettingConcurrentRecoveries), cluster.SettingConcurrentRecoveries
	}
	b.in, b.inFrom = read(cluster.SettingConcurrentIncoming)
	b.out, b.outFrom = read(cluster.SettingConcurrentOutgoing)
	b.initial = v.State.Number(cluster.SettingInitialPrimaries)
	return b
})

// The codes of its reasons.
const (
	throttledIn = iota + 1
	throttledOut
	throttledInitial
)

// Its classes, beside 0 for recoveries that cost nothing.
const (
	feeds     = iota + 1 // a primary feeds it, whose node may feed more
	feedsMost            // and may not
)

// Name is throttling.
func (Throttling) Name() string { return "throttling" }

// PerShard is true: the answer is about the primary's node.
func (Throttling) PerShard() bool { return true }

// Class says whether the primary's node may feed another recovery.
func (Throttling) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	p := q.Shard.PrimaryCopy()
	if p == nil || p.Fresh {
		return 0, true
	}
	if n := v.Node(p.Node); n >= 0 && v.Nodes[n].Outgoing >= throttles.Of(v).out {
		return feedsMost, true
	}
	return feeds, true
}

// Meter is the answer about one node.
func (d Throttling) Meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	class, _ := d.Class(v, q)
	return throttle(v, q, class, node)
}

// PairClass is the shard's class with what comes into the node and opens there.
func (d Throttling) PairClass(v *policies.View, q *policies.Question, node int) (class uint64, ok bool) {
	const most = 1<<31 - 1
	class, _ = d.Class(v, q)
	n := &v.Nodes[node]
	return class<<62 | uint64(n.Incoming)<<31 | uint64(n.Opening), n.Incoming <= most && n.Opening <= most
}

func throttle(v *policies.View, q *policies.Question, class uint64, node int) policies.Answer {
	b, n := throttles.Of(v), &v.Nodes[node]
	switch {
	case class == feedsMost:
		return policies.Say(policies.Throttle, throttledOut)
	case class == feeds && n.Incoming >= b.in:
		return policies.Say(policies.Throttle, throttledIn)
	case q.New && b.initial > 0 && n.Opening >= b.initial:
		return policies.Say(policies.Throttle, throttledInitial)
	}
	return 0
}

// Start says THROTTLE into nodes where too much goes on, and everywhere if the primary's node feeds too many.
func (d Throttling) Start(v *policies.View, q *policies.Question, r policies.Row) {
	class, _ := d.Class(v, q)
	for n := range v.Nodes {
		r.Raise(n, throttle(v, q, class, n))
	}
}

// Reason names the node, what goes on there and the setting.
func (Throttling) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	b, n := throttles.Of(v), &v.Nodes[node]
	switch a.Code() {
	case throttledOut:
		n = &v.Nodes[leader(v, q)]
		return fmt.Sprintf("%d recoveries go on out of node %s, and setting %s is %d", n.Outgoing, n.Name, b.outFrom, b.out)
	case throttledInitial:
		return fmt.Sprintf("%d shards begin on node %s, and setting %s is %d", n.Opening, n.Name, cluster.SettingInitialPrimaries, b.initial)
	}
	return fmt.Sprintf("%d recoveries go on into node %s, and setting %s is %d", n.Incoming, n.Name, b.inFrom, b.in)
}
