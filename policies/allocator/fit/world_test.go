package fit

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 draws one")

// seeded gives the seed of a random test and says how to repeat it.
func seeded(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./policies/allocator/fit -run '^%s$' -seed %d", t.Name(), seed)
	return seed
}

// world is what a random problem is drawn from.
type world struct {
	nodes, shards, zones, hosts, classes int
	limits                               bool
	filled                               bool // shards begin where they may be, at random
	scored                               bool // scorers tell copies apart
}

// draw makes a problem of random nodes, rows, rules and loads.
func (w world) draw(r *rand.Rand) Problem {
	p := Problem{Seed: r.Uint64(), Families: 1 + r.IntN(3)}
	for range w.nodes {
		size := float64(1 + r.IntN(3))
		n := Node{Capacity: Vector{size, 2 * size, size, size, size}, Zone: int32(r.IntN(max(1, w.zones))), Host: None}
		if w.hosts > 0 {
			n.Host = int32(r.IntN(w.hosts))
		}
		if w.limits {
			n.Limit = Vector{size * 0.9, 2 * size * 0.9}
		}
		p.Nodes = append(p.Nodes, n)
	}
	for range w.classes {
		c := Class{Row: make([]byte, w.nodes), PerZone: int32(r.IntN(3)), PerHost: r.IntN(2) == 0}
		if w.zones == 0 {
			c.PerZone = 0
		}
		for n := range c.Row {
			if r.IntN(4) == 0 {
				c.Row[n] = byte(r.IntN(4))
			}
		}
		p.Classes = append(p.Classes, c)
	}
	load := func() float64 { return math.Exp(r.NormFloat64()) * float64(w.nodes) / float64(w.shards) / 8 }
	for range w.shards {
		s := Shard{Class: int32(r.IntN(w.classes)), First: int32(len(p.Slots)), Count: int32(1 + r.IntN(3)), Lead: 0, Family: int32(r.IntN(p.Families)),
			Replica: Vector{load(), load(), load(), 1, 0}, Bytes: 1 + 100*r.Float64()}
		s.Primary = s.Replica
		s.Primary[0] *= 1 + r.Float64()
		s.Primary[4] = 1
		p.Shards = append(p.Shards, s)
		for range s.Count {
			p.Slots = append(p.Slots, None)
		}
	}
	if w.scored {
		figures := make([][]float64, len(p.Slots))
		for slot := range figures {
			for range w.nodes {
				figures[slot] = append(figures[slot], float64(r.IntN(5))*r.Float64())
			}
		}
		p.Scored = func(shard, slot int) []float64 { return figures[int(p.Shards[shard].First)+slot] }
	}
	if w.filled {
		s := NewSearch(p)
		for slot := range p.Slots {
			for range 8 {
				n := int32(r.IntN(w.nodes))
				sh := &s.Shards[s.shardOf[slot]]
				k := int32(slot) - sh.First
				if s.Classes[sh.Class].Row[n] == Yes && s.open(sh, k, s.zoneOf[n]) && s.apart(sh, k, n) && s.holds(n, sh.load(k)) {
					s.put(int32(slot), n)
					break
				}
			}
		}
	}
	return p
}

// copied gives a problem that can be solved without changing this one.
func (p Problem) copied() Problem {
	p.Slots, p.Shards = slices.Clone(p.Slots), slices.Clone(p.Shards)
	return p
}

// broken names the first hard rule that an assignment breaks, or is empty. Slots for which skip holds are as they were given.
func (p *Problem) broken(skip func(slot int) bool) string {
	use := make([]Vector, len(p.Nodes))
	for i := range p.Shards {
		sh := &p.Shards[i]
		c := &p.Classes[sh.Class]
		zone := map[int32]int32{}
		for k := range sh.Count {
			slot := sh.First + k
			n := p.Slots[slot]
			if n < 0 {
				continue
			}
			use[n].Add(sh.load(k))
			if !skip(int(slot)) && c.Row[n] >= Waits {
				return "a row refuses it"
			}
			zone[p.Nodes[n].Zone]++
			if c.PerZone > 0 && zone[p.Nodes[n].Zone] > c.PerZone {
				return "too many in a zone"
			}
			for j := range k {
				m := p.Slots[sh.First+j]
				if m == n || m >= 0 && c.PerHost && p.Nodes[m].Host >= 0 && p.Nodes[m].Host == p.Nodes[n].Host {
					return "two on a node or host"
				}
			}
		}
	}
	for n := range use {
		for d, x := range use[n] {
			if l := p.Nodes[n].Limit[d]; l > 0 && x > l*(1+1e-9) {
				return "over a limit"
			}
		}
	}
	return ""
}
