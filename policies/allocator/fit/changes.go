package fit

import "slices"

// How far each kind of change looks.
const (
	lookShifts = 32  // copies of a hot node that may be shifted
	lookEqual  = 512 // the same where many are alike and the caller tells them apart
	lookSwaps  = 8   // copies of a hot node, and of each target, that may be swapped
	lookChains = 4
)

// hands finds the best hand-over of a shard that the node leads, or a chain of two: no byte is moved.
//
//	n leads s ──s──► m            n leads s ──s──► m leads r ──r──► c
func (t *settler) hands(n int32, best *change) {
	d := t.dim[n]
	t.eachHand(n, func(slot, m int32, sh *Shard) {
		if sh.Primary[d] <= sh.Replica[d] {
			return
		}
		gain := -t.changing(n, &sh.Primary, &sh.Replica) - t.changing(m, &sh.Replica, &sh.Primary)
		if gain > t.small {
			t.better(best, change{steps: [2]step{{slot: slot, to: m, hand: true}}, n: 1, gain: gain, value: gain, tie: t.prefers(slot, m)})
		}
	})
	if best.n > 0 {
		return
	}
	looked := 0
	t.eachHand(n, func(slot, m int32, sh *Shard) {
		if sh.Primary[d] <= sh.Replica[d] || looked > 256 {
			return
		}
		off := t.changing(n, &sh.Primary, &sh.Replica)
		t.eachHand(m, func(other, c int32, r *Shard) {
			if looked++; c == n || r == sh {
				return
			}
			through := t.use[m]
			through.Sub(&sh.Replica)
			through.Add(&sh.Primary)
			through.Sub(&r.Primary)
			through.Add(&r.Replica)
			gain := -off - (t.cost(int(m), &through) - t.phi[m]) - t.changing(c, &r.Replica, &r.Primary)
			if gain > t.small {
				t.better(best, change{steps: [2]step{{slot: slot, to: m, hand: true}, {slot: other, to: c, hand: true}}, n: 2, gain: gain, value: gain})
			}
		})
	})
}

// eachHand visits the hand-overs that a node could make: the slot that would lead, and its node.
func (t *settler) eachHand(n int32, f func(slot, to int32, sh *Shard)) {
	for _, lead := range t.held[n] {
		i := t.shardOf[lead]
		sh := &t.Shards[i]
		if lead-sh.First != sh.Lead || sh.Count < 2 || !t.fresh[lead] && (t.Limits.Fresh || t.moved[i] || sh.Still) {
			continue
		}
		for slot := sh.First; slot < sh.First+sh.Count; slot++ {
			if m := t.Slots[slot]; slot != lead && m >= 0 && !t.Nodes[m].Away && t.fresh[slot] == t.fresh[lead] && !t.banned[[2]int32{slot, m}] && t.holdsBut(m, &sh.Primary, &sh.Replica) {
				f(slot, m, sh)
			}
		}
	}
}

func (t *settler) prefers(slot, to int32) float64 {
	if t.Prefer == nil {
		return 0
	}
	i := t.shardOf[slot]
	return t.Prefer(int(i), int(slot-t.Shards[i].First), int(to))
}

// shifts finds the best single copy to move away: of those with most load per byte in the worst dimension, to the coolest
// nodes that may have it and stay below Stop with it; only if there is none, to one that becomes hot itself.
func (t *settler) shifts(n int32, best *change) {
	if t.Width == 0 {
		t.shift(n, best, t.Stop)
	}
	if best.n == 0 {
		t.shift(n, best, t.heat[n])
	}
}

func (t *settler) shift(n int32, best *change, hottest float64) {
	d, most := t.dim[n], lookShifts
	if t.Prefer != nil {
		most = lookEqual
	}
	for _, c := range t.leaving(n, most, func(slot int32) float64 { return t.loadOf(slot)[d] / (t.bytesOf(slot) + t.weigh + 1) }) {
		load, moved := t.loadOf(c.slot), t.moving(c.slot)
		off := t.changing(n, &moved, &nothing) - t.related(c.slot, n, 1)
		t.targets(c.slot, n, drawnCool, drawnAny, func(m int32) {
			if !t.holds(m, load) || t.use[n][d]-t.use[m][d] < t.Width || t.heatWith(m, load) > hottest {
				return
			}
			gain := -off - t.adding(m, &moved) - t.related(c.slot, m, 0)
			if gain-t.distaste(c.slot, n, m) <= t.worthy(c.slot, -off) {
				return
			}
			gain -= t.taste(c.slot, m) - t.taste(c.slot, n)
			x := change{steps: [2]step{{slot: c.slot, to: m}}, n: 1, gain: gain, value: t.value(gain, t.bytesOf(c.slot))}
			if t.Prefer != nil && x.value >= best.value*(1-1e-6) {
				x.tie = t.prefers(c.slot, m)
			}
			t.better(best, x)
		})
	}
}

// heatWith is how hot a node would be with one more load, in what is not light where scorers have a say.
func (s *Search) heatWith(n int32, l *Vector) (heat float64) {
	u, inv := &s.use[n], &s.inv[n]
	for d := range u {
		if s.Scored == nil || s.Light[d] == 0 {
			heat = max(heat, (u[d]+l[d])*inv[d])
		}
	}
	return heat
}

