package fit

import (
	"cmp"
	"slices"
)

// Limits bound what Settle does.
type Limits struct {
	Start float64 // it begins if a node is hotter that can be helped; 0: 1.10
	Stop  float64 // and ends when none is hotter; 0: 1.05
	Fresh bool    // move only what Place has placed: it costs nothing
	Moves int     // copies that may be moved, fresh ones not counted; 0: no bound
	Bytes float64 // and their bytes; 0: no bound
	Width float64 // the least by which use must differ in the worst dimension for a copy to be moved between two nodes: loads are whole numbers, and whatever gains is worth it
}

// What a copy that is moved must gain, so that the search does not churn: a part of the hot node's potential, and a part of what
// its going takes away there. A target that is hardly cooler than the source gives most of that back.
const (
	worth      = 0.002
	efficiency = 0.1
	caution    = 0.6 // added for a copy that makes up all of the node's cost: of few big copies each is moved with care
)

// What a pass must take away of the potential for another to be worth it, and what all of them together must take away of the
// excess over Stop, or else nothing is moved at all: near the best that can be had, a planner that looks again and again would
// shuffle for ever.
const (
	progress   = 0.02
	worthwhile = 0.10
)

// settler is one run of Settle.
type settler struct {
	*Search
	Limits
	heat   []float64 // by node
	dim    []int8    // its worst dimension
	stuck  []bool    // by node: no move was found in this pass
	leaves []byte    // by slot: 0 not asked, 1 may leave, 2 may not
	banned map[[2]int32]bool
	paid   int
	bytes  float64
	done   bool    // the next change would be more than the budget allows
	helped bool    // a node above Start was relieved
	small  float64 // a gain that is none, by rounding
	least  float64 // what a copy that is moved must gain at the node at hand
	weigh  float64 // bytes of a mean copy
	scored []candidate
}

// candidate is a copy that might leave its node.
type candidate struct {
	slot int32
	key  float64
}

// Settle moves copies from hot nodes to cool ones until no node is hotter than Stop, or nothing helps: it takes the hottest
// node, its worst dimension, and the change that gains most per byte. The moves that a smaller budget allows are the first of
// those that a larger one does. It says how many passes it took.
func (s *Search) Settle(l Limits) (passes int) {
	t := s.settler(l)
	if n := t.hottest(); n < 0 || t.heat[n] <= t.Start {
		return 0
	}
	for i := range s.Shards {
		t.weigh += s.Shards[i].Bytes / float64(len(s.Shards))
	}
	began := t.excess()
	defer func() { s.over = t.spent() }()
	for {
		passes++
		before := s.Potential()
		for n := t.hottest(); n >= 0 && !t.spent(); n = t.hottest() {
			if !t.helped && t.heat[n] <= t.Start {
				return passes // those that are hot enough to begin cannot be helped
			}
			if t.cool(n) || !t.relieve(n) {
				t.stuck[n] = true
			}
		}
		if after := s.Potential(); t.spent() || before-after < progress*before {
			if !t.spent() && t.Width == 0 && t.excess() > (1-worthwhile)*began {
				t.undo()
			}
			return passes
		}
		clear(t.stuck)
	}
}

// settler begins a run.
func (s *Search) settler(l Limits) *settler {
	l.Start, l.Stop = cmp.Or(l.Start, 1.10), cmp.Or(l.Stop, 1.05)
	t := &settler{Search: s, Limits: l, heat: make([]float64, len(s.Nodes)), dim: make([]int8, len(s.Nodes)), stuck: make([]bool, len(s.Nodes)),
		leaves: make([]byte, len(s.Slots)), banned: map[[2]int32]bool{}, small: s.unit * 1e-6}
	for n := range s.Nodes {
		t.measure(int32(n))
	}
	return t
}

// excess is the part of the potential that is above Stop where there is too much.
func (t *settler) excess() (sum float64) {
	stop := eighth(t.Stop)
	for n := range t.Nodes {
		for d := range Dims {
			if h := t.use[n][d] * t.inv[n][d]; h > t.Stop && t.tooMuch(int32(n), d) && !t.Nodes[n].Away {
				sum += t.weight[n][d] * (eighth(h) - stop)
			}
		}
	}
	return sum
}

// tooMuch says that what a node has in a dimension is not within its band: what is within it is left as it is, so that it must not be
// weighed against what is mended elsewhere.
func (t *settler) tooMuch(n int32, d int) bool {
	inv := t.inv[n][d]
	return t.Light[d] == 0 || t.Limits.Fresh || t.use[n][d]*inv >= 1+t.Light[d]*inv
}

