package allocator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Loss is what would come of the death of one node: what plans would find no place for, and how full the others would be before anything
// is evened out. That it takes time to copy is no part of it; a rehearsal plays that (troupe rehearse).
type Loss struct {
	Node        shards.NodeID
	Copies      int     // that it holds
	Unserved    int     // shards that nobody could serve until it is back: it has the only copy in sync
	Single      int     // of these, shards of keyspaces that want no more copies than one
	Unplaceable int     // copies of it that no other node may have
	Few         int     // of these, copies of keyspaces that want more than there would be nodes
	Shard       string  // one of which a copy would be unplaceable and not of Few, as in "orders/17"; empty: there is none
	Why         string  // what plans would say of that one, and the fewest rules that together leave it no node
	Fullest     string  // the name of the node that would be fullest; empty: nothing is measured
	Full        float64 // what of it would be used in its fullest dimension: 1 is all
	Dimension   string  // which: cpu, memory or disk
}

// String is a sentence.
func (l *Loss) String() string {
	var parts []string
	if l.Unserved > 0 {
		parts = append(parts, fmt.Sprintf("%d of its shards could not be served until it is back", l.Unserved))
	}
	if n := l.Unplaceable - l.Few; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of its copies would have no place (%s)", n, l.Why))
	}
	if l.Few > 0 {
		parts = append(parts, fmt.Sprintf("%d of its copies would wait for another node: their keyspaces want more copies than there would be nodes", l.Few))
	}
	if l.Full > 1 {
		parts = append(parts, fmt.Sprintf("node %s would need %.0f%% of its %s", l.Fullest, 100*l.Full, l.Dimension))
	}
	if len(parts) == 0 {
		return "the others would take over all that it has"
	}
	return strings.Join(parts, "; ")
}

// Lasting says that something would be wrong for as long as the node is away that its keyspaces do not ask for: more room or other rules
// would help.
func (l *Loss) Lasting() bool { return l.Unserved > l.Single || l.Unplaceable > l.Few || l.Full > 1 }

// loseRounds bounds the plans of a loss: the first declares and promotes, and each further one places up to MaxRows.
const loseRounds = 8

// ErrStopped is what Lose returns when it was stopped.
var ErrStopped = errors.New("allocator: to look at a loss was stopped")

// Lose makes the plans that would follow the death of a member, on a copy of the state, as if nobody had to wait for copies to be
// carried. It costs what those plans cost without a Memory. in.Policies is left as after any other plan. stop is asked before each plan whether
// to leave it at that; nil: never.
func Lose(in Input, node shards.NodeID, stop func() bool) (Loss, error) {
	l := Loss{Node: node}
	m := in.State.Member(node)
	if m == nil || m.Down {
		return l, fmt.Errorf("allocator: no member %s is there to be lost", node)
	}
	before := policies.NewView(in.State, in.facts())
	held := l.hurt(in.State, before)
	if err := in.hurry(); err != nil {
		return l, err
	}
	in.Evidence, in.NoBalance, in.Explain = dead(in.Evidence, m), true, false
	var plan *Plan
	for range loseRounds {
		if stop != nil && stop() {
			return l, ErrStopped
		}
		plan = Make(in)
		c := plan.Command()
		if c == nil {
			break
		}
		c.Rebalances = nil
		after, o := in.State.Apply(&cluster.Command{Reroute: c})
		if o.Err != nil {
			return l, fmt.Errorf("allocator: the loss of %s cannot be played on: %w", node, o.Err)
		}
		if in.State = after; !plan.Again {
			break
		}
	}
	if id := l.blame(in.State, plan, held); l.Shard != "" {
		if stop != nil && stop() {
			return l, ErrStopped
		}
		e, err := Explain(in, id)
		if err != nil {
			return l, err
		}
		for i := range e.Conflict {
			l.Why += "; in the way: " + e.Conflict[i].String()
		}
	}
	l.fill(before, policies.NewView(in.State, in.facts()))
	return l, nil
}

// hurry lets an input's state wait for no dead node and bound no recoveries.
func (in *Input) hurry() error {
	after, o := in.State.Apply(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{
		{Name: cluster.SettingNodeLeftDelay, Value: "0s"}, {Name: cluster.SettingConcurrentRecoveries, Value: "1000"},
		{Name: cluster.SettingConcurrentIncoming}, {Name: cluster.SettingConcurrentOutgoing},
	}}})
	if o.Err != nil {
		return fmt.Errorf("allocator: a loss cannot be played: %w", o.Err)
	}
	in.State = after
	return nil
}

// dead is the evidence once a member has died.
func dead(evidence []liveness.Status, m *cluster.Member) []liveness.Status {
	evidence = slices.Clone(evidence)
	at, found := slices.BinarySearchFunc(evidence, m.ID, func(e liveness.Status, id shards.NodeID) int { return strings.Compare(string(e.Node), string(id)) })
	if !found {
		evidence = slices.Insert(evidence, at, liveness.Status{})
	}
	evidence[at] = liveness.Status{Node: m.ID, Epoch: m.Epoch, State: liveness.Dead, Reason: "what its loss would do is looked at"}
	return evidence
}

// hurt counts what the node has, and gives the shards that it has copies of, in their order.
func (l *Loss) hurt(s *cluster.State, v *policies.View) (held []shards.ShardID) {
	for i := range s.Shards {
		r := &s.Shards[i]
		own, others := false, false
		for at := range r.Copies {
			c := &r.Copies[at]
			switch n := &v.Nodes[v.Node(c.Node)]; {
			case c.Node == l.Node:
				own = own || c.InSync && !c.Failed
				l.Copies++
				held = append(held, r.ID)
			case c.InSync && !c.Failed && !n.Down && n.Evidence.State != liveness.Dead:
				others = true
			}
		}
		if own && !others {
			l.Unserved++
			if s.Keyspace(r.ID.Keyspace()).Copies() == 1 {
				l.Single++
			}
		}
	}
	return held
}

// blame counts the copies of these shards that the last plan found no place for, and gives the shard that it names, if it names one.
func (l *Loss) blame(s *cluster.State, plan *Plan, held []shards.ShardID) (named shards.ShardID) {
	nodes := 0
	for i := range s.Members {
		if m := &s.Members[i]; m.Has(cluster.RoleData) && !m.Down && m.ID != l.Node {
			nodes++
		}
	}
	for i := range plan.Decisions {
		d := &plan.Decisions[i]
		if d.Lane != Missing || d.Move.Kind != 0 || d.Verdict != policies.No {
			continue
		}
		if _, found := slices.BinarySearch(held, d.Shard); !found {
			continue
		}
		l.Unplaceable++
		switch {
		case s.Keyspace(d.Shard.Keyspace()).Copies() > nodes:
			l.Few++
		case l.Shard == "":
			l.Shard, l.Why, named = d.Name, d.Reason, d.Shard
		}
	}
	return named
}

// fill finds the node that is fullest: by what it uses now, without what its copies cost now, and with what those will that it then has.
func (l *Loss) fill(before, after *policies.View) {
	for i := range after.Nodes {
		a := &after.Nodes[i]
		if a.ID == l.Node || a.Down {
			continue
		}
		used, were, will, capacity := a.Used.Vector(), before.Nodes[i].Held.Vector(), a.Held.Vector(), a.Capacity.Vector()
		for d, c := range capacity {
			if c == 0 {
				continue
			}
			if part := max(0, used[d]-were[d]+will[d]) / c; part > l.Full {
				l.Full, l.Fullest, l.Dimension = part, a.Name, dimNames[d]
			}
		}
	}
}
