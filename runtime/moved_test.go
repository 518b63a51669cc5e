package runtime

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// DESIGN.md section 3: "A node keeps its identity, copies and cluster id in its data directory". A node that comes up at another
// address, as a container does, goes back to its cluster with what it holds, and nobody tells it where the others are.
func TestNodeComesBackAtAnotherAddress(t *testing.T) {
	c := newTroop(t, true, shards.Keyspace{Name: "default", Shards: 6, Replicas: 2})
	c.configs = append(c.configs, c.configs[0])
	learner := &c.configs[3]
	learner.Name, learner.Roles, learner.Data, learner.Peer, learner.Initial, learner.Join = "n4", []string{"data"}, t.TempDir(), freeAddress(t), nil, learner.Initial
	c.nodes = append(c.nodes, start(t, *learner))
	c.whole()
	leads, _ := c.leader()
	for _, i := range []int{leads, 3} { // one that votes, and one that does not
		put := fmt.Sprint("while ", i, " is away")
		was, epoch := c.nodes[i].PeerAddr(), c.nodes[i].epoch()
		if i == leads {
			c.crash(i)
		} else {
			c.stop(i)
		}
		other := c.nodes[(i+1)%len(c.nodes)]
		if _, err := open(t, other, "default").Put(t.Context(), put, []byte("v")); err != nil {
			t.Fatal(err)
		}
		c.configs[i].Peer, c.configs[i].Initial, c.configs[i].Join = "127.0.0.1:0", nil, nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		n, err := Start(ctx, c.configs[i])
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		c.nodes[i] = n
		if n.PeerAddr() == was || n.epoch() <= epoch {
			t.Errorf("%s came back at %s in epoch %d; it was at %s in %d", n.Name(), n.PeerAddr(), n.epoch(), was, epoch)
		}
		for _, at := range c.nodes {
			eventually(t, at.Name()+" knows the new address", func() bool {
				m := at.state().Member(n.ID())
				return m != nil && !m.Down && m.Peer == n.PeerAddr()
			})
		}
		c.whole()
		if v, err := open(t, n, "default").Get(t.Context(), put); err != nil || string(v.Bytes) != "v" {
			t.Errorf("%s: %q, %v", n.Name(), v.Bytes, err)
		}
	}
	if state := c.nodes[0].state(); len(state.Members) != 4 || slices.ContainsFunc(c.nodes, func(n *Node) bool { return n.state().Cluster != state.Cluster }) {
		t.Errorf("they are %d members", len(state.Members))
	}
}
