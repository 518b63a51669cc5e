package simulate

import (
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// tally counts what happens in an eval.
type tally struct {
	moves  Moves
	flow   float64 // bytes copied
	peak   int     // recoveries at once
	plans  int
	outage map[shards.ShardID]int64 // ticks that each shard has had no living primary, in its present outage
	worst  int64                    // the longest outage, in ticks
	lost   int                      // shards that had one
	moved  map[place]bool           // where relocations for balance have put copies
	twice  map[shards.ShardID]bool  // shards with a copy that was put somewhere, and then somewhere else
	shifts []shift                  // relocations for balance, in order
}

// place is a node for a shard.
type place struct {
	shard shards.ShardID
	node  shards.NodeID
}

// Moves counts what was done, by kind.
type Moves struct {
	Creations   int `json:"creations"`
	Allocations int `json:"allocations"` // of copies that were missing
	Relocations int `json:"relocations"`
	Promotions  int `json:"promotions"`
	Handovers   int `json:"handovers"`
	Drops       int `json:"drops"`
}

// Total is the number of all moves.
func (m Moves) Total() int {
	return m.Creations + m.Allocations + m.Relocations + m.Promotions + m.Handovers + m.Drops
}

// Plus adds two counts.
func (m Moves) Plus(o Moves) Moves {
	return Moves{m.Creations + o.Creations, m.Allocations + o.Allocations, m.Relocations + o.Relocations, m.Promotions + o.Promotions, m.Handovers + o.Handovers, m.Drops + o.Drops}
}

func newTally() tally {
	return tally{outage: map[shards.ShardID]int64{}, moved: map[place]bool{}, twice: map[shards.ShardID]bool{}}
}

// planned counts a plan's moves. The state is still the one that it was made for.
func (t *tally) planned(w *World, p *allocator.Plan) {
	t.plans++
	for i := range p.Rows {
		for _, m := range p.Rows[i].Moves {
			switch m.Kind {
			case cluster.MoveCreate:
				t.moves.Creations++
			case cluster.MoveAllocate:
				if m.Source != 0 {
					t.moves.Relocations++
				} else {
					t.moves.Allocations++
				}
			case cluster.MovePromote:
				t.moves.Promotions++
			case cluster.MoveHandTo:
				t.moves.Handovers++
			case cluster.MoveDrop:
				t.moves.Drops++
			}
		}
	}
	for i := range p.Decisions {
		d := &p.Decisions[i]
		if d.Lane != allocator.Balance || d.Move.Kind != cluster.MoveAllocate {
			continue
		}
		if c := w.State.Shard(d.Shard).Copy(d.Move.Source); c != nil {
			if t.moved[place{d.Shard, c.Node}] {
				t.twice[d.Shard] = true
			}
			t.shifted(w, d.Shard, c, d.Move.Node)
		}
		t.moved[place{d.Shard, d.Move.Node}] = true
	}
}

// unserved counts the time that shards have no living primary. A shard that has never had one is not served, and not lost.
func (t *tally) unserved(w *World, ticks int64) {
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		if len(r.Copies) == 0 || w.served(r) {
			if t.outage[r.ID] > 0 {
				delete(t.outage, r.ID)
			}
			continue
		}
		if t.outage[r.ID] == 0 {
			t.lost++
		}
		t.outage[r.ID] += ticks
		t.worst = max(t.worst, t.outage[r.ID])
	}
}

func (w *World) served(r *cluster.Shard) bool {
	p := r.PrimaryCopy()
	return p != nil && w.alive(p.Node)
}

// Sample is how the world stood at a moment.
type Sample struct {
	At         time.Duration                `json:"-"` // since the eval began
	Seconds    float64                      `json:"seconds"`
	Red        int                          `json:"red"`
	Yellow     int                          `json:"yellow"`
	Recoveries int                          `json:"recoveries"`
	Waiting    int                          `json:"waiting"`
	Bytes      float64                      `json:"bytes"`
	Balance    [dimensions]*float64         `json:"balance"` // copies, primaries, cpu, memory, disk: greatest over mean; absent if not measured
	Hottest    [policies.Dimensions]float64 `json:"hottest"` // cpu, memory, disk: share of what the fullest node can bear
}

