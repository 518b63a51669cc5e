package runtime

import (
	"errors"
	"testing"

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
