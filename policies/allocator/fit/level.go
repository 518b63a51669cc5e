package fit

import "slices"

// Bounds are what no assignment can do better than, whatever is searched.
type Bounds struct {
	Mean  Vector // load over capacity of all nodes, by dimension
	Level Vector // the least possible use over capacity of the fullest node, as far as the rules of classes force it
	Heat  float64
	Shard int32 // the unsplittable shard for which no node can be cooler than Heat; None: there is none above 1
	Dim   int8  // the dimension that it is about
}

// Bounds gives the proven bounds.
func (s *Search) Bounds() Bounds { return s.bounds }

// group is what shards of one pattern, one zone rule and one number of copies weigh together.
type group struct {
	pattern, perZone, copies int32
	total                    Vector
	top                      Vector // the most that one node can have of it: one copy of each shard
}

// water is one dimension of the fluid assignment.
type water struct {
	s       *Search
	d       int
	cap     []float64   // by node; 0: takes none
	rest    []float64   // by node: what the other groups have poured there
	poured  [][]float64 // by group, then node
	members [][]int32   // by zone: nodes that the group at hand may have
}

// pour finds the level of each node: every group's load flows, like water, to where its nodes are least full, within what one
// zone and one node may have of a shard. Groups take turns until nothing flows any more.
//
//	   tagged    others        ▒ shards that need the tag: they fill the tagged nodes alone
//	   ▒▒▒▒▒▒                  █ all others: they go where it is lower
//	── ▒▒▒▒▒▒ ──────────── level of the tagged nodes
//	   ▒▒▒▒▒▒  ██████████  level of the others
func (s *Search) pour() {
	groups := s.groups()
	for d := range Dims {
		w := s.newWater(d)
		sum, room := 0.0, 0.0
		for n := range w.cap {
			sum, room = sum+w.rest[n], room+w.cap[n]
		}
		for g := range groups {
			sum += groups[g].total[d]
		}
		if room == 0 || sum == 0 {
			continue
		}
		mean := sum / room
		s.bounds.Mean[d] = mean
		w.poured = make([][]float64, len(groups))
		for round := range 12 {
			flow := 0.0
			for g := range groups {
				flow += w.turn(&groups[g], g)
			}
			if len(groups) == 1 || round > 0 && flow < 1e-3*sum {
				break
			}
		}
		w.settle(groups, mean)
	}
	s.unsplittable()
}

func (s *Search) groups() []group {
	type key struct{ pattern, perZone, copies int32 }
	known := map[key]int{} // only asked, never visited
	var groups []group
	find := func(class, copies int32) int {
		k := key{s.patternOf[class], s.Classes[class].PerZone, copies}
		g, seen := known[k]
		if !seen {
			g = len(groups)
			known[k] = g
			groups = append(groups, group{pattern: k.pattern, perZone: k.perZone, copies: k.copies})
		}
		return g
	}
	if s.Beside != nil {
		for i := range s.Beside.Masses {
			m := &s.Beside.Masses[i]
			g := find(m.Class, m.Copies)
			groups[g].total.Add(&m.Total)
			groups[g].top.Add(&m.Top)
		}
		return groups
	}
	for i := range s.Shards {
		sh := &s.Shards[i]
		g := find(sh.Class, sh.Count)
		replicas := float64(sh.Count)
		if sh.Lead >= 0 {
			groups[g].total.Add(&sh.Primary)
			replicas--
		}
		for d := range sh.Replica {
			groups[g].total[d] += replicas * sh.Replica[d]
			groups[g].top[d] += max(sh.Primary[d], sh.Replica[d])
		}
	}
	return groups
}

func (s *Search) newWater(d int) *water {
	w := &water{s: s, d: d, cap: make([]float64, len(s.Nodes)), rest: make([]float64, len(s.Nodes)), members: make([][]int32, s.zones)}
	for n := range s.Nodes {
		if !s.Nodes[n].Away {
			w.cap[n], w.rest[n] = s.Nodes[n].Capacity[d], s.Nodes[n].Base[d]
		}
	}
	return w
}

// allow lists the nodes of a group by zone: those that may have it, or have it and wait; all if there are none, since what is
// there stays somewhere.
func (w *water) allow(pattern int32) (zones int) {
	row := w.s.patterns[pattern]
	for z := range w.members {
		w.members[z] = w.members[z][:0]
	}
	for _, strictest := range []byte{Waits, Refused} {
		for n, v := range row {
			if v <= strictest && w.cap[n] > 0 {
				z := w.s.zoneOf[n]
				w.members[z] = append(w.members[z], int32(n))
			}
		}
		zones = 0
		for z := range w.members {
			if len(w.members[z]) > 0 {
				zones++
			}
		}
		if zones > 0 {
			break
		}
	}
	return zones
}

// span is the least and the most that one zone can have of a group.
func (g *group) span(d, zones int) (least, most float64) {
	if g.perZone == 0 {
		return 0, g.total[d]
	}
	most = min(g.total[d], float64(g.perZone)*g.top[d])
	return max(0, g.total[d]-float64(zones-1)*most), most
}

