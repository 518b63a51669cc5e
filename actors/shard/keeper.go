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
	shards []*Shard
	files  *wal.Snapshots
	limit  int64
	log    *slog.Logger
	last   atomic.Int64 // Unix seconds of the last snapshot
}

// NewKeeper makes a keeper for the shards that have a log. limit is in bytes of log per shard.
func NewKeeper(shards []*Shard, files *wal.Snapshots, limit int64, log *slog.Logger) *Keeper {
	k := &Keeper{shards: shards, files: files, limit: limit, log: log}
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
	return nil
}

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

// longest is the shard with the most log past the limit, or nil.
func (k *Keeper) longest() *Shard {
	var found *Shard
	most := k.limit
	for _, s := range k.shards {
		if bytes, any := s.Unsaved(); any && bytes > most {
			found, most = s, bytes
		}
	}
	return found
}

// SaveAll writes a snapshot of every shard that has log to replay, so that a restart needs none of it. progress is called
// after each shard. It stops at the first error.
func (k *Keeper) SaveAll(progress func(done, all int)) error {
	for i, s := range k.shards {
		if err := k.checkpoint(s); err != nil {
			return err
		}
		progress(i+1, len(k.shards))
	}
	return nil
}
