package fit

// Dims is the number of dimensions of a load. What each of them means is the caller's business; one that is 0 everywhere costs
// nothing.
const Dims = 5

// Vector is a load, or a capacity, in every dimension.
type Vector [Dims]float64

// Add adds a load.
func (v *Vector) Add(l *Vector) {
	for d := range v {
		v[d] += l[d]
	}
}

// Sub takes a load away.
func (v *Vector) Sub(l *Vector) {
	for d := range v {
		v[d] -= l[d]
	}
}

// Verdicts in the rows of classes: the caller's own, from mild to strict.
const (
	Yes     = 0 // may have it
	Averse  = 1 // may have it if no other may
	Waits   = 2 // may have it, and not now: it keeps what it has, and is given nothing
	Refused = 3 // may not have it
)

// None stands for no node, no zone, no lead.
const None = -1

// Node is where copies go.
type Node struct {
	Capacity Vector // what it can bear; 0: it is not judged by that dimension
	Limit    Vector // what it may carry at most; 0: no limit
	Base     Vector // what it carries beside the copies
	Zone     int32  // None: none
	Host     int32  // None: a host of its own
	Away     bool   // it counts for no level: what it has is on its way elsewhere, or waits for it
}

// Class is what shards have in common as far as rules go.
type Class struct {
	Row     []byte // a verdict for each node
	PerZone int32  // copies of a shard that one zone may have; 0: as many as there are
	PerHost bool   // no two copies of a shard on one host
}

// Shard is a few copies of one thing, each on another node. One of them may lead, and weighs differently.
type Shard struct {
	Class   int32
	Family  int32 // shards of one family are spread over nodes beside all else; below Problem.Families
	First   int32 // its slots are Slots[First : First+Count]
	Count   int32
	Lead    int32   // which of its slots leads, from 0; None: none
	Still   bool    // it is not to be touched by Settle
	Primary Vector  // load of the copy that leads
	Replica Vector  // load of one that does not
	Bytes   float64 // cost of moving a copy
}

// Problem is all that a result depends on. Its slots and leads are changed by what is done.
type Problem struct {
	Nodes   []Node
	Classes []Class
	Shards  []Shard
	Slots   []int32 // the node of each copy; None: it is missing
	Weights Vector  // of the dimensions in the potential; 0 counts as 1
	Light   Vector  // not 0: too much in this dimension is no reason to move a copy, only to hand a lead over, and less than this above a node's share is not too much, but for what Place has placed
	Seed    uint64

	Families int // 0: none are spread

	// Beside is for a problem that lists some of many shards: those of which a copy is missing. nil: all are listed.
	Beside *Beside

	// What only the caller can judge, asked of chosen moves alone; nil: everything is allowed.
	Enter func(shard, slot, node int) bool // may the copy go there?
	Leave func(shard, slot int) bool       // may the copy be moved away?
	Lead  func(shard, slot int) bool       // may the copy lead?
	// Scored is what is added for the copy in a slot on each node, in units of one copy of mean load; empty: nothing. It is asked once of a
	// copy, when that is first weighed, and speaks of it whether it leads or not: leads go from copy to copy. nil: there are no scores.
	Scored func(shard, slot int) []float64
	// Prefer tells moves apart that gain the same, lower first; nil: the first that is found.
	Prefer func(shard, slot, to int) float64
}

// Beside sums up all shards, the listed ones among them.
type Beside struct {
	Use    []Vector // by node: what its copies weigh
	Kin    []uint32 // by family, then node: the copies that it has
	Masses []Mass
}

// Mass is what shards of one class, family and number of copies weigh together.
type Mass struct {
	Class, Family, Copies int32
	Shards                int
	Total                 Vector // of all copies
	Top                   Vector // of one copy of each, the heaviest
}

// Kind says what a move does.
type Kind uint8

// The kinds of moves.
const (
	Shift Kind = iota // the copy in Slot goes from one node to another
	Hand              // the copy in Slot leads from now on, in place of the one on From
)

// Move is one step from the assignment that was given to the one that was found. A shard is moved at most once.
type Move struct {
	Kind     Kind
	Shard    int32
	Slot     int32 // from 0, within the shard
	From, To int32 // nodes
	Dim      int8  // the dimension that was worst where it comes from
	Heat     float64
	Gain     float64 // in the potential
	Drawn    float64 // by how much its scores are better where it goes, of a move that was made for these alone
}

