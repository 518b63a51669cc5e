package member

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

func TestEverybodyHoldsALease(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		for range 100 {
			for _, r := range w.nodes {
				if !r.lease().Valid() {
					t.Fatalf("%s holds no lease", r.id)
				}
				if left := time.Until(r.lease().Until()); left < time.Second || left > 1500*time.Millisecond {
					t.Fatalf("%s has %v left", r.id, left)
				}
			}
			w.pass(137 * time.Millisecond)
		}
		for _, n := range w.nodes["n1"].member.Load().Evidence().Nodes {
			if n.State != liveness.Alive || time.Since(n.HeardAt) > 600*time.Millisecond {
				t.Errorf("%+v", n)
			}
		}
		if e := w.nodes["n2"].member.Load().Evidence(); e.Leading || len(e.Nodes) > 0 {
			t.Errorf("n2 does not lead: %+v", e)
		}
	})
}

// Each heartbeat that is answered is told of, but on the leader, whose heartbeats go nowhere.
func TestRoundTripsAreTold(t *testing.T) {
	inTown(t, 2, liveness.Config{}, func(t *testing.T, w *town) {
		w.pass(time.Second)
		for id, least := range map[shards.NodeID]int{"n1": 0, "n2": 4} {
			r := w.nodes[id]
			r.mu.Lock()
			if n := len(r.trips); n < least || n > 4*least {
				t.Errorf("%s tells of %d round trips in two seconds", id, n)
			}
			if r.missed > 2 { // the first went before they were connected
				t.Errorf("%s missed the answers to %d heartbeats", id, r.missed)
			}
			r.mu.Unlock()
		}
	})
}

// TestProofOfDeath: "A broken connection is instant suspicion: the leader redials; a refused connection at the very address
// where that epoch listened [...] is proof of death and needs no wait" (DESIGN.md section 3).
func TestProofOfDeath(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		leader := w.nodes["n1"]
		select {
		case <-leader.member.Load().Wake():
		default:
		}
		w.nodes["n3"].close()
		w.pass(100 * time.Millisecond) // it closes its connections first, and its listener last
		if c := leader.last("n3"); c.State != liveness.Dead || !c.Proof || c.Outcome != liveness.OutcomeProof || c.Epoch != 1 {
			t.Fatalf("%+v", c)
		}
		if n := leader.known("n3"); n.State != liveness.Dead || time.Since(n.ChangedAt) > 100*time.Millisecond {
			t.Errorf("%+v", n)
		}
		select {
		case <-leader.member.Load().Wake():
		default:
			t.Error("nobody was woken")
		}
		// It comes back, and joins.
		w.settle("n3", 2)
		w.commit(func(m []cluster.Member) []cluster.Member { m[2].Epoch = 2; return m })
		w.pass(time.Second)
		if n := leader.known("n3"); n.State != liveness.Alive || n.Epoch != 2 || !w.nodes["n3"].lease().Valid() {
			t.Errorf("%+v", n)
		}
	})
}

func TestANewerEpochProvesTheDeathOfTheEarlier(t *testing.T) {
	inTown(t, 3, liveness.Config{NoProof: true}, func(t *testing.T, w *town) {
		w.nodes["n3"].close()
		w.settle("n3", 2) // at once; it has not joined
		w.pass(100 * time.Millisecond)
		if c := w.nodes["n1"].last("n3"); c.State != liveness.Dead || !c.Proof || c.Epoch != 1 || !strings.Contains(c.Reason, "epoch 2") {
			t.Errorf("%+v", c)
		}
		if w.nodes["n3"].lease().Valid() {
			t.Error("n3 has not joined in epoch 2 and holds a lease")
		}
	})
}

func TestWithoutProofTheLeaseIsWaitedFor(t *testing.T) {
	for name, leave := range map[string]func(w *town){
		"a crash behind a proxy": func(w *town) { w.nodes["n3"].close() },
		"a cut":                  func(w *town) { w.cut("n3", "n1"); w.cut("n3", "n2") },
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, 3, liveness.Config{NoProof: true}, func(t *testing.T, w *town) {
				leave(w)
				w.pass(1200 * time.Millisecond)
				if n := w.nodes["n1"].known("n3"); n.State != liveness.Suspect {
					t.Errorf("after 1.2 s: %+v", n)
				}
				w.pass(1300 * time.Millisecond) // the lease plus a second, in all
				c := w.nodes["n1"].last("n3")
				if c.State != liveness.Dead || c.Proof || c.Outcome != liveness.OutcomeTimeout || !strings.HasSuffix(c.Reason, "1 of 1 members asked cannot reach it: n2") {
					t.Errorf("%+v", c)
				}
				if w.nodes["n3"].lease().Valid() {
					t.Error("n3 holds a lease")
				}
				if !w.nodes["n2"].lease().Valid() {
					t.Error("n2 holds none")
				}
			})
		})
	}
}

