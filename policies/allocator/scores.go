package allocator

import (
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
)

// mostScores is how many figures, copies times nodes, scorers may be asked for in one plan. Where that would be more, one shard of each keyspace
// is asked about and stands for all.
const mostScores = 1 << 17

// rank has the search heed what scorers say: of each copy, or, where these are too many, of each keyspace. A copy that is there is
// asked about as one that does not lead: leads go from one to the other, and no copy is to follow them about.
func (s *solver) rank(problem *fit.Problem) {
	p := s.p
	if len(p.in.Policies.Scorers) == 0 {
		return
	}
	if len(problem.Slots)*len(p.view.Nodes) <= mostScores {
		problem.Scored = s.scoresOf
		return
	}
	kept := make([][]float64, len(problem.Classes))
	problem.Scored = func(i, _ int) []float64 {
		k := s.Shards[i].Class
		if kept[k] == nil {
			kept[k] = s.scoresOfAll(int(k))
		}
		return kept[k]
	}
}

// scoresOf asks about the copy in a slot: one that is there, or one that is missing.
func (s *solver) scoresOf(i, slot int) []float64 {
	p, c, leads := s.p, s.copyIn(i, slot), int32(slot) == s.Shards[i].Lead
	i = s.at(i)
	r := p.row(i)
	return p.in.Policies.Scores(p.view, &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: r, Copy: c, Place: i,
		New: len(r.Copies) == 0, Primary: leads && c == nil})
}

// scoresOfAll asks about one more copy of the first shard of a keyspace.
func (s *solver) scoresOfAll(keyspace int) []float64 {
	p := s.p
	i, _ := slices.BinarySearch(p.keyspaceOf, keyspace)
	r := p.row(i)
	return p.in.Policies.Scores(p.view, &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: r, Place: i, New: len(r.Copies) == 0, Primary: len(r.Copies) == 0})
}

// preferring says who prefers something.
func (p *planner) preferring() string {
	names := make([]string, len(p.in.Policies.Scorers))
	for i, x := range p.in.Policies.Scorers {
		names[i] = x.Name()
	}
	if len(names) == 1 {
		return "scorer " + names[0] + " prefers"
	}
	return "scorers " + strings.Join(names, ", ") + " prefer"
}
