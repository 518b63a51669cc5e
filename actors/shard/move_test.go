package shard

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
)

// fill writes n keys of a kilobyte.
func (w *town) fill(from, n int) {
	w.t.Helper()
	w.await("the primary", func() bool { s := w.primary(0); return s != nil && s.Leads() })
	value := strings.Repeat("v", 1000)
	for i := from; i < from+n; i++ {
		if err := ask(w.primary(0), set(fmt.Sprintf("filled/%06d", i), value)).err; err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestManySmallWritesAreCaughtUpWith: a node was away while more was written, in small pieces, than one message may have entries.
func TestManySmallWritesAreCaughtUpWith(t *testing.T) {
	inTown(t, 2, 2, shards.Keyspace{Shards: 1}, func(w *town) {
		w.fill(0, 1)
		w.await("peace", w.whole)
		disk := w.kill("n2")
		w.await("the primary", func() bool { s := w.primary(0); return s != nil && s.Leads() })
		for range 2 * replica.MaxEntries { // of which memory keeps some
			if err := ask(w.primary(0), set("key", "v")).err; err != nil {
				t.Fatal(err)
			}
		}
		w.revive("n2", disk, false)
		w.await("peace", w.whole)
		w.equal()
	})
}

// TestASnapshotComesFirst: DESIGN.md section 4, "Recovery: O(1) snapshot of the tree at a sequence number, streamed with a
// bandwidth budget, then the tail; only the missing tail when the log still has it."
func TestASnapshotComesFirst(t *testing.T) {
	inTown(t, 3, 1, shards.Keyspace{Shards: 1}, func(w *town) {
		w.fill(0, 1500)
		p := w.primary(0)
		if err := p.Checkpoint(w.house("n1").files); err != nil {
			t.Fatal(err)
		}
		w.fill(1500, 10)
		c := w.write(3)
		c.more(10)
		w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n2"})
		w.await("the second copy", w.inSync)
		if came := w.arrivalsOn("n2"); len(came) == 0 || came[len(came)-1].Bytes < 1500*8 || !came[len(came)-1].Done || came[len(came)-1].Began == 0 {
			t.Errorf("of a copy that was sent a snapshot its primary tells %+v", came)
		}
		if list := p.Stats().Arriving; len(list) != 0 {
			t.Errorf("a copy in sync is still on its way: %+v", list)
		}
		c.more(10)
		w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n3"})
		w.await("the third copy", w.inSync)
		c.more(10)
		row := w.row(0)
		w.depose(0, row.Copies[2].ID)
		c.more(10)
		w.move(0, cluster.Move{Kind: cluster.MoveDrop, Copy: row.Copies[1].ID})
		c.more(10)
		for _, id := range []shards.CopyID{row.Copies[0].ID} {
			w.move(0, cluster.Move{Kind: cluster.MoveDrop, Copy: id})
		}
		w.await("being alone again", func() bool { return w.primary(0).Stats().Solo })
		c.more(10)
		if st := w.house("n1").shards[0].Stats(); st.Copy != 0 {
			t.Errorf("a copy that was dropped is %+v", st)
		}
		c.finish()
	})
}

// TestSnapshotsKeepTheirPace: "streamed with a bandwidth budget", which may change while copies are on their way; 0 is what the link has.
func TestSnapshotsKeepTheirPace(t *testing.T) {
	inTown(t, 2, 1, shards.Keyspace{Shards: 1}, func(w *town) {
		w.fill(0, 1)
		random, value := rand.New(rand.NewPCG(1, 2)), make([]byte, 32<<10) // which no compression makes smaller
		for i := range 48 {
			for j := range value {
				value[j] = byte(random.Uint32())
			}
			if err := ask(w.primary(0), set(fmt.Sprintf("random/%d", i), string(value))).err; err != nil {
				t.Fatal(err)
			}
		}
		if err := w.primary(0).Checkpoint(w.house("n1").files); err != nil {
			t.Fatal(err)
		}
		took := func(bytes int64) time.Duration {
			w.house("n1").link.Pace(bytes, 0)
			begun := time.Now()
			w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n2"})
			w.await("the second copy", func() bool { return len(w.row(0).Copies) == 2 && w.inSync() })
			span := time.Since(begun)
			for _, c := range w.row(0).Copies {
				if c.Node == "n2" {
					w.move(0, cluster.Move{Kind: cluster.MoveDrop, Copy: c.ID})
				}
			}
			w.await("being alone again", func() bool { return w.primary(0).Stats().Solo })
			return span
		}
		if span := took(64 << 10); span < time.Second {
			t.Errorf("1.5 MB at 64 KiB a tick took %v", span)
		}
		if span := took(0); span > time.Second {
			t.Errorf("1.5 MB took %v", span)
		}
	})
}

// TestOnlyTheTail: "only the missing tail when the log still has it".
func TestOnlyTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 3, 2, shards.Keyspace{Shards: 1})
		defer w.close()
		w.await("the first peace", w.whole)
		w.fill(0, 300)
		fs := w.kill("n2")
		w.fill(300, 300)
		w.revive("n2", fs, false)
		w.await("peace", w.whole)
		w.equal()
		if _, _, found := w.house("n2").files.Newest(shards.NewShardID(w.space.ID, 0)); found {
			t.Error("a copy that lacked a tail was sent a snapshot")
		}
		for _, a := range w.arrivalsOn("n2") {
			if a.Bytes != 0 {
				t.Errorf("of a copy that lacked a tail its primary tells %+v", a)
			}
		}
	})
}