func TestWhoIsDeclaredDeadLearnsItAndServesNothing(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		n3 := w.nodes["n3"]
		w.cut("n3", "n1")
		w.cut("n3", "n2")
		w.pass(3 * time.Second)
		w.heal("n3", "n1")
		w.heal("n3", "n2")
		w.pass(5 * time.Second)
		n3.mu.Lock()
		defer n3.mu.Unlock()
		if n3.over != "the placement leader n1 has declared epoch 1 dead" {
			t.Errorf("over: %q", n3.over)
		}
		if until := n3.lease().Until(); n3.lease().Valid() || until.IsZero() || until.After(time.Now().Add(-5*time.Second)) { // it ended while the node was cut off
			t.Errorf("it holds a lease, or did until %v", until)
		}
		if n := w.nodes["n1"].known("n3"); n.State != liveness.Dead {
			t.Errorf("%+v", n)
		}
	})
}

func TestWhoFindsItselfDownServesNothing(t *testing.T) {
	for _, id := range []shards.NodeID{"n1", "n2"} { // the leader itself, too
		inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
			w.commit(func(m []cluster.Member) []cluster.Member {
				for i := range m {
					m[i].Down = m[i].ID == id
				}
				return m
			})
			w.pass(time.Millisecond)
			r := w.nodes[id]
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.lease().Valid() || r.over != "the cluster state says that it is down" {
				t.Errorf("%s: valid %v, over %q", id, r.lease().Valid(), r.over)
			}
		})
	}
}

// TestPartialMesh: leader and node do not reach each other, and everybody else reaches both: nobody is evicted (placement.md T8),
// and the lead goes to one who reaches all: n2, or n3 where n2 does not take it.
func TestPartialMesh(t *testing.T) {
	for refusals, heir := range []shards.NodeID{"n2", "n3"} {
		inTown(t, 4, liveness.Config{}, func(t *testing.T, w *town) {
			w.refusals = refusals
			w.cut("n1", "n4")
			w.pass(2500 * time.Millisecond)
			if n := w.nodes["n1"].known("n4"); n.State != liveness.Suspect || !n.Partial || w.nodes["n4"].lease().Valid() {
				t.Errorf("%+v", n)
			}
			w.pass(5 * time.Second)
			if leader, term := w.nodes["n4"].Leader(); leader != heir || term != 2 {
				t.Errorf("%s leads in term %d", leader, term)
			}
			if c := w.nodes[heir].last("n4"); c.State != liveness.Alive || !w.nodes["n4"].lease().Valid() {
				t.Errorf("%+v", c)
			}
			w.heal("n1", "n4")
			w.pass(20 * time.Second)
			if leader, _ := w.nodes["n4"].Leader(); leader != heir {
				t.Errorf("the line is back, and %s leads", leader)
			}
			for _, r := range w.nodes {
				if !r.lease().Valid() {
					t.Errorf("%s holds no lease", r.id)
				}
			}
			if log := w.nodes["n1"].log.String(); !strings.Contains(log, "the lead is handed on") || strings.Contains(log, "was not handed on") != (refusals > 0) {
				t.Errorf("the leader logs\n%s", log)
			}
		})
	}
}

// Where nobody reaches more than the leader, it keeps the lead.
func TestPartialMeshWithoutAnHeir(t *testing.T) {
	inTown(t, 5, liveness.Config{}, func(t *testing.T, w *town) {
		w.cut("n1", "n4")
		w.cut("n2", "n5")
		w.cut("n3", "n5")
		w.pass(20 * time.Second)
		if n := w.nodes["n1"].known("n4"); n.State != liveness.Suspect || !strings.Contains(n.Reason, "no voter reaches more members") {
			t.Errorf("%+v", n)
		}
		for id, least := range map[shards.NodeID]int{"n1": 0, "n2": 0, "n4": 50} {
			r := w.nodes[id]
			r.mu.Lock()
			if r.missed < least || r.missed > 4*least+2 {
				t.Errorf("in 20 seconds %s missed the answers to %d heartbeats", id, r.missed)
			}
			r.mu.Unlock()
		}
		w.heal("n1", "n4")
		w.pass(2 * time.Second)
		if c := w.nodes["n1"].last("n4"); c.State != liveness.Alive || c.Outcome != liveness.OutcomeRefuted || !w.nodes["n4"].lease().Valid() {
			t.Errorf("%+v", c)
		}
	})
}

