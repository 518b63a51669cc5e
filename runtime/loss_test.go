package runtime

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// volatile begins a node whose only keyspace is in memory.
func volatile(t *testing.T, dir string) *Node {
	t.Helper()
	n, err := Start(t.Context(), Config{Data: dir, Patience: time.Minute, Keyspaces: []shards.Keyspace{{Name: "cache", Shards: 1, Durability: shards.DurabilityMemory}}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A version that was read before everything was lost says nothing of what was written after it; nor in the life after that.
func TestVersionsOfBeforeALoss(t *testing.T) {
	dir := t.TempDir()
	var seen []uint64
	for range 3 {
		n := volatile(t, dir)
		s := open(t, n, "cache")
		now := must[uint64](t)(s.Put(t.Context(), "lock", []byte("of this life"), IfAbsent()))
		for _, before := range seen {
			if now <= before {
				t.Errorf("version %d after %d", now, before)
			}
			if _, err := s.Delete(t.Context(), "lock", IfVersion(before)); !errors.Is(err, ErrConflict) {
				t.Errorf("deleted by the version of an earlier life: %v", err)
			}
		}
		seen = append(seen, now)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A watch that goes on from before a loss is told that it has missed something.
func TestWatchFromBeforeALoss(t *testing.T) {
	dir := t.TempDir()
	n := volatile(t, dir)
	s := open(t, n, "cache")
	for i := range 5 {
		must[uint64](t)(s.Put(t.Context(), fmt.Sprint("old", i), nil))
	}
	at := must[Position](t)(s.Position(t.Context()))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = volatile(t, dir)
	defer n.Close()
	s = open(t, n, "cache")
	must[Position](t)(s.Position(t.Context())) // changes are remembered from here on
	for i := range 10 {
		must[uint64](t)(s.Put(t.Context(), fmt.Sprint("new", i), nil))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for c, err := range s.Watch(ctx, "", at) {
		if err != nil || c.Kind != ChangeResync {
			t.Errorf("the watch goes on with %v %q as if nothing were missed: %v", c.Kind, c.Key, err)
		}
		break
	}
}
