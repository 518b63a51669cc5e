package policies

import (
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// Renew gives the view that NewView would give, made from an older one, which is used up by it: it is for who looks at one state after
// the other, which differ in a few rows. Rows that are the same, copies and all, are not counted again; states share what has not
// changed, and nobody writes to them.
//
//	old view, with the table that it has counted    ── rows that differ, or are not settled: taken out ──┐
//	new state                                        ── the same rows as they are now: put in ────────────┴─► new view
//
// A settled row adds the same whatever is known of its nodes; what another adds depends on which of them are down. Where other things than
// rows have changed, such as the list of members, or what shards cost, everything is counted anew.
func (v *View) Renew(s *cluster.State, f Facts) *View {
	if !v.likens(s, f) {
		return NewView(s, f)
	}
	flipped := slices.ContainsFunc(s.Members, func(m cluster.Member) bool { return v.Nodes[v.Node(m.ID)].Down != m.Down })
	w := &View{Nodes: v.Nodes, Spread: v.Spread, places: v.places, stages: v.stages, known: v.known, firsts: v.firsts, largest: v.largest}
	var changed []int32
	for i := range s.Shards {
		r, was := &s.Shards[i], &v.State.Shards[i]
		if same(r, was) && (v.stages[i] == settled || !flipped) {
			if v.stages[i] != settled {
				w.unsettled = append(w.unsettled, int32(i))
			}
			continue
		}
		changed = append(changed, int32(i))
		v.count(was, -1, v.Keyspace(r.ID.Keyspace()), i)
	}
	w.Relocating, w.Unled, w.Unwhole = v.Relocating, v.Unled, v.Unwhole
	w.learn(s, f)
	for _, i := range changed {
		r := &s.Shards[i]
		if w.stages[i] = w.count(r, 1, w.Keyspace(r.ID.Keyspace()), int(i)); w.stages[i] != settled {
			w.unsettled = append(w.unsettled, i)
		}
	}
	slices.Sort(w.unsettled)
	w.steps = append(slices.Clip(v.steps[max(0, len(v.steps)-maxSteps+1):]), step{v, append(changed, v.counted...)})
	*v = View{}
	return w
}

// step is how a view was made from an older one: the rows that either had changed since it was made, or that differed then.
type step struct {
	from *View
	rows []int32
}

// maxSteps bounds the steps that are remembered: a death is a plan that declares it, and some that place what it held.
const maxSteps = 8

// Since lists the rows, by their places, that may be others than in an older view when that was made, some of them more than once, if
// this view was made of that one by Renew, in a few steps. All that the older one may be asked for then is who it is.
func (v *View) Since(old *View) (rows []int32, known bool) {
	at := slices.IndexFunc(v.steps, func(s step) bool { return s.from == old })
	if at < 0 {
		return nil, false
	}
	for _, s := range v.steps[at:] {
		rows = append(rows, s.rows...)
	}
	return append(rows, v.counted...), true
}

// Unsettled lists the shards, by their places in the table, that lacked something when the view was made: a copy, a copy in sync, a
// primary; or that were about to change. All others had all their copies, in sync, and none of them on a node that is down.
func (v *View) Unsettled() []int32 { return v.unsettled }

// Complete says whether the shard at a place has as many copies as it should on nodes that live, without those that are about to leave,
// by now: some may have to get in sync.
func (v *View) Complete(place int) bool { return v.stages[place] != lacking }

// likens says whether a state differs from that of the view in rows and in facts about nodes alone.
func (v *View) likens(s *cluster.State, f Facts) bool {
	old := v.State
	return old != nil && len(old.Shards) == len(s.Shards) && cluster.Same(v.loads, f.Loads.Shards) &&
		slices.EqualFunc(old.Members, s.Members, func(a, b cluster.Member) bool { return a.ID == b.ID }) &&
		slices.EqualFunc(old.Keyspaces, s.Keyspaces, func(a, b cluster.Keyspace) bool {
			return a.ID == b.ID && a.Shards == b.Shards && a.Copies() == b.Copies()
		})
}

// same says whether two rows say the same; most share their copies.
func same(a, b *cluster.Shard) bool {
	return a.ID == b.ID && a.Term == b.Term && a.Primary == b.Primary && a.HandTo == b.HandTo && a.Failures == b.Failures &&
		(cluster.Same(a.Copies, b.Copies) || slices.Equal(a.Copies, b.Copies))
}
