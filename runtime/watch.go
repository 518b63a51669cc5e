package runtime

import (
	"context"
	"iter"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Change is one key's change, as watchers see it.
type Change struct {
	Shard    int          // index of the shard
	Seq      shards.SeqNo // position in its shard; changes of one batch share it
	Kind     ChangeKind
	Key      string    // empty with ChangeResync
	Value    []byte    // ChangePut only
	ExpireAt time.Time // ChangePut only; zero: never
}

// ChangeKind says why a key changed. Its String is "put", say.
type ChangeKind = store.ChangeKind

// The kinds of change. ChangeResync says that changes of its shard were missed: read afresh, later changes follow.
const (
	ChangePut    = store.ChangePut
	ChangeDelete = store.ChangeDelete
	ChangeExpire = store.ChangeExpire
	ChangeEvict  = store.ChangeEvict
	ChangeResync = store.ChangeResync
)

// Position says up to where a watcher has seen each shard's changes: the sequence numbers by the shard's index. Nil, or 0, means
// "from now on". Store.Position gives one to begin with. Who wants to go on later notes p[c.Shard] = c.Seq, once a change with a higher
// Seq has come: those of one batch share it. A keyspace in memory that was lost altogether goes on with higher numbers, so that a watch
// from before begins with a ChangeResync. Where less was lost, or from a disk (the last second of durability interval with all copies
// at once, a shard that an operator had begin empty or stale), numbers are given again: who goes on from before that reads all afresh.
type Position []shards.SeqNo

func (p Position) of(index int) shards.SeqNo {
	if index < len(p) {
		return p[index]
	}
	return 0
}

// Position says where each shard is now, so that a list and a watch leave no gap: take the Position, Scan, then Watch from there. What
// changes meanwhile comes with the watch, even if the scan has seen it. The shards remember their newest changes from the call on, some
// thousand each; a scan that takes longer than those last costs a ChangeResync. A shard that has had no change yet stands at the highest
// number there is. The error is that of ctx, or of KindUnavailable: a shard has no primary that answers, for Config.Patience.
func (s *Store) Position(ctx context.Context) (Position, error) {
	return s.node.directory.Position(ctx, s.space.ID, s.space.Shards)
}

// watchCapacity is how many changes per shard are kept for a watcher that is slow.
const watchCapacity = 4096

// Watch follows the keys that start with prefix until ctx ends, from a position, or from the moment at which it reaches each shard, which is
// after the first step was asked for: who must know from when takes a Position first. Changes of one
// shard come in their order. A watcher that falls behind by more than some thousand changes, or asks for changes that are
// no longer kept, gets a ChangeResync for that shard and goes on after it. The last pair holds the error: that of KindUnavailable
// which says that the node is stopping, or why the keyspace cannot be followed. If ctx ended there is no such pair.
func (s *Store) Watch(ctx context.Context, prefix string, from Position) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		s.node.watchers.Add(1)
		defer s.node.watchers.Add(-1)
		o := directory.WatchOptions{
			Keyspace: s.space.ID, Shards: s.space.Shards, Prefix: []byte(prefix), From: from.of, Capacity: watchCapacity,
		}
		for c, err := range s.node.directory.Watch(ctx, o) {
			if err != nil {
				yield(Change{}, err)
				return
			}
			if !yield(changeOf(&c), nil) {
				return
			}
		}
	}
}

func changeOf(c *shard.Change) Change {
	v := valueOf(c.Value, 0, c.ExpireAt)
	return Change{Shard: c.Shard, Seq: c.Seq, Kind: c.Kind, Key: string(c.Key), Value: v.Bytes, ExpireAt: v.ExpireAt}
}
