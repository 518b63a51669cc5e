package allocator

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
)

// Desired is the assignment that plans lead to, if nothing else happens: all that is missing is placed, and all that is worth to
// be moved is moved. It is worked out without regard to throttling, which decides when, and not where.
type Desired struct {
	Hash     uint64 // of who holds what and who leads, in the order of the table: the same for all that work it out from the same input
	Placed   int    // copies that are missing, and have a place in it
	Moves    int    // copies that go from one node to another
	Hands    int    // shards that are led by another copy; where copies are counted these are not worked out ahead
	Bytes    float64
	Unplaced []string // shards of which a copy has no place, one entry each
	Before   Heat     // of the hottest node, when what is missing has been placed
	After    Heat     // and when all is done
	Bound    Heat     // below which no assignment brings the hottest node, with the shard that is to blame; Heat 1 if there is no such shard
	Steps    []fit.Move
}

// Heat is how far a node is from its share: use over capacity, in relation to what the rules let it be. 1 is its share.
type Heat struct {
	Heat      float64
	Node      string
	Shard     string
	Dimension string
}

// Desire works out the desired assignment.
func Desire(in Input) *Desired {
	p := newPlanner(in)
	p.declare()
	p.look()
	s := p.solver(true)
	d := &Desired{}
	for _, n := range s.Slots {
		if n < 0 {
			d.Placed++
		}
	}
	for _, slot := range s.place() {
		d.Unplaced = append(d.Unplaced, p.name(p.in.State.Shards[s.ShardOf(int(slot))].ID))
	}
	d.Placed -= len(d.Unplaced)
	if !s.measured {
		s.Ignore(dimPrimaries)
	}
	d.Before = s.hottest()
	limits, worth := p.limits()
	if limits.Moves = 0; !in.NoBalance {
		clear(s.sure)
		s.Enter, s.Leave, s.Lead = s.mayHold, s.mayLeave, s.mayLead
		if worth {
			s.Settle(limits)
		}
		s.Attract(limits)
	}
	d.After, d.Steps = s.hottest(), s.Moves()
	for _, m := range d.Steps {
		if m.Kind == fit.Hand {
			d.Hands++
			continue
		}
		d.Moves++
		d.Bytes += s.Shards[m.Shard].Bytes
	}
	if b := s.Bounds(); b.Shard >= 0 {
		d.Bound = Heat{Heat: b.Heat, Shard: p.name(p.in.State.Shards[b.Shard].ID), Dimension: dimNames[b.Dim]}
	} else {
		d.Bound.Heat = 1
	}
	d.Hash = s.hash()
	return d
}

// mayHold asks deciders about a copy of a shard that exists; what a shard that has not begun may have is known from its keyspace.
func (s *solver) mayHold(i, slot, node int) bool {
	if s.sure[s.Shards[i].Class] {
		return true // its row has been asked for
	}
	if s.copyIn(i, slot) != nil {
		return s.mayEnter(i, slot, node)
	}
	i = s.at(i)
	r := s.p.row(i)
	if r.Primary == 0 {
		return true
	}
	q := &policies.Question{Capability: policies.Allocate, Keyspace: s.p.keyspace(i), Shard: r, Place: i}
	return s.p.in.Policies.On(s.p.view, q, node).Verdict() == policies.Yes
}

// hottest is the hottest of the nodes that take copies.
func (s *solver) hottest() (h Heat) {
	for n := range s.Nodes {
		if s.Nodes[n].Away {
			continue
		}
		if heat, d := s.Heat(n); heat > h.Heat {
			h = Heat{Heat: heat, Node: s.p.view.Nodes[n].Name, Dimension: dimNames[d]}
		}
	}
	return h
}

// hash sums up who holds and who leads what.
func (s *solver) hash() uint64 {
	h := fnv.New64a()
	var word [4]byte
	for i := range s.Shards {
		sh := &s.Shards[i]
		for _, n := range s.Slots[sh.First : sh.First+sh.Count] {
			binary.LittleEndian.PutUint32(word[:], uint32(n))
			h.Write(word[:])
		}
		binary.LittleEndian.PutUint32(word[:], uint32(sh.Lead))
		h.Write(word[:])
	}
	return h.Sum64()
}
