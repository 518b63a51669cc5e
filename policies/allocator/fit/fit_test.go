package fit

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func none(int) bool { return false }

// Whatever is drawn, no hard rule is broken: not by placing, not by settling, not on the way (moves in their order).
func TestNoRuleIsBroken(t *testing.T) {
	seed := seeded(t)
	placed, moved := 0, 0
	for run := range 150 {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		w := world{nodes: 1 + r.IntN(40), shards: 1 + r.IntN(200), zones: r.IntN(4), hosts: r.IntN(20), classes: 1 + r.IntN(5), limits: r.IntN(2) == 0, filled: r.IntN(2) == 0, scored: r.IntN(2) == 0}
		p := w.draw(r)
		before := p.copied()
		s := NewSearch(p)
		left := s.Place()
		s.Settle(Limits{})
		s.Attract(Limits{})
		if what := p.broken(none); what != "" {
			t.Fatalf("run %d, %+v: %s", run, w, what)
		}
		for _, slot := range left {
			if p.Slots[slot] != None {
				t.Fatalf("run %d: slot %d is said to be unplaced, and is on node %d", run, slot, p.Slots[slot])
			}
		}
		seen := map[int32]bool{}
		for _, m := range s.Moves() {
			sh := &before.Shards[m.Shard]
			if seen[m.Shard] {
				t.Fatalf("run %d: shard %d is moved twice", run, m.Shard)
			}
			seen[m.Shard] = true
			slot := sh.First + m.Slot
			if m.Kind == Hand {
				sh.Lead = m.Slot
				continue
			}
			if before.Slots[slot] != m.From {
				t.Fatalf("run %d: the copy is on node %d, not %d", run, before.Slots[slot], m.From)
			}
			before.Slots[slot] = m.To
			if !w.limits { // a swap passes through a state over the limit
				if what := before.broken(none); what != "" {
					t.Fatalf("run %d: on the way, %s", run, what)
				}
			}
		}
		for slot, n := range before.Slots {
			if n >= 0 && p.Slots[slot] != n {
				t.Fatalf("run %d: slot %d went to node %d, and no move says so", run, slot, p.Slots[slot])
			}
		}
		placed += len(p.Slots) - len(left)
		moved += len(s.Moves())
		s.check(t)
	}
	if placed == 0 || moved == 0 {
		t.Fatalf("%d placed and %d moved: the test is too mild", placed, moved)
	}
}

// check compares the sums that are kept with what they are sums of.
func (s *Search) check(t *testing.T) {
	t.Helper()
	use := make([]Vector, len(s.Nodes))
	for i := range s.Shards {
		sh := &s.Shards[i]
		for k := range sh.Count {
			if n := s.Slots[sh.First+k]; n >= 0 {
				use[n].Add(sh.load(k))
				if s.held[n][s.place[sh.First+k]] != sh.First+k {
					t.Fatalf("slot %d is not held where it is", sh.First+k)
				}
			}
		}
	}
	for n := range use {
		for d := range use[n] {
			if math.Abs(use[n][d]+s.Nodes[n].Base[d]-s.use[n][d]) > 1e-6*(1+use[n][d]) {
				t.Fatalf("node %d dimension %d: %g is kept, and it is %g", n, d, s.use[n][d], use[n][d])
			}
		}
		if c := s.cost(n, &s.use[n]); math.Abs(c-s.phi[n]) > 1e-6*(1+c) {
			t.Fatalf("node %d: cost %g is kept, and it is %g", n, s.phi[n], c)
		}
	}
}

func TestSameProblemSameAnswer(t *testing.T) {
	seed := seeded(t)
	for run := range 8 {
		p := world{nodes: 60, shards: 400, zones: 3, classes: 3, filled: run%2 == 0, scored: run%4 < 2}.draw(rand.New(rand.NewPCG(seed, uint64(run))))
		a, b := p.copied(), p.copied()
		x, y := NewSearch(a), NewSearch(b)
		x.Place()
		y.Place()
		for _, s := range []*Search{x, y} {
			s.Settle(Limits{})
			s.Attract(Limits{})
		}
		if !slices.Equal(a.Slots, b.Slots) || !reflect.DeepEqual(x.Moves(), y.Moves()) {
			t.Fatalf("run %d: one problem, two answers", run)
		}
	}
}

