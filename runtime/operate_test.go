package runtime

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// TestTwoOperators: of two who change other things of a keyspace at once neither undoes what the other did.
func TestTwoOperators(t *testing.T) {
	operate := start(t, Config{Keyspaces: []shards.Keyspace{volatileSpace("jobs", 1)}}).Cluster()
	for i := range 20 {
		replicas, memory, other := i%3, int64(1+i)<<20, make(chan error)
		go func() {
			other <- operate.UpdateKeyspace(t.Context(), "jobs", admin.KeyspaceSettings{Replicas: &replicas})
		}()
		err := operate.UpdateKeyspace(t.Context(), "jobs", admin.KeyspaceSettings{MaxMemory: &memory})
		if err = errors.Join(err, <-other); err != nil {
			t.Fatal(err)
		}
		if k := operate.Keyspaces()[0]; max(0, k.Replicas) != replicas || k.MaxMemory != memory {
			t.Fatalf("round %d: %d replicas and %d bytes: one has undone what the other did", i, k.Replicas, k.MaxMemory)
		}
	}
}

// A lead for who does not vote is refused in the leader's words, whichever node was asked, and asking another is of no use.
func TestNoLeadWithoutAVote(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	_, none := c.leader()
	to := c.nodes[none]
	if err := to.Cluster().Vote(t.Context(), to.Name(), false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every node knows that it does not vote", func() bool { // until then it can be handed the lead
		return !slices.ContainsFunc(c.nodes, func(n *Node) bool {
			return slices.Contains(placing(clusterAPI{n}).group().Status().Voters, to.state().Member(to.ID()).Raft)
		})
	})
	eventually(t, "every other node says that it does not vote", func() bool { // on a busy machine the lead may be lost meanwhile
		for i, asked := range c.nodes {
			err := clusterAPI{asked}.Transfer(t.Context(), to.ID())
			if err != nil && strings.Contains(err.Error(), "does not answer: the lead was not") {
				t.Fatalf("asked of node %d: %v", i, err)
			}
			var refused *shards.Error
			if !errors.As(err, &refused) || refused.Kind != shards.KindConflict || !strings.Contains(err.Error(), "only voters lead") {
				return false
			}
		}
		return true
	})
}
