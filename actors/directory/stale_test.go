package directory

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// A stale read is answered by a copy while the primary says nothing; one that is bounded only by a node that knows the table well enough.
func TestStaleReadsGoToOtherCopies(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d")
	w.lead("c", "c", "c", "c")
	w.mu.Lock()
	w.state.Shards[0].Copies = append(w.state.Shards[0].Copies, cluster.Copy{ID: 90, Node: "b", InSync: true, Started: true}, cluster.Copy{ID: 91, Node: "d"})
	w.spoil = func(to shards.NodeID, _ transport.Kind, serve func() ([]byte, error)) ([]byte, error) {
		switch to {
		case "c":
			<-t.Context().Done()
			return nil, t.Context().Err()
		case "d":
			t.Error("a copy that is not in sync was asked")
		}
		return serve()
	}
	w.mu.Unlock()
	id := shards.NewShardID(0, 0)
	b := w.nodes["b"]
	b.shards[id].Submit(time.Now().UnixMilli(), &onlyAsk{txn: store.Txn{Ops: []store.Op{set("k", "old")}}}, nil)
	behind := time.Minute
	b.config.Behind = func() time.Duration { return behind }
	b.config.Local = func(id shards.ShardID) *shard.Shard { return b.shards[id] }
	w.nodes["a"].config.Patience = 50 * time.Millisecond
	read := func(ctx context.Context, stale bool, within time.Duration) *onlyAsk {
		a := &onlyAsk{txn: store.Txn{Ops: []store.Op{get("k")}}}
		w.nodes["a"].Do(ctx, []Task{{Shard: id, Work: a, Stale: stale, Within: within}}, shard.NewBatch())
		return a
	}
	for _, within := range []time.Duration{0, time.Hour} {
		if got := read(t.Context(), true, within); got.err != nil || got.values[0] != "old" {
			t.Errorf("within %v: %+v", within, got)
		}
	}
	if got := read(t.Context(), true, time.Second); !errors.Is(got.err, shard.ErrTooOld) || kindOf(got.err) != shards.KindUnavailable || got.values != nil {
		t.Errorf("of a node that is a minute behind: %+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // a primary that says nothing is waited for as long as the caller likes
	defer cancel()
	if got := read(ctx, false, 0); kindOf(got.err) != shards.KindUnavailable || got.values != nil {
		t.Errorf("the default path: %+v", got)
	}
}

// The only copy there is, is waited for as a primary is: nobody else would answer sooner, and asking again is more work for one that is slow.
func TestStaleReadWaitsForTheOnlyCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b")
		w.lead("b", "b", "b", "b")
		a := w.nodes["a"]
		w.mu.Lock()
		w.spoil = func(_ shards.NodeID, _ transport.Kind, serve func() ([]byte, error)) ([]byte, error) {
			<-time.After(a.config.Patience + time.Second)
			return serve()
		}
		w.mu.Unlock()
		got := &onlyAsk{txn: store.Txn{Ops: []store.Op{get("k")}}}
		a.Do(t.Context(), []Task{{Shard: shards.NewShardID(0, 0), Work: got, Stale: true}}, shard.NewBatch())
		if got.err != nil || a.Figures().Retries != 0 {
			t.Errorf("%v after %d retries", got.err, a.Figures().Retries)
		}
	})
}