// A reconciler that asks for a few moves gets the first of those that it would get if it asked for all.
func TestBudgetIsABeginning(t *testing.T) {
	seed := seeded(t)
	cut := 0
	for run := range 40 {
		p := world{nodes: 30, shards: 300, zones: 3, classes: 3, filled: true, scored: run%2 == 0}.draw(rand.New(rand.NewPCG(seed, uint64(run))))
		whole := NewSearch(p.copied())
		whole.Settle(Limits{})
		whole.Attract(Limits{})
		for _, budget := range []int{1, 2, 7, 20, 100} {
			part := NewSearch(p.copied())
			part.Settle(Limits{Moves: budget})
			part.Attract(Limits{Moves: budget})
			shifts := 0
			for i, m := range part.Moves() {
				if m != whole.Moves()[i] {
					t.Fatalf("run %d, budget %d: move %d is %+v, not %+v", run, budget, i, m, whole.Moves()[i])
				}
				if m.Kind == Shift {
					shifts++
				}
			}
			if shifts > budget {
				t.Fatalf("run %d: %d copies moved with a budget of %d", run, shifts, budget)
			}
			if len(part.Moves()) < len(whole.Moves()) {
				cut++
			}
		}
	}
	if cut == 0 {
		t.Fatal("no budget was too small: the test is too mild")
	}
}

// After something happened, settling again and again comes to an end soon, and hardly a copy returns to a node that it left,
// even where copies are few and big.
func TestComesToAnEnd(t *testing.T) {
	seed := seeded(t)
	moved, returned := 0, 0
	for run := range 60 {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		p := world{nodes: 6 + r.IntN(30), shards: 60 + r.IntN(300), zones: r.IntN(4), classes: 1 + r.IntN(3), limits: r.IntN(3) == 0}.draw(r)
		s := NewSearch(p)
		s.Place()
		s.Settle(Limits{Start: 1.05})
		p.disturb(r)
		left := map[[2]int32]bool{}
		potential := math.Inf(1)
		for round := 0; ; round++ {
			if round == 20 {
				t.Fatalf("run %d: no end", run)
			}
			s := NewSearch(p)
			if now := s.Potential(); now > potential*(1+1e-9) {
				t.Fatalf("run %d: the potential rose from %g to %g", run, potential, now)
			} else {
				potential = now
			}
			s.Settle(Limits{})
			if len(s.Moves()) == 0 {
				break
			}
			for _, m := range s.Moves() {
				if m.Kind != Shift {
					continue
				}
				moved++
				slot := p.Shards[m.Shard].First + m.Slot
				if left[[2]int32{slot, m.To}] {
					returned++
				}
				left[[2]int32{slot, m.From}] = true
			}
		}
	}
	t.Logf("%d moves, %d of them back", moved, returned)
	if moved < 100 || returned*25 > moved {
		t.Errorf("%d of %d moves go back", returned, moved)
	}
}

