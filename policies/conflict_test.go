package policies

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// firm refuses the nodes whose bits are set.
type firm struct {
	name  string
	nodes uint
}

func (d firm) Name() string   { return d.name }
func (d firm) PerShard() bool { return false }
func (d firm) Allocate(v *View, _ *Question, r Row) {
	for n := range v.Nodes {
		if d.nodes&(1<<n) != 0 {
			r.Raise(n, Say(No, 1))
		} else {
			r.Raise(n, Say(Throttle, 2)) // which is no refusal
		}
	}
}
func (d firm) Reason(v *View, _ *Question, node int, _ Answer) string {
	return d.name + " is against " + v.Nodes[node].Name
}

func TestSmallestConflict(t *testing.T) {
	v := view()
	for _, c := range []struct {
		rules []firm
		want  string
	}{
		{[]firm{{"a", 0b011}, {"b", 0b010}}, ""},
		{nil, ""},
		{[]firm{{"a", 0b011}, {"b", 0b110}, {"c", 0b111}}, "[c] refuses 3 nodes, 0 of them alone (2 also [a], 2 also [b]), as A: c is against A"},
		{[]firm{{"c", 0b111}, {"x", 0b001}, {"y", 0b001}, {"z", 0b001}, {"w", 0b010}},
			"[c] refuses 3 nodes, 1 of them alone (1 also [x], 1 also [y], 1 also [z], and 1 more), as C: c is against C"},
		{[]firm{{"filter", 0b011}, {"awareness", 0b011}, {"same_node", 0b100}},
			"[filter] refuses 2 nodes, 0 of them alone (2 also [awareness]), as A: filter is against A; [same_node] refuses 1 nodes, 1 of them alone, as C: same_node is against C"},
		{[]firm{{"a", 0b001}, {"b", 0b010}, {"c", 0b110}, {"d", 0b011}, {"e", 0b101}},
			"[a] refuses 1 nodes, 0 of them alone (1 also [d], 1 also [e]), as A: a is against A; [c] refuses 2 nodes, 0 of them alone (1 also [b], 1 also [d], 1 also [e]), as B: c is against B"},
		{[]firm{{"a", 0b011}, {"b", 0b110}}, "[a] refuses 2 nodes, 1 of them alone, as A: a is against A; [b] refuses 2 nodes, 1 of them alone, as C: b is against C"},
	} {
		s := Set{}
		for _, d := range c.rules {
			s.Deciders = append(s.Deciders, d)
		}
		var out []string
		for _, r := range s.Conflict(v, question(v, Allocate, 0, 0), nil) {
			out = append(out, r.String())
		}
		if got := strings.Join(out, "; "); got != c.want {
			t.Errorf("%v: %s\nwant %s", c.rules, got, c.want)
		}
	}
}

// What refuses nodes whatever the rules say is in the way only where no rule says so.
func TestConflictWithWhatNoRuleSays(t *testing.T) {
	v := view()
	for _, c := range []struct {
		rules []firm
		last  firm
		want  string
	}{
		{[]firm{{"a", 0b011}, {"b", 0b110}}, firm{"possible", 0b111}, "[a] refuses 2 nodes, 1 of them alone, as A: a is against A; [b] refuses 2 nodes, 1 of them alone, as C: b is against C"},
		{[]firm{{"a", 0b001}}, firm{"possible", 0b110}, "[a] refuses 1 nodes, 1 of them alone, as A: a is against A; [possible] refuses 2 nodes, 2 of them alone, as B: possible is against B"},
		{[]firm{{"a", 0b001}, {"b", 0b010}}, firm{"possible", 0b110}, "[a] refuses 1 nodes, 1 of them alone, as A: a is against A; [possible] refuses 2 nodes, 1 of them alone (1 also [b]), as C: possible is against C"},
		{[]firm{{"a", 0b001}}, firm{"possible", 0b010}, ""},
	} {
		s := Set{}
		for _, d := range c.rules {
			s.Deciders = append(s.Deciders, d)
		}
		var out []string
		for _, r := range s.Conflict(v, question(v, Allocate, 0, 0), c.last) {
			out = append(out, r.String())
		}
		if got := strings.Join(out, "; "); got != c.want {
			t.Errorf("%v: %s\nwant %s", c.rules, got, c.want)
		}
	}
}

// No smaller set of rules covers the nodes, by trying all of them; and where the search gives up, none can be left out.
func TestConflictsAreSmallest(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	large := 0
	for range 3000 {
		nodes, sets := 1+dice.IntN(14), make([]mask, 1+dice.IntN(9))
		for i := range sets {
			sets[i] = mask{dice.Uint64() & dice.Uint64() & (1<<nodes - 1)}
			if dice.IntN(2) == 0 {
				sets[i] = mask{1 << dice.IntN(nodes)}
			}
		}
		best := -1
		for choice := range 1 << len(sets) {
			var list []int
			for i := range sets {
				if choice&(1<<i) != 0 {
					list = append(list, i)
				}
			}
			if size := bits.OnesCount(uint(choice)); covers(sets, list, nodes) && (best < 0 || size < best) {
				best = size
			}
		}
		got := cover(sets, nodes)
		switch {
		case best < 0 != (got == nil):
			t.Fatalf("%v of %d nodes: %v, best %d", sets, nodes, got, best)
		case best > maxCover:
			large++
			for i := range got {
				if covers(sets, slices.Delete(slices.Clone(got), i, i+1), nodes) {
					t.Fatalf("%v of %d nodes: %v has one too many", sets, nodes, got)
				}
			}
		case best >= 0 && (len(got) != best || !covers(sets, got, nodes)):
			t.Fatalf("%v of %d nodes: %v, best %d", sets, nodes, got, best)
		}
	}
	if large == 0 {
		t.Error("no set was too large to search")
	}
	if got := fmt.Sprint(cover([]mask{{^uint64(0), 1}, {0, 2}}, 66)); got != "[0 1]" {
		t.Errorf("over several words: %s", got)
	}
}
