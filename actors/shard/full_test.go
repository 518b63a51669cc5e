package shard

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/shards"
)

// TestAFullNodeTakesNoGrowth: issue 4, "flood: block writes but allow deletes, release by itself", wherever the shard's copy on
// the full node is: a replica's node is filled by its primary.
func TestAFullNodeTakesNoGrowth(t *testing.T) {
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityInterval, shards.DurabilityMemory} {
		for _, full := range []shards.NodeID{"n1", "n2"} {
			t.Run(d.String()+" "+string(full), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTown(t, 3, 2, shards.Keyspace{Shards: 1, Durability: d})
					defer w.close()
					w.await("the first peace", w.whole)
					w.fill(0, 20)
					everybody := func(nodes map[shards.NodeID]Full) {
						for _, h := range w.houses {
							h.link.SetFull(nodes)
						}
					}
					everybody(map[shards.NodeID]Full{"n3": {Why: "which has no copy"}})
					if err := ask(w.primary(0), set("a", "1")).err; err != nil {
						t.Errorf("a node without a copy is full, and a write fails: %v", err)
					}
					memory := d == shards.DurabilityMemory
					if memory {
						everybody(map[shards.NodeID]Full{full: {Why: "its disk is full"}})
						if err := ask(w.primary(0), set("a", "2")).err; err != nil {
							t.Errorf("the disk is full, and a write that needs none fails: %v", err)
						}
					}
					everybody(map[shards.NodeID]Full{full: {Memory: memory, Why: "the setting is 95%"}})
					want := shards.KindDiskFull
					if memory {
						want = shards.KindFull
					}
					err := ask(w.primary(0), set("b", "2")).err
					var failure *shards.Error
					if !errors.As(err, &failure) || failure.Kind != want || !errors.Is(err, ErrNodeFull) || !strings.Contains(err.Error(), "the setting is 95%") {
						t.Errorf("a write gives %v", err)
					}
					if a := ask(w.primary(0), get("filled/000001")); a.err != nil || !a.results[0].Found {
						t.Errorf("a read gives %+v", a)
					}
					if a := ask(w.primary(0), remove("filled/000001")); a.err != nil || !a.results[0].Changed {
						t.Errorf("a delete gives %+v", a)
					}
					everybody(nil)
					if err := ask(w.primary(0), set("b", "2")).err; err != nil {
						t.Errorf("nobody is full any more, and a write fails: %v", err)
					}
					w.await("peace", w.whole)
					w.equal()
				})
			})
		}
	}
}