// targets visits cool nodes where a copy could go as far as rules are concerned, limits apart.
func (t *settler) targets(slot, from int32, cool, any int, f func(m int32)) {
	sh := &t.Shards[t.shardOf[slot]]
	k := slot - sh.First
	pattern := t.patternOf[sh.Class]
	zones := t.openZones(sh, k)
	perCool, perAny := (cool+zones-1)/max(1, zones), (any+zones-1)/max(1, zones)
	for z := range int32(t.zones) {
		if !t.open(sh, k, z) {
			continue
		}
		t.draw(t.bucketOf(pattern, z), perCool, perAny, func(m int32) {
			if m != from && t.apart(sh, k, m) && !t.banned[[2]int32{slot, m}] {
				f(m)
			}
		})
	}
}

// swaps finds the best exchange of a copy for a lighter one.
func (t *settler) swaps(n int32, best *change) {
	d := t.dim[n]
	big := slices.Clone(t.leaving(n, lookSwaps, func(slot int32) float64 { return t.loadOf(slot)[d] }))
	for _, c := range big {
		x, a := t.loadOf(c.slot), t.moving(c.slot)
		off := t.changing(n, &a, &nothing)
		t.targets(c.slot, n, lookSwaps, 2, func(m int32) {
			looked := 0
			for _, other := range t.held[m] {
				y := t.loadOf(other)
				if y[d] >= x[d] || t.shardOf[other] == t.shardOf[c.slot] || looked >= lookSwaps || !t.mayGo(other) {
					continue
				}
				looked++
				if !t.mayTake(other, n) || !t.holdsBut(m, x, y) || !t.holdsBut(n, y, x) {
					continue
				}
				b := t.moving(other)
				gain := -t.changing(n, &a, &b) - t.changing(m, &b, &a) - t.kinship(c.slot, n, m) - t.kinship(other, m, n) - t.distaste(c.slot, n, m) - t.distaste(other, m, n)
				if gain > t.worthy(c.slot, -off)+t.worthy(other, 0) {
					t.better(best, change{steps: [2]step{{slot: c.slot, to: m}, {slot: other, to: n}}, n: 2, gain: gain,
						value: t.value(gain, t.bytesOf(c.slot)+t.bytesOf(other))})
				}
			}
		})
	}
}

// chains finds the best pair of moves through a node that cannot have the copy unless it gives one away.
//
//	n ──x──► m ──y──► c
func (t *settler) chains(n int32, best *change) {
	d := t.dim[n]
	big := slices.Clone(t.leaving(n, lookChains, func(slot int32) float64 { return t.loadOf(slot)[d] }))
	for _, c := range big {
		x, a := t.loadOf(c.slot), t.moving(c.slot)
		off := t.changing(n, &a, &nothing)
		t.targets(c.slot, n, lookChains, 2, func(m int32) {
			looked := 0
			for _, other := range t.held[m] {
				if t.shardOf[other] == t.shardOf[c.slot] || looked >= lookChains || !t.mayGo(other) {
					continue
				}
				looked++
				y := t.loadOf(other)
				if !t.holdsBut(m, x, y) {
					continue
				}
				b := t.moving(other)
				through := t.changing(m, &b, &a)
				t.targets(other, m, lookChains, 0, func(to int32) {
					if to == n || !t.holds(to, y) {
						return
					}
					gain := -off - through - t.adding(to, &b) - t.kinship(c.slot, n, m) - t.kinship(other, m, to) - t.distaste(c.slot, n, m) - t.distaste(other, m, to)
					if gain > t.worthy(c.slot, -off)+t.worthy(other, 0) {
						t.better(best, change{steps: [2]step{{slot: c.slot, to: m}, {slot: other, to: to}}, n: 2, gain: gain,
							value: t.value(gain, t.bytesOf(c.slot)+t.bytesOf(other))})
					}
				})
			}
		})
	}
}

// kinship is what a move costs for those of its family.
func (t *settler) kinship(slot, from, to int32) float64 {
	return t.related(slot, to, 0) - t.related(slot, from, 1)
}

// distaste is what the scorers lose by a move. It is weighed against what heat gains; what they gain starts no change of Settle's, of which a half may be
// carried out alone: that is for Attract.
func (t *settler) distaste(slot, from, to int32) float64 {
	return max(0, t.taste(slot, to)-t.taste(slot, from))
}

// mayTake says whether a node may have a copy that is elsewhere, limits apart.
func (t *settler) mayTake(slot, n int32) bool {
	sh := &t.Shards[t.shardOf[slot]]
	k := slot - sh.First
	return t.Classes[sh.Class].Row[n] == Yes && t.open(sh, k, t.zoneOf[n]) && t.apart(sh, k, n) && !t.banned[[2]int32{slot, n}]
}

// holdsBut says whether a node can bear one load in place of another.
func (s *Search) holdsBut(n int32, plus, minus *Vector) bool {
	limit, u := &s.Nodes[n].Limit, &s.use[n]
	for d := range plus {
		if limit[d] > 0 && plus[d] > minus[d] && u[d]+plus[d]-minus[d] > limit[d] {
			return false
		}
	}
	return true
}