// turn lets one group flow anew, and says how much of it moved.
func (w *water) turn(g *group, at int) (flow float64) {
	zones := w.allow(g.pattern)
	total, top := g.total[w.d], g.top[w.d]
	if zones == 0 || total == 0 {
		return 0
	}
	before := w.poured[at]
	for n, x := range before {
		w.rest[n] -= x
	}
	least, most := g.span(w.d, zones)
	wanted := total
	amount := func(level float64) (sum float64) {
		for _, nodes := range w.members {
			if len(nodes) > 0 {
				sum += min(max(w.takes(nodes, level, top), least), most)
			}
		}
		return sum
	}
	level := w.find(wanted, amount)
	now := make([]float64, len(w.cap))
	for _, nodes := range w.members {
		if len(nodes) == 0 {
			continue
		}
		mine := level
		if x := w.takes(nodes, level, top); x < least || x > most {
			mine = w.find(min(max(x, least), most), func(l float64) float64 { return w.takes(nodes, l, top) })
		}
		for _, n := range nodes {
			now[n] = min(max(mine*w.cap[n]-w.rest[n], 0), top)
		}
	}
	for n, x := range now {
		w.rest[n] += x
		if before == nil {
			flow += x
		} else {
			flow += max(x-before[n], before[n]-x)
		}
	}
	w.poured[at] = now
	return flow
}

// takes is what nodes take of a group if it rises to a level.
func (w *water) takes(nodes []int32, level, top float64) (sum float64) {
	for _, n := range nodes {
		sum += min(max(level*w.cap[n]-w.rest[n], 0), top)
	}
	return sum
}

// find is the least level at which as much is taken; what cannot be taken anywhere is forgotten.
func (w *water) find(wanted float64, amount func(level float64) float64) float64 {
	low, high := 0.0, 0.0
	for n, c := range w.cap {
		if c > 0 {
			high = max(high, (w.rest[n]+wanted)/c)
		}
	}
	for range 30 {
		middle := (low + high) / 2
		if amount(middle) < wanted {
			low = middle
		} else {
			high = middle
		}
		if high-low < 1e-5*high {
			break
		}
	}
	return high
}

// settle turns what was poured into levels, and proves how low the fullest node can be: what must be within the nodes of the
// highest level, because the rules let no more of it go elsewhere, fills them at least that far.
func (w *water) settle(groups []group, mean float64) {
	s, d := w.s, w.d
	highest, capacity, nodes := 0.0, 0.0, 0.0
	for n, c := range w.cap {
		if c > 0 {
			s.level[n][d] = w.rest[n] / c
			highest = max(highest, s.level[n][d])
			capacity += c
			nodes++
		}
	}
	inside := make([]bool, len(w.cap))
	room, forced := 0.0, 0.0
	for n, c := range w.cap {
		if c > 0 && s.level[n][d] >= highest*0.999 {
			inside[n] = true
			room += c
			forced += s.Nodes[n].Base[d]
		}
	}
	for g := range groups {
		zones := w.allow(groups[g].pattern)
		_, most := groups[g].span(d, max(1, zones))
		outside := 0.0
		for _, members := range w.members {
			free := 0
			for _, n := range members {
				if !inside[n] {
					free++
				}
			}
			outside += min(most, float64(free)*groups[g].top[d])
		}
		if zones > 0 {
			forced += max(0, groups[g].total[d]-outside)
		}
	}
	s.bounds.Level[d] = max(mean, forced/room)
	for n := range s.Nodes {
		c := s.Nodes[n].Capacity[d]
		if c <= 0 {
			continue
		}
		level := max(s.level[n][d], mean/4) // a node that may have nothing is no furnace for the little that it has
		if s.Nodes[n].Away {
			level = mean
		}
		s.level[n][d] = level
		s.inv[n][d] = 1 / (c * level)
		s.weight[n][d] = s.Weights[d] * c * level / (capacity / nodes * mean)
	}
}

// Share is the most that a node which may have a shard carries at its level, in each dimension; 0: no node is judged by it.
func (s *Search) Share(shard int) Vector { return s.room[s.patternOf[s.Shards[shard].Class]] }

// unsplittable finds the copy that is too big for every node that may have it.
func (s *Search) unsplittable() {
	s.bounds.Shard, s.bounds.Heat = None, 1
	s.room = make([]Vector, len(s.patterns))
	room := s.room
	for p, row := range s.patterns {
		for n, v := range row {
			for d := range Dims {
				if v < Refused && s.inv[n][d] > 0 && !s.Nodes[n].Away {
					room[p][d] = max(room[p][d], 1/s.inv[n][d])
				}
			}
		}
	}
	copies, sum := 0.0, Vector{}
	if s.Beside != nil {
		for i := range s.Beside.Masses {
			copies += float64(s.Beside.Masses[i].Shards) * float64(s.Beside.Masses[i].Copies)
			sum.Add(&s.Beside.Masses[i].Total)
		}
		s.price(copies, sum)
		return
	}
	for i := range s.Shards {
		sh := &s.Shards[i]
		copies += float64(sh.Count)
		most := &room[s.patternOf[sh.Class]]
		for d := range Dims {
			load := sh.Replica[d]
			if sh.Lead >= 0 {
				load = max(load, sh.Primary[d])
			}
			sum[d] += sh.Replica[d]*float64(sh.Count-1) + load
			if most[d] > 0 && load/most[d] > s.bounds.Heat {
				s.bounds.Heat, s.bounds.Shard, s.bounds.Dim = load/most[d], int32(i), int8(d)
			}
		}
	}
	s.price(copies, sum)
}

// price says what one copy of mean load costs on a node at its level: a score of 1 is worth as much.
func (s *Search) price(copies float64, sum Vector) {
	if copies == 0 {
		return
	}
	typical := make([]float64, 0, len(s.Nodes))
	for n := range s.Nodes {
		x := 0.0
		for d := range Dims {
			x += s.weight[n][d] * 8 * sum[d] / copies * s.inv[n][d]
		}
		if x > 0 {
			typical = append(typical, x)
		}
	}
	if len(typical) > 0 {
		slices.Sort(typical)
		s.unit = typical[len(typical)/2]
	}
}
