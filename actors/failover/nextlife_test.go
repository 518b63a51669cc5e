package failover

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
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

// Where a whole cluster starts again nobody saw when a life ended, whoever leads by then, and whenever its next one joins. The connection tells, if
// there was one.
func TestNextLifeOfWhatNobodySaw(t *testing.T) {
	for _, c := range []struct{ before, after bool }{{}, {before: true}, {after: true}} {
		s := newStage(t, 3, 3)
		led := s.places("id2")
		if c.before {
			s.broke("id2", 1, s.now-50e6, "EOF")
		}
		m := *s.state.Member("id2")
		m.Epoch = 2
		s.apply(&cluster.Command{Join: &cluster.Join{Member: m}})
		s.follow(s.state, s.now)
		if c.after {
			s.broke("id2", 1, s.now, "EOF")
		}
		s.planned()
		s.planned()
		s.serve(led...)
		s.look()
		if len(s.ended) != 1 {
			t.Fatalf("%d stories ended", len(s.ended))
		}
		x := s.ended[0]
		if seen := c.before || c.after; x.Seen() != seen || !x.Back() || (x.Lost != 0) != seen || strings.Contains(x.Summary(), "writes back after") != seen || strings.Contains(x.Summary(), "detected") != seen {
			t.Errorf("%+v: %s", c, x.Summary())
		}
	}
}

// Who comes to lead when a death has been declared, and nothing of it been written, does not know when it was; what has no copy in sync is told as red all the same.
func TestDeathOfWhichNothingIsWritten(t *testing.T) {
	s := newStage(t, 3, 3)
	for _, n := range []shards.NodeID{"id1", "id2", "id3"} {
		s.detect(n, liveness.Dead, "the whole room went dark", false)
	}
	s.planned()
	s.stories = stories{self: "id3", name: "n3"}
	s.lead(s.state, "id1", 4, s.now)
	s.detect("id2", liveness.Dead, "the cluster state says that it is down", false)
	s.planned()
	s.look()
	s.pass(redWait/1e6 + 1)
	s.look()
	if len(s.ended) != 3 {
		t.Fatalf("%d stories ended", len(s.ended))
	}
	for _, x := range s.ended {
		if x.Outcome != tracing.OutcomeRed || x.Seen() || x.Detector != "n3" {
			t.Errorf("%s, by %s", x.Summary(), x.Detector)
		}
	}
}
