package allocator

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies/allocator/fit"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Burden is a shard of which one copy alone is more than any node's share: wherever it is its node is hotter than others, and nothing
// that is moved helps.
type Burden struct {
	Shard     shards.ShardID
	Name      string
	Dimension string  // cpu, memory or disk
	Load      float64 // of its heaviest copy: cores or bytes
	Node      string  // of those that may have it, the one that has most of the dimension
	Capacity  float64 // of that node
	Heat      float64 // the load in relation to the largest share that a node has which may have it
}

// What a burden is, and what is too little to hurt anybody.
const (
	burdenHeat = 1.1  // above which balance begins to move things
	burdenPart = 0.25 // of what the largest node has
)

// String says what it is, and what would help.
func (b *Burden) String() string {
	if b == nil {
		return "no shard is too large for the nodes' shares"
	}
	return fmt.Sprintf("one copy of shard %s needs %s of %s, %.0f%% of any node's share; the largest node for it, %s, has %s: moving shards does not help; spread its keys over a keyspace with more shards, or give it larger nodes",
		b.Name, amount(b.Dimension, b.Load), b.Dimension, 100*b.Heat, b.Node, amount(b.Dimension, b.Capacity))
}

// amount is a load in the unit of its dimension.
func amount(dimension string, x float64) string {
	if dimension == dimNames[dimCPU] {
		return fmt.Sprintf("%.4g cores", x)
	}
	return cluster.SizeText(x)
}

// Heaviest is the worst burden that there is, or with only, that which this shard is; nil: none, or too little is used for loads to be what
// nodes are compared by. It asks policies for the rows of keyspaces, as a plan does.
func Heaviest(in Input, only *shards.ShardID) (worst *Burden) {
	p := newPlanner(in)
	p.look()
	if !p.measured() {
		return nil
	}
	s := p.solver(false)
	for i := range s.Shards {
		sh := &s.Shards[i]
		row := &in.State.Shards[s.at(i)]
		if only != nil && row.ID != *only {
			continue
		}
		share := s.Share(i)
		for d := range dimCopies {
			load := sh.Replica[d]
			if sh.Lead >= 0 {
				load = max(load, sh.Primary[d])
			}
			if share[d] <= 0 || load <= burdenHeat*share[d] || worst != nil && load/share[d] <= worst.Heat {
				continue
			}
			if n := s.largest(i, d); n >= 0 && load >= burdenPart*s.Nodes[n].Capacity[d] {
				worst = &Burden{Shard: row.ID, Name: p.name(row.ID), Dimension: dimNames[d], Load: load, Node: p.view.Nodes[n].Name, Capacity: s.Nodes[n].Capacity[d], Heat: load / share[d]}
			}
		}
	}
	return worst
}

// largest is the node that has most of a dimension of those that may have the shard; -1: none may.
func (s *solver) largest(shard, d int) (best int) {
	best = -1
	for n, verdict := range s.Classes[s.Shards[shard].Class].Row {
		if verdict == fit.Refused || s.Nodes[n].Away {
			continue
		}
		if best < 0 || s.Nodes[n].Capacity[d] > s.Nodes[best].Capacity[d] {
			best = n
		}
	}
	return best
}
