package sim

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// TestAlone plays worlds in which a keyspace, of each durability, has primaries alone, then replicas, then none again: a copy that takes the short way
// comes back from it with all that it has done.
func TestAlone(t *testing.T) {
	playEach(t, 6, func(o *Options) {
		o.Length, o.Temper, o.Actors, o.Clients, o.Lenders = 30*time.Second, []FaultKind{FaultReplicas, FaultDrain}, 2, 4, 1
		o.Spaces = []shards.Keyspace{{Name: "a", ID: 1, Shards: 2, Replicas: shards.NoReplicas, Durability: shards.Durability(o.Seed % 3)}}
	}, "times a copy was alone", func(w *World) int { return w.alone }, 20)
}
