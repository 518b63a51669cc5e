package runtime

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
)

func TestWatchEndsWithItsNode(t *testing.T) {
	n := start(t, Config{})
	s := open(t, n, "default")
	follow := func(heard chan<- string) (last error) {
		for c, err := range s.Watch(t.Context(), "", nil) {
			if err != nil {
				last = err
				continue
			}
			select {
			case heard <- c.Key:
			default:
			}
		}
		return last
	}
	heard, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- follow(heard) }()
	eventually(t, "the watch has begun", func() bool {
		must[uint64](t)(s.Put(t.Context(), "a", nil))
		return len(heard) > 0
	})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	var kinded *shards.Error
	if err := <-ended; !errors.Is(err, shard.ErrClosed) || !errors.As(err, &kinded) || kinded.Kind != shards.KindUnavailable {
		t.Errorf("a watch that was under way ended with %v", err)
	}
	if err := follow(heard); !errors.Is(err, shard.ErrClosed) {
		t.Errorf("a watch of a node that is closed ended with %v", err)
	}
}

// A list and a watch from the position before it leave no gap, and nothing that the watch could not tell is told of: on any node, also of
// shards that were empty.
func TestPositionLeavesNoGap(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	for _, n := range c.nodes {
		s := open(t, n, "default")
		name := func(i int) string { return fmt.Sprint(n.Name(), " ", i) }
		must[uint64](t)(s.Put(t.Context(), name(0), nil)) // five shards are empty, the first time
		p := must[Position](t)(s.Position(t.Context()))
		wanted := map[string]bool{}
		for i := range 20 {
			must[uint64](t)(s.Put(t.Context(), name(i+1), nil))
			wanted[name(i+1)] = true
		}
		for change, err := range s.Watch(t.Context(), "", p) {
			if err != nil {
				t.Fatal(err)
			}
			if change.Kind == ChangeResync && p[change.Shard] != directory.Unmoved || !wanted[change.Key] && change.Kind != ChangeResync {
				t.Fatalf("%v of %q, shard %d, position %d", change.Kind, change.Key, change.Shard, p[change.Shard])
			}
			if change.Kind == ChangeResync {
				for e, err := range s.Scan(t.Context(), ScanOptions{}) {
					if delete(wanted, string(e.Key)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if delete(wanted, change.Key); len(wanted) == 0 {
				break
			}
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, c.nodes[0], "default").Position(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}
