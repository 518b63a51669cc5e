package fit

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// total is what Attract makes less: the potential, and what scorers add to it.
func (s *Search) total() float64 {
	sum := s.Potential()
	for slot, n := range s.Slots {
		if n >= 0 {
			sum += 0.5 * (s.score(int32(slot), n, 1) + s.unit*s.scoresOf(int32(slot))[n]) // two of a family count each other
		}
	}
	return sum
}

// Whatever scorers say, copies come to rest, each move for their sake makes the whole less, and then no copy gains enough anywhere: what they
// prefer is there, as far as evenness lets it.
func TestAttractComesToRest(t *testing.T) {
	seed := seeded(t)
	moved := 0
	for run := range 40 {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		w := world{nodes: 2 + r.IntN(20), shards: 10 + r.IntN(100), zones: r.IntN(4), hosts: r.IntN(20), classes: 1 + r.IntN(3), limits: r.IntN(2) == 0, filled: true, scored: true}
		p := w.draw(r)
		for round := 0; ; round++ {
			if round == 50 {
				t.Fatalf("run %d: no rest", run)
			}
			s := NewSearch(p)
			before := s.total()
			s.Attract(Limits{Moves: 1 + r.IntN(20)})
			if s.check(t); len(s.Moves()) == 0 {
				s.rested(t)
				break
			}
			if after, least := s.total(), drawn*s.unit*float64(len(s.Moves())); before-after < least*(1-1e-9) {
				t.Fatalf("run %d: %d moves took %g off, want %g at least", run, len(s.Moves()), before-after, least)
			}
			moved += len(s.Moves())
		}
	}
	if moved < 100 {
		t.Errorf("%d moves: the test is too mild", moved)
	}
}

// rested says which copy would gain enough by scores, and was left where it is.
func (s *Search) rested(t *testing.T) {
	t.Helper()
	for slot, n := range s.Slots {
		slot := int32(slot)
		if n < 0 || s.Nodes[n].Away {
			continue
		}
		sh := &s.Shards[s.shardOf[slot]]
		k := slot - sh.First
		load, scores := sh.load(k), s.scoresOf(slot)
		for m := range int32(len(s.Nodes)) {
			if s.Classes[sh.Class].Row[m] != Yes || s.Nodes[m].Away || !s.open(sh, k, s.zoneOf[m]) || !s.apart(sh, k, m) || !s.holds(m, load) {
				continue
			}
			gain := -s.changing(n, load, &nothing) + s.score(slot, n, 1) - s.adding(m, load) - s.score(slot, m, 0)
			if gain > drawn*s.unit && scores[n]-scores[m] > drawn {
				t.Errorf("slot %d gains %.2f copies by going from node %d to %d", slot, gain/s.unit, n, m)
			}
		}
	}
}

// Scores draw copies as far as what they are worth, and no farther: evenness holds them back.
func TestScoresAreWeighedAgainstEvenness(t *testing.T) {
	for _, c := range []struct{ worth, least, most float64 }{{0.4, 20, 20}, {1, 20, 23}, {4, 24, 30}, {1e6, 40, 40}} {
		p := Problem{Classes: []Class{{Row: []byte{Yes, Yes}}}, Scored: func(int, int) []float64 { return []float64{c.worth, 0} }}
		for range 2 {
			p.Nodes = append(p.Nodes, Node{Capacity: Vector{1}, Zone: None, Host: None})
		}
		for i := range int32(40) {
			p.Shards = append(p.Shards, Shard{First: i, Count: 1, Lead: None, Replica: Vector{1}, Bytes: 1})
			p.Slots = append(p.Slots, i%2)
		}
		s := NewSearch(p)
		s.Attract(Limits{})
		if got := s.Use(1)[0]; got < c.least || got > c.most {
			t.Errorf("a score worth %g copies drew %g of 40 copies, want %g to %g", c.worth, got, c.least, c.most)
		}
		for _, m := range s.Moves() {
			if m.Drawn != c.worth || m.To != 1 {
				t.Errorf("%+v", m)
			}
		}
		again := NewSearch(p)
		again.Settle(Limits{Start: 1, Stop: 1, Width: 2})
		if again.Attract(Limits{}); len(again.Moves()) != 0 {
			t.Errorf("worth %g: %d moves more", c.worth, len(again.Moves()))
		}
	}
}

// A class of scorers moves copies as far as their units say; NOT_PREFERRED nodes are taken only if no other can.
func TestScoresAndAversion(t *testing.T) {
	p := Problem{Nodes: make([]Node, 3), Classes: []Class{{Row: []byte{Yes, Yes, Averse}}}}
	p.Scored = func(int, int) []float64 { return []float64{0, 1e5, 0} }
	for n := range p.Nodes {
		p.Nodes[n] = Node{Capacity: Vector{1}, Zone: None, Host: None}
	}
	for i := range 6 {
		p.Shards = append(p.Shards, Shard{First: int32(i), Count: 1, Lead: None, Replica: Vector{0.1}, Bytes: 1})
		p.Slots = append(p.Slots, None)
	}
	p.Shards = append(p.Shards, Shard{First: 6, Count: 3, Lead: None, Replica: Vector{0.1}, Bytes: 1})
	p.Slots = append(p.Slots, None, None, None)
	s := NewSearch(p)
	s.Place()
	for slot, n := range p.Slots[:6] {
		if n != 0 {
			t.Errorf("slot %d is on node %d, whatever the scorer says", slot, n)
		}
	}
	on := slices.Sorted(slices.Values(p.Slots[6:]))
	if !slices.Equal(on, []int32{0, 1, 2}) {
		t.Errorf("three copies are on nodes %v", on)
	}
}
