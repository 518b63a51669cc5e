package hosted_test

import (
	"math/rand/v2"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/tck"
)

// A module of the house is asked once about pairs of a shard and a node that its twin says are alike, whichever shard and node they are of, and
// not about those that it has been asked about before the board became that of another view.
func TestPairsThatAreAlikeAreAskedAboutOnce(t *testing.T) {
	set := hosted.NewSet(nil, house(t))
	defer set.Close()
	var sameNode policies.Decider
	for _, d := range set.Deciders {
		if d.Name() == "same_node" {
			sameNode = d
		}
	}
	w := tck.Random(rand.New(rand.NewPCG(1, 9)))
	v := policies.NewView(w.State, w.Facts)
	for range 2 {
		asked, alike := map[uint64]int{}, 0
		for i := range v.State.Shards {
			r := &v.State.Shards[i]
			q := question(v, i)
			for n := 1; n < len(v.Nodes); n++ { // of the first the row is made
				class, want := uint64(0), policies.Answer(0)
				if r.CopyOn(v.Nodes[n].ID) != nil {
					class, want = 1, policies.Say(policies.No, 1)
				}
				if got := sameNode.(policies.Metered).Meter(v, q, n); got != want {
					t.Fatalf("of shard %d and node %d it says %#02x, wanted %#02x", i, n, got, want)
				}
				if hosted.Of(sameNode).FuelUsed() > 0 {
					asked[class]++
				} else {
					alike++
				}
			}
		}
		if asked[0] != 1 || asked[1] != 1 || alike == 0 {
			t.Errorf("asked %d times where no copy is, %d times where one is, and %d pairs were like others", asked[0], asked[1], alike)
		}
		v = policies.NewView(w.State, w.Facts)
	}
}
