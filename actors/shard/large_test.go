package shard

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// The largest transaction, in an entry, in a message: other copies take it.
func TestLargestTransactionFits(t *testing.T) {
	if over := replica.MaxPayload - store.MaxTxn; over < roundBytes {
		t.Errorf("an entry has room for the largest transaction and %d bytes, less than those of a round", over)
	}
	m := replica.Message{Shard: 1, Kind: replica.KindAppend, From: 1, To: 2, Term: 1, Entries: []replica.Entry{{Term: 1, First: 1, Last: 1, Payload: make([]byte, replica.MaxPayload)}}}
	if err := replica.Decode(replica.Append(nil, &m), func(*replica.Message) {}); err != nil {
		t.Error(err)
	}
}

// The largest value, and many large ones at once, come to every copy; what no message takes is refused.
func TestLargeWritesAreReplicated(t *testing.T) {
	largest := strings.Repeat("v", store.MaxValue)
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityMemory} {
		t.Run(d.String(), func(t *testing.T) {
			if testing.Short() && d != shards.DurabilityMemory {
				t.Skip("the race detector takes a minute to write so much to a disk in memory")
			}
			inTownOf(t, 2, 2, shards.Keyspace{Shards: 1, Durability: d}, func(w *town) {
				w.await("peace", w.whole)
				s := w.primary(0)
				if a := ask(s, set("largest", largest)); a.err != nil {
					t.Fatal(a.err)
				}
				var asked sync.WaitGroup
				for i := range 6 {
					asked.Go(func() {
						if a := ask(s, set(fmt.Sprint("large/", i), largest[:5<<20])); a.err != nil {
							t.Error(a.err)
						}
					})
				}
				asked.Wait()
				if a := ask(s, set("a", largest), set("b", largest)); !errors.Is(a.err, store.ErrTooLarge) {
					t.Errorf("two of the largest in one work: %v", a.err)
				}
				if a := ask(s, set("after", "it goes on")); a.err != nil {
					t.Error(a.err)
				}
				w.await("peace", w.whole)
				w.equal()
			})
		})
	}
}

// A round is cut between works, and what follows is as if it had come in two.
func TestRoundIsCut(t *testing.T) {
	var r round
	var works []*answers
	for i := range 5 {
		w := &answers{txns: []store.Txn{{Ops: []store.Op{set(fmt.Sprint(i), strings.Repeat("v", 3<<20))}}, {Ops: []store.Op{get("k")}}, {Ops: []store.Op{set("k", fmt.Sprint(i))}}}}
		g := r.encode(w)
		g.work = w
		r.groups, works = append(r.groups, g), append(works, w)
	}
	all := bytes.Clone(r.payload)
	var joined []byte
	var order []*answers
	for parts := 0; r.count > 0; parts++ {
		var first round
		if first, r = r.cut(); parts > 2 || len(first.payload) > roundBytes || first.count != 2*len(first.groups) {
			t.Fatalf("part %d: %d bytes of %d works with %d transactions", parts, len(first.payload), len(first.groups), first.count)
		}
		for _, g := range first.groups {
			w := g.work.(*answers)
			if want := store.AppendTxn(store.AppendTxn(nil, &w.txns[0]), &w.txns[2]); !bytes.Equal(first.payload[g.from:g.to], want) {
				t.Errorf("part %d: a work is not where it is said to be", parts)
			}
			order = append(order, w)
		}
		joined = append(joined, first.payload...)
	}
	if !bytes.Equal(joined, all) || !slices.Equal(order, works) {
		t.Error("the parts are not the whole")
	}
}

// What was acknowledged before it is in the log has no works to cut at: it is cut between transactions, and is read as it was written.
func TestLargeRoundIsSeveralRecords(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1, Durability: shards.DurabilityInterval})
	s := w.shards[0]
	in, gate, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { over <- w.committer.ask(func() error { close(in); <-gate; return nil }) }()
	<-in // nothing is written now, and what is acknowledged gathers
	for i := range 5 {
		if a := ask(s, set(fmt.Sprint(i), strings.Repeat("v", 3<<20)), set("k", fmt.Sprint(i))); a.err != nil {
			t.Fatal(a.err)
		}
	}
	close(gate)
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	applied := s.Stats().Applied
	w.close()
	sizes := []int{}
	w.openLog()
	defer w.close()
	next := shards.SeqNo(1)
	err := w.log.ReadFrom(s.id, 1, func(r wal.Record) error {
		if r.First != next {
			t.Errorf("record %d..%d follows %d", r.First, r.Last, next-1)
		}
		next = r.Last + 1
		sizes = append(sizes, len(r.Payload))
		return nil
	})
	if err != nil || next != applied+1 || len(sizes) != 3 || slices.Max(sizes) > roundBytes {
		t.Errorf("records of %d bytes up to %d of %d: %v", sizes, next-1, applied, err)
	}
}
