package allocator

import (
	"math"
	"slices"

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
	pending  []bool // by slot: it is to be placed; Slots says where, as the desired assignment has it
}

// fitLoad is what a shard's copies weigh.
type fitLoad struct{ primary, replica fit.Vector }

// solver makes the arrays anew from what has been planned so far, with slots for missing copies or without.
func (p *planner) solver(missing bool) *solver {
	s := &solver{p: p, measured: p.measured()}
	problem := fit.Problem{Seed: p.in.Seed, Classes: make([]fit.Class, len(p.in.State.Keyspaces))}
	s.weigh()
	problem.Nodes = s.nodes()
	s.rules(&problem)
	problem.Shards, problem.Slots = s.slots(missing)
	if s.measured {
		problem.Families = len(p.in.State.Keyspaces)
		problem.Weights = fit.Vector{dimPrimaries: primariesWeight}
		problem.Light = fit.Vector{dimPrimaries: 1}
	}
	s.Search = fit.NewSearch(problem)
	return s
}

// measured says whether loads decide, and not the number of copies: they are known, and they are of account.
func (p *planner) measured() bool { return p.utilization() >= worthMeasuring }

// Where nodes are idle their loads are noise, and copies are counted. Between the two, what loads have evened out is not made
// uneven again for the sake of counting, nor the other way round.
const (
	worthCounting  = 0.05
	worthMeasuring = 0.10
)

// utilization is what shards use of what nodes have, in the dimension that is used most.
func (p *planner) utilization() float64 {
	if p.used != nil || len(p.in.Loads.Shards) == 0 {
		return p.most()
	}
	p.used = &fit.Vector{}
	var room fit.Vector
	for n := range p.view.Nodes {
		if p.home(n) {
			v := vector(p.view.Nodes[n].Capacity)
			room.Add(&v)
		}
	}
	at := 0
	for i := range p.in.State.Shards {
		id := p.in.State.Shards[i].ID
		for at < len(p.in.Loads.Shards) && p.in.Loads.Shards[at].Shard < id {
			at++
		}
		if at < len(p.in.Loads.Shards) && p.in.Loads.Shards[at].Shard == id {
			l := &p.in.Loads.Shards[at]
			v := vector(l.Primary.Plus(l.Replica.Times(p.keyspace(i).Copies() - 1)))
			p.used.Add(&v)
		}
	}
	for d := range p.used {
		if room[d] > 0 {
			p.used[d] /= room[d]
		} else {
			p.used[d] = 0
		}
	}
	return p.most()
}

func (p *planner) most() float64 {
	if p.used == nil {
		return 0
	}
	return slices.Max(p.used[:])
}

// home says whether a node takes copies: what others hold is on its way elsewhere, or waits for its node.
func (p *planner) home(n int) bool {
	node := &p.view.Nodes[n]
	return node.Has(cluster.RoleData) && !node.Down && !node.Draining && !node.Maintained
}

// weigh gives each shard its load: what was measured; the mean of those that were where it was not.
func (s *solver) weigh() {
	p := s.p
	s.loads = make([]fitLoad, len(p.in.State.Shards))
	if !s.measured {
		one := fit.Vector{dimCopies: 1}
		for i := range s.loads {
			s.loads[i] = fitLoad{one, one}
		}
		return
	}
	var mean fitLoad
	known := make([]bool, len(s.loads))
	measured, at := 0.0, 0
	for i := range s.loads {
		id := p.in.State.Shards[i].ID
		for at < len(p.in.Loads.Shards) && p.in.Loads.Shards[at].Shard < id {
			at++
		}
		if at == len(p.in.Loads.Shards) || p.in.Loads.Shards[at].Shard != id {
			continue
		}
		l := &p.in.Loads.Shards[at]
		s.loads[i] = fitLoad{vector(l.Primary), vector(l.Replica)}
		s.loads[i].primary[dimPrimaries] = 1
		mean.primary.Add(&s.loads[i].primary)
		mean.replica.Add(&s.loads[i].replica)
		known[i] = true
		measured++
	}
	for d := range fit.Dims {
		mean.primary[d] /= max(1, measured)
		mean.replica[d] /= max(1, measured)
	}
	mean.primary[dimPrimaries] = 1
	for i := range s.loads {
		if !known[i] {
			s.loads[i] = mean
		}
	}
}

// vector takes a load as it was measured; a figure that is none counts as 0.
func vector(l policies.Load) (v fit.Vector) {
	for d, x := range l.Vector() {
		if x > 0 && !math.IsInf(x, 1) {
			v[d] = x
		}
	}
	return v
}

