package shard

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards/wal"
)

// Keeper keeps the logs of a node's shards short: it writes a snapshot of a shard once its log has grown past a limit. It
// works on one shard at a time, the one with the longest log first.
type Keeper struct {
	shards iter.Seq[*Shard]
	files  *wal.Snapshots
	limit  int64
	disk   Disk
	log    *slog.Logger
	last   atomic.Int64 // Unix seconds of the last snapshot
	saved  atomic.Int64 // snapshots written
	owed   debt         // Run's own
}

// Disk is what a Keeper asks of the disk that log and snapshots lie on. *wal.Log is one.
type Disk interface {
	// Room is the free space and what of it is to be kept, in bytes; 0, 0 if nobody can tell.
	Room() (free, reserve int64)
	// GiveBack has the room become free soon that log took which was cut off.
	GiveBack() error
}

// debt is what the last snapshot took from a nearly full disk. The log that it replaces gives its room back only when its tables
// are dropped, a moment later. Until then a next one may not take from the lower three quarters of the reserve.
type debt struct {
	settled int64     // free bytes at which it counts as given back: half of it, since the log goes on meanwhile
	until   time.Time // then it is forgotten: the log is held for another copy, or somebody else took the room
}

// patience is how long a debt counts: twice as long as the log needs on a machine with nothing else to do.
const patience = 10 * time.Second

func (d debt) open(free int64, now time.Time) bool { return free < d.settled && now.Before(d.until) }

// NewKeeper makes a keeper for the shards that have a log, which shards yields as they are at the moment. limit is in bytes of
// log per shard. With less of the disk free than is to be kept it is nearly full, and every log goes that is longer than the
// snapshot which replaces it, so that deletes make room: one at a time, the next when the last has given back what it took. Log and
// snapshot of a shard from which most was deleted go as well, on a disk that is getting full sooner than on another.
func NewKeeper(shards iter.Seq[*Shard], files *wal.Snapshots, limit int64, disk Disk, log *slog.Logger) *Keeper {
	k := &Keeper{shards: shards, files: files, limit: limit, disk: disk, log: log}
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
		for ctx.Err() == nil && k.shorten() {
		}
	}
}

// shorten writes the snapshot that is due first, and says whether the next may follow at once.
func (k *Keeper) shorten() bool {
	free, reserve := k.disk.Room()
	s, live := k.longest(free, reserve, time.Now())
	if s == nil {
		return false
	}
	err := k.checkpoint(s)
	if free < reserve {
		k.owed = debt{settled: free - live/2, until: time.Now().Add(patience)}
	}
	if err != nil {
		k.log.Error("snapshot failed; its log is kept", "shard", s.Name(), "err", err)
		return false
	}
	if free < roomy*reserve {
		if err := k.disk.GiveBack(); err != nil {
			k.log.Error("the room of a log that was cut is not given back yet", "shard", s.Name(), "err", err)
			return false
		}
	}
	return true
}

// longest is the shard with the most log past the limit whose snapshot there is room for, and how large that will be, or nil.
func (k *Keeper) longest(free, reserve int64, now time.Time) (found *Shard, size int64) {
	owes := k.owed.open(free, now)
	most := int64(0)
	files := k.files.Sizes()
	for s := range k.shards {
		bytes, live, any := s.Unsaved()
		worth := bytes > k.limit || free < reserve && bytes > live || k.stale(bytes+files[s.ID()], live, free < roomy*reserve)
		waits := owes && live > free-reserve/4*3
		if any && worth && bytes > most && !waits && fits(live, free, reserve) {
			found, size, most = s, live, bytes
		}
	}
	return found, size
}

// roomy is how many times the reserve must be free for a disk not to be getting full.
const roomy = 2

// stale says that what lies on the disk for a shard, log and snapshot together, is mostly of what was deleted or overwritten since.
// Where room is scarce less of it is borne. A new snapshot takes live bytes, so this writes a fraction of what it gives back.
func (k *Keeper) stale(held, live int64, scarce bool) bool {
	if scarce {
		return held > 4*live && held > k.limit/64
	}
	return held > 16*live && held > k.limit/4
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
	all := slices.Collect(k.shards)
	for i, s := range all {
		if err := k.checkpoint(s); err != nil {
			return err
		}
		progress(i+1, len(all))
	}
	return nil
}
