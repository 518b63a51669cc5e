package shard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
)

// TestAdoption: what a node has from a life alone is the cluster's when it becomes its first member, and the copies get it,
// although its log knows no terms.
func TestAdoption(t *testing.T) {
	for _, saved := range []bool{false, true} {
		t.Run(fmt.Sprintf("saved %v", saved), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				alone := newWorld(t, fs, shards.Keyspace{Shards: 1})
				for i := range 50 {
					alone.do(0, set(fmt.Sprint("key", i), "of old"))
				}
				if saved {
					if err := alone.shards[0].Checkpoint(alone.files); err != nil {
						t.Fatal(err)
					}
					alone.do(0, set("key", "behind the snapshot"))
				}
				want := alone.shards[0].Stats()
				alone.close()

				w := adopted(t, fs)
				defer w.close()
				w.await("the first peace", w.whole)
				if st := w.primary(0).Stats(); st.Applied != want.Applied || st.Keys != want.Keys {
					t.Fatalf("%+v of %+v was adopted", st, want)
				}
				w.fill(0, 5)
				disk := w.house("n1").end(true)
				w.bury(w.house("n1"))
				w.fill(5, 5)
				w.revive("n1", disk, false)
				w.await("peace", w.whole)
				w.equal()
			})
		})
	}
}

// adopted is a town of two whose first member brings the data of a life alone.
func adopted(t *testing.T, fs *vfs.MemFS) *town {
	k := shards.Keyspace{Name: "test", Shards: 1}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	w := &town{t: t, space: k, state: &cluster.State{}, alone: map[shards.NodeID]bool{}}
	w.must(&cluster.Command{Bootstrap: &cluster.Bootstrap{
		Cluster: strings.Repeat("0", 40), Member: w.member(0, 1), Keyspaces: []shards.Keyspace{k}, Adopt: []shards.ShardID{shards.NewShardID(0, 0)},
	}})
	w.must(&cluster.Command{Join: &cluster.Join{Member: w.member(1, 1)}})
	w.adopt = true
	w.houses = append(w.houses, w.build("n1", 1, fs))
	w.adopt = false
	w.houses = append(w.houses, w.build("n2", 1, vfs.NewCrashableMem()))
	w.promoteAll()
	w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n2"})
	return w
}

// TestACopyThatIsNotThereIsNamed: contract of the table: an in-sync copy that its node cannot find has failed.
func TestACopyThatIsNotThereIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2, 2, shards.Keyspace{Shards: 1})
		defer w.close()
		w.await("the first peace", w.whole)
		w.fill(0, 10)
		w.kill("n2")
		w.revive("n2", vfs.NewCrashableMem(), false) // a new disk under an old name
		w.await("peace", w.inSync)
		w.fill(10, 1)
		w.await("peace", w.whole)
		w.equal()

		n1 := w.house("n1")
		n1.end(false)
		w.must(&cluster.Command{Join: &cluster.Join{Member: w.member(0, 2)}}) // it is in sync by the table's word, and its disk is empty
		h := w.build("n1", 2, vfs.NewCrashableMem())
		w.mu.Lock()
		w.houses[0] = h
		h.news.put(w.state)
		w.mu.Unlock()
		w.await("the confession", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.failed) > 0 })
		if !strings.Contains(w.failed[0], "this node holds none") {
			t.Error(w.failed)
		}
		w.failed = nil
		w.promoteAll()
		w.await("the other copy's reign", func() bool { s := w.primary(0); return s == w.house("n2").shards[0] && s.Leads() })
		if a := ask(w.primary(0), get("filled/000010")); a.err != nil || !a.results[0].Found {
			t.Errorf("%+v", a)
		}
	})
}

// TestRecordOfACopy: the node's record survives, and tells the term that a truncated log does not know any more.
func TestRecordOfACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2, 2, shards.Keyspace{Shards: 1})
		defer w.close()
		w.await("the first peace", w.whole)
		w.fill(0, 10)
		w.await("peace", w.whole)
		s := w.house("n2").shards[0]
		if err := s.Checkpoint(w.house("n2").files); err != nil {
			t.Fatal(err)
		}
		held, base, err := readHolding(s.log, s.ID())
		if err != nil || held != w.row(0).Copies[1].ID || base != (replica.Position{Term: 1, Seq: 10}) {
			t.Errorf("the record says copy %d at %v, %v", held, base, err)
		}
		if again, err := Holding(s.log, s.ID()); err != nil || again != held {
			t.Errorf("%d, %v", again, err)
		}
		if st := s.Stats(); st.Held != held || st.Copy != held {
			t.Errorf("it tells of copy %d, noted as %d", st.Copy, st.Held)
		}
		disk := w.kill("n2")
		w.revive("n2", disk, false)
		if st := w.house("n2").shards[0].Stats(); st.Held != held {
			t.Errorf("after the restart it is noted as %d", st.Held)
		}
		if end := w.house("n2").shards[0].part.core.End(); end != base {
			t.Errorf("after the restart its log ends at %v", end)
		}
		w.await("peace", w.whole)
		if rows := slices.Clone(w.failed); len(rows) > 0 {
			t.Error(rows)
		}
	})
}
