package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator/fit"
)

// rival is a way to place and to move copies. All are given the same problems and judged by the same rules.
type rival struct {
	name   string
	place  func(p *fit.Problem)                                              // fills the empty slots
	settle func(p *fit.Problem, end time.Duration) (moves []move, done bool) // moves copies, until the processor's clock says end; nil: it never does
}

type move struct{ shard, from, to int32 }

func rivals() []rival {
	return []rival{
		{"troupe", placeFit, settleFit},
		{"elasticsearch-style", placeWeights, settleWeights},
		{"two choices", func(p *fit.Problem) { placeChoices(p, func(int) int { return 2 }) }, nil},
		{"sqrt(N) choices", func(p *fit.Problem) { placeChoices(p, root) }, nil},
	}
}

func root(n int) int {
	r := 1
	for r*r < n {
		r++
	}
	return r
}

func placeFit(p *fit.Problem) {
	missing := 0
	for _, n := range p.Slots {
		if n < 0 {
			missing++
		}
	}
	s := fit.NewSearch(*p)
	s.Place()
	if missing*4 > len(p.Slots) { // as the allocator does
		s.Settle(fit.Limits{Start: 1.03, Stop: 1.03, Fresh: true})
	}
}

func settleFit(p *fit.Problem, _ time.Duration) (moves []move, done bool) {
	s := fit.NewSearch(*p)
	s.Settle(fit.Limits{})
	for _, m := range s.Moves() {
		if m.Kind == fit.Shift {
			moves = append(moves, move{m.Shard, m.From, m.To})
		}
	}
	return moves, true
}

// table is a problem with the sums that the rivals keep.
type table struct {
	*fit.Problem
	use   []fit.Vector
	count []int
	index [][]int     // by table, then node: its copies there
	held  [][][]int32 // the same: their slots
	of    []int32     // by slot: its shard
}

func newTable(p *fit.Problem) *table {
	t := &table{Problem: p, use: make([]fit.Vector, len(p.Nodes)), count: make([]int, len(p.Nodes)), index: make([][]int, tables),
		held: make([][][]int32, tables), of: make([]int32, len(p.Slots))}
	for i := range t.index {
		t.index[i], t.held[i] = make([]int, len(p.Nodes)), make([][]int32, len(p.Nodes))
	}
	for i := range p.Shards {
		sh := &p.Shards[i]
		for slot := sh.First; slot < sh.First+sh.Count; slot++ {
			t.of[slot] = int32(i)
			if n := p.Slots[slot]; n >= 0 {
				t.put(slot, n)
			}
		}
	}
	return t
}

func (t *table) load(slot int32) *fit.Vector {
	sh := &t.Shards[t.of[slot]]
	return load(sh, slot-sh.First)
}

func (t *table) put(slot, n int32) {
	t.Slots[slot] = n
	t.use[n].Add(t.load(slot))
	t.count[n]++
	table := t.of[slot] % tables
	t.index[table][n]++
	t.held[table][n] = append(t.held[table][n], slot)
}

func (t *table) take(slot int32) {
	n := t.Slots[slot]
	t.use[n].Sub(t.load(slot))
	t.count[n]--
	table := t.of[slot] % tables
	t.index[table][n]--
	list := t.held[table][n]
	at := slices.Index(list, slot)
	t.held[table][n] = slices.Delete(list, at, at+1)
	t.Slots[slot] = fit.None
}

// may says whether a node may have the copy of a slot: the row of its class, zones, nodes and limits.
func (t *table) may(slot, n int32) bool {
	i := t.of[slot]
	sh := &t.Shards[i]
	c := &t.Classes[sh.Class]
	if c.Row[n] >= fit.Waits {
		return false
	}
	inZone := int32(1)
	for k := range sh.Count {
		m := t.Slots[sh.First+k]
		if m < 0 || sh.First+k == slot {
			continue
		}
		if m == n {
			return false
		}
		if t.Nodes[m].Zone == t.Nodes[n].Zone {
			inZone++
		}
	}
	if c.PerZone > 0 && inZone > c.PerZone {
		return false
	}
	for d, x := range t.load(slot) {
		if limit := t.Nodes[n].Limit[d]; limit > 0 && t.use[n][d]+x > limit {
			return false
		}
	}
	return true
}

// placeChoices puts each copy on the least used of a few random nodes that may have it.
func placeChoices(p *fit.Problem, choices func(nodes int) int) {
	t, r := newTable(p), rand.New(rand.NewPCG(p.Seed, 3))
	k := choices(len(p.Nodes))
	for slot := range int32(len(p.Slots)) {
		if p.Slots[slot] >= 0 {
			continue
		}
		best, least := int32(fit.None), 0.0
		for seen, tries := 0, 0; seen < k && tries < 40*k; tries++ {
			n := int32(r.IntN(len(p.Nodes)))
			if !t.may(slot, n) {
				continue
			}
			seen++
			most, l := 0.0, t.load(slot)
			for d := cpu; d <= disk; d++ {
				most = max(most, (t.use[n][d]+l[d])/p.Nodes[n].Capacity[d])
			}
			if best < 0 || most < least {
				best, least = n, most
			}
		}
		if best >= 0 {
			t.put(slot, best)
		}
	}
}