// TestHandOver: DESIGN.md section 4, "Relocation is recovery plus a hand-over with a pause bounded in milliseconds and no failed
// request."
func TestHandOver(t *testing.T) {
	inTown(t, 3, 2, shards.Keyspace{Shards: 1}, func(w *town) {
		w.fill(0, 200)
		c := w.write(6)
		c.more(20)
		c.mu.Lock()
		c.longest = 0
		c.mu.Unlock()
		for _, to := range []shards.NodeID{"n3", "n1", "n3"} {
			row := w.row(0)
			w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: to, Source: row.Primary})
			w.await("the move to "+string(to), func() bool { return w.inSync() && w.primary(0) == w.house(to).shards[0] })
			c.more(20)
		}
		c.mu.Lock()
		if c.unknown > 0 || c.longest > 120*time.Millisecond {
			t.Errorf("%d writes with unknown outcome, the longest pause was %v", c.unknown, c.longest)
		}
		c.mu.Unlock()
		c.finish()
		left := w.house("n1").shards[0]
		if st := left.Stats(); st.Copy != 0 || st.Keys == 0 {
			t.Errorf("what is left on n1: %+v", st)
		}
		if err := left.Destroy(); err != nil || left.Stats().Keys != 0 {
			t.Errorf("the copy that was moved away: %v, %+v", err, left.Stats())
		}
		w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n1"})
		w.await("its return", w.whole)
		w.equal()
	})
}

// TestAllAtOnce: the whole cluster ends and begins again; what was acknowledged with an fsync is there.
func TestAllAtOnce(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash %v", crash), func(t *testing.T) {
			if testing.Short() && !crash {
				t.Skip("a crash is an end as well")
			}
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t, 3, 3, shards.Keyspace{Shards: 3})
				defer w.close()
				w.await("the first peace", w.whole)
				w.fill(0, 1500) // more than a copy applies in one turn when it catches up
				c := w.write(6)
				for round := range 3 {
					c.more(100)
					disks := map[shards.NodeID]*vfs.MemFS{}
					for _, h := range w.houses {
						if round > 0 {
							if err := h.shards[0].Checkpoint(h.files); err != nil {
								t.Error(err)
							}
						}
					}
					for _, h := range w.houses {
						disks[h.id] = h.end(crash)
					}
					for _, id := range []shards.NodeID{"n1", "n2", "n3"} {
						w.revive(id, disks[id], !crash)
					}
					w.await("a primary", func() bool { s := w.primary(0); return s != nil && s.Leads() })
					if a := ask(w.primary(0), get("filled/001499")); a.err != nil || !a.results[0].Found {
						t.Errorf("the first read after the restart: %+v", a)
					}
					w.await("the return", w.inSync)
				}
				c.finish()
			})
		})
	}
}

// TestDivergence: DESIGN.md section 4, "divergence stops the copy, loudly", and it is rebuilt.
func TestDivergence(t *testing.T) {
	inTown(t, 2, 2, shards.Keyspace{Shards: 1}, func(w *town) {
		w.fill(0, 20)
		w.await("peace", w.whole)
		bad := w.house("n2").shards[0]
		bad.turn.Lock()
		bad.store.Apply(bad.store.Applied()+1, &store.Txn{Time: 1, Ops: []store.Op{set("spoilt", "by a cosmic ray")}}, nil)
		spoilt := bad.store
		bad.store = store.New(store.Options{})
		for seq := shards.SeqNo(1); seq < spoilt.Applied(); seq++ {
			bad.store.Apply(seq, &store.Txn{Time: 1, Ops: []store.Op{set("spoilt", "all of it")}}, nil)
		}
		bad.turn.Unlock()
		w.fill(20, 1)
		w.await("the discovery", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.failed) == 1 })
		if !strings.Contains(w.failed[0], "diverged") {
			t.Errorf("%s", w.failed[0])
		}
		w.await("its removal", func() bool { row := w.row(0); return len(row.Copies) == 1 || !row.Copies[1].InSync })
		if len(w.row(0).Copies) == 1 {
			w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n2"})
		}
		w.await("a copy that is right", w.whole)
		w.equal()
	})
}
