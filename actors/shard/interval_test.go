package shard

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// TestARoundWithNothingInItSyncsNothing: a copy of a keyspace with fsync is deposed when the committer is about to come by, so that
// there is nothing left to write for it. What another keyspace has written meanwhile, by interval, is still to be synced.
func TestARoundWithNothingInItSyncsNothing(t *testing.T) {
	fs := vfs.NewCrashableMem()
	w := newWorld(t, fs, shards.Keyspace{Shards: 1, Durability: shards.DurabilityInterval})
	defer w.close()
	world := &lonely{}
	link, err := NewLink(LinkConfig{Node: "n1", Sender: world, Lease: world, Events: world, Files: w.files})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	k := shards.Keyspace{ID: 1, Name: "other", Shards: 1}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	id := shards.NewShardID(k.ID, 0)
	s := New(Config{ID: id, Space: NewSpace(k), Committer: w.committer, Log: w.log, Seed: 1, Link: link})
	if err := s.Recover(w.files, nil); err != nil {
		t.Fatal(err)
	}
	w.shards = append(w.shards, s)
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
