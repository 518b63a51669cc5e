package fit

import (
	"math"
	"slices"
)

// Place fills the empty slots, the biggest loads first, and gives the slots for which no node was found. What it places it may
// place anew as long as the search lasts: nothing has been carried there yet.
func (s *Search) Place() (unplaced []int32) {
	var list []weighty
	var mean Vector
	for n := range s.Nodes {
		mean.Add(&s.inv[n])
	}
	for slot, n := range s.Slots {
		if n >= 0 {
			continue
		}
		sh := &s.Shards[s.shardOf[slot]]
		size := 0.0
		for d, x := range sh.load(int32(slot) - sh.First) {
			size = max(size, x*mean[d])
		}
		list = append(list, weighty{^math.Float64bits(size), int32(slot)})
	}
	for _, w := range ascend(list, make([]weighty, len(list))) {
		if n := s.best(w.slot, nil); n >= 0 {
			s.put(w.slot, n)
			s.touch(n)
		} else {
			unplaced = append(unplaced, w.slot)
		}
	}
	return s.squeeze(unplaced)
}

// weighty is a slot with the bits of its size, inverted: figures that are not negative are ordered as their bits are.
type weighty struct {
	key  uint64
	slot int32
}

// ascend sorts by key, byte for byte, in time that grows with the length alone; equals stay as they were. It gives one of the two, of which the
// second is room.
func ascend(list, room []weighty) []weighty {
	for shift := 0; shift < 64; shift += 8 {
		var count [256]int
		for i := range list {
			count[list[i].key>>shift&255]++
		}
		if len(list) == 0 || count[list[0].key>>shift&255] == len(list) {
			continue // all have the same byte
		}
		sum := 0
		for x, n := range count {
			count[x], sum = sum, sum+n
		}
		for i := range list {
			at := &count[list[i].key>>shift&255]
			room[*at] = list[i]
			*at++
		}
		list, room = room, list
	}
	return list
}

// best is the node where the copy of an empty slot costs least among a few that are drawn, or among all if none of those may
// have it; None if no node may.
func (s *Search) best(slot int32, may func(node int) bool) int32 {
	sh := &s.Shards[s.shardOf[slot]]
	k := slot - sh.First
	pattern := s.patternOf[sh.Class]
	cool, any := share(s.openZones(sh, k))
	drawn := s.worst[:0]
	for z := range int32(s.zones) {
		if s.open(sh, k, z) {
			s.draw(s.bucketOf(pattern, z), cool, any, func(n int32) { drawn = append(drawn, n) })
		}
	}
	s.worst = drawn
	n := s.cheapest(slot, drawn, may)
	for step := 0; n < 0 && step < 2; step++ {
		list := s.worst[:0]
		for z := range int32(s.zones) {
			if !s.open(sh, k, z) {
				continue
			}
			if b := s.bucketOf(pattern, z); step == 0 {
				list = append(list, b.nodes...)
			} else {
				list = append(list, b.averse...)
			}
		}
		s.worst = list
		n = s.cheapest(slot, list, may)
	}
	return n
}

// cheapest is the node of a list where the copy of an empty slot costs least, of those that may have it; None if there is none.
func (s *Search) cheapest(slot int32, list []int32, may func(node int) bool) int32 {
	i := s.shardOf[slot]
	sh := &s.Shards[i]
	k := slot - sh.First
	load := sh.load(k)
	var refused []int32 // by the caller; a few
	for {
		best, least := int32(None), 0.0
		for _, n := range list {
			if may != nil && !may(int(n)) || !s.holds(n, load) || !s.apart(sh, k, n) || slices.Contains(refused, n) {
				continue
			}
			if cost := s.adding(n, load) + s.score(slot, n, 0); best < 0 || cost < least {
				best, least = n, cost
			}
		}
		if best < 0 || s.Enter == nil || s.Enter(int(i), int(k), int(best)) {
			return best
		}
		refused = append(refused, best)
	}
}

// openZones counts the zones that may have another copy of a shard.
func (s *Search) openZones(sh *Shard, except int32) (count int) {
	if s.Classes[sh.Class].PerZone == 0 {
		return s.zones
	}
	for z := range int32(s.zones) {
		if s.open(sh, except, z) {
			count++
		}
	}
	return count
}

// share says how many candidates are drawn from each of so many zones.
func share(zones int) (cool, any int) {
	return (drawnCool + zones - 1) / max(1, zones), (drawnAny + zones - 1) / max(1, zones)
}

// Find looks for the best node for one copy that is missing, or that is to leave where it is, and puts it there. None: there is
// no node for which may holds; the copy is where it was.
func (s *Search) Find(slot int, may func(node int) bool) int {
	at := s.Slots[slot]
	if at >= 0 {
		s.take(int32(slot))
	}
	n := s.best(int32(slot), may)
	switch {
	case n >= 0:
		s.put(int32(slot), n)
		s.touch(n)
		s.moved[s.shardOf[slot]] = true
	case at >= 0:
		s.put(int32(slot), at)
	}
	return int(n)
}

// Put says where a copy is now, by somebody else's choice.
func (s *Search) Put(slot, node int) {
	if s.Slots[slot] >= 0 {
		s.take(int32(slot))
	}
	s.put(int32(slot), int32(node))
	s.touch(int32(node))
	s.moved[s.shardOf[slot]] = true
}

// Cost is what the copy of a slot would add to the potential on a node that it is not on.
func (s *Search) Cost(slot, node int) float64 {
	sh := &s.Shards[s.shardOf[slot]]
	return s.adding(int32(node), sh.load(int32(slot)-sh.First)) + s.score(int32(slot), int32(node), 0)
}

// squeeze makes room for copies that found none, by moving another copy of this search away: a chain of two.
func (s *Search) squeeze(unplaced []int32) (left []int32) {
	for _, slot := range unplaced {
		if !s.makeRoom(slot) {
			left = append(left, slot)
		}
	}
	return left
}

// makeRoom finds a node that may have the copy but for its limits, and a fresh copy there that another node can have.
func (s *Search) makeRoom(slot int32) bool {
	i := s.shardOf[slot]
	sh := &s.Shards[i]
	k := slot - sh.First
	load := sh.load(k)
	tries := 0
	for n, v := range s.patterns[s.patternOf[sh.Class]] {
		n := int32(n)
		if v >= Waits || !s.open(sh, k, s.zoneOf[n]) || !s.apart(sh, k, n) || tries >= 64 {
			continue
		}
		for _, other := range slices.Clone(s.held[n]) {
			o := s.shardOf[other]
			if !s.fresh[other] || o == i || tries >= 64 {
				continue
			}
			tries++
			s.take(other)
			if s.holds(n, load) && (s.Enter == nil || s.Enter(int(i), int(k), int(n))) {
				if to := s.best(other, nil); to >= 0 && to != n {
					s.put(other, to)
					s.put(slot, n)
					s.touch(to)
					return true
				}
			}
			s.put(other, n)
		}
	}
	return false
}
