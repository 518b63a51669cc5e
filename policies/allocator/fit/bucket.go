package fit

import "slices"

// order is the nodes of one zone, coolest first as they were when they were last sorted: once for all patterns.
type order struct {
	nodes   []int32
	heats   []float64 // of them, then
	age     int       // changes since
	version int       // 0: never sorted
}

// bucket is the nodes of one zone that may have the shards of one pattern, in the zone's order.
type bucket struct {
	nodes   []int32
	averse  []int32 // of these none is taken while another can
	version int     // of the order that they were taken from
}

// bucketOf is the bucket of a pattern and zone, made when first asked for.
func (s *Search) bucketOf(pattern, zone int32) *bucket {
	o := &s.orders[zone]
	if o.version == 0 || o.age > 4+len(o.nodes)/12 {
		s.rank(o)
	}
	if s.buckets[pattern] == nil {
		s.buckets[pattern] = make([]bucket, s.zones)
	}
	b := &s.buckets[pattern][zone]
	if b.version == o.version {
		return b
	}
	b.nodes, b.averse, b.version = b.nodes[:0], b.averse[:0], o.version
	row := s.patterns[pattern]
	for _, n := range o.nodes {
		switch row[n] {
		case Yes:
			b.nodes = append(b.nodes, n)
		case Averse:
			b.averse = append(b.averse, n)
		}
	}
	return b
}

// rank sorts the nodes of a zone by heat. Most are as hot as when they were last sorted, and in order among themselves: the others are sorted, and
// put in between.
//
//	as they were   1.00 1.01 1.02 1.04        as they are   1.00 1.03 1.02 1.04        1.00 1.02 │1.03│ 1.04
func (s *Search) rank(o *order) {
	if len(o.heats) != len(o.nodes) {
		o.heats = make([]float64, len(o.nodes))
		for i := range o.heats {
			o.heats[i] = -1
		}
	}
	same, others := s.same[:0], s.warm[:0]
	for i, n := range o.nodes {
		heat := s.heat[n]
		if heat == o.heats[i] {
			same = append(same, warm{heat, n})
		} else {
			others = append(others, warm{heat, n})
		}
	}
	slices.SortFunc(others, warm.compare)
	s.same, s.warm = same, others
	for i := range o.nodes {
		from := &same
		if len(same) == 0 || len(others) > 0 && others[0].compare(same[0]) < 0 {
			from = &others
		}
		o.nodes[i], o.heats[i] = (*from)[0].n, (*from)[0].heat
		*from = (*from)[1:]
	}
	o.age = 0
	o.version++
}

// compare puts the cooler first, and of equals the one whose place is before.
func (w warm) compare(x warm) int {
	switch {
	case w.heat < x.heat:
		return -1
	case w.heat > x.heat:
		return 1
	}
	return int(w.n - x.n)
}

// warm is a node as it is sorted.
type warm struct {
	heat float64
	n    int32
}

// touch tells the order of a zone that a node in it has changed.
func (s *Search) touch(n int32) { s.orders[s.zoneOf[n]].age++ }

// crowd counts a shard's copies in a zone, but for one slot.
func (s *Search) crowd(sh *Shard, except, zone int32) (count int32) {
	for k := range sh.Count {
		if n := s.Slots[sh.First+k]; n >= 0 && k != except && s.zoneOf[n] == zone {
			count++
		}
	}
	return count
}

// open says whether another copy of the shard may go to a zone, by the spread alone.
func (s *Search) open(sh *Shard, except, zone int32) bool {
	most := s.Classes[sh.Class].PerZone
	return most == 0 || s.crowd(sh, except, zone) < most
}

// apart says whether a node has, beside the copy in slot except, no other of the shard, nor has its host if that counts.
func (s *Search) apart(sh *Shard, except, n int32) bool {
	perHost, host := s.Classes[sh.Class].PerHost, s.Nodes[n].Host
	for k := range sh.Count {
		m := s.Slots[sh.First+k]
		if m < 0 || k == except {
			continue
		}
		if m == n || perHost && host >= 0 && s.Nodes[m].Host == host {
			return false
		}
	}
	return true
}

// holds says whether a node can bear a load under its limits.
func (s *Search) holds(n int32, l *Vector) bool {
	limit, u := &s.Nodes[n].Limit, &s.use[n]
	for d := range l {
		if limit[d] > 0 && l[d] > 0 && u[d]+l[d] > limit[d] {
			return false
		}
	}
	return true
}

// scoresOf is what scorers say of the copy in a slot, for each node; empty: nothing.
func (s *Search) scoresOf(slot int32) []float64 {
	if s.scores == nil {
		return nil
	}
	if s.scores[slot] == nil {
		i := s.shardOf[slot]
		if s.scores[slot] = s.Scored(int(i), int(slot-s.Shards[i].First)); s.scores[slot] == nil {
			s.scores[slot] = []float64{}
		}
	}
	return s.scores[slot]
}

// score is what the copy in a slot adds to the cost of a node beside its load: by taste, and by kinship. there says whether it is there.
func (s *Search) score(slot, n int32, there uint32) float64 {
	return s.taste(slot, n) + s.related(slot, n, there)
}

// taste is what scorers add for the copy in a slot on a node.
func (s *Search) taste(slot, n int32) float64 {
	if scores := s.scoresOf(slot); len(scores) > 0 {
		return scores[n] * s.unit
	}
	return 0
}

// related is what the copies of its family there add, of which it may be one.
func (s *Search) related(slot, n int32, there uint32) float64 {
	if s.Families == 0 {
		return 0
	}
	f := s.Shards[s.shardOf[slot]].Family
	return s.rise[f] * float64(s.kin[int(f)*len(s.Nodes)+int(n)]-there)
}

// Candidates drawn: of twelve, eight from the coolest quarter.
const (
	drawnCool   = 8
	drawnAny    = 4
	fewEnough   = 24 // of so few all are looked at
	coolQuarter = 4
)

// draw calls f for nodes of a bucket: all of a few, else some of the coolest quarter and some of all.
func (s *Search) draw(b *bucket, cool, any int, f func(n int32)) {
	if len(b.nodes) <= fewEnough || len(b.nodes) <= cool+any {
		for _, n := range b.nodes {
			f(n)
		}
		return
	}
	quarter := len(b.nodes) / coolQuarter
	for range cool {
		f(b.nodes[s.random(quarter)])
	}
	for range any {
		f(b.nodes[s.random(len(b.nodes))])
	}
}