// Search is a problem being solved.
type Search struct {
	Problem
	use    []Vector  // by node
	inv    []Vector  // by node: 1 / (capacity · level)
	weight []Vector  // by node: weight · capacity / mean capacity
	phi    []float64 // by node: its part of the potential, and
	heat   []float64 // how hot it is: see Heat
	unit   float64   // what one copy of mean load costs on a node at its level: the price of a score of 1
	level  []Vector
	bounds Bounds
	room   []Vector // by pattern: the most that one node bears at its level

	kin  []uint32  // by family, then node: its copies there
	rise []float64 // by family: what each of them adds to the cost of another

	patterns  [][]byte   // distinct rows
	patternOf []int32    // by class
	zones     int        // their number, at least 1; nodes of no zone share one of their own
	zoneOf    []int32    // by node
	orders    []order    // by zone
	buckets   [][]bucket // by pattern, then zone
	warm      []warm     // scratch
	same      []warm     // scratch

	shardOf []int32     // by slot
	held    [][]int32   // by node: its slots
	place   []int32     // by slot: where it is in held
	scores  [][]float64 // by slot: what Scored said; nil: not asked
	fresh   []bool      // by slot: it was empty at first; moving it is free
	moved   []bool      // by shard
	moves   []Move
	over    bool // Settle's budget is spent
	chance  uint64
	worst   []int32 // scratch
}

// NewSearch looks at a problem. It keeps p's slices and changes Slots and the shards' Lead.
func NewSearch(p Problem) *Search {
	s := &Search{Problem: p, chance: p.Seed}
	for d, w := range s.Weights {
		if w == 0 {
			s.Weights[d] = 1
		}
	}
	n := len(p.Nodes)
	s.use, s.inv, s.weight, s.level = make([]Vector, n), make([]Vector, n), make([]Vector, n), make([]Vector, n)
	s.phi, s.heat, s.zoneOf = make([]float64, n), make([]float64, n), make([]int32, n)
	s.shardOf, s.place, s.fresh = make([]int32, len(p.Slots)), make([]int32, len(p.Slots)), make([]bool, len(p.Slots))
	s.moved = make([]bool, len(p.Shards))
	if p.Scored != nil {
		s.scores = make([][]float64, len(p.Slots))
	}
	s.kin, s.rise = make([]uint32, p.Families*n), make([]float64, p.Families)
	s.zone()
	s.sort()
	s.hold()
	s.pour()
	s.gather()
	for i := range s.Nodes {
		s.weigh(int32(i))
	}
	return s
}

// zone numbers the zones densely.
func (s *Search) zone() {
	known := map[int32]int32{} // only asked, never visited
	for i := range s.Nodes {
		z, seen := known[s.Nodes[i].Zone]
		if !seen {
			z = int32(len(known))
			known[s.Nodes[i].Zone] = z
		}
		s.zoneOf[i] = z
	}
	s.zones = max(1, len(known))
	s.orders = make([]order, s.zones)
	for n, z := range s.zoneOf {
		s.orders[z].nodes = append(s.orders[z].nodes, int32(n))
	}
}

// sort finds the distinct rows.
func (s *Search) sort() {
	s.patternOf = make([]int32, len(s.Classes))
	known := map[string]int32{} // only asked, never visited
	for c := range s.Classes {
		row := s.Classes[c].Row
		p, seen := known[string(row)]
		if !seen {
			p = int32(len(s.patterns))
			known[string(row)] = p
			s.patterns = append(s.patterns, row)
		}
		s.patternOf[c] = p
	}
	s.buckets = make([][]bucket, len(s.patterns))
}

// hold puts the copies on their nodes.
func (s *Search) hold() {
	s.held = make([][]int32, len(s.Nodes))
	count := make([]int32, len(s.Nodes))
	for _, n := range s.Slots {
		if n >= 0 {
			count[n]++
		}
	}
	all := make([]int32, len(s.Slots)+4*len(s.Nodes))
	for n := range s.held {
		room := count[n] + 4
		s.held[n], all = all[:0:room], all[room:]
		if s.use[n] = s.Nodes[n].Base; s.Beside != nil {
			s.use[n].Add(&s.Beside.Use[n])
		}
	}
	if s.Beside != nil {
		copy(s.kin, s.Beside.Kin)
	}
	for i := range s.Shards {
		sh := &s.Shards[i]
		for k := range sh.Count {
			slot := sh.First + k
			s.shardOf[slot] = int32(i)
			n := s.Slots[slot]
			if n < 0 {
				s.fresh[slot] = true
				continue
			}
			s.place[slot] = int32(len(s.held[n]))
			s.held[n] = append(s.held[n], slot)
			if s.Beside == nil {
				s.use[n].Add(sh.load(k))
				s.relate(sh, n, 1)
			}
		}
	}
}

