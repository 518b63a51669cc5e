package shard

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// works hands one transaction to a shard.
func works(s *Shard, op store.Op) (*answers, <-chan struct{}) {
	a := &answers{txns: []store.Txn{{Ops: []store.Op{op}}}}
	return a, submitted(s, a)
}

// ended waits for an answer as long as a caller may be patient.
func ended(t *testing.T, what string, over <-chan struct{}) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatalf("%s waits for ever", what)
	}
}

// TestFewerCopiesThanAskedForKeepNobodyWaiting: with fewer copies in sync than the keyspace asks for, new writes are refused; what was
// under way is answered as well, and comes to be when there are enough again.
func TestFewerCopiesThanAskedForKeepNobodyWaiting(t *testing.T) {
	inTown(t, 2, 2, shards.Keyspace{Shards: 1, MinInSync: 2}, func(w *town) {
		w.fill(0, 1)
		w.await("peace", w.whole)
		w.isolate("n2", true) // a write that it does not acknowledge
		write, over := works(w.primary(0), set("k", "1"))
		w.await("the entry to be under way", func() bool { return w.primary(0).Stats().End.Seq == 2 })
		disk := w.kill("n2")
		ended(t, "a write", over)
		if kindOf(write.err) != shards.KindOutcomeUnknown {
			t.Errorf("a write that one copy of two has gives %v", write.err)
		}
		if err := ask(w.primary(0), set("l", "1")).err; kindOf(err) != shards.KindUnavailable {
			t.Errorf("the next one gives %v", err)
		}
		w.isolate("n2", false)
		w.revive("n2", disk, false)
		w.await("peace", w.whole)
		if a := ask(w.primary(0), get("k")); a.err != nil || !a.results[0].Found {
			t.Errorf("with two copies again: %+v", a)
		}
	})
}

// TestASuccessorWithTooFewCopiesRefusesReads: it cannot know what its predecessor acknowledged before it can commit what that left.
func TestASuccessorWithTooFewCopiesRefusesReads(t *testing.T) {
	inTown(t, 2, 2, shards.Keyspace{Shards: 1, MinInSync: 2}, func(w *town) {
		w.fill(0, 1)
		w.await("peace", w.whole)
		_, over := works(w.primary(0), set("k", "1"))
		w.await("the entry to arrive", func() bool { return w.house("n2").shards[0].Stats().End.Seq == 2 })
		disk := w.kill("n1") // before n2 has heard of the commit
		<-over
		w.await("the lead", func() bool { s := w.primary(0); return s != nil && s.Leads() })
		read, over := works(w.primary(0), get("k"))
		ended(t, "a read", over)
		if kindOf(read.err) != shards.KindUnavailable {
			t.Errorf("a read gives %+v", read)
		}
		w.revive("n1", disk, false)
		w.await("peace", w.whole)
		if a := ask(w.primary(0), get("k")); a.err != nil || !a.results[0].Found {
			t.Errorf("with two copies again: %+v", a)
		}
	})
}