// nodes gives each node its capacity. One that is not known is taken for the mean of the others'; a dimension that no node knows
// is left out.
func (s *solver) nodes() []fit.Node {
	p := s.p
	nodes := make([]fit.Node, len(p.view.Nodes))
	var sum, known fit.Vector
	for n := range nodes {
		node := &p.view.Nodes[n]
		nodes[n] = fit.Node{Zone: fit.None, Host: fit.None, Away: !p.home(n)}
		if !s.measured {
			nodes[n].Capacity[dimCopies] = 1
			continue
		}
		nodes[n].Capacity = vector(node.Capacity)
		for d, x := range nodes[n].Capacity {
			if x > 0 && p.home(n) {
				sum[d] += x
				known[d]++
			}
		}
	}
	if !s.measured {
		return nodes
	}
	carried := s.carried()
	for n := range nodes {
		c := &nodes[n].Capacity
		for d := range c {
			if c[d] == 0 && known[d] > 0 {
				c[d] = sum[d] / known[d]
			}
		}
		c[dimPrimaries] = 1
		if known[dimCPU] > 0 {
			c[dimPrimaries] = c[dimCPU] / (sum[dimCPU] / known[dimCPU])
		}
		for d, u := range p.used { // of what is hardly used, differences are no heat
			nodes[n].Base[d] = max(0, worthMeasuring-u) * c[d]
		}
		nodes[n].Base[dimPrimaries] = 0
		nodes[n].Base[dimDisk] += max(0, p.view.Nodes[n].Used.Disk-carried[n])
	}
	return nodes
}

// carried adds up by node what its copies take of the disk by now: what it uses beyond that is somebody else's.
func (s *solver) carried() []float64 {
	sum := make([]float64, len(s.p.view.Nodes))
	for i := range s.p.in.State.Shards {
		r := s.p.row(i)
		for at := range r.Copies {
			if c := &r.Copies[at]; c.Started {
				load := &s.loads[i].replica
				if c.ID == r.Primary {
					load = &s.loads[i].primary
				}
				sum[s.p.nodes[c.Node]] += load[dimDisk]
			}
		}
	}
	return sum
}

