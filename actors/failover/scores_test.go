package failover

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// dear is a soft policy to which nodes cost what it says.
type dear map[string]float64

func (dear) Name() string   { return "dear" }
func (dear) Scale() float64 { return 1 }

func (d dear) Score(v *policies.View, _ *policies.Question, scores []float64) {
	for n := range v.Nodes {
		scores[n] = d[v.Nodes[n].Name]
	}
}

// Where a soft policy decides who leads next, the story says what it scored for whom, and does not say that it was the number of leads.
func TestScoresAreTold(t *testing.T) {
	s := newStage(t, 3, 3)
	s.soft = []policies.Scorer{dear{"n1": 40.0004, "n3": 2.5}}
	led := s.places("id2")
	s.detect("id2", liveness.Suspect, "its connection broke", false)
	s.detect("id2", liveness.Dead, "proof", true)
	s.planned()
	s.planned()
	s.serve(led...)
	s.look()
	if len(s.ended) != 1 || len(s.ended[0].Shards) != len(led) || len(led) == 0 {
		t.Fatalf("%d stories ended", len(s.ended))
	}
	f, err := tracing.DecodeFailover(s.ended[0].Encode())
	if err != nil {
		t.Fatal(err)
	}
	text := tracetest.Text(f.Spans())
	for i := range f.Shards {
		var why strings.Builder
		if err := f.Why(&why, f.Shards[i].Name); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"by soft policies: n3", "score 2.50", "score 40.00"} {
			if !strings.Contains(why.String(), want) {
				t.Errorf("no %q in why\n%s", want, why.String())
			}
		}
	}
	for _, want := range []string{"n3: dear scores 2.50 candidate=n3 decider.name=dear decider.score=2.50", "n1: dear scores 40.00"} {
		if strings.Count(text, want) != len(led) {
			t.Errorf("%q is not once for each shard in\n%s", want, text)
		}
	}
}

// Of many nodes those are kept that tell why: the chosen one and the best of the others.
func TestScoresOfTheBestAreKept(t *testing.T) {
	var list []tracing.Candidate
	for i, score := range []float32{9, 1, 5, 7, 3, 8} {
		list = append(list, tracing.Candidate{Node: fmt.Sprintf("n%d", i+1), Chosen: i == 5, Scores: []tracing.Score{{Scorer: "dear", Score: score}}})
	}
	list = append(list, tracing.Candidate{Node: "refused"})
	keepBest(list)
	kept := ""
	for _, c := range list {
		if len(c.Scores) > 0 {
			kept += c.Node + " "
		}
	}
	if kept != "n2 n3 n5 n6 " {
		t.Errorf("kept are the scores of %s", kept)
	}
}