// Of many copies none returns: nodes are added, then shards become hot, and each time it is settled until nothing moves.
func TestNoCopyReturns(t *testing.T) {
	seed := seeded(t)
	for run := range 6 {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		p := Problem{Classes: []Class{{PerZone: 1}}, Seed: seed}
		node := func() {
			p.Nodes = append(p.Nodes, Node{Capacity: Vector{1, 1, 1}, Zone: int32(len(p.Nodes) % 3), Host: None})
			p.Classes[0].Row = append(p.Classes[0].Row, Yes)
		}
		for range 30 {
			node()
		}
		for i := range 1500 {
			l := Vector{0.002 + 0.01*r.Float64(), 0.002 + 0.01*r.Float64(), 0.002 + 0.01*r.Float64()}
			p.Shards = append(p.Shards, Shard{First: int32(3 * i), Count: 3, Lead: None, Replica: l, Bytes: l[2]})
			p.Slots = append(p.Slots, None, None, None)
		}
		NewSearch(p).Place()
		left := map[[2]int32]bool{}
		for _, event := range []func(){func() { node(); node(); node() }, func() {
			for range 30 {
				p.Shards[r.IntN(1500)].Replica[0] *= 3
			}
		}} {
			event()
			for round := 0; ; round++ {
				s := NewSearch(p)
				s.Settle(Limits{})
				if len(s.Moves()) == 0 {
					break
				}
				for _, m := range s.Moves() {
					slot := p.Shards[m.Shard].First + m.Slot
					if left[[2]int32{slot, m.To}] || round > 3 {
						t.Errorf("run %d, round %d: the copy in slot %d goes from node %d back to %d", run, round, slot, m.From, m.To)
					}
					left[[2]int32{slot, m.From}] = true
				}
			}
		}
		if len(left) < 100 {
			t.Errorf("%d moves: the test is too mild", len(left))
		}
	}
}

// disturb lets one thing happen: shards become hot, a node empties, or nodes double in size.
func (p *Problem) disturb(r *rand.Rand) {
	for range 1 + r.IntN(3) {
		switch n := r.IntN(len(p.Nodes)); r.IntN(3) {
		case 0:
			for range 1 + len(p.Shards)/50 {
				s := &p.Shards[r.IntN(len(p.Shards))]
				s.Primary[0] *= 6
				s.Replica[0] *= 6
			}
		case 1:
			for slot, at := range p.Slots {
				if int(at) == n {
					p.Slots[slot] = None
				}
			}
		case 2:
			for d := range p.Nodes[n].Capacity {
				p.Nodes[n].Capacity[d] *= 2
			}
		}
	}
}

// optimum is the least potential over all assignments, and whether none of them beats the bounds. With prune what is worse already
// is not tried to its end, since the potential only rises.
func optimum(p Problem, prune bool) (least float64, bounds bool) {
	s := NewSearch(p)
	least, bounds = math.Inf(1), true
	level, heat := s.Bounds().Level, s.Bounds().Heat
	var try func(slot int32)
	try = func(slot int32) {
		if prune && s.Potential() >= least {
			return
		}
		if int(slot) == len(s.Slots) {
			hottest := 0.0
			for n := range s.Nodes {
				h, _ := s.Heat(n)
				hottest = max(hottest, h)
			}
			for d := range Dims {
				fullest := 0.0
				for n := range s.Nodes {
					fullest = max(fullest, s.use[n][d]/s.Nodes[n].Capacity[d])
				}
				bounds = bounds && fullest >= level[d]*(1-1e-3)
			}
			bounds = bounds && (s.Bounds().Shard == None || hottest >= heat*(1-1e-9))
			least = min(least, s.Potential())
			return
		}
		sh := &s.Shards[s.shardOf[slot]]
		for n := range s.Nodes {
			n := int32(n)
			if k := slot - sh.First; s.Classes[sh.Class].Row[n] == Yes && s.open(sh, k, s.zoneOf[n]) && s.apart(sh, k, n) && s.holds(n, sh.load(k)) {
				s.put(slot, n)
				try(slot + 1)
				s.take(slot)
			}
		}
	}
	try(0)
	return least, bounds
}

