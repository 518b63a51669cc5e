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
	if s.v.scorer != nil && urgent(q) {
		s.v.scorer.Score(v, q, scores) // as of deciders: nobody waits for a board
	} else if each, ok := s.ask(v, q); ok {
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
	if s.rests(v) {
		return nil, false
	}
	if urgent(q) {
		defer s.relax()
		if !s.hurried() {
			return nil, false
		}
	}
	fault := s.prepare(v, q)
	if fault == nil {
		at, timed := s.begin()
		s.each, fault = s.guest.score(s.asked(q), s.each[:0], len(v.Nodes))
		s.end(at, timed)
		if fault == nil {
			s.fuel = s.guest.spent
			return s.each, true
		}
	}
	s.blame(fault)
	return nil, false
}

// score asks for a figure per node, and appends them to out.
func (g *guest) score(q asked, out []float64, nodes int) ([]float64, *Fault) {
	clear(g.memory(g.scores, 8*nodes))
	g.stack[0], g.stack[1], g.stack[2], g.stack[3] = uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(g.scores.at)
	if fault := g.run(g.asks[abi.Score], abi.ExportScore, g.budget(nodes)); fault != nil {
		return out, fault
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
