package fit

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Sizes come out the biggest first, and equal ones in the order of their slots.
func TestBiggestFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	for run := range 200 {
		sizes := make([]float64, r.IntN(300))
		list := make([]weighty, len(sizes))
		for i := range sizes {
			sizes[i] = [...]float64{0, r.Float64(), math.Exp(r.NormFloat64() * 20), float64(r.IntN(4))}[r.IntN(4)]
			list[i] = weighty{^math.Float64bits(sizes[i]), int32(i)}
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(a, b weighty) int {
			switch x, y := sizes[a.slot], sizes[b.slot]; {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		if got := ascend(list, make([]weighty, len(list))); !slices.Equal(got, want) {
			t.Fatalf("run %d: %v, and in order it is %v", run, got, want)
		}
	}
}

// A zone's order is that of a sort of all its nodes, whatever has changed since the last.
func TestOrderIsThatOfAllNodes(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 0))
	s := NewSearch(Problem{Nodes: make([]Node, 120)})
	for n := range s.inv {
		s.inv[n][0] = 1
	}
	for round := range 300 {
		for range r.IntN(1 + round%150) {
			n := r.IntN(len(s.use))
			s.use[n][0] = float64(r.IntN(40))
			s.weigh(int32(n))
		}
		s.rank(&s.orders[0])
		inOrder := slices.IsSortedFunc(s.orders[0].nodes, func(a, b int32) int {
			x, _ := s.Heat(int(a))
			y, _ := s.Heat(int(b))
			return warm{x, a}.compare(warm{y, b})
		})
		all := slices.Clone(s.orders[0].nodes)
		if slices.Sort(all); !inOrder || len(slices.Compact(all)) != len(s.Nodes) {
			t.Fatalf("round %d: in order: %v, nodes: %v", round, inOrder, s.orders[0].nodes)
		}
	}
}
