package shard

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// numbered is a work of one write that can be sent again.
type numbered struct {
	answers
	asked int
}

func (n *numbered) Number() {
	n.asked++
	n.txns[0].Client, n.txns[0].Seq = 77, 1
}

func increase() *numbered {
	return &numbered{answers: answers{txns: []store.Txn{{Ops: []store.Op{{Kind: store.OpIncrement, Key: []byte("n"), Int: 1}}}}}}
}

// submit has a shard do a work, on a goroutine of its own.
func (n *numbered) submit(s *Shard) (answered chan struct{}) {
	answered = make(chan struct{})
	n.err, n.results = nil, nil
	b := NewBatch()
	b.Begin()
	s.Submit(time.Now().UnixMilli(), n, b)
	go func() {
		b.Wait()
		close(answered)
	}()
	return answered
}

// TestADeposedPrimarysWriteIsAppliedOnce: DESIGN.md section 4, "Writes carry (client, sequence) so that a retry across a failover
// is applied once": those that the primary's own node was asked for, too. The replica has the write, and the primary never hears.
func TestADeposedPrimarysWriteIsAppliedOnce(t *testing.T) {
	for _, d := range []shards.Durability{shards.DurabilityMemory, shards.DurabilityFsync} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t, 2, 2, shards.Keyspace{Shards: 1, Durability: d})
				defer w.close()
				w.await("the first peace", w.whole)
				n1, n2 := w.house("n1"), w.house("n2")
				for !n2.asleep.TryLock() {
					<-time.After(time.Millisecond)
				}
				write := increase()
				answered := write.submit(n1.shards[0])
				<-time.After(30 * time.Millisecond) // it is in the log, and on its way
				w.loss.Store(100)
				n2.asleep.Unlock()
				<-time.After(30 * time.Millisecond)
				row := w.row(0)
				w.depose(0, row.CopyOn("n2").ID)
				<-answered
				var failure *shards.Error
				if !errors.As(write.err, &failure) || failure.Kind != shards.KindOutcomeUnknown || write.asked != 1 {
					t.Fatalf("the deposed primary's write ends with %v, numbered %d times", write.err, write.asked)
				}
				w.loss.Store(0)
				w.await("the new primary", func() bool { return n2.shards[0].Leads() })
				<-write.submit(n2.shards[0])
				if write.err != nil || len(write.results) != 1 || write.results[0].Int != 1 {
					t.Errorf("tried again it gives %v, %+v", write.err, write.results)
				}
				if a := ask(n2.shards[0], get("n")); a.err != nil || string(a.results[0].Value) != "1" {
					t.Errorf("it was applied otherwise than once: %+v", a)
				}
				w.await("peace", w.whole)
				w.equal()
			})
		})
	}
}

// TestAloneNobodyNumbers: what only one copy knows of needs no number, and pays for none.
func TestAloneNobodyNumbers(t *testing.T) {
	inTown(t, 2, 1, shards.Keyspace{Shards: 1}, func(w *town) {
		w.await("the only copy", func() bool { return w.primary(0).Stats().Solo })
		write := increase()
		<-write.submit(w.primary(0))
		if write.err != nil || write.asked != 0 {
			t.Errorf("%v, numbered %d times", write.err, write.asked)
		}
		w.move(0, cluster.Move{Kind: cluster.MoveAllocate, Node: "n2"})
		w.await("company", func() bool { return !w.primary(0).Stats().Solo })
		<-write.submit(w.primary(0))
		if write.err != nil || write.asked != 1 {
			t.Errorf("with company: %v, numbered %d times", write.err, write.asked)
		}
	})
}