// relate counts a copy of a family on a node.
func (s *Search) relate(sh *Shard, n int32, by uint32) {
	if s.Families > 0 {
		s.kin[int(sh.Family)*len(s.Nodes)+int(n)] += by
	}
}

// kinship is how many copies of one family more than its share on a node cost as much as one copy of mean load.
const kinship = 12

// gather prices the copies of each family.
func (s *Search) gather() {
	if s.Families == 0 {
		return
	}
	copies := make([]float64, s.Families)
	if s.Beside != nil {
		for _, m := range s.Beside.Masses {
			copies[m.Family] += float64(m.Shards) * float64(m.Copies)
		}
	} else {
		for i := range s.Shards {
			copies[s.Shards[i].Family] += float64(s.Shards[i].Count)
		}
	}
	for f, c := range copies {
		s.rise[f] = s.unit / kinship / max(1, c/float64(len(s.Nodes)))
	}
}

// load is what the copy in a slot weighs.
func (sh *Shard) load(k int32) *Vector {
	if k == sh.Lead {
		return &sh.Primary
	}
	return &sh.Replica
}

// put places a copy on a node that it is not on; take removes it.
func (s *Search) put(slot int32, n int32) {
	sh := &s.Shards[s.shardOf[slot]]
	s.Slots[slot] = n
	s.place[slot] = int32(len(s.held[n]))
	s.held[n] = append(s.held[n], slot)
	s.use[n].Add(sh.load(slot - sh.First))
	s.relate(sh, n, 1)
	s.weigh(n)
}

func (s *Search) take(slot int32) {
	sh := &s.Shards[s.shardOf[slot]]
	n := s.Slots[slot]
	held := s.held[n]
	last := held[len(held)-1]
	held[s.place[slot]] = last
	s.place[last] = s.place[slot]
	s.held[n] = held[:len(held)-1]
	s.Slots[slot] = None
	s.use[n].Sub(sh.load(slot - sh.First))
	s.relate(sh, n, ^uint32(0))
	s.weigh(n)
}

// eighth is x to the power of eight: what is a little hotter costs much more.
func eighth(x float64) float64 {
	x *= x
	x *= x
	return x * x
}

// cost is a node's part of the potential, if it carried u.
func (s *Search) cost(n int, u *Vector) float64 {
	inv, w := &s.inv[n], &s.weight[n]
	sum := 0.0
	for d := range u {
		sum += w[d] * eighth(u[d]*inv[d])
	}
	return sum
}

// weigh takes down what a node costs and how hot it is by now.
func (s *Search) weigh(n int32) {
	s.phi[n] = s.cost(int(n), &s.use[n])
	s.heat[n], _ = s.Heat(int(n))
}

// adding is what the potential rises by if l is put on n.
func (s *Search) adding(n int32, l *Vector) float64 {
	u, inv, w := &s.use[n], &s.inv[n], &s.weight[n]
	sum := 0.0
	for d := range u {
		sum += w[d] * eighth((u[d]+l[d])*inv[d])
	}
	return sum - s.phi[n]
}

// Heat is how hot a node is: use over capacity and level in the worst dimension, which is given too. 1 is as it should be.
func (s *Search) Heat(n int) (heat float64, dim int) {
	u, inv := &s.use[n], &s.inv[n]
	for d := range u {
		if h := u[d] * inv[d]; h > heat {
			heat, dim = h, d
		}
	}
	return heat, dim
}

// random is the next number of the seeded chance, below n.
func (s *Search) random(n int) int {
	s.chance += 0x9e3779b97f4a7c15
	x := s.chance
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return int((x >> 32) * uint64(n) >> 32)
}

// Ignore leaves a dimension out from now on.
func (s *Search) Ignore(dim int) {
	for n := range s.Nodes {
		s.inv[n][dim], s.weight[n][dim] = 0, 0
		s.weigh(int32(n))
	}
}

// ShardOf is the shard that a slot belongs to.
func (s *Search) ShardOf(slot int) int { return int(s.shardOf[slot]) }

// Use is what a node carries by now.
func (s *Search) Use(n int) Vector { return s.use[n] }

// Level is the share of its capacity that a node should carry, by dimension.
func (s *Search) Level(n int) Vector { return s.level[n] }

// Moves are those made by Settle so far, in an order in which they can be carried out one after the other.
func (s *Search) Moves() []Move { return s.moves }

// Potential is what is minimized.
func (s *Search) Potential() float64 {
	sum := 0.0
	for _, x := range s.phi {
		sum += x
	}
	return sum
}
