package shard

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// one is a Work of one operation that forgets its answer.
type one struct{ txn store.Txn }

func (o *one) Len() int                       { return 1 }
func (o *one) Txn(int) *store.Txn             { return &o.txn }
func (o *one) Result(int, int, *store.Result) {}
func (o *one) Fail(_ int, err error)          { panic(err) }

// BenchmarkAlone: what a turn costs on a node alone, by durability; writes of many callers at once.
func BenchmarkAlone(b *testing.B) {
	for _, d := range []shards.Durability{shards.DurabilityMemory, shards.DurabilityInterval, shards.DurabilityFsync} {
		k := shards.Keyspace{Name: "bench", Shards: 1, Durability: d}
		if err := k.Validate(); err != nil {
			b.Fatal(err)
		}
		c := Config{ID: shards.NewShardID(0, 0), Space: NewSpace(k), Seed: 1}
		if d != shards.DurabilityMemory {
			log, err := wal.Open("data", wal.Options{FS: vfs.NewMem(), Reserve: -1})
			if err != nil {
				b.Fatal(err)
			}
			c.Log, c.Committer = log, NewCommitter(log, time.Second, func(err error) { b.Error(err) })
		}
		s := New(c)
		files, err := wal.OpenSnapshots("data", vfs.NewMem())
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Recover(files, nil); err != nil {
			b.Fatal(err)
		}
		for _, op := range []store.Op{set("key", string(make([]byte, 100))), get("key")} {
			name := map[store.OpKind]string{store.OpSet: "set", store.OpGet: "get"}[op.Kind]
			b.Run(fmt.Sprintf("%v/%s", d, name), func(b *testing.B) {
				b.SetParallelism(32)
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					w, batch := &one{store.Txn{Ops: []store.Op{op}}}, NewBatch()
					for pb.Next() {
						batch.Begin()
						s.Submit(1000, w, batch)
						batch.Wait()
					}
				})
			})
		}
		if c.Log != nil {
			if err := c.Committer.Close(); err != nil {
				b.Fatal(err)
			}
			if err := c.Log.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// pair is two nodes whose messages take a goroutine and a queue each way, as they would with a transport.
type pair struct {
	shards [2]*Shard
	links  [2]*Link
	mail   [2]chan []byte
	at     map[shards.NodeID]int
}

type end struct {
	*pair
	here int
}

func (e end) Valid() bool { return true }
func (e end) Send(to shards.NodeID, body []byte) error {
	e.mail[e.at[to]] <- body
	return nil
}
func (e end) SendWait(_ context.Context, to shards.NodeID, body []byte) error {
	return e.Send(to, body)
}
func (e end) Opened(shards.ShardID, shards.CopyID)                  {}
func (e end) Failed(_ shards.ShardID, _ shards.CopyID, cause error) { panic(cause) }
func (e end) SendBulk(context.Context, shards.NodeID, []byte) error { return nil }
func (e end) Propose(cluster.Command, func(bool, error))            {}

// BenchmarkTwoCopies: what an acknowledged write of one in-sync copy costs, both nodes together, without a network. A work has
// as many writes as a pipeline.
func BenchmarkTwoCopies(b *testing.B) {
	for _, d := range []shards.Durability{shards.DurabilityMemory, shards.DurabilityFsync} {
		for _, pipeline := range []int{1, 16} {
			b.Run(fmt.Sprintf("%v/%d", d, pipeline), func(b *testing.B) { benchTwo(b, d, pipeline) })
		}
	}
}

func benchTwo(b *testing.B, d shards.Durability, pipeline int) {
	k := shards.Keyspace{Name: "bench", Shards: 1, Durability: d}
	if err := k.Validate(); err != nil {
		b.Fatal(err)
	}
	p := &pair{at: map[shards.NodeID]int{"a": 0, "b": 1}}
	row := &cluster.Shard{Term: 1, Primary: 1, Version: 1, Copies: []cluster.Copy{
		{ID: 1, Node: "a", InSync: true, Started: true, Fresh: true}, {ID: 2, Node: "b", InSync: true, Started: true, Fresh: true},
	}}
	var serving sync.WaitGroup
	for i, node := range []shards.NodeID{"a", "b"} {
		p.mail[i] = make(chan []byte, 1<<16)
		var err error
		e := end{p, i}
		if p.links[i], err = NewLink(LinkConfig{Node: node, Sender: e, Lease: e, Events: e}); err != nil {
			b.Fatal(err)
		}
		c := Config{ID: shards.NewShardID(0, 0), Space: NewSpace(k), Seed: 1, Link: p.links[i]}
		if d != shards.DurabilityMemory {
			log, err := wal.Open("data", wal.Options{FS: vfs.NewMem(), Reserve: -1})
			if err != nil {
				b.Fatal(err)
			}
			c.Log, c.Committer = log, NewCommitter(log, time.Second, func(err error) { b.Error(err) })
			defer log.Close()
			defer c.Committer.Close()
		}
		p.shards[i] = New(c)
		files, _ := wal.OpenSnapshots("data", vfs.NewMem())
		if err := p.shards[i].Recover(files, nil); err != nil {
			b.Fatal(err)
		}
	}
	for i := range p.shards {
		serving.Go(func() {
			for body := range p.mail[i] {
				if err := p.links[i].Deliver("", body, func(shards.ShardID) *Shard { return p.shards[i] }); err != nil {
					b.Error(err)
				}
			}
		})
		p.shards[i].Configure(row, 1)
	}
	s := p.shards[0]
	b.SetParallelism(25)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w, batch := &many{txns: make([]store.Txn, pipeline)}, NewBatch()
		for i := range w.txns {
			w.txns[i].Ops = []store.Op{set(fmt.Sprint("key", i), string(make([]byte, 100)))}
		}
		for n := 0; pb.Next(); n++ {
			if n%pipeline > 0 {
				continue
			}
			batch.Begin()
			s.Submit(1000, w, batch)
			batch.Wait()
		}
	})
	for i := range p.shards {
		p.shards[i].Fail(ErrClosed)
	}
	for i := range p.mail {
		close(p.mail[i])
	}
	serving.Wait()
}

// many is a Work of some writes.
type many struct{ txns []store.Txn }

func (m *many) Len() int                       { return len(m.txns) }
func (m *many) Txn(i int) *store.Txn           { return &m.txns[i] }
func (m *many) Result(int, int, *store.Result) {}
func (m *many) Fail(_ int, err error)          { panic(err) }