// Up to twelve copies are placed about as well as trying all assignments does, and no assignment beats the proven bounds.
func TestSmallAgainstAllAssignments(t *testing.T) {
	seed := seeded(t)
	var gaps []float64
	for run := 0; len(gaps) < 120; run++ {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		p := world{nodes: 3 + r.IntN(2), shards: 3 + r.IntN(5), zones: r.IntN(3), classes: 1 + r.IntN(2)}.draw(r)
		for len(p.Slots) > 12 {
			last := p.Shards[len(p.Shards)-1]
			p.Shards, p.Slots = p.Shards[:len(p.Shards)-1], p.Slots[:last.First]
		}
		least, bounds := optimum(p.copied(), len(p.Slots) > 8)
		if math.IsInf(least, 1) {
			continue
		}
		if !bounds {
			t.Fatalf("run %d: an assignment is better than what was proven to be the bound", run)
		}
		s := NewSearch(p)
		if left := s.Place(); len(left) > 0 {
			t.Fatalf("run %d: unplaced %v, and all can be", run, left)
		}
		s.Settle(Limits{Start: 1.001, Stop: 1.001})
		gaps = append(gaps, math.Pow(s.Potential()/least, 1.0/8)-1) // of the heat, as it were
	}
	slices.Sort(gaps)
	median, p95, worst := gaps[len(gaps)/2], gaps[len(gaps)*95/100], gaps[len(gaps)-1]
	t.Logf("hotter than the optimum: median %.2f%%, p95 %.2f%%, worst %.2f%%", 100*median, 100*p95, 100*worst)
	if median > 0.02 || p95 > 0.25 {
		t.Errorf("too far from the optimum")
	}
}

// Lesson of reference section 6: "targets must be means of the constraint class, else an AZ that must carry 1/RF of the data
// looks hot for ever".
func TestZoneThatMustCarryMoreIsNotHot(t *testing.T) {
	p := Problem{Classes: []Class{{Row: make([]byte, 5), PerZone: 1}}}
	for _, zone := range []int32{0, 1, 1, 2, 2} { // node 0 is alone in its zone: it has a copy of everything
		p.Nodes = append(p.Nodes, Node{Capacity: Vector{1}, Zone: zone, Host: None})
	}
	for i := range 20 {
		p.Shards = append(p.Shards, Shard{First: int32(3 * i), Count: 3, Lead: None, Replica: Vector{0.01}, Bytes: 1})
		p.Slots = append(p.Slots, 0, int32(1+i%2), int32(3+i%2))
	}
	s := NewSearch(p)
	if h, _ := s.Heat(0); h > 1.01 {
		t.Errorf("node 0 has what it must have, and is at %.2f", h)
	}
	if b := s.Bounds(); math.Abs(b.Level[0]-0.2) > 1e-3 {
		t.Errorf("the bound is %.3f, want 0.2: all 20 shards have a copy in the first zone", b.Level[0])
	}
	if s.Settle(Limits{}); len(s.Moves()) > 0 {
		t.Errorf("moves %v", s.Moves())
	}
}

func TestUnsplittableShardIsNamed(t *testing.T) {
	p := Problem{Nodes: make([]Node, 4), Classes: []Class{{Row: make([]byte, 4)}}}
	for n := range p.Nodes {
		p.Nodes[n] = Node{Capacity: Vector{1}, Zone: None, Host: None}
	}
	for i := range 40 {
		p.Shards = append(p.Shards, Shard{First: int32(i), Count: 1, Lead: None, Replica: Vector{0.01}, Bytes: 1})
		p.Slots = append(p.Slots, int32(i%4))
	}
	p.Shards[17].Replica[0] = 0.8
	s := NewSearch(p)
	s.Settle(Limits{})
	if b := s.Bounds(); b.Shard != 17 || b.Heat < 2 {
		t.Errorf("bounds %+v", b)
	}
	h, _ := s.Heat(17 % 4)
	if h > 1.03*s.Bounds().Heat {
		t.Errorf("the hottest node is at %.2f, and the bound at %.2f", h, s.Bounds().Heat)
	}
	if len(s.Moves()) > 10 {
		t.Errorf("%d moves for what cannot be mended", len(s.Moves()))
	}
}

