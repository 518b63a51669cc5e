package sim

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// disk is what a node's shells need of a disk: the methods of wal.Log and wal.Snapshots, and what a crash does. Two are there: forgetful,
// a model that is fast, and crashing, which is the real log on Pebble's crash-cloning file system.
type disk interface {
	Append(records []wal.Record, sync bool) error
	Sync() error
	Last(shard shards.ShardID) (wal.Record, bool, error)
	ReadFrom(shard shards.ShardID, seq shards.SeqNo, visit func(wal.Record) error) error
	TruncatePrefix(shard shards.ShardID, through shards.SeqNo) error
	TruncateSuffix(shard shards.ShardID, from shards.SeqNo) error
	Shards() ([]shards.ShardID, error)
	Get(name string) ([]byte, bool, error)
	Set(name string, value []byte) error

	Newest(shard shards.ShardID) (shards.SeqNo, int64, bool)
	Load(shard shards.ShardID, seq shards.SeqNo, visit func([]byte) error) error
	Save(shard shards.ShardID, seq shards.SeqNo, chunks iter.Seq2[[]byte, error]) (int64, error)
	RemoveBefore(shard shards.ShardID, seq shards.SeqNo) error
	RemoveAfter(shard shards.ShardID, seq shards.SeqNo) error

	crash(chance *rand.Rand) error                    // the machine stops: what was not synced may be gone, from the end
	vanish(shard shards.ShardID)                      // loses everything about one shard
	rot(shard shards.ShardID, chance *rand.Rand) bool // flips a bit in one record of a shard; false if there is none
}

// forgetful is a disk that keeps what was synced, and after a crash some of the rest: changes are lost from the end only, as
// wal promises (its invariant 3).
//
//	kept ──(unsynced changes, in order)──► now        sync: kept = now        crash: kept + the first few of them
type forgetful struct {
	kept, now image
	unsynced  []change
	bugs      Bugs
}

// image is what the disk holds at one moment. Payloads are shared between images, and never written to.
type image struct {
	logs  map[shards.ShardID][]wal.Record
	names map[string][]byte
	rot   map[place]bool
	files map[shards.ShardID][]file
}

type place struct {
	shard shards.ShardID
	last  shards.SeqNo
}

// file is a snapshot file.
type file struct {
	seq    shards.SeqNo
	chunks [][]byte
}

// change is one write that a crash may lose.
type change func(*image)

func newForgetful(bugs Bugs) *forgetful {
	return &forgetful{kept: newImage(), now: newImage(), bugs: bugs}
}

func newImage() image {
	return image{
		logs: map[shards.ShardID][]wal.Record{}, names: map[string][]byte{},
		rot: map[place]bool{}, files: map[shards.ShardID][]file{},
	}
}

func (d *forgetful) do(c change) {
	c(&d.now)
	d.unsynced = append(d.unsynced, c)
}

// Append checks what wal.Log checks.
func (d *forgetful) Append(records []wal.Record, sync bool) error {
	for _, r := range records {
		if last, ok, _ := d.Last(r.Shard); ok && (r.First != last.Last+1 || r.Term < last.Term) {
			return fmt.Errorf("%w: shard %v: %d..%d of term %d after %d of term %d", wal.ErrGap, r.Shard, r.First, r.Last, r.Term, last.Last, last.Term)
		}
		r.Payload = bytes.Clone(r.Payload)
		d.do(func(i *image) {
			delete(i.rot, place{r.Shard, r.Last})
			i.logs[r.Shard] = append(i.logs[r.Shard], r)
		})
	}
	if sync {
		return d.Sync()
	}
	return nil
}

// Sync makes all of it durable.
func (d *forgetful) Sync() error {
	if d.bugs&BugSkipFsync != 0 {
		return nil
	}
	d.settle(len(d.unsynced))
	return nil
}

func (d *forgetful) settle(n int) {
	for _, c := range d.unsynced[:n] {
		c(&d.kept)
	}
	d.unsynced = slices.Delete(d.unsynced, 0, n)
}

func (d *forgetful) Last(shard shards.ShardID) (wal.Record, bool, error) {
	log := d.now.logs[shard]
	if len(log) == 0 {
		return wal.Record{}, false, nil
	}
	last := log[len(log)-1]
	last.Payload = nil
	return last, true, nil
}

