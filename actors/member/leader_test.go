package member

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

func TestTheLeadersDeathIsProvedByItsFollowers(t *testing.T) {
	for _, noProof := range []bool{false, true} {
		inTown(t, 3, liveness.Config{NoProof: noProof}, func(t *testing.T, w *town) {
			w.nodes["n1"].close()
			w.pass(100 * time.Millisecond)
			for _, id := range []shards.NodeID{"n2", "n3"} {
				if got := w.nodes[id].leadersGone(); (got == 1) == noProof {
					t.Errorf("NoProof %v: %s says %d times that the leader is gone", noProof, id, got)
				}
			}
			w.pass(10 * time.Second)
			if got := w.nodes["n2"].leadersGone(); got > 1 {
				t.Errorf("%d times", got)
			}
		})
	}
}

func TestALeaderThatBeganAnotherLifeIsGone(t *testing.T) {
	inTown(t, 3, liveness.Config{NoProof: true}, func(t *testing.T, w *town) {
		w.nodes["n1"].close()
		w.settle("n1", 2)
		w.pass(200 * time.Millisecond)
		if got := w.nodes["n2"].leadersGone(); got != 1 {
			t.Errorf("%d times", got)
		}
	})
}

func TestALeaderThatIsOnlyCutOffIsNotProvedDead(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.cut("n1", "n2")
		w.network.Break("n1", "n2")
		w.pass(10 * time.Second)
		if got := w.nodes["n2"].leadersGone(); got != 0 {
			t.Errorf("%d times", got)
		}
	})
}

func TestANewLeaderWaits(t *testing.T) {
	inTown(t, 4, liveness.Config{}, func(t *testing.T, w *town) {
		for i := range 3 {
			w.cut("n4", id(i))
		}
		w.pass(1200 * time.Millisecond)
		w.elect("n2", true)
		w.pass(1400 * time.Millisecond)
		if n := w.nodes["n2"].known("n4"); n.State == liveness.Dead {
			t.Errorf("declared dead within a lease of the election: %+v", n)
		}
		w.pass(1100 * time.Millisecond)
		if n := w.nodes["n2"].known("n4"); n.State != liveness.Dead || n.Proof {
			t.Errorf("%+v", n)
		}
		if e := w.nodes["n1"].member.Load().Evidence(); e.Leading || !w.nodes["n1"].lease().Valid() {
			t.Errorf("n1 leads no more, and is a member as others: %+v", e)
		}
		if e := w.nodes["n2"].member.Load().Evidence(); !e.Leading || e.Term != 2 {
			t.Errorf("%+v", e)
		}
	})
}

func TestLeaderAndMemberDieTogether(t *testing.T) {
	inTown(t, 5, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].close()
		w.nodes["n4"].close()
		w.pass(100 * time.Millisecond)
		w.elect("n2", false)
		w.pass(10 * time.Millisecond)
		for _, id := range []shards.NodeID{"n1", "n4"} {
			if n := w.nodes["n2"].known(id); n.State != liveness.Dead || !n.Proof {
				t.Errorf("%+v", n)
			}
		}
	})
}

func TestWhoIsNotConfirmedGrantsNothing(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.mu.Lock()
		at := time.Now()
		w.confirmed = at
		w.mu.Unlock()
		w.pass(1400 * time.Millisecond)
		for _, r := range w.nodes {
			if until := r.lease().Until(); until.After(at.Add(1500 * time.Millisecond)) {
				t.Errorf("%s holds a lease until %v after the last confirmation", r.id, until.Sub(at))
			}
		}
		w.pass(200 * time.Millisecond)
		for _, r := range w.nodes {
			if r.lease().Valid() {
				t.Errorf("%s holds a lease of a leader that nobody confirms", r.id)
			}
		}
	})
}

// A leader that hears nobody, and that all hear, may lead no more: what it said of the dead would be agreed on by who leads next.
func TestWhoIsNotConfirmedDeclaresNobodyDead(t *testing.T) {
	inTown(t, 3, liveness.Config{NoProof: true}, func(t *testing.T, w *town) {
		w.cut("n2", "n1")
		w.cut("n3", "n1")
		w.mu.Lock()
		w.confirmed = time.Now()
		w.mu.Unlock()
		w.pass(5 * time.Second)
		for _, id := range []shards.NodeID{"n2", "n3"} {
			if n := w.nodes["n1"].known(id); n.State != liveness.Suspect {
				t.Errorf("%+v", n)
			}
		}
		w.mu.Lock()
		w.confirmed = time.Time{} // a majority that the test does not name
		w.mu.Unlock()
		w.pass(time.Second)
		for _, id := range []shards.NodeID{"n2", "n3"} {
			if n := w.nodes["n1"].known(id); n.State != liveness.Dead {
				t.Errorf("%+v", n)
			}
		}
	})
}

