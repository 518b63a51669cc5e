package main

import (
	"math/rand/v2"

	"github.com/troupe-actors/troupe/policies/allocator/fit"
)

// event is what happens to a settled world.
type event struct {
	name   string
	happen func(p *fit.Problem)
	moves  bool // and then copies may be moved; else only what is missing is placed
}

func events() []event {
	return []event{
		{"rack of 20 dies", func(p *fit.Problem) { gone(p, func(n int) bool { return n%zones == 0 && n < zones*perRack }) }, true},
		{"zone dies", func(p *fit.Problem) {
			gone(p, func(n int) bool { return n%zones == 0 })
			for c := range p.Classes {
				p.Classes[c].PerZone = 2
			}
		}, true},
		{"+10 % nodes", moreNodes, true},
		{"2 % hot x6", func(p *fit.Problem) {
			r := rand.New(rand.NewPCG(p.Seed, 4))
			for i := range p.Shards {
				if r.IntN(50) == 0 {
					p.Shards[i].Primary[cpu] *= 6
					p.Shards[i].Replica[cpu] *= 6
				}
			}
		}, true},
		{"10 nodes drained", func(p *fit.Problem) { gone(p, func(n int) bool { return n < 10 }) }, true},
	}
}

// gone takes nodes away: what they held is missing.
func gone(p *fit.Problem, which func(n int) bool) {
	for n := range p.Nodes {
		if which(n) {
			p.Nodes[n].Away = true
			for c := range p.Classes {
				p.Classes[c].Row[n] = fit.Refused
			}
		}
	}
	for slot, n := range p.Slots {
		if n >= 0 && p.Nodes[n].Away {
			p.Slots[slot] = fit.None
		}
	}
}

// moreNodes adds a tenth, like the first ones, and empty.
func moreNodes(p *fit.Problem) {
	for n := range len(p.Nodes) / 10 {
		p.Nodes = append(p.Nodes, p.Nodes[n])
		for c := range p.Classes {
			p.Classes[c].Row = append(p.Classes[c].Row, p.Classes[c].Row[n])
		}
	}
}

// leastBytes is what any planner must move at least, so that no node's disk is fuller than the goal lets it be: what is above.
func leastBytes(p *fit.Problem, goal float64) float64 {
	s := fit.NewSearch(*fork(p))
	bytes, units := 0.0, 0.0
	for i := range p.Shards {
		bytes += p.Shards[i].Bytes
		units += p.Shards[i].Replica[disk]
	}
	sum := 0.0
	for n := range p.Nodes {
		if !p.Nodes[n].Away {
			sum += max(0, s.Use(n)[disk]-goal*s.Level(n)[disk]*p.Nodes[n].Capacity[disk])
		}
	}
	return sum * bytes / units
}
