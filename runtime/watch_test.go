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

// A list and a watch from the position before it leave no gap, on any node.
func TestPositionLeavesNoGap(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	for _, n := range c.nodes {
		followFromPosition(t, n, false) // a shard that moves meanwhile costs a resync
	}
	followFromPosition(t, start(t, Config{}), true)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, c.nodes[0], "default").Position(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// followFromPosition hears of all that is written after a position, and of nothing before it; strict: also nothing that it may have missed,
// but in shards that had no change yet.
func followFromPosition(t *testing.T, n *Node, strict bool) {
	t.Helper()
	s := open(t, n, "default")
	name := func(i int) string { return fmt.Sprint(n.Name(), " ", i) }
	must[uint64](t)(s.Put(t.Context(), name(0), nil))
	p := must[Position](t)(s.Position(t.Context()))
	wanted := map[string]bool{}
	for i := range 20 {
		must[uint64](t)(s.Put(t.Context(), name(i+1), nil))
		wanted[name(i+1)] = true
	}
	for change, err := range s.Watch(t.Context(), "", p) {
		switch {
		case err != nil:
			t.Fatal(err)
		case change.Kind != ChangeResync:
			if change.Key == name(0) {
				t.Errorf("%v of %q, which was before the position", change.Kind, change.Key)
			}
			delete(wanted, change.Key)
		case strict && p[change.Shard] != directory.Unmoved:
			t.Errorf("shard %d may have missed something after %d", change.Shard, p[change.Shard])
		default:
			for e, err := range s.Scan(t.Context(), ScanOptions{}) {
				if delete(wanted, string(e.Key)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(wanted) == 0 {
			return
		}
	}
}