// The dimensions of balance.
const (
	copiesOf = iota
	primariesOf
	cpuOf
	memoryOf
	diskOf
	dimensions
)

var dimensionNames = [dimensions]string{"copies", "primaries", "cpu", "memory", "disk"}

// sample looks at everything once.
func (w *World) sample(began int64) Sample {
	s := Sample{At: w.after(w.ticks - began), Recoveries: len(w.jobs), Bytes: w.tally.flow}
	s.Seconds = s.At.Seconds()
	s.Red, s.Yellow = w.health()
	if w.plan != nil {
		s.Waiting = w.plan.Waiting
	}
	for d, b := range w.balances() {
		if b.Mean > 0 {
			x := b.ratio()
			s.Balance[d] = &x
		}
		if d >= cpuOf {
			s.Hottest[d-cpuOf] = b.Most
		}
	}
	return s
}

// health counts shards without a living primary, and those with too few copies in sync on living nodes.
func (w *World) health() (red, yellow int) {
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		if !w.served(r) {
			red++
			continue
		}
		in := 0
		for n := range r.Copies {
			if c := &r.Copies[n]; c.InSync && w.alive(c.Node) {
				in++
			}
		}
		if in < w.State.Keyspace(r.ID.Keyspace()).Copies() {
			yellow++
		}
	}
	return red, yellow
}

// Balance is how even a dimension is over the living nodes that take copies: copies and primaries each by what a node can bear if
// that is known, the others as a share of it.
type Balance struct {
	Least, Mean, Most float64
	Fullest           string  // the node with Most
	Number            float64 // what that node has, in the dimension's own unit
}

func (b *Balance) ratio() float64 { return b.Most / b.Mean }

// figures are what one node has in each dimension.
type figures [dimensions]float64

// figuresOf gives by node what it holds.
func (w *World) figuresOf() []figures {
	place := make(map[shards.NodeID]int, len(w.State.Members))
	out := make([]figures, len(w.State.Members))
	for i := range w.State.Members {
		id := w.State.Members[i].ID
		place[id] = i
		v := w.machines[id].other.Vector()
		copy(out[i][cpuOf:], v[:])
	}
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		for n := range r.Copies {
			c := &r.Copies[n]
			f := &out[place[c.Node]]
			f[copiesOf]++
			if c.ID == r.Primary {
				f[primariesOf]++
			}
			for d, x := range w.share(r, c).Vector() {
				f[cpuOf+d] += x
			}
		}
	}
	return out
}

// balances measures each dimension. A cluster's mean is over capacity, so that a large node may hold more.
func (w *World) balances() (out [dimensions]Balance) {
	all := w.figuresOf()
	for d := range out {
		out[d] = w.balance(d, all)
	}
	return out
}

func (w *World) balance(d int, all []figures) (b Balance) {
	sum, room, first := 0.0, 0.0, true
	for i := range w.State.Members {
		m := &w.State.Members[i]
		x := w.machines[m.ID]
		if !m.Has(cluster.RoleData) || m.Draining || m.Down || x.dead {
			continue
		}
		bears := 1.0
		if d >= cpuOf {
			if bears = x.capacity.Vector()[d-cpuOf]; !x.measured || bears == 0 {
				continue
			}
		}
		share := all[i][d] / bears
		sum, room = sum+all[i][d], room+bears
		if first || share < b.Least {
			b.Least = share
		}
		if first || share > b.Most {
			b.Most, b.Fullest, b.Number = share, m.Name, all[i][d]
		}
		first = false
	}
	if room > 0 {
		b.Mean = sum / room
	}
	return b
}
