package allocator

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
)

// partial makes a solver that lists only the shards that lack a copy; all others are sums, which the view has:
//
//	table     ░░░░░▓░░░░░░░░▓▓░░░░░     ▓ unsettled: listed, with slots
//	                                    ░ what they weigh is in Node.Held, Node.Copies and Spread
//
// A rack that fails then costs what it held, and not what the cluster holds. It begins with the shard at a place, and lists as many as one
// plan may change: the next ones follow when their turn comes, from the sums as they are by then. It is nil where sums say too little,
// since some shards have not been measured.
func (p *planner) partial(from int) *solver {
	t := p.tallied()
	if p.measured() && t.known < len(p.in.State.Shards) {
		return nil
	}
	s := &solver{p: p, measured: p.measured(), leads: true}
	problem := fit.Problem{Seed: p.in.Seed, Classes: make([]fit.Class, len(p.in.State.Keyspaces)), Families: len(p.in.State.Keyspaces),
		Weights: fit.Vector{dimPrimaries: primariesWeight}, Light: fit.Vector{dimPrimaries: primariesBand}}
	problem.Nodes = s.nodes()
	s.list(from)
	s.rules(&problem)
	problem.Shards, problem.Slots = s.slots(true)
	problem.Beside = s.beside(t)
	s.total = 0
	for _, m := range problem.Beside.Masses {
		s.total += m.Shards * int(m.Copies)
	}
	s.rank(&problem)
	s.Search = fit.NewSearch(problem)
	if !s.measured {
		s.Prefer = s.prefer
	}
	return s
}

// list lists the shards that lack a copy, from a place on.
func (s *solver) list(from int) {
	unsettled := s.p.view.Unsettled()
	first, _ := slices.BinarySearch(unsettled, int32(from))
	unsettled = unsettled[first:]
	most := min(len(unsettled), MaxRows)
	s.places, s.lacks, s.loads = make([]int32, 0, most), make([]int, 0, most), make([]fitLoad, 0, most)
	for _, i := range unsettled {
		if len(s.places) == most {
			return
		}
		if lacks := s.p.absent(int(i), true); lacks > 0 {
			s.places, s.lacks, s.loads = append(s.places, i), append(s.lacks, lacks), append(s.loads, s.weight(int(i)))
		}
	}
}

// weight is what the copies of one shard weigh, where all have been measured or none counts.
func (s *solver) weight(i int) fitLoad {
	if !s.measured {
		return s.unweighed()
	}
	m := s.p.view.ShardLoad(s.p.in.State.Shards[i].ID)
	l := fitLoad{vector(m.Primary), vector(m.Replica)}
	l.primary[dimPrimaries] = 1
	return l
}

// beside sums up all shards.
func (s *solver) beside(t *tally) *fit.Beside {
	p := s.p
	b := &fit.Beside{Use: make([]fit.Vector, len(p.view.Nodes)), Kin: make([]uint32, 0, len(p.view.Nodes)*len(p.view.Spread))}
	for n := range b.Use {
		node := &p.view.Nodes[n]
		if node.Down {
			continue // what it has stands in no slot
		}
		if s.measured {
			b.Use[n] = vector(node.Held)
		} else {
			b.Use[n][dimCopies] = float64(node.Copies)
		}
		b.Use[n][dimPrimaries] = float64(node.Primaries)
	}
	for k := range p.view.Spread {
		for n, copies := range p.view.Spread[k].Copies {
			if p.view.Nodes[n].Down {
				copies = 0
			}
			b.Kin = append(b.Kin, uint32(copies))
		}
		space := &p.in.State.Keyspaces[k]
		m := fit.Mass{Class: int32(k), Family: int32(k), Copies: int32(space.Copies()), Shards: space.Shards}
		if s.measured {
			m.Total, m.Top = t.sums[k].primary, t.sums[k].top
			for range space.Copies() - 1 {
				m.Total.Add(&t.sums[k].replica)
			}
		} else {
			m.Total[dimCopies], m.Top[dimCopies] = float64(space.Shards*space.Copies()), float64(space.Shards)
		}
		m.Total[dimPrimaries], m.Top[dimPrimaries] = float64(space.Shards), float64(space.Shards)
		b.Masses = append(b.Masses, m)
	}
	return b
}

// index is where the solver lists the shard at a place of the table; it lists it. Most are asked for in their order.
func (s *solver) index(i int) int {
	if s.places == nil {
		return i
	}
	for _, at := range [...]int{s.last, s.last + 1} {
		if at < len(s.places) && s.places[at] == int32(i) {
			s.last = at
			return at
		}
	}
	s.last, _ = slices.BinarySearch(s.places, int32(i))
	return s.last
}

// wants says how many copies a shard lacks that nothing has been planned for since the solver has listed it; known is false of others.
func (s *solver) wants(i int) (lacks int, known bool) {
	if s == nil || s.places == nil || len(s.p.moves[i]) > 0 {
		return 0, false
	}
	if at := s.index(i); at < len(s.places) && s.places[at] == int32(i) {
		return s.lacks[at], true
	}
	return 0, false
}

// lists says whether the solver lists the shard at a place, if that lacks a copy.
func (s *solver) lists(i int) bool {
	return s.places == nil || len(s.places) > 0 && int32(i) >= s.places[0] && int32(i) <= s.places[len(s.places)-1]
}

// at is the place in the table of a shard that the solver lists.
func (s *solver) at(shard int) int {
	if s.places == nil {
		return shard
	}
	return int(s.places[shard])
}

// known says whether sums tell what nodes carry: all shards have been measured.
func (p *planner) known() bool { return p.tallied().known == len(p.in.State.Shards) }

// onDisk is what a node's copies take of its disk by now, by the sums.
func onDisk(n *policies.Node) float64 { return n.Held.Disk - n.Coming.Disk + n.Leaving.Disk }
