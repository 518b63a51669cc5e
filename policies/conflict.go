package policies

import (
	"fmt"
	"math/bits"
	"strings"
)

// Rule is one of those that together leave a copy no node.
type Rule struct {
	Decider string
	Nodes   int    // that it refuses
	Alone   int    // of these, the nodes that no other rule refuses: what giving it up would open
	Node    string // the first of these, by name; or of those that no other rule of the conflict refuses
	Reason  string // why that one
	Too     []Too  // rules beside the conflict that refuse nodes which no other rule of it does
}

// Too is a rule that would have to be given up as well.
type Too struct {
	Decider string
	Nodes   int // that it refuses, of those that the rule alone does in the conflict
}

// Conflict is the smallest set of rules that together refuse every node, in the order in which the set asks them; nil if some
// node is left. Of several as small it is the one whose rules come first. Giving up one of them opens the nodes that it alone
// refuses; each also says which rules beside the conflict keep others closed.
//
//	          n1 n2 n3 n4
//	alive      ▓  ·  ·  ·
//	filter     ▓  ▓  ▓  ·   ◄─┐ these two leave no node
//	same_node  ·  ·  ▓  ▓   ◄─┘
//
// last is what refuses nodes whatever the set says; nil: nothing does. It is one of the rules only where it alone refuses a node: mostly rules of the
// house say as much, and say it better.
func (s *Set) Conflict(v *View, q *Question, last Decider) []Rule {
	var deciders []Decider
	var rows []Row
	var refused []mask
	all := make(mask, (len(v.Nodes)+63)/64)
	hear := func(d Decider) {
		row, m := make(Row, len(v.Nodes)), make(mask, len(all))
		ask(d, v, q, row)
		for n, a := range row {
			if a.Verdict() == No {
				m[n/64] |= 1 << (n % 64)
			}
		}
		if m.count() == 0 || d == last && m.count() == m.shared(all) {
			return
		}
		for i := range all {
			all[i] |= m[i]
		}
		deciders, rows, refused = append(deciders, d), append(rows, row), append(refused, m)
	}
	for _, d := range s.Deciders {
		if has(d, q.Capability) {
			hear(d)
		}
	}
	if last != nil {
		hear(last)
	}
	chosen := cover(refused, len(v.Nodes))
	var rules []Rule
	for at, i := range chosen {
		own := append(mask(nil), refused[i]...) // what no other rule of the conflict refuses
		for other, j := range chosen {
			if other != at {
				own.without(refused[j])
			}
		}
		rule := Rule{Decider: deciders[i].Name(), Nodes: refused[i].count()}
		alone := append(mask(nil), own...)
		for j := range refused {
			if both := own.shared(refused[j]); j != i && both > 0 {
				rule.Too = append(rule.Too, Too{deciders[j].Name(), both})
				alone.without(refused[j])
			}
		}
		example := alone
		for _, wider := range []mask{own, refused[i]} { // of a smallest set each rule has such a node; but the example is not to depend on that
			if example.count() == 0 {
				example = wider
			}
		}
		n := example.first()
		rule.Alone, rule.Node, rule.Reason = alone.count(), v.Nodes[n].Name, deciders[i].Reason(v, q, n, rows[i][n])
		rules = append(rules, rule)
	}
	return rules
}

// maxToo bounds the other rules that a sentence names.
const maxToo = 3

// String says what the rule does to the conflict.
func (r *Rule) String() string {
	var too []string
	for _, x := range r.Too[:min(maxToo, len(r.Too))] {
		too = append(too, fmt.Sprintf("%d also [%s]", x.Nodes, x.Decider))
	}
	if more := len(r.Too) - len(too); more > 0 {
		too = append(too, fmt.Sprintf("and %d more", more))
	}
	others := ""
	if len(too) > 0 {
		others = " (" + strings.Join(too, ", ") + ")"
	}
	return fmt.Sprintf("[%s] refuses %d nodes, %d of them alone%s, as %s: %s", r.Decider, r.Nodes, r.Alone, others, r.Node, r.Reason)
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

func (m mask) shared(other mask) (n int) {
	for i, word := range m {
		n += bits.OnesCount64(word & other[i])
	}
	return n
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
