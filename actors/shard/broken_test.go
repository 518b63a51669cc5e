package shard

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// mine has a shard's store panic at its next change, in the middle of it.
func mine(s *Shard) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.store.Watch(nil, 0, 1).OnReady = func() { panic("the test breaks an invariant") }
}

// submitted hands work in, and gives what its caller gets.
func submitted(s *Shard, w Work) <-chan struct{} {
	over := make(chan struct{})
	b := NewBatch()
	b.Begin()
	s.Submit(time.Now().UnixMilli(), w, b)
	go func() {
		b.Wait()
		close(over)
	}()
	return over
}

func kindOf(err error) shards.ErrorKind {
	var failure *shards.Error
	if !errors.As(err, &failure) {
		return shards.KindUnknown
	}
	return failure.Kind
}

// TestABrokenCopyEndsAlone: a panic while a write is applied ends the copy, not its node: callers get answers, other shards of the node
// go on, and another copy takes over.
func TestABrokenCopyEndsAlone(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 2}, func(w *town) {
		p := w.primary(0)
		mine(p)
		first, second := &answers{txns: []store.Txn{{Ops: []store.Op{set("k", "1")}}}}, &answers{txns: []store.Txn{{Ops: []store.Op{set("l", "1")}}}}
		for _, over := range []<-chan struct{}{submitted(p, first), submitted(p, second)} {
			<-over
		}
		for _, a := range []*answers{first, second} {
			if a.err == nil {
				t.Errorf("a write of a broken copy gives %+v", a)
			}
		}
		if got := kindOf(first.err); got != shards.KindOutcomeUnknown {
			t.Errorf("the write that broke it gives %v", first.err)
		}
		if err := ask(w.primary(1), set("k", "1")).err; err != nil {
			t.Errorf("another shard of the node: %v", err)
		}
		w.await("another primary", func() bool {
			w.promoteAll()
			now := w.primary(0)
			return now != nil && now != p && ask(now, set("k", "2")).err == nil
		})
		w.failed = nil
	})
}

// TestABrokenCopyThatIsAlone does so where there is no other copy.
func TestABrokenCopyThatIsAlone(t *testing.T) {
	inTown(t, 1, 1, shards.Keyspace{Shards: 2}, func(w *town) {
		p := w.primary(0)
		mine(p)
		first, second := &answers{txns: []store.Txn{{Ops: []store.Op{set("k", "1")}}}}, &answers{txns: []store.Txn{{Ops: []store.Op{set("l", "1")}}}}
		for _, over := range []<-chan struct{}{submitted(p, first), submitted(p, second)} {
			<-over
		}
		if kindOf(first.err) != shards.KindOutcomeUnknown || second.err == nil {
			t.Errorf("writes of a broken copy give %v and %v", first.err, second.err)
		}
		if err := ask(p, get("k")).err; err == nil {
			t.Error("a broken copy still answers")
		}
		if err := p.Checkpoint(w.house("n1").files); err != nil || p.Stats().Saved != 0 {
			t.Errorf("a broken copy is saved: %v", err)
		}
		if err := ask(w.primary(1), set("k", "1")).err; err != nil {
			t.Errorf("another shard of the node: %v", err)
		}
		w.failed = nil
	})
}

// TestABrokenCopyWithoutACluster is the same for a shard without a link, whose node could not come back if it ended.
func TestABrokenCopyWithoutACluster(t *testing.T) {
	eachDurability(t, func(t *testing.T, d shards.Durability) {
		w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 2, Durability: d})
		defer w.close()
		mine(w.shards[0])
		if err := w.do(0, set("k", "1")).err; kindOf(err) != shards.KindOutcomeUnknown {
			t.Errorf("the write that broke it gives %v", err)
		}
		if err := w.do(0, get("k")).err; kindOf(err) != shards.KindUnavailable {
			t.Errorf("a read of a broken copy gives %v", err)
		}
		if err := w.do(1, set("k", "1")).err; err != nil {
			t.Errorf("another shard: %v", err)
		}
	})
}

// TestABrokenTick: what a copy breaks at when it tidies up is told to the cluster like all else.
func TestABrokenTick(t *testing.T) {
	inTownOf(t, 1, 1, shards.Keyspace{Shards: 1, Durability: shards.DurabilityMemory}, func(w *town) {
		p, now := w.primary(0), time.Now().UnixMilli()
		due := set("k", "v")
		due.ExpireAt = now + 1
		if err := ask(p, due).err; err != nil {
			t.Fatal(err)
		}
		mine(p)
		p.Receive(Tick{Now: now + 2})
		w.await("the failure to be told", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.failed) == 1 })
		w.failed = nil
	})
}

// bad is a work that cannot take its results.
type bad struct{ answers }

func (b *bad) Result(int, int, *store.Result) { panic("the test takes no result") }

// TestAnAnswerThatCannotBePassedOn: a panic of whoever takes the results is none of the shard's, nor of other callers.
func TestAnAnswerThatCannotBePassedOn(t *testing.T) {
	for _, copies := range []int{1, 3} {
		inTown(t, 3, copies, shards.Keyspace{Shards: 1}, func(w *town) {
			p := w.primary(0)
			for _, op := range []store.Op{set("k", "1"), get("k")} {
				one, other := &bad{answers{txns: []store.Txn{{Ops: []store.Op{op}}}}}, &answers{txns: []store.Txn{{Ops: []store.Op{get("k")}}, {Ops: []store.Op{set("l", "1")}}}}
				for _, over := range []<-chan struct{}{submitted(p, one), submitted(p, other)} {
					<-over
				}
				if kindOf(one.err) != shards.KindOutcomeUnknown || other.err != nil || len(other.results) != 2 {
					t.Errorf("%v and %+v", one.err, other)
				}
			}
			w.await("peace", w.whole)
		})
	}
}

// TestALogThatDoesNotGoOnEndsItsCopyAlone: what a copy has written does not follow what the log has of it. Others of the round are written.
func TestALogThatDoesNotGoOnEndsItsCopyAlone(t *testing.T) {
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityInterval} {
		for _, copies := range []int{1, 2} {
			inTownOf(t, 2, copies, shards.Keyspace{Shards: 2, Durability: d}, func(w *town) {
				h := w.house("n1")
				for i := range 2 {
					if err := ask(w.primary(i), set("k", "1")).err; err != nil {
						t.Fatal(err)
					}
				}
				if err := h.commit.Barrier(); err != nil {
					t.Fatal(err)
				}
				if err := h.log.TruncateSuffix(h.shards[0].id, 1); err != nil {
					t.Fatal(err)
				}
				if err := h.log.Append([]wal.Record{{Shard: h.shards[0].id, Term: 1, First: 7, Last: 7, Payload: []byte("x")}}, false); err != nil {
					t.Fatal(err)
				}
				first, one := works(h.shards[0], set("k", "2"))
				second, other := works(h.shards[1], set("k", "2"))
				<-one
				<-other
				if second.err != nil {
					t.Errorf("%v, %d copies: the other shard: %v", d, copies, second.err)
				}
				w.await("the failure to be told", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.failed) == 1 })
				if d == shards.DurabilityFsync && first.err == nil {
					t.Errorf("%v, %d copies: it gives %+v", d, copies, first)
				}
				if err := errors.Join(h.commit.Barrier(), ask(h.shards[1], set("k", "3")).err); err != nil {
					t.Errorf("%v, %d copies: afterwards: %v", d, copies, err)
				}
				w.failed = nil
			})
		}
	}
}