func TestABrokenConnectionAloneIsNoDeath(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		for range 20 {
			w.network.Break("n1", "n3")
			w.network.Break("n1", "n2")
			w.pass(300 * time.Millisecond)
		}
		w.pass(time.Second)
		for _, r := range w.nodes {
			if n := w.nodes["n1"].known(r.id); n.State != liveness.Alive {
				t.Errorf("%+v", n)
			}
			if r.leadersGone() > 0 {
				t.Errorf("%s takes the leader for dead", r.id)
			}
			if !r.lease().Valid() {
				t.Errorf("%s holds no lease", r.id)
			}
		}
		if c := w.nodes["n1"].last("n3"); c.Outcome != liveness.OutcomeRefuted {
			t.Errorf("%+v", c)
		}
	})
}

// Whoever stops in order says so, and nobody has to be warned of that; whoever just dies has warned nobody.
func TestWhoStopsInOrderIsNoWarning(t *testing.T) {
	inTown(t, 4, liveness.Config{}, func(t *testing.T, w *town) {
		w.pass(time.Second)
		leader := w.nodes["n1"]
		w.nodes["n3"].close()
		w.pass(time.Second)
		if n := leader.known("n3"); n.State != liveness.Dead || !n.Left {
			t.Errorf("one that stopped: %+v", n)
		}
		if text := leader.log.String(); strings.Contains(text, "WARN") || !strings.Contains(text, "level=INFO msg=\"a member is dead\"") {
			t.Errorf("the leader logs\n%s", text)
		}
	})
}

// TestSlowNetwork: 200 ms more or less, and a message in twenty lost with its connection, evict nobody (placement.md T11).
func TestSlowNetwork(t *testing.T) {
	inTown(t, 4, liveness.Config{}, func(t *testing.T, w *town) {
		for i := range 4 {
			for j := range 4 {
				w.network.Delay(id(i), id(j), 60*time.Millisecond, 140*time.Millisecond)
				w.network.Lose(id(i), id(j), 0.05)
			}
		}
		w.pass(2 * time.Minute)
		for i := range 4 {
			if n := w.nodes["n1"].known(id(i)); n.State == liveness.Dead {
				t.Errorf("%+v", n)
			}
		}
	})
}

// TestTheLeadersDeathIsProvedByItsFollowers, so that an election need not wait for its timeout.
// TestANewLeaderWaits: "A new leader waits out one lease before it revokes any" (DESIGN.md section 3).
// TestWhoIsNotConfirmedGrantsNothing: age is counted from the newest round that a quorum has confirmed.
// TestAnOldReignGrantsNothing: this node was deposed and elected again, and has heard of neither: its group is confirmed in a
// term whose commands its detector has not seen.
func TestASickNodeIsGrey(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		n2 := w.nodes["n2"]
		n2.mu.Lock()
		n2.health = liveness.Health{Fsync: 2 * time.Second}
		n2.mu.Unlock()
		w.pass(10 * time.Second)
		if n := w.nodes["n1"].known("n2"); n.State != liveness.Grey || !n2.lease().Valid() {
			t.Errorf("%+v", n)
		}
	})
}

// TestANodeThatIsHeldUpIsGrey: its own ticker is late, which it measures itself.
func TestANodeThatIsHeldUpIsGrey(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		n2 := w.nodes["n2"]
		n2.mu.Lock()
		n2.heldUp = 600 * time.Millisecond
		n2.mu.Unlock()
		w.pass(20 * time.Second)
		if n := w.nodes["n1"].known("n2"); n.State != liveness.Grey || !strings.Contains(n.Reason, "late") {
			t.Errorf("%+v", n)
		}
	})
}

func TestLimitsFollowTheRoundTrip(t *testing.T) {
	inTown(t, 2, liveness.Config{}, func(t *testing.T, w *town) {
		near := w.nodes["n1"].known("n2")
		w.network.Delay("n1", "n2", 200*time.Millisecond, 0)
		w.network.Delay("n2", "n1", 200*time.Millisecond, 0)
		w.pass(30 * time.Second)
		far := w.nodes["n1"].known("n2")
		if gained := (far.Limit - far.Heard) - (near.Limit - near.Heard); gained < 7 || gained > 12 {
			t.Errorf("400 ms of round trip add %d ticks to the limit", gained)
		}
	})
}

