package shard

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// TestBeginsEmpty: an operator accepts that a shard's data is gone: it begins empty, whatever lies around, and the other node's
// old copy is rebuilt.
func TestBeginsEmpty(t *testing.T) {
	inTown(t, 2, 2, shards.Keyspace{Shards: 1}, func(w *town) {
		w.fill(0, 20)
		w.await("peace", w.whole)
		w.isolate("n2", true)
		go ask(w.primary(0), set("lost", "v")) // it has somebody missed
		w.await("its removal", func() bool { return len(w.inSyncCopies(w.row(0))) == 1 })
		disk := w.kill("n1")
		w.isolate("n2", false)
		w.move(0, cluster.Move{Kind: cluster.MoveEmpty, Node: "n2"})
		w.await("the new beginning", func() bool { s := w.primary(0); return s == w.house("n2").shards[0] && s.Leads() && w.inSync() })
		if a := ask(w.primary(0), get("filled/000001")); a.err != nil || a.results[0].Found {
			t.Errorf("an empty shard answers %+v", a)
		}
		w.fill(100, 3)
		w.revive("n1", disk, false)
		w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n1"})
		w.await("peace", w.whole)
		w.equal()
		if st := w.primary(0).Stats(); st.Keys != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// TestAcceptedLoss: an operator makes a stale copy primary; the one that had more is rebuilt from it when it comes back.
func TestAcceptedLoss(t *testing.T) {
	for _, saved := range []bool{false, true} {
		d := shards.DurabilityFsync
		inTownOf(t, 2, 2, shards.Keyspace{Shards: 1, Durability: d}, func(w *town) {
			w.fill(0, 20)
			w.await("peace", w.whole)
			w.isolate("n2", true)
			go ask(w.primary(0), set("lost", "v")) // waits until n2 is out of the in-sync set
			w.await("its removal", func() bool { return len(w.inSyncCopies(w.row(0))) == 1 })
			w.fill(21, 10)
			first := w.house("n1")
			if saved {
				if err := first.shards[0].Checkpoint(first.files); err != nil {
					t.Fatal(err)
				}
			}
			disk := w.kill("n1")
			w.isolate("n2", false)
			for _, c := range w.row(0).Copies {
				if c.Node == "n2" {
					w.move(0, cluster.Move{Kind: cluster.MoveStale, Copy: c.ID})
				}
			}
			w.await("the stale copy's reign", func() bool { s := w.primary(0); return s != nil && s.Leads() })
			w.fill(50, 3)
			<-time.After(time.Second)
			w.revive("n1", disk, false)
			if row := w.row(0); row.CopyOn("n1") == nil {
				w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n1"})
			}
			w.await("peace", w.whole)
			w.equal()
			if st := w.primary(0).Stats(); st.Keys != 23 {
				t.Errorf("%+v", st)
			}
		})
	}
}
