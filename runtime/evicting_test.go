package runtime

import (
	"errors"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// Actors would forget what they have done where keys are given up.
func TestActorsAreNotEvicted(t *testing.T) {
	cache := shards.Keyspace{Name: "cache", Durability: shards.DurabilityMemory, MaxMemory: 1 << 20, Eviction: shards.EvictAllKeysLRU}
	bounded := shards.Keyspace{Name: "bounded", Durability: shards.DurabilityMemory, MaxMemory: 1 << 20}
	n := start(t, Config{Keyspaces: []shards.Keyspace{cache, bounded}})
	kind := func(name, keyspace string) *virtual.Kind {
		return virtual.NewKind[int](name, virtual.InKeyspace(keyspace)).Kind
	}
	if err := n.Register(t.Context(), kind("forgetful", "cache")); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Errorf("a kind in a cache: %v", err)
	}
	if err := n.Register(t.Context(), kind("careful", "bounded")); err != nil {
		t.Errorf("a kind in a keyspace that refuses writes when it is full: %v", err)
	}
	aimless := shards.Keyspace{Name: "aimless", Durability: shards.DurabilityMemory, Eviction: shards.EvictAllKeysLRU}
	if err := n.Cluster().CreateKeyspace(t.Context(), aimless); !invalidKind(err) || !strings.Contains(err.Error(), "MaxMemory") {
		t.Errorf("a keyspace with a policy and no limit: %v", err)
	}
	lru, more := "allkeys-lru", int64(2<<20)
	if err := n.Cluster().UpdateKeyspace(t.Context(), "bounded", admin.KeyspaceSettings{Eviction: &lru}); !invalidKind(err) || !errors.Is(err, ErrConfig) {
		t.Errorf("a keyspace of actors becomes a cache: %v", err)
	}
	for _, name := range []string{"cache", "bounded"} {
		if err := n.Cluster().UpdateKeyspace(t.Context(), name, admin.KeyspaceSettings{MaxMemory: &more}); err != nil {
			t.Errorf("keyspace %s may hold more: %v", name, err)
		}
	}
}