// TestANewLeaderIsHeardAtOnce, by itself and by others, so that leases go on.
// TestWhoTakesOfficeIsHeardAtOnce: elected a while ago, it has only now applied what was committed before.
func TestAConnectionToANewerLifeIsProof(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].member.Load().Changed(transport.Change{Node: "n3", Epoch: 2, Up: true})
		synctest.Wait()
		if c := w.nodes["n1"].last("n3"); c.State != liveness.Dead || !c.Proof || c.Epoch != 1 {
			t.Errorf("%+v", c)
		}
	})
}

func TestACloseEndsTheLease(t *testing.T) {
	inTown(t, 1, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].close()
		if w.nodes["n1"].lease().Valid() {
			t.Error("valid after Close")
		}
	})
}

func TestForgedMessagesHarmNothing(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		n1, n2 := w.nodes["n1"].member.Load(), w.nodes["n2"].member.Load()
		peer := transport.Hello{Node: "n3", Name: "n3", Epoch: 1}
		until := w.nodes["n2"].lease().Until()
		for range 50 {
			n1.Receive(peer, transport.KindHeartbeat, []byte("\x95\x01"))
			n2.Receive(peer, transport.KindHeartbeatReply, []byte("nonsense"))
		}
		// A reply to nothing that n2 sent, one to another life of it, and one of a leader that is none any more.
		grant := liveness.Grant{Sent: 1 << 50, Lease: int64(time.Hour), Term: 9}
		n2.Receive(peer, transport.KindHeartbeatReply, reply{epoch: 1, standing: liveness.Granted, grant: grant}.encode())
		grant.Sent = n2.lease.now() - int64(300*time.Millisecond)
		n2.Receive(peer, transport.KindHeartbeatReply, reply{epoch: 2, standing: liveness.Granted, grant: grant}.encode())
		grant.Term = 0
		n2.Receive(peer, transport.KindHeartbeatReply, reply{epoch: 1, standing: liveness.Granted, grant: grant}.encode())
		n2.Receive(peer, transport.KindHeartbeatReply, reply{epoch: 1, standing: liveness.Declared, grant: liveness.Grant{Term: 0}}.encode())
		if n2.Receive(peer, transport.KindRaft, nil) {
			t.Error("a message of Raft is taken")
		}
		synctest.Wait()
		if got := w.nodes["n2"].lease().Until(); got.Sub(until) > time.Second || w.nodes["n2"].over != "" {
			t.Errorf("the lease was until %v and is until %v; over %q", until, got, w.nodes["n2"].over)
		}
		for _, id := range []shards.NodeID{"n1", "n2"} {
			if n := strings.Count(w.nodes[id].log.String(), "was dropped"); n != 1 {
				t.Errorf("%s complains %d times", id, n)
			}
		}
	})
}

func TestServeProbe(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		n2 := w.nodes["n2"].member.Load()
		ask := func(target shards.NodeID, epoch shards.Epoch) (probed, error) {
			body, err := n2.ServeProbe(t.Context(), probe{target, epoch, time.Second}.encode())
			if err != nil {
				return probed{}, err
			}
			return decodeProbed(body)
		}
		if p, err := ask("n3", 1); err != nil || p != (probed{liveness.Answered, 1}) {
			t.Errorf("n3: %+v, %v", p, err)
		}
		if p, err := ask("n2", 1); err != nil || p != (probed{liveness.Answered, 1}) {
			t.Errorf("itself: %+v, %v", p, err)
		}
		w.cut("n2", "n3")
		if p, err := ask("n3", 1); err != nil || p.answer != liveness.NoAnswer {
			t.Errorf("n3 behind a cut: %+v, %v", p, err)
		}
		w.heal("n2", "n3")
		w.nodes["n3"].close()
		if p, err := ask("n3", 1); err != nil || p.answer != liveness.Refused {
			t.Errorf("n3 dead: %+v, %v", p, err)
		}
		var typed *shards.Error
		if _, err := ask("n9", 1); !errors.As(err, &typed) || typed.Kind != shards.KindUnavailable {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := ask("n3", 2); !errors.As(err, &typed) || typed.Kind != shards.KindUnavailable {
			t.Errorf("a life that it does not know: %v", err)
		}
		if _, err := n2.ServeProbe(t.Context(), []byte("nonsense")); !errors.As(err, &typed) || typed.Kind != shards.KindInvalid {
			t.Errorf("nonsense: %v", err)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	r := &resident{}
	for want, c := range map[string]Config{
		"Self and Epoch": {Wire: &transport.Transport{}, Group: r, Self: "n1"},
		"Wire and Group": {Self: "n1", Epoch: 1, Group: r},
		"Misses":         {Self: "n1", Epoch: 1, Wire: &transport.Transport{}, Group: r, Liveness: liveness.Config{Misses: -1}},
	} {
		if _, err := Start(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something about %s", err, want)
		}
	}
}