// A node that is hot with one shard cannot be helped, and is no reason to move what others have that are hardly too warm.
func TestWhatCannotBeHelpedBeginsNothing(t *testing.T) {
	p := Problem{Nodes: make([]Node, 10), Classes: []Class{{Row: make([]byte, 10)}}}
	put := func(n int32, load float64) {
		p.Shards = append(p.Shards, Shard{First: int32(len(p.Slots)), Count: 1, Lead: None, Replica: Vector{load}, Bytes: 1})
		p.Slots = append(p.Slots, n)
	}
	for n := range p.Nodes {
		p.Nodes[n] = Node{Capacity: Vector{1}, Zone: None, Host: None}
		switch n {
		case 0:
			put(0, 0.3)
		default:
			for range 40 + map[int]int{1: 5, 2: -5}[n] {
				put(int32(n), 0.005)
			}
		}
	}
	s := NewSearch(p)
	if a, _ := s.Heat(0); a < 1.4 {
		t.Fatalf("node 0 is at %.2f", a)
	}
	if b, _ := s.Heat(1); b < 1.06 || b > 1.08 {
		t.Fatalf("node 1 is at %.2f", b)
	}
	if s.Settle(Limits{}); len(s.Moves()) > 0 {
		t.Errorf("%d moves, the first %+v", len(s.Moves()), s.Moves()[0])
	}
	for range 10 {
		put(1, 0.005) // now it is hot itself
	}
	s = NewSearch(p)
	if s.Settle(Limits{}); len(s.Moves()) == 0 {
		t.Errorf("nothing is moved off a node that can be helped")
	}
}

// In a light dimension less than so much above a node's share is not too much.
func TestLightDimensionsHaveABand(t *testing.T) {
	p := Problem{Nodes: make([]Node, 3), Classes: []Class{{Row: make([]byte, 3)}}}
	for n := range p.Nodes {
		p.Nodes[n] = Node{Capacity: Vector{4: 1}, Zone: None, Host: None}
	}
	for i := range 30 {
		sh := Shard{First: int32(2 * i), Count: 2, Primary: Vector{4: 1}, Bytes: 1}
		switch {
		case i < 11: // node 0 leads 11, and node 2 could take them
			p.Slots = append(p.Slots, 0, 2)
		case i < 20: // node 2 leads 9
			p.Slots = append(p.Slots, 2, 0)
		default:
			p.Slots = append(p.Slots, 1, 0)
		}
		p.Shards = append(p.Shards, sh)
	}
	for band, want := range map[float64]int{0.5: 1, 2: 0} {
		p := p.copied()
		p.Light = Vector{4: band}
		s := NewSearch(p)
		if s.Settle(Limits{Start: 1.01, Stop: 1.005}); len(s.Moves()) != want {
			t.Errorf("with a band of %v: %+v", band, s.Moves())
		}
	}
}

// Leads that are uneven within the band are left as they are, and do not hide what is gained elsewhere.
func TestUnevenLeadsKeepNoMoveBack(t *testing.T) {
	p := Problem{Nodes: make([]Node, 20), Classes: []Class{{Row: make([]byte, 20)}}, Weights: Vector{4: 0.1}, Light: Vector{4: 2}}
	put := func(n int32, load Vector) {
		p.Shards = append(p.Shards, Shard{First: int32(len(p.Slots)), Count: 1, Primary: load, Bytes: 1, Still: load[4] > 0})
		p.Slots = append(p.Slots, n)
	}
	for n := range p.Nodes {
		p.Nodes[n] = Node{Capacity: Vector{0: 1, 4: 1}, Zone: None, Host: None}
		for range 20 + map[int]int{0: 10, 1: -10}[n] {
			put(int32(n), Vector{0: 0.02})
		}
		for range n % 2 * 2 { // every other node leads 2, and the share is 1
			put(int32(n), Vector{4: 1})
		}
	}
	s := NewSearch(p)
	if h, d := s.Heat(3); h < 1.9 || d != 4 {
		t.Fatalf("node 3 is at %.2f in dimension %d", h, d)
	}
	s.Settle(Limits{})
	if cpu := s.Use(0)[0] / s.Level(0)[0]; cpu > 1.1 {
		t.Errorf("node 0 stays at %.2f after %d moves, since others lead two shards each", cpu, len(s.Moves()))
	}
}