// Nor does one that nobody has confirmed since it was elected: that it won was the last that it has heard.
func TestWhoIsDeafFromTheFirstDeclaresNobodyDead(t *testing.T) {
	inTown(t, 3, liveness.Config{NoProof: true}, func(t *testing.T, w *town) {
		w.cut("n1", "n2")
		w.cut("n3", "n2")
		w.mu.Lock()
		w.leader, w.term, w.confirmed = "n2", 2, time.Now().Add(-time.Hour)
		w.mu.Unlock()
		w.nodes["n1"].member.Load().Lead(false, 2)
		w.nodes["n2"].member.Load().Lead(true, 2)
		w.pass(5 * time.Second)
		for _, id := range []shards.NodeID{"n1", "n3"} {
			if n := w.nodes["n2"].known(id); n.State != liveness.Suspect {
				t.Errorf("%+v", n)
			}
		}
	})
}

func TestAnOldReignGrantsNothing(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.mu.Lock()
		w.term = 3
		w.mu.Unlock()
		w.pass(1600 * time.Millisecond)
		for _, r := range w.nodes {
			if r.lease().Valid() {
				t.Errorf("%s holds a lease", r.id)
			}
		}
		w.nodes["n1"].member.Load().Lead(true, 3)
		w.pass(400 * time.Millisecond)
		for _, r := range w.nodes {
			if !r.lease().Valid() {
				t.Errorf("%s holds no lease of the new reign", r.id)
			}
		}
	})
}

func TestAClusterOfOneHoldsItsLeaseForEver(t *testing.T) {
	inTown(t, 1, liveness.Config{}, func(t *testing.T, w *town) {
		w.mu.Lock()
		w.confirmed = time.Now() // and never again
		w.mu.Unlock()
		w.pass(time.Hour)
		n1 := w.nodes["n1"]
		if !n1.lease().Valid() || n1.lease().Until().Year() != 9999 {
			t.Fatalf("valid %v, until %v", n1.lease().Valid(), n1.lease().Until())
		}
		w.commit(func(m []cluster.Member) []cluster.Member {
			return append(m, cluster.Member{ID: "n2", Name: "n2", Epoch: 1, Peer: "home of n2"})
		})
		if n1.lease().Valid() {
			t.Error("a second member has joined, and the lease of the only one goes on")
		}
		w.pass(time.Second)
		if n1.lease().Valid() {
			t.Error("it came back")
		}
		w.mu.Lock()
		w.confirmed = time.Time{}
		w.mu.Unlock()
		w.pass(time.Second)
		if left := time.Until(n1.lease().Until()); !n1.lease().Valid() || left > 1500*time.Millisecond {
			t.Errorf("a leader of two has %v left", left)
		}
	})
}

func TestANewLeaderIsHeardAtOnce(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.pass(80 * time.Millisecond) // the heartbeats of 1.05 s have gone; the next are due at 1.3 s
		w.elect("n2", true)
		w.pass(120 * time.Millisecond)
		for i := range 3 {
			if n := w.nodes["n2"].known(id(i)); n.Reason != "its heartbeats come" && !strings.HasPrefix(n.Reason, "a heartbeat came") {
				t.Errorf("%+v", n)
			}
		}
	})
}

func TestWhoTakesOfficeIsHeardAtOnce(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.mu.Lock()
		w.leader, w.term = "n2", 2
		w.mu.Unlock()
		w.pass(130 * time.Millisecond)
		office := time.Now()
		w.nodes["n2"].member.Load().Lead(true, 2)
		w.pass(60 * time.Millisecond)
		if left := w.nodes["n2"].lease().Until().Sub(office); left < 1490*time.Millisecond {
			t.Errorf("its lease ends %v after it took office", left)
		}
	})
}

func TestWhoIsElectedWhileDownServesNothing(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.mu.Lock()
		next := *w.state
		next.Version++
		next.Members = slices.Clone(next.Members)
		next.Members[1].Down = true
		w.state = &next // and nobody is told
		w.mu.Unlock()
		w.elect("n2", true)
		w.pass(100 * time.Millisecond)
		n2 := w.nodes["n2"]
		n2.mu.Lock()
		defer n2.mu.Unlock()
		if n2.lease().Valid() || n2.over != "it leads, and the cluster state says that it is down" {
			t.Errorf("valid %v, over %q", n2.lease().Valid(), n2.over)
		}
	})
}
