package allocator

import (
	"math"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
	"github.com/troupe-actors/troupe/policies/cluster"
)

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
	t := p.tallied()
	var room fit.Vector
	for n := range p.view.Nodes {
		if p.home(n) {
			v := vector(p.view.Nodes[n].Capacity)
			room.Add(&v)
		}
	}
	for k := range t.sums {
		p.used.Add(&t.sums[k].primary)
		for range p.in.State.Keyspaces[k].Copies() - 1 {
			p.used.Add(&t.sums[k].replica)
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
		for i := range s.loads {
			s.loads[i] = s.unweighed()
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

// unweighed is what the copies of a shard weigh where they are counted.
func (s *solver) unweighed() fitLoad {
	one, lead := fit.Vector{dimCopies: 1}, fit.Vector{dimCopies: 1}
	if s.leads {
		lead[dimPrimaries] = 1
	}
	return fitLoad{lead, one}
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
			nodes[n].Capacity[dimCopies], nodes[n].Capacity[dimPrimaries] = 1, 1
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
	if s.p.known() {
		for n := range sum {
			sum[n] = onDisk(&s.p.view.Nodes[n])
		}
		return sum
	}
	for i := range s.p.in.State.Shards {
		r := s.p.row(i)
		for at := range r.Copies {
			if c := &r.Copies[at]; c.Started {
				load := &s.loads[i].replica
				if c.ID == r.Primary {
					load = &s.loads[i].primary
				}
				sum[s.p.node(c.Node)] += load[dimDisk]
			}
		}
	}
	return sum
}
