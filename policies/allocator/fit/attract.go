package fit

import (
	"cmp"
	"slices"
)

// drawn is by how much the potential must fall for a copy to be moved because of scores alone, in copies of mean load: half of what makes two nodes
// even that differ by one. Two nodes that the scorers find nearly alike do not change their copies about.
const drawn = 0.5

// How many places of copies are weighed in one run, and how many of those may be refused by the caller.
const (
	mostWeighed = 1 << 22
	mostRefused = 1 << 10
)

// pull is a copy that scorers would rather have elsewhere.
type pull struct {
	slot int32
	gap  float64 // of the scores of its node and of the best one for it
}

// Attract moves copies to nodes that their scores prefer, as long as the potential falls, scores included: what is preferred draws copies until
// evenness holds them back. Those with most to gain go first, each to where it gains most. It goes on with what a call of Settle has left of the same limits.
//
//	scores    n1 ▒▒▒ 3     n2 ▒ 1         n1 ──x──► n2      while  heat(n1) falls by less than 2 less than heat(n2) rises
func (s *Search) Attract(l Limits) {
	if s.Scored == nil || s.over {
		return
	}
	t := s.settler(l)
	for at := range s.moves {
		if m := &s.moves[at]; m.Kind == Shift {
			t.paid++
			t.bytes += s.Shards[m.Shard].Bytes
		}
	}
	weighed, refused := 0, 0
	for _, x := range t.pulls() {
		if t.spent() || weighed > mostWeighed || refused > mostRefused {
			return
		}
		for weighed += len(t.Nodes); t.mayGo(x.slot); refused++ {
			c := t.drawnTo(x.slot)
			if c.n == 0 || !t.afford(&c) {
				break
			}
			if t.allowed(&c) {
				t.do(t.Slots[x.slot], &c)
				break
			}
		}
	}
}

// pulls lists the copies whose scores are better by more than drawn elsewhere, those with the largest difference first, of equals those on the hottest nodes.
func (t *settler) pulls() (list []pull) {
	for slot, n := range t.Slots {
		if n < 0 || t.Nodes[n].Away || t.fresh[slot] {
			continue
		}
		sh := &t.Shards[t.shardOf[slot]]
		if t.moved[t.shardOf[slot]] || sh.Still {
			continue
		}
		scores, row := t.scoresOf(int32(slot)), t.Classes[sh.Class].Row
		if len(scores) == 0 {
			continue
		}
		least := scores[n]
		for m, x := range scores {
			if x < least && row[m] == Yes && !t.Nodes[m].Away {
				least = x
			}
		}
		if gap := scores[n] - least; gap > drawn {
			list = append(list, pull{int32(slot), gap})
		}
	}
	slices.SortStableFunc(list, func(a, b pull) int {
		return cmp.Or(cmp.Compare(b.gap, a.gap), cmp.Compare(t.heat[t.Slots[b.slot]], t.heat[t.Slots[a.slot]]))
	})
	return list
}

// moving is what counts of a copy's load where it may be moved. What is light is no reason to move a copy; where scorers have a say it is no reason
// against a move either: leads that are too many are handed over.
func (t *settler) moving(slot int32) Vector {
	load := *t.loadOf(slot)
	if t.Scored != nil {
		for d := range load {
			if t.Light[d] != 0 {
				load[d] = 0
			}
		}
	}
	return load
}

// drawnTo is the move of a copy that gains most by scores; none if nothing gains enough.
func (t *settler) drawnTo(slot int32) (best change) {
	n := t.Slots[slot]
	scores, load, moved := t.scoresOf(slot), t.loadOf(slot), t.moving(slot)
	off := t.changing(n, &moved, &nothing) - t.score(slot, n, 1)
	for m := range t.Nodes {
		m := int32(m)
		if scores[n]-scores[m] <= drawn || t.Nodes[m].Away || !t.mayTake(slot, m) || !t.holds(m, load) {
			continue
		}
		if gain := -off - t.adding(m, &moved) - t.score(slot, m, 0); gain > drawn*t.unit && (best.n == 0 || gain > best.gain) {
			best = change{steps: [2]step{{slot: slot, to: m}}, n: 1, gain: gain, drawn: scores[n] - scores[m]}
		}
	}
	return best
}