// undo takes back all moves, but for those of fresh copies, which cost nothing.
func (t *settler) undo() {
	for at := len(t.moves) - 1; at >= 0; at-- {
		m := &t.moves[at]
		sh := &t.Shards[m.Shard]
		slot := sh.First + m.Slot
		if m.Kind == Hand {
			for old := sh.First; old < sh.First+sh.Count; old++ {
				if t.Slots[old] == m.From {
					t.lead(old, slot)
				}
			}
		} else {
			t.take(slot)
			t.put(slot, m.From)
		}
		t.moved[m.Shard] = false
		t.touch(m.From)
		t.touch(m.To)
	}
	t.moves = t.moves[:0]
}

// lead makes the copy in one slot the leader in place of the one in another.
func (s *Search) lead(slot, old int32) {
	sh := &s.Shards[s.shardOf[slot]]
	a, b := s.Slots[old], s.Slots[slot]
	s.take(old)
	s.take(slot)
	sh.Lead = slot - sh.First
	s.put(old, a)
	s.put(slot, b)
}

func (t *settler) spent() bool {
	return t.done || t.Limits.Moves > 0 && t.paid >= t.Limits.Moves || t.Bytes > 0 && t.bytes >= t.Bytes
}

// afford says whether the budget allows a change; if not, the search is over, so that what it did is the beginning of what it
// would have done with more.
func (t *settler) afford(c *change) bool {
	moves, bytes := t.paid, t.bytes
	for _, st := range c.steps[:c.n] {
		if !st.hand && !t.fresh[st.slot] {
			moves++
			bytes += t.bytesOf(st.slot)
		}
	}
	t.done = t.Limits.Moves > 0 && moves > t.Limits.Moves || t.Bytes > 0 && bytes > t.Bytes
	return !t.done
}

// measure takes a node's heat anew.
func (t *settler) measure(n int32) {
	t.heat[n] = 0
	if t.Nodes[n].Away {
		return
	}
	for d := range Dims {
		if h := t.use[n][d] * t.inv[n][d]; h > t.heat[n] && t.tooMuch(n, d) {
			t.heat[n], t.dim[n] = h, int8(d)
		}
	}
}

// hottest is the hottest node that is too hot and not stuck, or None.
func (t *settler) hottest() int32 {
	best, most := int32(None), t.Stop
	for n, h := range t.heat {
		if h > most && !t.stuck[n] {
			best, most = int32(n), h
		}
	}
	return best
}

// cool says whether a node is as cool as a copy lets it be that would be too hot anywhere.
func (t *settler) cool(n int32) bool {
	d := t.dim[n]
	biggest := 0.0
	for _, slot := range t.held[n] {
		load := t.loadOf(slot)[d]
		if most := t.room[t.patternOf[t.Shards[t.shardOf[slot]].Class]][d]; load > t.Stop*most {
			biggest = max(biggest, load)
		}
	}
	return t.heat[n] <= max(t.Stop, 1.02*biggest*t.inv[n][d])
}

func (s *Search) loadOf(slot int32) *Vector {
	sh := &s.Shards[s.shardOf[slot]]
	return sh.load(slot - sh.First)
}

// change is one or two steps with what they gain.
type change struct {
	steps [2]step
	n     int
	gain  float64
	value float64 // gain per byte
	tie   float64
	drawn float64 // by scores, if for them alone
}

type step struct {
	slot, to int32
	hand     bool
}

// better keeps the better of two changes.
func (t *settler) better(best *change, c change) {
	switch near := 1e-9 * max(best.value, -best.value); {
	case best.n == 0 || c.value > best.value+near:
	case c.value < best.value-near || c.tie >= best.tie:
		return
	}
	*best = c
}

// relieve makes the best change for a node, if there is one.
func (t *settler) relieve(n int32) bool {
	if t.Limits.Fresh && !slices.ContainsFunc(t.held[n], func(slot int32) bool { return t.fresh[slot] }) {
		return false
	}
	t.least = t.small + worth*t.phi[n]
	for range 16 { // the caller may refuse what was found
		var best change
		t.look(n, &best)
		if best.n == 0 && t.Light[t.dim[n]] != 0 && t.heavy(n) {
			t.look(n, &best)
		}
		if best.n == 0 || !t.afford(&best) {
			return false
		}
		if t.allowed(&best) {
			t.do(n, &best)
			return true
		}
	}
	return false
}

// look finds the best change of the first kind that helps.
func (t *settler) look(n int32, best *change) {
	for _, kind := range []func(int32, *change){t.hands, t.shifts, t.swaps, t.chains} {
		if kind(n, best); best.n > 0 || t.Light[t.dim[n]] != 0 {
			return
		}
	}
}

