package shard

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// besides adds a copy of another keyspace, which writes into the same log, and whose messages arrive nowhere.
func (w *world) besides(k shards.Keyspace) *Shard {
	w.t.Helper()
	world := &lonely{}
	link, err := NewLink(LinkConfig{Node: "n1", Sender: world, Lease: world, Events: world, Files: w.files})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(link.Close)
	if err := k.Validate(); err != nil {
		w.t.Fatal(err)
	}
	s := New(Config{ID: shards.NewShardID(k.ID, 0), Space: NewSpace(k), Committer: w.committer, Log: w.log, Seed: 1, Link: link})
	if err := s.Recover(w.files, nil); err != nil {
		w.t.Fatal(err)
	}
	w.shards = append(w.shards, s)
	return s
}

// TestARoundWithNothingInItSyncsNothing: a copy of a keyspace with fsync is deposed when the committer is about to come by, so that
// there is nothing left to write for it. What another keyspace has written meanwhile, by interval, is still to be synced.
func TestARoundWithNothingInItSyncsNothing(t *testing.T) {
	fs := vfs.NewCrashableMem()
	w := newWorld(t, fs, shards.Keyspace{Shards: 1, Durability: shards.DurabilityInterval})
	defer w.close()
	s := w.besides(shards.Keyspace{ID: 1, Name: "other", Shards: 1})
	id := s.ID()
	row := cluster.Shard{ID: id, Term: 1, Version: 1, Primary: 1, Copies: []cluster.Copy{
		{ID: 1, Node: "n1", InSync: true, Started: true, Fresh: true}, {ID: 2, Node: "n2", InSync: true, Started: true}}}
	s.Configure(&row, 1)
	if err := w.committer.Barrier(); err != nil { // the node's record names the copy
		t.Fatal(err)
	}

	gate, in := make(chan struct{}), make(chan struct{})
	if err := w.do(0, set("k", "v")).err; err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- w.committer.ask(func() error { close(in); <-gate; return nil }) }() // k is written by then
	<-in
	refused := &answers{txns: []store.Txn{{Ops: []store.Op{set("k", "v")}}}}
	answered := submitted(s, refused)
	row.Term, row.Version, row.Primary = 2, 2, 2
	s.Configure(&row, 1)
	<-answered
	close(gate)
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if err := w.committer.Barrier(); err != nil {
		t.Fatal(err)
	}
	after := newWorld(t, fs.CrashClone(vfs.CrashCloneCfg{}), shards.Keyspace{Shards: 1, Durability: shards.DurabilityInterval})
	defer after.close()
	if a := after.do(0, get("k")); a.err != nil || !a.results[0].Found {
		t.Errorf("after a barrier and a crash: %+v", a)
	}
}

// TestALogThatCannotBeCutEndsItsCopyAlone: a new primary has a copy drop what no reign can hold any more, and its log has that in one
// piece with what stays.
func TestALogThatCannotBeCutEndsItsCopyAlone(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1})
	defer w.close()
	s := w.besides(shards.Keyspace{ID: 1, Name: "other", Shards: 1})
	row := cluster.Shard{ID: s.ID(), Term: 1, Version: 1, Primary: 2, Copies: []cluster.Copy{
		{ID: 1, Node: "n1"}, {ID: 2, Node: "n2", InSync: true, Started: true}, {ID: 3, Node: "n3", InSync: true, Started: true}}}
	sent := func(from shards.CopyID, prev replica.Position, numbers ...shards.SeqNo) {
		m := replica.Message{Shard: s.ID(), Kind: replica.KindAppend, From: from, To: 1, Term: row.Term, Prev: prev}
		for _, n := range numbers {
			m.Entries = append(m.Entries, replica.Entry{Term: row.Term, First: n, Last: n})
			m.Last = replica.Position{Term: row.Term, Seq: n}
		}
		s.step("", &m, nil)
		if err := w.committer.Barrier(); err != nil {
			t.Fatal(err)
		}
	}
	s.Configure(&row, 1)
	sent(2, replica.Position{}, 1, 2, 3)
	if err := w.log.TruncateSuffix(s.ID(), 1); err != nil {
		t.Fatal(err)
	}
	if err := w.log.Append([]wal.Record{{Shard: s.ID(), Term: 1, First: 1, Last: 3}}, true); err != nil {
		t.Fatal(err)
	}
	row.Term, row.Version, row.Primary = 2, 2, 3
	s.Configure(&row, 1)
	sent(3, replica.Position{Term: 1, Seq: 1}, 2)
	if st := s.Stats(); st.Available {
		t.Errorf("its log is not what it takes it for, and it goes on: %+v", st)
	}
	if err := w.do(0, set("k", "v")).err; err != nil {
		t.Errorf("another shard of the node: %v", err)
	}
}
