package transport

import (
	"context"
	"errors"

	"github.com/troupe-actors/troupe/shards"
)

// isolation is what Isolate asked for. It is immutable.
type isolation struct {
	nodes map[shards.NodeID]bool
	both  bool
	ended chan struct{} // closed when another one, or none, takes its place
}

var errIsolated = errors.New("transport: the node was cut off, to see what happens")

// Isolate drops all traffic from these nodes, and with both also all traffic to them, as a broken network does: nothing is
// refused and no connection breaks, what is sent vanishes, calls wait for their deadline and dials for their timeout. It takes
// the place of an earlier isolation; with no nodes it ends it. Connections that were cut off begin anew when that ends, since
// what they carried has holes. For fault injection only.
func (t *Transport) Isolate(nodes []shards.NodeID, both bool) {
	var next *isolation
	if len(nodes) > 0 {
		next = &isolation{nodes: map[shards.NodeID]bool{}, both: both, ended: make(chan struct{})}
		for _, n := range nodes {
			next.nodes[n] = true
		}
	}
	before := t.cut.Swap(next)
	if before == nil {
		return
	}
	close(before.ended)
	healed := func(n shards.NodeID) bool { return before.nodes[n] && (next == nil || !next.nodes[n]) }
	for node, l := range *t.links.Load() {
		if healed(node) {
			l.fail(errIsolated)
		}
	}
	t.sessions.cut(errIsolated, func(s *session) bool { return healed(s.peer.Node) })
}

// deafTo says whether traffic from a node, or to it, is dropped, and counts it.
func (t *Transport) deafTo(node shards.NodeID, sending bool) bool {
	cut := t.cut.Load()
	if cut == nil || !cut.nodes[node] || sending && !cut.both {
		return false
	}
	t.counted.silenced.Add(1)
	return true
}

// silence waits, before a dial, while the node at the address is isolated: no handshake could end.
func (t *Transport) silence(ctx context.Context, addr string) error {
	for {
		cut := t.cut.Load()
		if cut == nil || !t.livesAt(cut, addr) {
			return nil
		}
		select {
		case <-cut.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *Transport) livesAt(cut *isolation, addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for node := range cut.nodes {
		if p := t.peers[node]; p != nil && p.addr.Addr == addr {
			return true
		}
	}
	return false
}

// silenceOf waits, before an answer to a hello, while its sender is isolated.
func (t *Transport) silenceOf(over <-chan struct{}, node shards.NodeID) error {
	for {
		cut := t.cut.Load()
		if cut == nil || !cut.nodes[node] {
			return nil
		}
		select {
		case <-cut.ended:
		case <-over:
			return errIsolated
		}
	}
}
