package hosted_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/shards"
)

// What guests see of a view that was made from an older one is what they would see of it alone, byte for byte: whatever plans have tried in
// between, and what of it has been committed.
func TestMendedImagesAreThoseThatAreDrawn(t *testing.T) {
	policy := house(t)
	mended, drawn := 0, 0
	for seed := range uint64(60) {
		dice := rand.New(rand.NewPCG(seed, 5))
		w := tck.Random(dice)
		if seed%3 > 0 {
			w.Facts.Setbacks = nil // those change by themselves
		}
		set := hosted.NewSet(nil, policy)
		if seed%2 == 0 {
			set.AtOnce()
		}
		var v *policies.View
		for round := range 12 {
			trial := w.State.Try()
			if w.Facts.Ticks += 10; v == nil {
				v = policies.NewView(trial.State(), w.Facts)
			} else {
				v = v.Renew(trial.State(), w.Facts)
			}
			stir := func() {
				tck.Stir(dice, trial, v, dice.IntN(6), func(place int) { set.Changed(v, place) })
			}
			if dice.IntN(3) == 0 {
				stir() // nobody looks yet
			}
			if dice.IntN(4) > 0 {
				same, cheap, err := set.Painted(v)
				if err != nil || !same {
					t.Fatalf("seed %d, round %d: mended %v, the image is another: %v", seed, round, cheap, err)
				}
				if cheap {
					mended++
				} else {
					drawn++
				}
			}
			stir()
			w.State = committed(dice, w.State, trial.State())
		}
		set.Close()
	}
	if mended < 100 || drawn < 100 {
		t.Errorf("%d images were mended, and %d drawn", mended, drawn)
	}
}

// committed is a state in which some of what was tried has come about, and perhaps something else.
func committed(dice *rand.Rand, before, tried *cluster.State) *cluster.State {
	after := *before
	after.Version++
	after.Shards = slices.Clone(before.Shards)
	all := dice.IntN(2) == 0
	for i := range after.Shards {
		if all || dice.IntN(2) == 0 {
			after.Shards[i] = tried.Shards[i]
		}
	}
	after.NextCopy = tried.NextCopy
	switch dice.IntN(6) {
	case 0:
		after.Members = slices.Clone(before.Members)
		m := &after.Members[dice.IntN(len(after.Members))]
		m.Down, m.Draining = !m.Down, dice.IntN(2) == 0
		if dice.IntN(2) == 0 {
			m.Name, m.Host = m.Name+"x", "h9"
		}
	case 1:
		after.Keyspaces = slices.Clone(before.Keyspaces)
		k := &after.Keyspaces[dice.IntN(len(after.Keyspaces))]
		k.MinInSync, k.Durability = 1+dice.IntN(3), shards.DurabilityMemory
	case 2:
		after.Rebalances = tried.Rebalances
	}
	return &after
}
