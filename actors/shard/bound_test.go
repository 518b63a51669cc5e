package shard

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// A transaction that could not be read from the log comes into none, whoever hands it in.
func TestWhatCannotBeReadIsNotWritten(t *testing.T) {
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityInterval, shards.DurabilityMemory} {
		w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1, Durability: d})
		long := make([]store.Op, store.MaxOps)
		for i := range long {
			long[i] = set("k", "v")
		}
		half := make([]byte, store.MaxTxn/2)
		for name, txn := range map[string]store.Txn{
			"one guard too many": {Guards: []store.Guard{{If: store.IfAbsent, Key: []byte("k")}}, Ops: long},
			"a long prefix":      {Ops: []store.Op{{Kind: store.OpDeletePrefix, Key: half[:store.MaxKey+1]}}},
			"too many bytes":     {Ops: []store.Op{{Kind: store.OpSet, Key: []byte("k"), Value: half}, {Kind: store.OpSet, Key: []byte("l"), Value: half}}},
		} {
			a := &answers{txns: []store.Txn{txn}}
			b := NewBatch()
			b.Begin()
			w.shards[0].Submit(1, a, b)
			b.Wait()
			var e *shards.Error
			if !errors.As(a.err, &e) || e.Kind != shards.KindInvalid || !errors.Is(a.err, store.ErrTooLarge) {
				t.Errorf("%v, %s: %v", d, name, a.err)
			}
		}
		if a := ask(w.shards[0], set("k", "v")); a.err != nil || w.shards[0].Stats().Applied != 1 {
			t.Errorf("%v: %v, %d transactions", d, a.err, w.shards[0].Stats().Applied)
		}
		w.close()
	}
}
