package sim

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// TestAcceptedLosses plays worlds in which an operator again and again has a copy lead that lacks what was acknowledged, or a shard begin empty, and those
// who know better come back: their copies become what the others are, and the cluster whole.
func TestAcceptedLosses(t *testing.T) {
	playEach(t, *flagAccept, func(o *Options) {
		o.Length, o.Temper, o.Actors, o.Clients = 40*time.Second, []FaultKind{FaultAccept, FaultStop}, -1, 3
		o.Spaces = []shards.Keyspace{{Name: "a", ID: 1, Shards: 2, Replicas: 1, Durability: shards.Durability(o.Seed % 3)}}
	}, "losses were accepted", func(w *World) int { return w.accepted }, *flagAccept/2)
}