func (d *forgetful) ReadFrom(shard shards.ShardID, seq shards.SeqNo, visit func(wal.Record) error) error {
	log := d.now.logs[shard]
	at, _ := slices.BinarySearchFunc(log, seq, func(r wal.Record, s shards.SeqNo) int { return compare(r.Last, s) })
	if at == 0 && len(log) > 0 && seq > 0 && log[0].First > seq {
		return fmt.Errorf("shard %v: %d: %w", shard, seq, wal.ErrTruncated)
	}
	for _, r := range slices.Clone(log[at:]) {
		if d.now.rot[place{shard, r.Last}] {
			if d.bugs&BugIgnoreCRC == 0 {
				return &wal.CorruptError{Shard: shard, Seq: r.Last, Position: "the model's disk", Cause: errRot}
			}
			r.Payload = flipped(r.Payload)
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

func compare(a, b shards.SeqNo) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

var errRot = fmt.Errorf("checksum does not match")

// flipped is a payload with one bit turned, in its last byte: the end of a value, which no decoder can find wrong.
func flipped(p []byte) []byte {
	p = bytes.Clone(p)
	if len(p) > 0 {
		p[len(p)-1] ^= 1
	}
	return p
}

func (d *forgetful) TruncatePrefix(shard shards.ShardID, through shards.SeqNo) error {
	d.do(func(i *image) {
		log := i.logs[shard]
		at := 0
		for at < len(log) && log[at].Last <= through {
			at++
		}
		i.logs[shard] = slices.Clone(log[at:])
	})
	return nil
}

func (d *forgetful) TruncateSuffix(shard shards.ShardID, from shards.SeqNo) error {
	for _, r := range d.now.logs[shard] {
		if r.First < from && from <= r.Last {
			return fmt.Errorf("shard %v: %d: %w", shard, from, wal.ErrInsideRecord)
		}
	}
	d.do(func(i *image) {
		log := i.logs[shard]
		at := len(log)
		for at > 0 && log[at-1].First >= from {
			at--
		}
		i.logs[shard] = slices.Clone(log[:at])
	})
	return nil
}

func (d *forgetful) Shards() ([]shards.ShardID, error) {
	var all []shards.ShardID
	for id, log := range d.now.logs {
		if len(log) > 0 {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all, nil
}

func (d *forgetful) Get(name string) ([]byte, bool, error) {
	v, ok := d.now.names[name]
	return bytes.Clone(v), ok, nil
}

// Set is durable when it returns, and with it everything before it: the log has one order.
func (d *forgetful) Set(name string, value []byte) error {
	value = bytes.Clone(value)
	d.do(func(i *image) { i.names[name] = value })
	return d.Sync()
}

func (d *forgetful) Newest(shard shards.ShardID) (shards.SeqNo, int64, bool) {
	files := d.now.files[shard]
	if len(files) == 0 {
		return 0, 0, false
	}
	f := files[len(files)-1]
	size := 0
	for _, c := range f.chunks {
		size += len(c)
	}
	return f.seq, int64(size), true
}

func (d *forgetful) Load(shard shards.ShardID, seq shards.SeqNo, visit func([]byte) error) error {
	for _, f := range d.now.files[shard] {
		if f.seq != seq {
			continue
		}
		for _, c := range f.chunks {
			if err := visit(c); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("shard %v has no snapshot at %d", shard, seq)
}

// Save is durable when it returns: a file beside the log, synced by itself.
func (d *forgetful) Save(shard shards.ShardID, seq shards.SeqNo, chunks iter.Seq2[[]byte, error]) (int64, error) {
	f := file{seq: seq}
	size := 0
	for c, err := range chunks {
		if err != nil {
			return 0, err
		}
		f.chunks = append(f.chunks, bytes.Clone(c))
		size += len(c)
	}
	d.files(func(i *image) {
		files := slices.DeleteFunc(slices.Clone(i.files[shard]), func(g file) bool { return g.seq == seq })
		at, _ := slices.BinarySearchFunc(files, seq, func(g file, s shards.SeqNo) int { return compare(g.seq, s) })
		i.files[shard] = slices.Insert(files, at, f)
	})
	return int64(size), nil
}

// RemoveBefore does nothing unless there is one at seq, as in wal.Snapshots.
func (d *forgetful) RemoveBefore(shard shards.ShardID, seq shards.SeqNo) error {
	if !slices.ContainsFunc(d.now.files[shard], func(g file) bool { return g.seq == seq }) {
		return nil
	}
	return d.remove(shard, func(g file) bool { return g.seq < seq })
}

// RemoveAfter is durable when it returns.
func (d *forgetful) RemoveAfter(shard shards.ShardID, seq shards.SeqNo) error {
	return d.remove(shard, func(g file) bool { return g.seq > seq })
}

func (d *forgetful) remove(shard shards.ShardID, goes func(file) bool) error {
	d.files(func(i *image) { i.files[shard] = slices.DeleteFunc(slices.Clone(i.files[shard]), goes) })
	return nil
}

// files changes the snapshot files, which are not part of the log's order.
func (d *forgetful) files(c change) {
	c(&d.now)
	c(&d.kept)
}

func (d *forgetful) crash(chance *rand.Rand) error {
	n := 0
	if len(d.unsynced) > 0 && d.bugs&BugSkipFsync == 0 {
		n = chance.IntN(len(d.unsynced) + 1)
	}
	d.settle(n)
	d.unsynced = nil
	d.now = d.kept.clone()
	return nil
}

func (i *image) clone() image {
	c := newImage()
	for id, log := range i.logs {
		c.logs[id] = slices.Clone(log)
	}
	for name, v := range i.names {
		c.names[name] = v
	}
	for p := range i.rot {
		c.rot[p] = true
	}
	for id, files := range i.files {
		c.files[id] = files
	}
	return c
}

func (d *forgetful) rot(shard shards.ShardID, chance *rand.Rand) bool {
	log := d.kept.logs[shard]
	if len(log) == 0 {
		return false
	}
	p := place{shard, log[chance.IntN(len(log))].Last}
	d.kept.rot[p], d.now.rot[p] = true, true
	return true
}

func (d *forgetful) vanish(shard shards.ShardID) {
	d.settle(len(d.unsynced))
	d.files(func(i *image) {
		delete(i.logs, shard)
		delete(i.files, shard)
		delete(i.names, recordOf(shard))
		delete(i.names, recordOf(shard)+"/base")
	})
}
