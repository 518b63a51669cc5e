package sim

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// actorModel is one actor, for a search through all orders.
var actorModel = porcupine.Model{
	Init: func() any { return sum{} },
	Step: func(state, input, output any) (bool, any) {
		c, got := input.(*errand), output.(outcome)
		want := c.m.do.do(state.(sum), tokenOf(c.m.call))
		if want.refused {
			return got.refused, state
		}
		return got == want, want.sum
	},
}

// What explain says without a search is what a search through all orders says, of histories that are true and of ones in which a time
// or an answer was changed.
func TestExplainAgreesWithASearch(t *testing.T) {
	verdicts := map[bool]int{}
	for seed := range uint64(3000) {
		chance := rand.New(rand.NewPCG(seed, 7))
		l, list := actedOut(chance, 4+chance.IntN(12))
		truth := l.explain(append([]seen(nil), list...))
		if truth != "" {
			t.Fatalf("seed %d: a true history is refused: %s", seed, truth)
		}
		for range chance.IntN(3) {
			spoil(chance, list)
		}
		var ops []porcupine.Operation
		for i := range list {
			s := &list[i]
			if s.begun = 64*s.begun + int64(2*i); s.ended < math.MaxInt64 { // no two things happen at once
				s.ended = 64*s.ended + int64(2*i) + 1
			}
			ops = append(ops, porcupine.Operation{ClientId: i, Input: s.c, Output: s.got, Call: s.begun, Return: s.ended})
		}
		want := porcupine.CheckOperationsTimeout(actorModel, ops, time.Minute) == porcupine.Ok
		why := l.explain(append([]seen(nil), list...))
		if got := why == ""; got != want {
			t.Fatalf("seed %d: explained %v, and a search says %v: %s", seed, got, want, why)
		}
		verdicts[want]++
	}
	if verdicts[true] < 500 || verdicts[false] < 500 {
		t.Errorf("the histories teach little: %v", verdicts)
	}
}

// actedOut makes an actor handle messages one at a time, each at a moment between its beginning and its end.
func actedOut(chance *rand.Rand, n int) (*line, []seen) {
	l := &line{name: "a:0", sums: make([]sum, 1)}
	var list []seen
	for i := range n {
		c := &errand{m: message{to: l.name, do: deed(chance.IntN(len(deedNames)))}, end: answered}
		c.m.call.Client, c.m.call.Seq = 9, uint64(i)+1
		moment := int64(100 * (i + 1))
		s := seen{c: c, got: c.m.do.do(l.now(), tokenOf(c.m.call)), begun: moment - chance.Int64N(400) - 1, ended: moment + chance.Int64N(400) + 1}
		if chance.IntN(6) == 0 {
			s.ended = math.MaxInt64
		}
		if s.got.done {
			l.sums = append(l.sums, s.got.sum)
		}
		list = append(list, s)
	}
	return l, list
}

// spoil changes when a message began or ended, or what it was answered.
func spoil(chance *rand.Rand, list []seen) {
	s, other := &list[chance.IntN(len(list))], &list[chance.IntN(len(list))]
	switch chance.IntN(4) {
	case 0:
		s.begun = min(s.begun+chance.Int64N(400), s.ended-1)
	case 1:
		s.ended = max(s.begun+1, min(s.ended, 2000)-chance.Int64N(400))
	case 2:
		s.got.sum = other.got.sum
	default:
		s.got = other.got
	}
}
