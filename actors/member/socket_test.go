package member

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// fixed is a group that n1 leads for ever, and that is always confirmed.
type fixed struct {
	state atomic.Pointer[cluster.State]
	gone  chan shards.NodeID
}

func (f *fixed) State() *cluster.State           { return f.state.Load() }
func (f *fixed) Leader() (shards.NodeID, uint64) { return "n1", 1 }
func (f *fixed) Confirmed() time.Time            { return time.Now() }

func (f *fixed) TransferTo(context.Context, shards.NodeID) error {
	return errors.New("there is nobody else")
}

func (f *fixed) LeaderGone(node shards.NodeID, _ shards.Epoch) {
	select {
	case f.gone <- node:
	default: // it is known
	}
}

// TestProofOverSockets: real connections break and real addresses refuse as the in-memory ones do.
func TestProofOverSockets(t *testing.T) {
	var wires []*transport.Transport
	var members [3]atomic.Pointer[Member]
	groups := make([]*fixed, 3)
	state := &cluster.State{Version: 1}
	var peers []transport.Address
	for i := range 3 {
		groups[i] = &fixed{gone: make(chan shards.NodeID, 1)}
		wire, err := transport.Listen(transport.Config{
			Self: transport.Hello{Cluster: "c", Node: id(i), Epoch: 1, Name: string(id(i))}, Listen: "127.0.0.1:0",
			Receive: func(peer transport.Hello, _ transport.Class, kind transport.Kind, body []byte) {
				members[i].Load().Receive(peer, kind, body)
			},
			Serve: func(ctx context.Context, _ transport.Hello, kind transport.Kind, body []byte) ([]byte, error) {
				if kind != transport.KindProbe {
					return nil, errors.New("not served")
				}
				return members[i].Load().ServeProbe(ctx, body)
			},
			Changed: func(c transport.Change) { members[i].Load().Changed(c) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer wire.Close()
		wires = append(wires, wire)
		state.Members = append(state.Members, cluster.Member{ID: id(i), Name: string(id(i)), Epoch: 1, Peer: wire.Address()})
		peers = append(peers, transport.Address{Node: id(i), Epoch: 1, Addr: wire.Address()})
	}
	for i := range 3 {
		groups[i].state.Store(state)
		m, err := Start(Config{Self: id(i), Epoch: 1, Wire: wires[i], Group: groups[i], Liveness: liveness.Config{}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		members[i].Store(m)
	}
	for _, wire := range wires {
		wire.SetPeers(peers)
	}
	leader := members[0].Load()
	leader.Lead(true, 1)
	await := func(what string, fits func() bool) time.Duration {
		t.Helper()
		start, timeout := time.Now(), time.After(time.Minute)
		poll := time.NewTicker(time.Millisecond)
		defer poll.Stop()
		for !fits() {
			select {
			case <-poll.C:
			case <-timeout:
				t.Fatalf("not within a minute: %s", what)
			}
		}
		return time.Since(start)
	}
	await("leases", func() bool {
		return leader.Lease().Valid() && members[1].Load().Lease().Valid() && members[2].Load().Lease().Valid()
	})
	members[2].Load().Close()
	wires[2].Close()
	took := await("n3 is dead by proof", func() bool {
		n, _ := leader.Evidence().Of("n3")
		return n.State == liveness.Dead && n.Proof
	})
	t.Logf("a closed node was proved dead after %v", took)
	leader.Close()
	wires[0].Close()
	took = await("n2 knows that the leader is gone", func() bool { return len(groups[1].gone) > 0 })
	t.Logf("a closed leader was proved dead after %v", took)
}
