package sim

import (
	"errors"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// crashing is a disk with the product's own log and snapshot files on it, over Pebble's file system that keeps after a crash
// exactly what was synced. The world's clock decides how long an fsync takes; it happens at the end of that time.
type crashing struct {
	fs    *vfs.MemFS
	log   *wal.Log
	files *wal.Snapshots
}

// crashingRaft is the group's log in the same one.
type crashingRaft struct {
	*metadata.NodeLog
	d       *crashing
	number  uint64
	pending bool
}

// realDisks gives a world's nodes real logs; done closes them, once the world is over.
func realDisks(t *testing.T) (disks func(*Node) (disk, raftDisk), done func()) {
	var open []*crashing
	disks = func(n *Node) (disk, raftDisk) {
		d := &crashing{fs: vfs.NewCrashableMem()}
		r := &crashingRaft{d: d, number: n.raftNumber()}
		if err := errors.Join(d.open(), r.open()); err != nil {
			t.Fatal(err)
		}
		open = append(open, d)
		return d, r
	}
	return disks, func() {
		for _, d := range open {
			if err := d.log.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func (d *crashing) open() (err error) {
	if d.log, err = wal.Open("data", wal.Options{FS: d.fs, MemTableBytes: 1 << 20, Reserve: -1}); err != nil {
		return err
	}
	d.files, err = wal.OpenSnapshots("data", d.fs)
	return err
}

func (r *crashingRaft) open() (err error) {
	r.NodeLog, err = metadata.OpenLog(r.d.log, r.number)
	return err
}

// crash opens what a machine would find that stopped at this moment.
func (d *crashing) crash(*rand.Rand) error {
	after := d.fs.CrashClone(vfs.CrashCloneCfg{})
	if err := d.log.Close(); err != nil {
		return err
	}
	d.fs = after
	return d.open()
}

// crash follows that of the disk, which both share.
func (r *crashingRaft) crash(*rand.Rand) error {
	r.pending = false
	return r.open()
}

// Save writes without waiting: sync does, when its time has come.
func (r *crashingRaft) Save(b metadata.Batch) error {
	r.pending = r.pending || b.Sync
	b.Sync = false
	return r.NodeLog.Save(b)
}

func (r *crashingRaft) waits() bool { return r.pending }

func (r *crashingRaft) sync() {
	r.pending = false
	if err := r.d.log.Sync(); err != nil {
		panic(err)
	}
}

func (d *crashing) Append(records []wal.Record, sync bool) error { return d.log.Append(records, sync) }
func (d *crashing) Sync() error                                  { return d.log.Sync() }

func (d *crashing) Last(shard shards.ShardID) (wal.Record, bool, error) { return d.log.Last(shard) }

func (d *crashing) ReadFrom(shard shards.ShardID, seq shards.SeqNo, visit func(wal.Record) error) error {
	return d.log.ReadFrom(shard, seq, visit)
}

func (d *crashing) TruncatePrefix(shard shards.ShardID, through shards.SeqNo) error {
	return d.log.TruncatePrefix(shard, through)
}

func (d *crashing) TruncateSuffix(shard shards.ShardID, from shards.SeqNo) error {
	return d.log.TruncateSuffix(shard, from)
}

func (d *crashing) Shards() ([]shards.ShardID, error)     { return d.log.Shards() }
func (d *crashing) Get(name string) ([]byte, bool, error) { return d.log.Get(name) }
func (d *crashing) Set(name string, value []byte) error   { return d.log.Set(name, value) }

func (d *crashing) Newest(shard shards.ShardID) (shards.SeqNo, int64, bool) {
	return d.files.Newest(shard)
}

func (d *crashing) Load(shard shards.ShardID, seq shards.SeqNo, visit func([]byte) error) error {
	return d.files.Load(shard, seq, visit)
}

func (d *crashing) Save(shard shards.ShardID, seq shards.SeqNo, chunks iter.Seq2[[]byte, error]) (int64, error) {
	return d.files.Save(shard, seq, chunks)
}

func (d *crashing) RemoveBefore(shard shards.ShardID, seq shards.SeqNo) error {
	return d.files.RemoveBefore(shard, seq)
}

func (d *crashing) RemoveAfter(shard shards.ShardID, seq shards.SeqNo) error {
	return d.files.RemoveAfter(shard, seq)
}

func (d *crashing) vanish(shard shards.ShardID) {
	const all = ^shards.SeqNo(0) >> 1
	if err := errors.Join(d.log.TruncatePrefix(shard, all), d.files.RemoveAfter(shard, 0), d.log.Set(recordOf(shard), nil), d.log.Sync()); err != nil {
		panic(err)
	}
}

// rot leaves the log alone: shards/wal has tests that flip every byte of one.
func (d *crashing) rot(shards.ShardID, *rand.Rand) bool { return false }

// TestRealLogs plays worlds whose nodes keep the product's own log on a file system that crashes, twice each.
func TestRealLogs(t *testing.T) {
	n := 6
	if testing.Short() {
		n = 2
	}
	for i := range n {
		o := asked(t, 5000+*flagFirst+uint64(i))
		o.Pebble = true
		w, one := play(t, o)
		if w.failure != nil {
			fail(t, o, w)
		}
		if _, two := play(t, o); one.Hash != two.Hash {
			t.Errorf("seed %d: %d events with hash %016x, then %d with %016x", o.Seed, one.Events, one.Hash, two.Events, two.Hash)
		}
	}
}
