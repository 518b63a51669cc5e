package allocator

import (
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// The dimensions in which nodes are compared: what has been measured, and beside it the number of shards that a node leads;
// where nothing has been measured, the number of copies alone.
const (
	dimCPU = iota
	dimMemory
	dimDisk
	dimCopies
	dimPrimaries
)

var dimNames = [fit.Dims]string{"cpu", "memory", "disk", "copies", "primaries"}

// primariesWeight is what evenness of primaries counts beside that of loads: hand-overs cost little, and a lead that is too many
// does little harm.
const primariesWeight = 0.1

// primariesBand is how many leads above its share a node may have before that is a reason to hand one over: one more or less is as even
// as whole numbers get, and what evens out loads makes some lead fewer.
const primariesBand = 2

// few is the number of nodes up to which all of them are ranked for each copy, as long as nothing has been measured.
const few = 64

// solver is the assignment as it is by now in the arrays of package fit: shards have their places in the table, nodes theirs in
// the view, and each copy that is or should be has a slot.
//
//	orders/8: c16@N1 ─► c40@N3, c17@N2, one missing    ─►    slots  N3 N2 –      c16 is on its way out: its successor stands for it
type solver struct {
	*fit.Search
	p        *planner
	loads    []fitLoad // by place of the shard
	measured bool
	leads    bool    // leads are evened out too; where copies are counted they are only placed evenly, see balancePrimaries
	pending  []bool  // by slot: it is to be placed; Slots says where, as the desired assignment has it
	places   []int32 // of the shards that it lists, in the table; nil: all
	lacks    []int   // copies that these lack
	total    int     // copies, of those that it does not list too
	last     int     // the place in places that was looked up last
	sure     []bool  // by place of the keyspace: nobody says more of its shards than the search knows
}

// fitLoad is what a shard's copies weigh.
type fitLoad struct{ primary, replica fit.Vector }

// solver makes the arrays anew from what has been planned so far, with slots for missing copies or without.
func (p *planner) solver(missing bool) *solver {
	s := &solver{p: p, measured: p.measured(), leads: missing || p.measured()}
	problem := fit.Problem{Seed: p.in.Seed, Classes: make([]fit.Class, len(p.in.State.Keyspaces))}
	s.weigh()
	problem.Nodes = s.nodes()
	s.rules(&problem)
	problem.Shards, problem.Slots = s.slots(missing)
	if s.measured || missing {
		problem.Families = len(p.in.State.Keyspaces)
		problem.Weights = fit.Vector{dimPrimaries: primariesWeight}
		problem.Light = fit.Vector{dimPrimaries: primariesBand}
	}
	s.total = len(problem.Slots)
	s.rank(&problem)
	s.Search = fit.NewSearch(problem)
	if !s.measured {
		s.Prefer = s.prefer
	}
	return s
}

// slots gives every copy that will stay on a node that lives, and if asked for every one that is missing, a slot.
func (s *solver) slots(missing bool) ([]fit.Shard, []int32) {
	p := s.p
	list, slots := make([]fit.Shard, len(s.loads)), make([]int32, 0, 3*len(s.loads))
	for at := range list {
		i := s.at(at)
		r, k := p.row(i), p.keyspaceOf[i]
		l := &s.loads[at]
		sh := fit.Shard{Class: int32(k), Family: int32(k), First: int32(len(slots)), Lead: fit.None, Primary: l.primary, Replica: l.replica}
		sh.Bytes = max(l.replica[dimDisk], l.replica[dimMemory])
		lead := p.leader(r)
		for c := range r.Copies {
			n := p.view.Home(i, c)
			if replaced(r, r.Copies[c].ID) || p.view.Nodes[n].Down {
				continue
			}
			if n == lead {
				sh.Lead = int32(len(slots)) - sh.First
			}
			slots = append(slots, int32(n))
		}
		lacks := 0
		if s.lacks != nil {
			lacks = s.lacks[at]
		} else {
			lacks = p.absent(i, missing)
		}
		for range lacks {
			slots = append(slots, fit.None)
		}
		if sh.Count = int32(len(slots)) - sh.First; len(r.Copies) == 0 && sh.Count > 0 {
			sh.Lead = 0 // the first copy will lead
		}
		list[at] = sh
	}
	return list, slots
}

// absent counts the copies of a shard that are to be placed.
func (p *planner) absent(i int, missing bool) int {
	if !missing {
		return 0
	}
	return max(0, p.keyspace(i).Copies()-p.present(i))
}

// slot is the slot of the shard at a place that is on a node; -1 if there is none.
func (s *solver) slot(i int, node int32) int {
	sh := &s.Shards[s.index(i)]
	for slot := sh.First; slot < sh.First+sh.Count; slot++ {
		if s.Slots[slot] == node {
			return int(slot)
		}
	}
	return -1
}

// copyIn is the copy in a slot of a shard, as the table has it by now, or nil.
func (s *solver) copyIn(i, slot int) *cluster.Copy {
	n := s.Slots[s.Shards[i].First+int32(slot)]
	if n < 0 {
		return nil
	}
	return s.p.row(s.at(i)).CopyOn(s.p.view.Nodes[n].ID)
}

// solving is the solver for the copies that are to be placed, that of the shard at a place among them, with all of them placed; or nil
// where all nodes are ranked for each.
func (p *planner) solving(i int) *solver {
	if p.placing != nil && !p.placing.lists(i) {
		p.placing = nil
	}
	if p.placing == nil && (len(p.view.Nodes) > few || p.measured()) {
		if p.filling {
			p.placing = p.partial(i)
		}
		if p.placing == nil {
			p.placing = p.solver(true)
		}
		p.placing.place()
	}
	return p.placing
}

// place gives every missing copy its place, the biggest first, and where these are many improves on that: nothing is carried there yet.
func (s *solver) place() (unplaced []int32) {
	s.pending = make([]bool, len(s.Slots))
	missing := 0
	for slot, n := range s.Slots {
		if s.pending[slot] = n < 0; n < 0 {
			missing++
		}
	}
	s.Enter = s.mayHold
	unplaced = s.Place()
	if missing*4 > s.total { // a few have found the cool places that there are
		heat := freshHeat
		if !s.measured {
			heat = 1.005 // numbers can be as good as even
		}
		s.Settle(fit.Limits{Start: heat, Stop: heat, Fresh: true})
	}
	s.Enter = nil // from now on whoever asks knows the answers
	return unplaced
}

// find is where the copy of a question goes, if deciders allow it now: the place that it was given, or else the one where it costs
// least; -1 if there is none.
func (s *solver) find(i int, q *policies.Question) int {
	p := s.p
	slot := s.of(i, q)
	if slot >= 0 && q.Copy == nil {
		s.pending[slot] = false
		if n := int(s.Slots[slot]); n >= 0 && p.mayStart(q, n) {
			return n
		}
	}
	p.asked = p.now(q, p.asked)
	if slot < 0 {
		return -1
	}
	return s.Find(slot, func(n int) bool { return p.asked[n].Verdict() == policies.Yes })
}

// mayStart says whether a node may have a copy, and may start now.
func (p *planner) mayStart(q *policies.Question, n int) bool {
	if !p.possible(q.Shard, n) || p.in.Policies.On(p.view, q, n).Verdict() != policies.Yes {
		return false
	}
	p.question = *q
	p.question.Capability = policies.Start
	return p.in.Policies.On(p.view, &p.question, n).Verdict() == policies.Yes
}

// next is the slot of the next copy of a shard that is to be placed, the one that leads first; -1 if there is none.
func (s *solver) next(i int) int {
	sh := &s.Shards[s.index(i)]
	if sh.Lead >= 0 && s.pending[sh.First+sh.Lead] {
		return int(sh.First + sh.Lead)
	}
	for slot := sh.First; slot < sh.First+sh.Count; slot++ {
		if s.pending[slot] {
			return int(slot)
		}
	}
	return -1
}

// of is the slot of the copy that a question is about: one that is missing, or that is to be replaced; -1 if there is none.
func (s *solver) of(i int, q *policies.Question) int {
	if q.Copy == nil {
		return s.next(i)
	}
	return s.slot(i, int32(s.p.node(q.Copy.Node)))
}

// cost is what the copy of a slot would cost on a node; -1: one more copy of the shard at a place.
func (s *solver) cost(i, slot, n int) float64 {
	if slot < 0 {
		slot = int(s.Shards[s.index(i)].First)
	}
	return s.Cost(slot, n)
}

// follow tells of a copy that was put on a node otherwise.
func (s *solver) follow(slot, n int) {
	if slot >= 0 {
		s.Put(slot, n)
	}
}

// now asks where a copy may be put and may start at once.
func (p *planner) now(q *policies.Question, row policies.Row) policies.Row {
	row = append(row[:0], p.in.Policies.Ask(p.view, q)...)
	starting := *q
	starting.Capability = policies.Start
	for n, a := range p.in.Policies.Ask(p.view, &starting) {
		row.Raise(n, a)
	}
	p.bar(row, q.Shard)
	return row
}
