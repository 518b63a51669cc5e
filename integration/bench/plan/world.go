package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/troupe-actors/troupe/policies/allocator/fit"
)

// The dimensions of the solver's worlds.
const (
	cpu = iota
	memory
	disk
	primaries
)

// Shape says how a world is drawn.
type Shape struct {
	Copies, Nodes int
	Seed          uint64
}

const (
	replicas   = 3
	zones      = 3
	perRack    = 20
	tables     = 100
	meanUse    = 0.60 // of capacity
	hardCap    = 0.92
	bigNodes   = 0.25 // of double size
	tagged     = 0.40 // of nodes
	needTag    = 0.10 // of tables
	logSigma   = 1.0
	shardBytes = 1 << 30 // on average
)

// solverWorld draws nodes and shards: three zones, strict spread, a quarter of the nodes of double size, a tenth of the tables on
// tagged nodes only, log-normal loads that fill 60 % of what there is. Slots are empty.
func solverWorld(sh Shape) fit.Problem {
	r := rand.New(rand.NewPCG(sh.Seed, 1))
	p := fit.Problem{Seed: sh.Seed, Weights: fit.Vector{1, 1, 1, 0.05}}
	shards := sh.Copies / replicas
	for range 2 {
		row := make([]byte, sh.Nodes)
		p.Classes = append(p.Classes, fit.Class{Row: row, PerZone: 1})
	}
	var capacity float64
	for n := range sh.Nodes {
		size := 1.0
		if r.Float64() < bigNodes {
			size = 2
		}
		capacity += size
		p.Nodes = append(p.Nodes, fit.Node{Zone: int32(n % zones), Host: fit.None, Capacity: fit.Vector{size, size, size, size}})
		if r.Float64() >= tagged {
			p.Classes[1].Row[n] = fit.Refused
		}
	}
	draw := func() float64 { return math.Exp(r.NormFloat64()*logSigma - logSigma*logSigma/2) }
	var total fit.Vector
	for i := range shards {
		class := int32(0)
		if i%tables < int(needTag*tables) {
			class = 1
		}
		c, m, d := draw(), draw(), draw()
		s := fit.Shard{Class: class, First: int32(len(p.Slots)), Count: replicas, Lead: 0,
			Primary: fit.Vector{c, m, d, 1}, Replica: fit.Vector{c, m, d, 0}}
		p.Shards = append(p.Shards, s)
		for k := range s.Count {
			p.Slots = append(p.Slots, fit.None)
			if k == s.Lead {
				total.Add(&s.Primary)
			} else {
				total.Add(&s.Replica)
			}
		}
	}
	for i := range p.Shards {
		s := &p.Shards[i]
		for d := cpu; d <= disk; d++ {
			scale := meanUse * capacity / total[d]
			s.Primary[d] *= scale
			s.Replica[d] *= scale
		}
		s.Bytes = s.Replica[disk] / (meanUse * capacity / float64(sh.Copies)) * shardBytes
	}
	for n := range p.Nodes {
		for d := cpu; d <= disk; d++ {
			p.Nodes[n].Limit[d] = hardCap * p.Nodes[n].Capacity[d]
		}
	}
	return p
}

// fork is a problem that can be solved without changing this one.
func fork(p *fit.Problem) *fit.Problem {
	q := *p
	q.Nodes, q.Shards, q.Slots = slices.Clone(p.Nodes), slices.Clone(p.Shards), slices.Clone(p.Slots)
	q.Classes = slices.Clone(p.Classes)
	for c := range q.Classes {
		q.Classes[c].Row = slices.Clone(q.Classes[c].Row)
	}
	return &q
}

// load is what the copy in a slot of a shard weighs.
func load(sh *fit.Shard, k int32) *fit.Vector {
	if k == sh.Lead {
		return &sh.Primary
	}
	return &sh.Replica
}

// judged is how good an assignment is.
type judged struct {
	heat       [3]float64 // of the hottest node in cpu, memory and disk: max over what the node's class must carry
	violations int        // of hard rules
	missing    int        // copies without a node
}

// judge looks at an assignment from outside: whoever made it is not asked.
func judge(p *fit.Problem) (j judged) {
	s := fit.NewSearch(*fork(p))
	use := make([]fit.Vector, len(p.Nodes))
	for i := range p.Shards {
		sh := &p.Shards[i]
		c := &p.Classes[sh.Class]
		for k := range sh.Count {
			n := p.Slots[sh.First+k]
			if n < 0 {
				j.missing++
				continue
			}
			use[n].Add(load(sh, k))
			if c.Row[n] >= fit.Waits {
				j.violations++
			}
			inZone := int32(1)
			for o := range k {
				m := p.Slots[sh.First+o]
				if m == n {
					j.violations++
				}
				if m >= 0 && p.Nodes[m].Zone == p.Nodes[n].Zone {
					inZone++
				}
			}
			if c.PerZone > 0 && inZone > c.PerZone {
				j.violations++
			}
		}
	}
	for n := range p.Nodes {
		node := &p.Nodes[n]
		if node.Away {
			continue
		}
		level := s.Level(n)
		for d := range j.heat {
			j.heat[d] = max(j.heat[d], use[n][d]/(node.Capacity[d]*level[d]))
			if use[n][d] > node.Limit[d]*(1+1e-9) {
				j.violations++
			}
		}
	}
	return j
}