// heavy turns to the worst dimension of a node for which copies are moved, if it is too hot there.
func (t *settler) heavy(n int32) bool {
	most := t.Stop
	for d := range Dims {
		if h := t.use[n][d] * t.inv[n][d]; h > most && t.Light[d] == 0 {
			most, t.dim[n] = h, int8(d)
		}
	}
	return most > t.Stop
}

// allowed asks the caller about each step of a change.
func (t *settler) allowed(c *change) bool {
	for _, st := range c.steps[:c.n] {
		i := t.shardOf[st.slot]
		k := int(st.slot - t.Shards[i].First)
		ask := func() bool { return t.Enter == nil || t.Enter(int(i), k, int(st.to)) }
		if st.hand {
			ask = func() bool { return t.Lead == nil || t.Lead(int(i), k) }
		}
		if !ask() {
			t.banned[[2]int32{st.slot, st.to}] = true
			return false
		}
	}
	return true
}

// do makes a change and writes it down, the last step first: in a chain it frees the room that the other needs.
func (t *settler) do(n int32, c *change) {
	d := t.dim[n]
	heat := t.use[n][d] * t.inv[n][d]
	t.helped = t.helped || t.heat[n] > t.Start
	for at := c.n - 1; at >= 0; at-- {
		st := c.steps[at]
		i := t.shardOf[st.slot]
		sh := &t.Shards[i]
		k := st.slot - sh.First
		m := Move{Shard: i, Slot: k, To: st.to, Dim: d, Heat: heat, Gain: c.gain, Drawn: c.drawn}
		free := t.fresh[st.slot]
		if st.hand {
			old := sh.First + sh.Lead
			m.Kind, m.From = Hand, t.Slots[old]
			free = free && t.fresh[old]
			t.lead(st.slot, old)
		} else {
			m.From = t.Slots[st.slot]
			t.take(st.slot)
			t.put(st.slot, st.to)
		}
		for _, x := range []int32{m.From, m.To} {
			t.touch(x)
			t.measure(x)
			t.stuck[x] = false
		}
		if !free {
			t.moved[i] = true
			t.moves = append(t.moves, m)
			if !st.hand {
				t.paid++
				t.bytes += sh.Bytes
			}
		}
	}
}

// mayGo says whether a copy may be moved at all: its shard has not been, and the caller allows it.
func (t *settler) mayGo(slot int32) bool {
	if t.fresh[slot] {
		return true
	}
	i := t.shardOf[slot]
	if t.Limits.Fresh || t.moved[i] || t.Shards[i].Still {
		return false
	}
	if t.leaves[slot] == 0 {
		t.leaves[slot] = 1
		if t.Leave != nil && !t.Leave(int(i), int(slot-t.Shards[i].First)) {
			t.leaves[slot] = 2
		}
	}
	return t.leaves[slot] == 1
}

// worthy is what moving a copy must gain, if its going alone makes the potential fall by drop.
func (t *settler) worthy(slot int32, drop float64) float64 {
	if t.fresh[slot] {
		return t.small
	}
	if t.Width > 0 {
		return t.small
	}
	return t.least + (efficiency+caution*min(1, drop/t.phi[t.Slots[slot]]))*drop
}

// bytesOf is what a move costs beside its step: a fresh copy is nowhere yet.
func (t *settler) bytesOf(slot int32) float64 {
	if t.fresh[slot] {
		return 0
	}
	return t.Shards[t.shardOf[slot]].Bytes
}

// value is the gain per byte; a mean copy's bytes are added, so that the smallest do not always go first.
func (t *settler) value(gain, bytes float64) float64 { return gain / (bytes + t.weigh + 1) }

// leaving lists the copies of a node that weigh most by some measure, at most so many, of those that may go.
func (t *settler) leaving(n int32, most int, measure func(slot int32) float64) []candidate {
	list := t.scored[:0]
	for _, slot := range t.held[n] {
		if key := measure(slot); key > 0 {
			list = append(list, candidate{slot, key})
		}
	}
	t.scored = list
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(a.slot, b.slot)) })
	out := list[:0]
	for _, c := range list {
		if len(out) == most {
			break
		}
		if t.mayGo(c.slot) {
			out = append(out, c)
		}
	}
	return out
}

// changing is what the potential rises by if a node gives one load and gets another.
func (s *Search) changing(n int32, minus, plus *Vector) float64 {
	u := s.use[n]
	u.Sub(minus)
	u.Add(plus)
	return s.cost(int(n), &u) - s.phi[n]
}

var nothing Vector
