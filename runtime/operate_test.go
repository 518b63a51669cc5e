package runtime

import (
	"errors"
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
