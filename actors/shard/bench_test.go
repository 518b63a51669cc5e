package shard

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

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
