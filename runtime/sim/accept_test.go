package sim

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// TestAcceptedLosses plays worlds in which an operator again and again has a copy lead that lacks what was acknowledged, or a shard begin empty, and those
// who know better come back: their copies become what the others are, and the cluster whole.
func TestAcceptedLosses(t *testing.T) {
	accepted := 0
	for seed := *flagFirst; seed < *flagFirst+uint64(*flagAccept); seed++ {
		o := asked(t, seed)
		o.Length, o.Temper, o.Actors, o.Clients = 40*time.Second, []FaultKind{FaultAccept, FaultStop}, -1, 3
		o.Spaces = []shards.Keyspace{{Name: "a", ID: 1, Shards: 2, Replicas: 1, Durability: shards.Durability(seed % 3)}}
		w, _ := play(t, o)
		if w.failure != nil {
			t.Errorf("seed %d: %v", seed, w.failure)
		}
		accepted += w.accepted
	}
	if t.Logf("%d losses were accepted", accepted); accepted < *flagAccept/2 {
		t.Errorf("%d losses were accepted: that proves little", accepted)
	}
}