// slots gives every copy that will stay on a node that lives, and if asked for every one that is missing, a slot.
func (s *solver) slots(missing bool) ([]fit.Shard, []int32) {
	p := s.p
	list, slots := make([]fit.Shard, len(p.in.State.Shards)), make([]int32, 0, 3*len(p.in.State.Shards))
	for i := range list {
		r, k := p.row(i), p.keyspaceOf[i]
		l := &s.loads[i]
		sh := fit.Shard{Class: int32(k), Family: int32(k), First: int32(len(slots)), Lead: fit.None, Primary: l.primary, Replica: l.replica}
		sh.Bytes = max(l.replica[dimDisk], l.replica[dimMemory])
		lead := p.leader(r)
		for at := range r.Copies {
			c := &r.Copies[at]
			if replaced(r, c.ID) || p.down(c) {
				continue
			}
			n := p.nodes[c.Node]
			if n == lead {
				sh.Lead = int32(len(slots)) - sh.First
			}
			slots = append(slots, int32(n))
		}
		for range p.absent(i, missing) {
			slots = append(slots, fit.None)
		}
		if sh.Count = int32(len(slots)) - sh.First; len(r.Copies) == 0 && sh.Count > 0 {
			sh.Lead = 0 // the first copy will lead
		}
		list[i] = sh
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

// slot is the slot of a shard that is on a node; -1 if there is none.
func (s *solver) slot(i int, node int32) int {
	sh := &s.Shards[i]
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
	return s.p.row(i).CopyOn(s.p.view.Nodes[n].ID)
}

// rules asks for the rows of the keyspaces, and models how their copies are spread, so that the search does not run into what
// deciders refuse; theirs is the last word.
func (s *solver) rules(problem *fit.Problem) {
	p := s.p
	state := p.trial.State()
	attribute := s.zone(problem.Nodes)
	first := 0
	for k := range state.Keyspaces {
		space := &state.Keyspaces[k]
		last := first + space.Shards
		problem.Classes[k].Row, problem.Classes[k].Scores = p.classRow(first, last)
		problem.Classes[k].PerHost = p.view.Settings.SameHost
		names, _ := state.Scoped(space.Name, cluster.SettingAwareness)
		if list := cluster.Names(names); attribute != "" && len(list) > 0 && list[0] == attribute {
			problem.Classes[k].PerZone = perZone(space.Copies(), problem.Nodes)
		}
		first = last
	}
}

// perZone is how many copies one zone may have: as few as can be.
func perZone(copies int, nodes []fit.Node) int32 {
	zones := int32(0)
	for n := range nodes {
		if !nodes[n].Away {
			zones = max(zones, nodes[n].Zone+1)
		}
	}
	return int32((copies + int(zones) - 1) / max(1, int(zones)))
}

// zone numbers the values of the first attribute that copies are spread over, those of homes first, and the hosts.
func (s *solver) zone(nodes []fit.Node) (attribute string) {
	state := s.p.trial.State()
	if list := cluster.Names(state.Value(cluster.SettingAwareness)); len(list) > 0 {
		attribute = list[0]
	}
	values, hosts := map[string]int32{}, map[string]int32{} // only asked, never visited
	number := func(of map[string]int32, name string) int32 {
		if name == "" {
			return fit.None
		}
		x, known := of[name]
		if !known {
			x = int32(len(of))
			of[name] = x
		}
		return x
	}
	for _, away := range []bool{false, true} {
		for n := range nodes {
			if nodes[n].Away != away {
				continue
			}
			if attribute != "" {
				nodes[n].Zone = number(values, s.p.view.Nodes[n].Attribute(attribute))
			}
			nodes[n].Host = number(hosts, s.p.view.Nodes[n].Host)
		}
	}
	return attribute
}

// How many shards of a keyspace are asked for its row, at most, and how many in a row may bring nothing new where nodes are many.
const (
	samples = 64
	barren  = 2
)

// classRow is what the shards of a keyspace, from one place of the table to another, have in common: of some of them, spread over
// all, the mildest word on each node. What one shard's own copies forbid another's do not.
func (p *planner) classRow(first, last int) ([]byte, []float64) {
	row := make([]byte, len(p.view.Nodes))
	for n := range row {
		row[n] = fit.Refused
	}
	var scores []float64
	idle := 0
	count := min(samples, last-first)
	for at := range count {
		i := first + at*(last-first)/count
		r := p.row(i)
		q := &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: r, Place: i, New: len(r.Copies) == 0, Primary: len(r.Copies) == 0}
		milder := false
		for c := range max(1, len(r.Copies)) { // each of its copies may go where the others let it
			if len(r.Copies) > 0 {
				q.Copy = &r.Copies[c]
				q.Primary = q.Copy.ID == r.Primary
			}
			milder = soften(row, p.in.Policies.Ask(p.view, q)) || milder
		}
		for c := range r.Copies { // what has one copy of each shard may have no other, and keeps those
			if n := p.nodes[r.Copies[c].Node]; p.home(n) {
				row[n] = min(row[n], fit.Waits)
			}
		}
		if at == 0 {
			scores = p.in.Policies.Scores(p.view, q)
		}
		if idle++; milder {
			idle = 0
		}
		if !slices.ContainsFunc(row, func(v byte) bool { return v != fit.Yes }) || idle >= barren && len(row) > few {
			break
		}
	}
	return row, scores
}

// soften takes over what is milder, and says whether anything is.
func soften(row []byte, answers policies.Row) (milder bool) {
	for n, a := range answers {
		if v := byte(a.Verdict()); v < row[n] {
			row[n], milder = v, true
		}
	}
	return milder
}

// solving is the solver for the copies that are to be placed, with all of them placed, or nil where all nodes are ranked for each.
func (p *planner) solving() *solver {
	if p.placing == nil && (len(p.view.Nodes) > few || p.measured()) {
		p.placing = p.solver(true)
		p.placing.place()
	}
	return p.placing
}

// place gives every missing copy its place, the biggest first, and improves on that while nothing is carried there yet.
func (s *solver) place() (unplaced []int32) {
	s.pending = make([]bool, len(s.Slots))
	for slot, n := range s.Slots {
		s.pending[slot] = n < 0
	}
	s.Enter = s.mayHold
	unplaced = s.Place()
	s.Settle(fit.Limits{Start: freshHeat, Stop: freshHeat, Fresh: true})
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
	starting := *q
	starting.Capability = policies.Start
	return p.in.Policies.On(p.view, q, n).Verdict() == policies.Yes && p.in.Policies.On(p.view, &starting, n).Verdict() == policies.Yes
}

// next is the slot of the next copy of a shard that is to be placed, the one that leads first; -1 if there is none.
func (s *solver) next(i int) int {
	sh := &s.Shards[i]
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
	return s.slot(i, int32(s.p.nodes[q.Copy.Node]))
}

// cost is what one more copy of a shard would cost on a node.
func (s *solver) cost(i, n int) float64 { return s.Cost(int(s.Shards[i].First), n) }

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
	return row
}
