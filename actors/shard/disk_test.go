package shard

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// TestFullDiskOfOne: issue 2, "writes fail with a clear error while reads and deletes go on", with several copies: the primary's
// disk refuses growth; a replica's takes it out of the in-sync set; both come back when there is space.
func TestFullDiskOfOne(t *testing.T) {
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityInterval} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t, 2, 2, shards.Keyspace{Shards: 1, Durability: d})
				defer w.close()
				w.await("the first peace", w.whole)
				w.fill(0, 20)

				w.house("n2").free.Store(700 << 10)
				n := 20
				w.await("the replica's removal", func() bool { // its log measures the disk now and then
					w.fill(n, 10)
					n += 10
					return len(w.inSyncCopies(w.row(0))) == 1
				})
				w.house("n2").free.Store(plenty)
				w.await("the replica's return", w.whole)

				w.house("n1").free.Store(700 << 10)
				var failure *shards.Error
				w.await("the refusal", func() bool {
					return errors.As(ask(w.primary(0), set("refused", string(make([]byte, 100)))).err, &failure)
				})
				if failure.Kind != shards.KindDiskFull {
					t.Errorf("a write on a full disk gives %v", failure)
				}
				if a := ask(w.primary(0), get("filled/000001")); a.err != nil || !a.results[0].Found {
					t.Errorf("a read gives %+v", a)
				}
				if a := ask(w.primary(0), remove("filled/000001")); a.err != nil || !a.results[0].Changed {
					t.Errorf("a delete gives %+v", a)
				}
				w.house("n1").free.Store(plenty)
				if err := ask(w.primary(0), set("there is", "space again")).err; err != nil {
					t.Error(err)
				}
				w.await("peace", w.whole)
				w.equal()
			})
		})
	}
}

func (w *town) inSyncCopies(row cluster.Shard) (n []shards.CopyID) {
	for _, c := range row.Copies {
		if c.InSync {
			n = append(n, c.ID)
		}
	}
	return n
}
