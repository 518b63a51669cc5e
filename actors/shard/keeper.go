package shard

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards/wal"
)

// Keeper keeps the logs of a node's shards short: it writes a snapshot of a shard once its log has grown past a limit. It
// works on one shard at a time, the one with the longest log first.
type Keeper struct {
	shards func() []*Shard
	files  *wal.Snapshots
	limit  int64
	room   func() (free, reserve int64)
	log    *slog.Logger
	last   atomic.Int64 // Unix seconds of the last snapshot
	saved  atomic.Int64 // snapshots written
}

// NewKeeper makes a keeper for the shards that have a log, which shards lists as they are at the moment. limit is in bytes of
// log per shard. room says how much of the disk is free and how much is to be kept so: with less the disk is nearly full, and
// every log goes that is longer than the snapshot which replaces it, so that deletes make room.
func NewKeeper(shards func() []*Shard, files *wal.Snapshots, limit int64, room func() (free, reserve int64), log *slog.Logger) *Keeper {
	k := &Keeper{shards: shards, files: files, limit: limit, room: room, log: log}
	k.last.Store(time.Now().Unix())
	return k
}

// LastSave is when the last snapshot was written; before the first it is when the keeper was made.
func (k *Keeper) LastSave() time.Time { return time.Unix(k.last.Load(), 0) }

func (k *Keeper) checkpoint(s *Shard) error {
	if err := s.Checkpoint(k.files); err != nil {
		return err
	}
	k.last.Store(time.Now().Unix())
	k.saved.Add(1)
	return nil
}

// Saved counts the snapshots written since the start.
func (k *Keeper) Saved() int64 { return k.saved.Load() }

// Run looks at all shards once per period until ctx ends. Errors are logged: the log stays longer, nothing is lost.
func (k *Keeper) Run(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ctx.Err() == nil {
			s := k.longest()
			if s == nil {
				break
			}
			if err := k.checkpoint(s); err != nil {
				k.log.Error("snapshot failed; its log is kept", "shard", s.Name(), "err", err)
				break
			}
		}
	}
}

// longest is the shard with the most log past the limit whose snapshot there is room for, or nil.
func (k *Keeper) longest() *Shard {
	var found *Shard
	most := int64(0)
	free, reserve := k.room()
	for _, s := range k.shards() {
		bytes, live, any := s.Unsaved()
		if worth := bytes > k.limit || free < reserve && bytes > live; any && worth && bytes > most && fits(live, free, reserve) {
			found, most = s, bytes
		}
	}
	return found
}

// fits says whether a snapshot of a size may be written. Until the log is cut it takes room from what deletes may still write
// into, which is all of the reserve but a quarter: they are how a full disk gets empty, and must not fail for it. A small one
// goes in any case, since it gives back more than it takes.
//
//	0       reserve/4    reserve/3                 reserve
//	├───────────┼───────────┼─────────────────────────┤        free
//	 nothing     deletes     deletes and snapshots     all
func fits(size, free, reserve int64) bool {
	return reserve <= 0 || size <= free/4 || free-size >= reserve/3
}

// SaveAll writes a snapshot of every shard that has log to replay, so that a restart needs none of it. progress is called
// after each shard. It stops at the first error.
func (k *Keeper) SaveAll(progress func(done, all int)) error {
	all := k.shards()
	for i, s := range all {
		if err := k.checkpoint(s); err != nil {
			return err
		}
		progress(i+1, len(all))
	}
	return nil
}
