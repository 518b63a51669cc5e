package placement

import (
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A policy on probation may refuse so much that nothing can be placed any more:
//
//	plans     refused  refused  refused      copies are wanted, and no node may have any of them
//	          │◄──────── Famine ───────►│
//	                                    └── would they have a node without it? the plan is made anew as after a rollback
//	                                            yes: it is taken back, with the sentence that it says against a node
//	                                            no:  others refuse them as well; asked again after as long
//
// hunger counts that. It belongs to the goroutine that plans; its arithmetic reads no clock.
type hunger struct {
	about uint64    // State.PoliciesAt that it counts for
	since time.Time // of the first plan that placed nothing, or of the last time it was asked; zero: none
	note  string    // why the policy is to be taken back
}

// refused lists the shards of which a copy is wanted that no node may have; none if a copy of any shard was placed.
func refused(plan *allocator.Plan) (list []shards.ShardID) {
	for i := range plan.Decisions {
		d := &plan.Decisions[i]
		switch {
		case d.Lane != allocator.Create && d.Lane != allocator.Missing:
		case d.Move.Kind != 0:
			return nil
		case d.Verdict == policies.No && (len(list) == 0 || list[len(list)-1] != d.Shard):
			list = append(list, d.Shard)
		}
	}
	return list
}

// waits takes a plan, and gives how long to wait until it is worth to ask whether the policy is to blame; 0: now, and below 0: it is not.
func (h *hunger) waits(s *cluster.State, plan *allocator.Plan, famine time.Duration, now time.Time) time.Duration {
	if h.about != s.PoliciesAt {
		*h = hunger{about: s.PoliciesAt}
	}
	if len(refused(plan)) == 0 {
		h.since, h.note = time.Time{}, ""
		return -1
	}
	if h.since.IsZero() {
		h.since = now
	}
	if wait := famine - now.Sub(h.since); wait > 0 {
		return wait
	}
	h.since = now
	return 0
}

// starve looks whether a policy on probation lets nothing be placed, and if it has for long, whether that would be otherwise without it.
func (p *Placement) starve(m *mind, in *allocator.Input, plan *allocator.Plan, now time.Time) {
	if plan.Again {
		return // the next plan tells
	}
	u := &p.unrest
	blamed := u.blamed(in.State, now)
	if blamed == nil {
		u.hunger = hunger{}
		return
	}
	wait := u.hunger.waits(in.State, plan, p.c.Famine, now)
	switch {
	case wait < 0:
		return
	case wait > 0:
		p.next = min(p.next, wait)
		return
	}
	without, o := in.State.Apply(&cluster.Command{Retire: &cluster.RetirePolicy{Name: blamed.Name, How: cluster.RetreatRollback, If: blamed.Active.Version, At: now.Unix()}})
	if o.Err != nil {
		return // it is not in force any more
	}
	former := p.compose(without, false)
	defer former.close()
	if former.pending || len(former.absent) > 0 {
		return // what would be asked is not here
	}
	other := *in
	other.State, other.Policies, other.NoBalance = without, &former.set.Set, true
	would := allocator.Make(other)
	hungry := refused(plan)
	fed := slices.DeleteFunc(slices.Clone(hungry), func(id shards.ShardID) bool {
		return !slices.ContainsFunc(would.Rows, func(r cluster.RowChange) bool { return r.Shard == id })
	})
	if len(fed) == 0 {
		u.hunger.note = ""
		return
	}
	u.hunger.note = fmt.Sprintf("version %d was taken back: under it no copy has found a node for %v, and of %d shards that lack one %d would find one without it; of %s it says: %s",
		blamed.Active.Version, p.c.Famine, len(hungry), len(fed), in.State.ShardName(fed[0]), against(m, in, blamed.Name, fed[0]))
}

// against is the first sentence that a policy says against a node for a new copy of a shard.
func against(m *mind, in *allocator.Input, policy string, id shards.ShardID) string {
	v := policies.NewView(in.State, facts(in))
	r := in.State.Shard(id)
	q := &policies.Question{Capability: policies.Allocate, Keyspace: in.State.Keyspace(id.Keyspace()), Shard: r, New: len(r.Copies) == 0, Primary: len(r.Copies) == 0}
	for n := range v.Nodes {
		e := m.set.Explain(v, q, n)
		for _, w := range e.Words {
			if w.Verdict == policies.No && m.called(w.Decider) == policy {
				return w.Reason
			}
		}
	}
	return "nothing"
}
