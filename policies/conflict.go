package policies

import (
	"fmt"
	"math/bits"
)

// Rule is one of those that together leave a copy no node.
type Rule struct {
	Decider string
	Nodes   int    // that it refuses
	Alone   int    // of these, the nodes that no other rule of the conflict refuses: what giving it up would open
	Node    string // the first of these, by name
	Reason  string // why that one
}

// Conflict is the smallest set of rules that together refuse every node, in the order in which the set asks them; nil if some
// node is left. Of several as small it is the one whose rules come first. Giving up one of them opens the nodes that it alone
// refuses, unless others beside the conflict refuse them too.
//
//	          n1 n2 n3 n4
//	alive      ▓  ·  ·  ·
//	filter     ▓  ▓  ▓  ·   ◄─┐ these two leave no node
//	same_node  ·  ·  ▓  ▓   ◄─┘
func (s *Set) Conflict(v *View, q *Question) []Rule {
	var deciders []Decider
	var rows []Row
	var refused []mask
	for _, d := range s.Deciders {
		if !has(d, q.Capability) {
			continue
		}
		row, m := make(Row, len(v.Nodes)), make(mask, (len(v.Nodes)+63)/64)
		ask(d, v, q, row)
		for n, a := range row {
			if a.Verdict() == No {
				m[n/64] |= 1 << (n % 64)
			}
		}
		if m.count() > 0 {
			deciders, rows, refused = append(deciders, d), append(rows, row), append(refused, m)
		}
	}
	chosen := cover(refused, len(v.Nodes))
	var rules []Rule
	for at, i := range chosen {
		own := append(mask(nil), refused[i]...)
		for other, j := range chosen {
			if other != at {
				own.without(refused[j])
			}
		}
		example := own
		if own.count() == 0 { // no smallest set has such a rule; but the example is not to depend on that
			example = refused[i]
		}
		n := example.first()
		rules = append(rules, Rule{Decider: deciders[i].Name(), Nodes: refused[i].count(), Alone: own.count(), Node: v.Nodes[n].Name,
			Reason: deciders[i].Reason(v, q, n, rows[i][n])})
	}
	return rules
}

// String says what the rule does to the conflict.
func (r *Rule) String() string {
	return fmt.Sprintf("[%s] refuses %d nodes, %d of them alone, as %s: %s", r.Decider, r.Nodes, r.Alone, r.Node, r.Reason)
}

// mask is a set of nodes.
type mask []uint64

func (m mask) count() (n int) {
	for _, word := range m {
		n += bits.OnesCount64(word)
	}
	return n
}

func (m mask) without(other mask) {
	for i := range m {
		m[i] &^= other[i]
	}
}

func (m mask) first() int {
	for i, word := range m {
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// maxCover bounds what is searched for the smallest set: beyond it rules are left out one by one for as long as the rest do.
const maxCover = 5

// cover gives the places of the fewest sets that together hold all nodes; nil if all together do not.
func cover(sets []mask, nodes int) []int {
	if nodes == 0 {
		return nil
	}
	all := make([]int, len(sets))
	for i := range all {
		all[i] = i
	}
	if !covers(sets, all, nodes) {
		return nil
	}
	for size := 1; size <= min(maxCover, len(sets)); size++ {
		if chosen := search(sets, nil, 0, size, nodes); chosen != nil {
			return chosen
		}
	}
	for i := len(sets) - 1; i >= 0; i-- { // the last first: those that come first are the plainest
		var rest []int
		for _, j := range all {
			if j != i {
				rest = append(rest, j)
			}
		}
		if covers(sets, rest, nodes) {
			all = rest
		}
	}
	return all
}

// search completes a choice by so many more, from a place on.
func search(sets []mask, chosen []int, from, more, nodes int) []int {
	if more == 0 {
		if covers(sets, chosen, nodes) {
			return append([]int(nil), chosen...)
		}
		return nil
	}
	for i := from; i+more <= len(sets); i++ {
		if found := search(sets, append(chosen, i), i+1, more-1, nodes); found != nil {
			return found
		}
	}
	return nil
}

func covers(sets []mask, chosen []int, nodes int) bool {
	for word := range (nodes + 63) / 64 {
		var have uint64
		for _, i := range chosen {
			have |= sets[i][word]
		}
		want := ^uint64(0)
		if rest := nodes - word*64; rest < 64 {
			want = 1<<rest - 1
		}
		if have != want {
			return false
		}
	}
	return true
}