// The weights that Elasticsearch documents: shards, shards of the index, write load (of one unit of cpu of ours: 16 threads), disk
// (of one unit of ours: what a node of size 1 has, in bytes), and the threshold.
const (
	weightShard, weightIndex  = 0.45, 0.55
	weightWrite, weightDisk   = 10.0, 2e-11
	threadsPerUnit, threshold = 16.0, 1.0
	bytesPerUnit              = 100.0 * shardBytes
)

// weigher is the weight function of one index, with the averages that it subtracts.
type weigher struct {
	t                         *table
	index                     int
	shards, indexed, cpu, dsk float64
}

func (t *table) weigher(index int) weigher {
	w := weigher{t: t, index: index}
	living := 0.0
	for n := range t.Nodes {
		if t.Nodes[n].Away {
			continue
		}
		living++
		w.shards += float64(t.count[n])
		w.indexed += float64(t.index[index][n])
		w.cpu += t.use[n][cpu] * threadsPerUnit
		w.dsk += t.use[n][disk] * bytesPerUnit
	}
	w.shards, w.indexed, w.cpu, w.dsk = w.shards/living, w.indexed/living, w.cpu/living, w.dsk/living
	return w
}

func (w *weigher) of(n int32) float64 {
	t := w.t
	return weightShard*(float64(t.count[n])-w.shards) + weightIndex*(float64(t.index[w.index][n])-w.indexed) +
		weightWrite*(t.use[n][cpu]*threadsPerUnit-w.cpu) + weightDisk*(t.use[n][disk]*bytesPerUnit-w.dsk)
}

// placeWeights puts each copy on the node of least weight that may have it.
func placeWeights(p *fit.Problem) {
	t := newTable(p)
	weights := make([]weigher, tables)
	for i := range weights {
		weights[i] = t.weigher(i)
	}
	for slot := range int32(len(p.Slots)) {
		if p.Slots[slot] >= 0 {
			continue
		}
		w := &weights[t.of[slot]%tables]
		best, least := int32(fit.None), 0.0
		for n := range int32(len(p.Nodes)) {
			if weight := w.of(n); (best < 0 || weight < least) && t.may(slot, n) {
				best, least = n, weight
			}
		}
		if best >= 0 {
			t.put(slot, best)
		}
	}
}

// settleWeights balances index by index from the node of most weight to that of least, as long as they differ by the threshold,
// until a round over all indices moves nothing.
func settleWeights(p *fit.Problem, end time.Duration) (moves []move, done bool) {
	t := newTable(p)
	nodes := make([]int32, 0, len(p.Nodes))
	for n := range p.Nodes {
		if !p.Nodes[n].Away {
			nodes = append(nodes, int32(n))
		}
	}
	weight := make([]float64, len(p.Nodes))
	for {
		before := len(moves)
		for index := range tables {
			w := t.weigher(index)
			sort := func() {
				for _, n := range nodes {
					weight[n] = w.of(n)
				}
				slices.SortFunc(nodes, func(a, b int32) int { return cmp.Or(cmp.Compare(weight[a], weight[b]), cmp.Compare(a, b)) })
			}
			sort()
			stuck := make([]bool, len(p.Nodes)) // nodes that no node takes anything from: not tried again until they change
			for low, high := 0, len(nodes)-1; high > 0; {
				if processor() > end {
					return moves, false
				}
				from, to := nodes[high], nodes[low]
				if stuck[from] {
					low, high = 0, high-1
					continue
				}
				if weight[from]-weight[to] > threshold && t.index[index][from] > 0 {
					if slot := t.relocatable(index, from, to); slot >= 0 {
						t.take(slot)
						t.put(slot, to)
						moves = append(moves, move{t.of[slot], from, to})
						stuck[to] = false
						sort()
						low, high = 0, len(nodes)-1
						continue
					}
				} else if low == 0 && weight[from]-weight[to] <= threshold {
					break
				}
				if low < high-1 && weight[from]-weight[nodes[low+1]] > threshold {
					low++
				} else {
					stuck[from] = true
					low, high = 0, high-1
				}
			}
		}
		if len(moves) == before {
			return moves, true
		}
	}
}

// relocatable is a copy of an index on one node that another may have, or None. A copy so heavy that the nodes would change places
// stays.
func (t *table) relocatable(index int, from, to int32) int32 {
	w := weigher{t: t, index: index}
	for _, slot := range t.held[index][from] {
		if !t.may(slot, to) {
			continue
		}
		l := t.load(slot)
		own := weightShard + weightIndex + weightWrite*l[cpu]*threadsPerUnit + weightDisk*l[disk]*bytesPerUnit
		if w.of(from)-w.of(to) > own {
			return slot
		}
	}
	return fit.None
}
