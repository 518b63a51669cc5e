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
//	plans     refused  refused  refused  refused      copies are wanted, and no node may have any of them
//	          │◄──────── Famine ───────►│   │
//	                                    └───┴── would they have a node otherwise? the plan is made anew under one remedy after another
//	                                            yes: that is done, with the sentence that the policy says against a node
//	                                            no:  the next remedy; after the last, the first again in another Famine
//
// hunger counts that. It belongs to the goroutine that plans; its arithmetic reads no clock.
type hunger struct {
	about uint64                // State.PoliciesAt that it counts for
	since time.Time             // of the first plan that placed nothing, or of the last time that all remedies had been tried; zero: none
	tried int                   // remedies
	cure  *cluster.RetirePolicy // what is to be done; nil: nothing
}

// remedyPause is how long to wait between two remedies: each costs a plan.
const remedyPause = time.Second

// remedy is what could end a famine: its first command is carried out if all of them together would.
type remedy []*cluster.RetirePolicy

// remedies lists them in the order to try them: each policy on probation alone, the newest first, goes back to what was before, or out of
// force if that helps no more; then all of them together.
func (u *unrest) remedies(s *cluster.State, now time.Time) (list []remedy) {
	var all remedy
	for _, p := range u.suspects(s, now) {
		out := s.RetireCommand(cluster.RetirePolicy{Name: p.Name, How: cluster.RetreatDeactivate, At: now.Unix()}).Retire
		if retreat(p) == cluster.RetreatRollback && p.Previous.Version != 0 {
			back := *out
			back.How = cluster.RetreatRollback
			list = append(list, remedy{&back})
		}
		list = append(list, remedy{out})
		all = append(all, out)
	}
	if len(all) > 1 {
		list = append(list, all)
	}
	return list
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

// waits takes a plan, and gives how long to wait until it is worth to try a remedy; 0: now, and below 0: there is no need.
func (h *hunger) waits(s *cluster.State, plan *allocator.Plan, famine time.Duration, now time.Time) time.Duration {
	if h.about != s.PoliciesAt {
		*h = hunger{about: s.PoliciesAt}
	}
	if len(refused(plan)) == 0 {
		h.since, h.tried, h.cure = time.Time{}, 0, nil
		return -1
	}
	if h.since.IsZero() {
		h.since = now
	}
	return max(0, famine-now.Sub(h.since))
}

// failed notes that a remedy of so many would not help, and gives how long to wait until the next.
func (h *hunger) failed(of int, famine time.Duration, now time.Time) time.Duration {
	h.cure = nil
	if h.tried++; h.tried < of {
		h.since = now.Add(remedyPause - famine)
		return remedyPause
	}
	h.tried, h.since = 0, now
	return famine
}

// starve looks whether policies on probation let nothing be placed, and if they have for long, what would end that.
func (p *Placement) starve(m *mind, in *allocator.Input, plan *allocator.Plan, now time.Time) {
	if plan.Again {
		return // the next plan tells
	}
	u := &p.unrest
	remedies := u.remedies(in.State, now)
	if len(remedies) == 0 {
		u.hunger = hunger{}
		return
	}
	wait := u.hunger.waits(in.State, plan, p.c.Famine, now)
	if wait == 0 {
		r := remedies[min(u.hunger.tried, len(remedies)-1)] // there are fewer when a probation has ended
		hungry := refused(plan)
		fed, known := p.feeds(r, in, hungry)
		switch {
		case !known:
			return // it is tried with the next plan
		case len(fed) > 0:
			u.hunger.cure = p.prescribe(r, m, in, hungry, fed)
			return
		}
		wait = u.hunger.failed(len(remedies), p.c.Famine, now)
	}
	if wait > 0 {
		p.next = min(p.next, wait)
	}
}

// feeds lists the hungry shards of which a copy would find a node after a remedy. known: what would be asked is compiled on this node, or never can be.
func (p *Placement) feeds(r remedy, in *allocator.Input, hungry []shards.ShardID) (fed []shards.ShardID, known bool) {
	after := in.State
	for _, c := range r {
		next, o := after.Apply(&cluster.Command{Retire: c})
		if o.Err != nil {
			return nil, false // it is not in force any more
		}
		after = next
	}
	former := p.compose(after, false, false)
	defer former.close()
	if former.pending {
		return nil, false
	}
	if len(former.absent) > 0 {
		return nil, true // what would come back cannot run here: it is no remedy
	}
	other := *in
	other.State, other.Policies, other.NoBalance = after, &former.set.Set, true
	would := allocator.Make(other)
	return slices.DeleteFunc(slices.Clone(hungry), func(id shards.ShardID) bool {
		return !slices.ContainsFunc(would.Rows, func(r cluster.RowChange) bool { return r.Shard == id })
	}), true
}

// prescribe makes the command of a remedy that helps, with the reason.
func (p *Placement) prescribe(r remedy, m *mind, in *allocator.Input, hungry, fed []shards.ShardID) *cluster.RetirePolicy {
	cure, without := *r[0], "it"
	if len(r) > 1 {
		without = fmt.Sprintf("it and the %d other policies on probation", len(r)-1)
	}
	cure.Note = fmt.Sprintf("version %d was taken back: under it no copy has found a node for %v, and of %d shards that lack one %d would find one without %s; of %s it says: %s",
		cure.If, p.c.Famine, len(hungry), len(fed), without, in.State.ShardName(fed[0]), against(m, in, cure.Name, fed[0]))
	return &cure
}

// against is the first sentence that a policy says against a node for a new copy of a shard: that it may not be there, or not begin there.
func against(m *mind, in *allocator.Input, policy string, id shards.ShardID) string {
	v := policies.NewView(in.State, facts(in))
	r := in.State.Shard(id)
	q := &policies.Question{Keyspace: in.State.Keyspace(id.Keyspace()), Shard: r, New: len(r.Copies) == 0, Primary: len(r.Copies) == 0}
	for _, q.Capability = range []policies.Capability{policies.Allocate, policies.Start} {
		for n := range v.Nodes {
			e := m.set.Explain(v, q, n)
			for _, w := range e.Words {
				if w.Verdict == policies.No && m.called(w.Decider) == policy {
					return w.Reason
				}
			}
		}
	}
	return "nothing"
}
