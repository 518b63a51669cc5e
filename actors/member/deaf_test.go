package member

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// fenced is a node's wire behind a firewall that drops the connections which the node opens to some others, with all that goes over them.
type fenced struct {
	*transport.Transport
	r *resident
}

func (f fenced) to(node shards.NodeID) bool {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	return slices.Contains(f.r.fenced, node)
}

func (f fenced) Send(to shards.NodeID, class transport.Class, kind transport.Kind, body []byte) error {
	f.r.mu.Lock()
	unknown := kind == f.r.mum
	f.r.mu.Unlock()
	if unknown {
		return nil
	}
	if f.to(to) {
		return transport.ErrNoPeer
	}
	return f.Transport.Send(to, class, kind, body)
}

func (f fenced) Call(ctx context.Context, to shards.NodeID, kind transport.Kind, body []byte) ([]byte, error) {
	if f.to(to) {
		return nil, transport.ErrNoPeer
	}
	return f.Transport.Call(ctx, to, kind, body)
}

func (f fenced) Probe(ctx context.Context, address string) (transport.Hello, error) {
	if f.to(shards.NodeID(strings.TrimPrefix(address, "home of "))) {
		<-ctx.Done()
		return transport.Hello{}, ctx.Err()
	}
	return f.Transport.Probe(ctx, address)
}

// fence has a firewall drop what a node opens to others from now on; to none: it is gone.
func (r *resident) fence(to ...shards.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fenced = to
}

// The heartbeats of n3 come, and what the leader sends does not reach it: the lead goes to one whose answers do.
func TestTheLeadGoesToOneWhoseAnswersReachAMember(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].fence("n3")
		w.pass(3500 * time.Millisecond)
		n := w.nodes["n1"].known("n3")
		if n.State != liveness.Suspect || !strings.HasPrefix(n.Reason, "its heartbeats come, and say that it has had no answer for ") || w.nodes["n3"].lease().Valid() {
			t.Errorf("%+v", n)
		}
		w.pass(3 * time.Second)
		if leader, _ := w.nodes["n3"].Leader(); leader != "n2" || !w.nodes["n3"].lease().Valid() {
			t.Errorf("%s leads, and the lease of n3 is valid: %v", leader, w.nodes["n3"].lease().Valid())
		}
	})
}

// Where there is nobody to hand the lead to the member is dead after a while, and others serve what it held.
func TestWhoHearsNothingIsDeadInTheEnd(t *testing.T) {
	inTown(t, 2, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].fence("n2")
		w.pass(5500 * time.Millisecond)
		if n := w.nodes["n1"].known("n2"); n.State != liveness.Suspect {
			t.Errorf("%+v", n)
		}
		w.pass(1500 * time.Millisecond)
		c := w.nodes["n1"].last("n2")
		if c.State != liveness.Dead || c.Proof || c.Reason != "its heartbeats come, and say that it has had no answer for longer than 6s; its lease has ended" {
			t.Errorf("%+v", c)
		}
		w.nodes["n1"].fence()
		w.pass(300 * time.Millisecond)
		if w.nodes["n2"].lease().Valid() || !strings.HasPrefix(w.nodes["n2"].over, "the placement leader n1") {
			t.Errorf("over: %q", w.nodes["n2"].over)
		}
	})
}

// The first answer after a while brings no lease; the next one is asked for at once, whenever in the pace of the heartbeats that was.
func TestWhoHearsAgainHasALeaseAtOnce(t *testing.T) {
	for phase := range time.Duration(5) {
		inTown(t, 2, liveness.Config{}, func(t *testing.T, w *town) {
			w.nodes["n1"].fence("n2")
			w.pass(5*time.Second + phase*50*time.Millisecond)
			w.nodes["n1"].fence()
			start := time.Now()
			for !w.nodes["n2"].lease().Valid() && time.Since(start) < time.Second {
				w.pass(time.Millisecond)
			}
			if took := time.Since(start); took > 302*time.Millisecond { // a heartbeat, and a tick
				t.Errorf("a lease after %v", took)
			}
			w.pass(10 * time.Second)
			if n := w.nodes["n1"].known("n2"); n.State != liveness.Alive {
				t.Errorf("%+v", n)
			}
		})
	}
}

// What the leader before did not answer is not held against the one that follows.
func TestEachLeaderAnswersForItself(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].fence("n3")
		w.nodes["n2"].fence("n3")
		w.pass(1400 * time.Millisecond)
		w.elect("n2", true)
		w.pass(2200 * time.Millisecond)
		if n := w.nodes["n2"].known("n3"); n.State != liveness.Alive {
			t.Errorf("%+v", n)
		}
		w.pass(800 * time.Millisecond)
		if n := w.nodes["n2"].known("n3"); n.State != liveness.Suspect {
			t.Errorf("%+v", n)
		}
	})
}

// Neither what a leader cannot prove, nor what a release before does not say, is held against a member.
func TestWhoIsNotKnownToHearNothingIsAlive(t *testing.T) {
	for name, begin := range map[string]func(w *town){
		"nothing to grant": func(w *town) { w.mu.Lock(); w.confirmed = time.Now().Add(-time.Hour); w.mu.Unlock() },
		"a release before": func(w *town) {
			w.nodes["n1"].fence("n2")
			w.nodes["n2"].mu.Lock()
			w.nodes["n2"].mum = transport.KindUnanswered
			w.nodes["n2"].mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, 2, liveness.Config{}, func(t *testing.T, w *town) {
				begin(w)
				w.pass(20 * time.Second)
				if c := w.nodes["n1"].last("n2"); c.State != liveness.Alive || c.From != 0 || w.nodes["n2"].lease().Valid() {
					t.Errorf("%+v; its lease is valid: %v", c, w.nodes["n2"].lease().Valid())
				}
			})
		})
	}
}
