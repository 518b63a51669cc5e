package shard

import (
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// TestCrashBehindASnapshotThatCame: a copy that was away is sent a snapshot, and its node dies when the file is written and the
// log is not cut. The log ends before the snapshot then, and what comes next would not follow it.
func TestCrashBehindASnapshotThatCame(t *testing.T) {
	inTownOf(t, 2, 2, shards.Keyspace{Shards: 1, Durability: shards.DurabilityFsync}, func(w *town) {
		w.fill(0, 20)
		w.await("peace", w.whole)
		disk := w.kill("n2")
		w.fill(20, 500)
		p := w.primary(0)
		if err := p.Checkpoint(w.house("n1").files); err != nil {
			t.Fatal(err)
		}
		files, err := wal.OpenSnapshots("data", disk)
		if err != nil {
			t.Fatal(err)
		}
		view, err := p.View()
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		if _, err := files.Save(p.ID(), view.Seq(), view.Chunks(nil, 0)); err != nil {
			t.Fatal(err)
		}
		w.revive("n2", disk, false)
		w.fill(520, 5)
		w.await("peace", w.whole)
		w.equal()
	})
}

// TestWhatIsDeletedStaysDeleted: a copy begins empty by an operator's word where an old one was; then the power fails. The old
// snapshot must not come back, least of all in the place of what was acknowledged since.
func TestWhatIsDeletedStaysDeleted(t *testing.T) {
	inTownOf(t, 2, 1, shards.Keyspace{Shards: 1, Durability: shards.DurabilityFsync}, func(w *town) {
		w.fill(0, 50)
		h := w.house("n1")
		if err := h.shards[0].Checkpoint(h.files); err != nil {
			t.Fatal(err)
		}
		row := w.row(0)
		w.must(&cluster.Command{Failed: &cluster.Failed{Node: "n1", Epoch: h.epoch, Copies: []cluster.ShardCopy{{Shard: row.ID, Copy: row.Copies[0].ID}}, Reason: "the test says so"}})
		w.move(0, cluster.Move{Kind: cluster.MoveEmpty, Node: "n1"})
		w.await("an empty primary", func() bool {
			s := w.primary(0)
			return s != nil && s.Leads() && s.Stats().Applied == 0 && !w.row(0).Copies[0].Fresh
		})
		if err := ask(w.primary(0), set("new", "acknowledged")).err; err != nil {
			t.Fatal(err)
		}
		w.revive("n1", w.kill("n1"), false)
		w.await("the primary", func() bool { s := w.primary(0); return s != nil && s.Leads() })
		if a := ask(w.primary(0), get("new")); a.err != nil || !a.results[0].Found {
			t.Errorf("an acknowledged write is lost: %+v", a)
		}
		if a := ask(w.primary(0), get("filled/000010")); a.err != nil || a.results[0].Found {
			t.Errorf("what was deleted is back: %+v", a)
		}
		if err := ask(w.primary(0), set("next", "x")).err; err != nil {
			t.Error(err)
		}
	})
}
