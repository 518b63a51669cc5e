package shard

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// askAt is ask on a node whose clock shows now.
func askAt(s *Shard, now int64, op store.Op) *answers {
	a := &answers{txns: []store.Txn{{Ops: []store.Op{op}}}}
	b := NewBatch()
	b.Begin()
	s.Submit(now, a, b)
	b.Wait()
	return a
}

// inTownWithADeadline is a town of two nodes with a copy each, in which the key "short" expires a minute from now.
func inTownWithADeadline(t *testing.T, k shards.Keyspace, f func(w *town, deadline int64)) {
	inTown(t, 2, 2, k, func(w *town) {
		w.fill(0, 1)
		w.await("peace", w.whole)
		now := time.Now().UnixMilli()
		short := set("short", "v")
		short.ExpireAt = now + 60_000
		if err := askAt(w.primary(0), now, short).err; err != nil {
			t.Fatal(err)
		}
		f(w, short.ExpireAt)
	})
}

// TestWhatHasExpiredForOneStaysSo: a caller was told that a key has expired. The next primary, whose clock is behind, says so too.
func TestWhatHasExpiredForOneStaysSo(t *testing.T) {
	inTownWithADeadline(t, shards.Keyspace{Shards: 1}, func(w *town, deadline int64) {
		if a := askAt(w.primary(0), deadline-1, get("short")); a.err != nil || !a.results[0].Found {
			t.Fatalf("before its deadline the key is %+v", a)
		}
		before := w.primary(0).Stats().Applied
		if a := askAt(w.primary(0), deadline, get("short")); a.err != nil || a.results[0].Found {
			t.Fatalf("at its deadline the key is %+v", a)
		}
		if st := w.primary(0).Stats(); st.Applied != before+1 || st.Expiring != 0 {
			t.Errorf("before the read %d transactions, then %+v", before, st)
		}
		w.depose(0, w.row(0).Copies[1].ID)
		w.await("the successor", func() bool { return w.primary(0).Leads() })
		if a := askAt(w.primary(0), deadline-60_000, get("short")); a.err != nil || a.results[0].Found {
			t.Errorf("a primary whose clock is behind has the key again: %+v", a)
		}
	})
}

// TestAReadThatMeetsTheEndOfAKeyWaitsForWhatProlongsIt: the write came before the deadline, and is under way when the read comes.
func TestAReadThatMeetsTheEndOfAKeyWaitsForWhatProlongsIt(t *testing.T) {
	inTownWithADeadline(t, shards.Keyspace{Shards: 1}, func(w *town, deadline int64) {
		w.isolate("n2", true)
		persisted, over := works(w.primary(0), store.Op{Kind: store.OpExpireAt, Key: []byte("short")})
		read := make(chan *answers, 1)
		go func() { read <- askAt(w.primary(0), deadline, get("short")) }()
		w.isolate("n2", false)
		ended(t, "the write", over)
		if a := <-read; persisted.err != nil || a.err != nil || !a.results[0].Found || a.results[0].ExpireAt != 0 {
			t.Errorf("a key that was prolonged is %+v; the write: %v", a, persisted.err)
		}
	})
}

// TestTheEndOfAKeyNeedsCopiesAsAWriteDoes: with fewer in sync than the keyspace asks for nothing is ordered, so nobody is told that a key has ended;
// what has not is read.
func TestTheEndOfAKeyNeedsCopiesAsAWriteDoes(t *testing.T) {
	inTownWithADeadline(t, shards.Keyspace{Shards: 1, MinInSync: 2}, func(w *town, deadline int64) {
		w.kill("n2")
		w.await("the primary to know", func() bool { return kindOf(ask(w.primary(0), set("k", "v")).err) == shards.KindUnavailable })
		if a := askAt(w.primary(0), deadline, get("short")); kindOf(a.err) != shards.KindUnavailable {
			t.Errorf("at its deadline the key is %+v: %v", a, a.err)
		}
		if a := askAt(w.primary(0), deadline-1, get("short")); a.err != nil || !a.results[0].Found {
			t.Errorf("before its deadline the key is %+v", a)
		}
	})
}

// TestAReadAloneOrdersTheEndOfAKey: without other copies, and of any durability.
func TestAReadAloneOrdersTheEndOfAKey(t *testing.T) {
	eachDurability(t, func(t *testing.T, d shards.Durability) {
		w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1, Durability: d})
		defer w.close()
		short := set("short", "v")
		short.ExpireAt = 5000
		askAt(w.shards[0], 1000, short)
		if a := askAt(w.shards[0], 4999, get("short")); !a.results[0].Found {
			t.Errorf("before its deadline: %+v", a)
		}
		for _, now := range []int64{5000, 1000} {
			if a := askAt(w.shards[0], now, get("short")); a.err != nil || a.results[0].Found {
				t.Errorf("at %d: %+v", now, a)
			}
		}
		if st := w.shards[0].Stats(); st.Applied != 2 || w.space.Expired() != 1 {
			t.Errorf("%+v, %d expired", st, w.space.Expired())
		}
	})
}
