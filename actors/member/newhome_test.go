package member

import (
	"slices"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// TestALeaderAtANewAddressIsNotProvedDead: the leader has begun a new life at another address, which the table here does not list
// yet, and its connection breaks for a moment. That nobody listens where its last life did proves nothing about the present one.
func TestALeaderAtANewAddressIsNotProvedDead(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].close()
		w.settle("n1", 2)
		w.pass(2 * time.Second)
		w.commit(func(m []cluster.Member) []cluster.Member {
			m[0].Epoch, m[0].Peer = 1, "old home of n1"
			return m
		})
		w.pass(100 * time.Millisecond)
		w.network.Break("n1", "n2")
		w.pass(2 * time.Second)
		r := w.nodes["n2"]
		r.mu.Lock()
		defer r.mu.Unlock()
		if slices.Contains(r.gone, shards.Epoch(2)) {
			t.Errorf("n2 says that lives %v of the leader are gone, and life 2 lives", r.gone)
		}
	})
}
