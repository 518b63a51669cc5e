package hosted

import (
	"encoding/binary"
	"math"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// Scorer is a scorer whose mind is a guest. It belongs to one Set.
type Scorer struct {
	mind
	each []float64
}

// Scale is what its manifest says.
func (s *Scorer) Scale() float64 { return s.v.Manifest.Scale }

// Score adds the guest's figures. One that fails, or gives for any node what is no finite number, has said nothing: a score
// is never so important that something waits for it. Of a module of the house the twin speaks then.
func (s *Scorer) Score(v *policies.View, q *policies.Question, scores []float64) {
	if each, ok := s.ask(v, q); ok {
		for i, x := range each {
			scores[i] += x
		}
	} else if s.v.scorer != nil {
		s.v.scorer.Score(v, q, scores)
	}
}

// ask asks the guest. ok is false if it has no answer.
func (s *Scorer) ask(v *policies.View, q *policies.Question) (each []float64, ok bool) {
	s.fuel = 0
	if s.out() {
		return nil, false
	}
	s.at(v)
	limit, rushed := uint64(1<<62), !s.v.BuiltIn() && urgent(q)
	if rushed {
		if limit = s.inHurry(); limit == 0 {
			return nil, false
		}
	}
	fault := s.prepare(v, limit)
	if rushed {
		limit = s.pay()
	}
	if fault == nil {
		budget := s.guest.budget(len(v.Nodes))
		at, timed := s.begin()
		s.each, fault = s.guest.score(s.asked(q), s.each[:0], len(v.Nodes), min(budget, limit))
		s.end(at, timed)
		s.fuel = s.guest.spent
		if rushed {
			s.pay()
		}
		if fault == nil {
			return s.each, true
		}
		rushed = rushed && limit < budget
	}
	if rushed && starved(fault) {
		s.drop()
		s.hurry = 0
		return nil, false
	}
	s.fail(fault)
	return nil, false
}

// score asks for a figure per node, and appends them to out.
func (g *guest) score(q asked, out []float64, nodes int, fuel uint64) ([]float64, *Fault) {
	clear(g.memory(g.scores, 8*nodes))
	g.stack[0], g.stack[1], g.stack[2], g.stack[3] = uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(g.scores.at)
	err := g.asks[abi.Score].Call(fuel, g.stack[:])
	g.count()
	if err != nil {
		return out, g.v.trapped(abi.ExportScore, err)
	}
	memory := g.memory(g.scores, 8*nodes)
	for n := range nodes {
		x := math.Float64frombits(binary.LittleEndian.Uint64(memory[8*n:]))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return out, g.v.faulty(abi.ExportScore, BadScore, "the score of node %d is %v; must be a finite number", n, x)
		}
		out = append(out, x)
	}
	return out, nil
}
