package sim

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// TestAlone plays worlds in which a keyspace, of each durability, has primaries alone, then replicas, then none again: a copy that takes the short way
// comes back from it with all that it has done.
func TestAlone(t *testing.T) {
	alone := 0
	for seed := *flagFirst; seed < *flagFirst+6; seed++ {
		o := asked(t, seed)
		o.Length, o.Temper, o.Actors, o.Clients, o.Lenders = 30*time.Second, []FaultKind{FaultReplicas, FaultDrain}, 2, 4, 1
		o.Spaces = []shards.Keyspace{{Name: "a", ID: 1, Shards: 2, Replicas: shards.NoReplicas, Durability: shards.Durability(seed % 3)}}
		w, _ := play(t, o)
		if w.failure != nil {
			t.Errorf("seed %d: %v", seed, w.failure)
		}
		alone += w.alone
	}
	if t.Logf("a copy was alone %d times", alone); alone < 20 {
		t.Errorf("a copy was alone %d times: that proves little", alone)
	}
}
