package failover

import (
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/tracing"
)

// A node that is suspected and has its next life before it is declared dead has failed over: what it led is led by others, or by nobody yet.
func TestNextLifeEndsASuspicion(t *testing.T) {
	s := newStage(t, 3, 3)
	led := s.places("id2")
	s.detect("id2", liveness.Suspect, "its connection broke", false)
	suspicion := s.open[0].Trace()
	s.pass(10)
	m := *s.state.Member("id2")
	m.Epoch = 2
	s.apply(&cluster.Command{Join: &cluster.Join{Member: m}})
	s.follow(s.state, s.now)
	s.planned()
	s.planned()
	s.serve(led...)
	s.look()
	if len(s.ended) != 1 || len(s.open) != 0 || len(led) == 0 {
		t.Fatalf("%d stories ended, and %d go on", len(s.ended), len(s.open))
	}
	x := s.ended[0]
	if x.Kind != tracing.KindFailover || x.ID() != "n2@1" || x.Trace() == suspicion || len(x.Shards) != len(led) || x.Declared == 0 {
		t.Errorf("it is told as %s, a %v with %d shards", x.Summary(), x.Kind, len(x.Shards))
	}
}
