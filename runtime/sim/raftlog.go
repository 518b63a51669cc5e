package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/actors/metadata"
)

// raftDisk is where a node's member of the Raft group writes: a metadata.Log that says when an fsync has to be waited for.
type raftDisk interface {
	metadata.Log
	waits() bool                   // something was written that nobody may hear of before sync
	sync()                         // the time for it has passed
	crash(chance *rand.Rand) error // what was not synced may be gone
}

// raftLog is a metadata.Log in memory that forgets, after a crash, what was not synced: the newest writes first.
//
//	kept ──(unsynced batches, in order)──► now
type raftLog struct {
	kept, now raftImage
	unsynced  []func(*raftImage)
	pending   bool // something asks for an fsync, which the shell has to wait for
	bugs      Bugs
}

// raftImage is what the log holds at one moment. Entries are shared and never written to.
type raftImage struct {
	hard     *raftpb.HardState
	snapshot *raftpb.Snapshot
	first    uint64 // index of entries[0], or of the next one
	before   uint64 // term of the entry before it
	entries  []*raftpb.Entry
}

func newRaftLog(bugs Bugs) *raftLog {
	return &raftLog{kept: raftImage{first: 1}, now: raftImage{first: 1}, bugs: bugs}
}

// Stored is what a new life starts from.
func (l *raftLog) Stored() (*raftpb.HardState, *raftpb.Snapshot) { return l.now.hard, l.now.snapshot }

// First is the index of the first entry that is there.
func (l *raftLog) First() uint64 { return l.now.first }

// Last is the index of the last one.
func (l *raftLog) Last() uint64 { return l.now.first + uint64(len(l.now.entries)) - 1 }

// Term is the term of an entry from First-1 on.
func (l *raftLog) Term(index uint64) (uint64, error) {
	switch {
	case index+1 < l.now.first:
		return 0, metadata.ErrCompacted
	case index+1 == l.now.first:
		return l.now.before, nil
	case index > l.Last():
		return 0, metadata.ErrUnavailable
	}
	return l.now.entries[index-l.now.first].GetTerm(), nil
}

// Entries gives entries from low up to high, of so many bytes, one at least.
func (l *raftLog) Entries(low, high, bytes uint64) ([]*raftpb.Entry, error) {
	switch {
	case low < l.now.first:
		return nil, metadata.ErrCompacted
	case high > l.Last()+1:
		return nil, metadata.ErrUnavailable
	}
	found := l.now.entries[low-l.now.first : high-l.now.first]
	size := uint64(0)
	for i, e := range found {
		size += uint64(len(e.GetData())) + 16
		if i > 0 && size > bytes {
			return found[:i:i], nil
		}
	}
	return found[:len(found):len(found)], nil
}

// Save writes a batch. It is durable once the shell has called sync; until then the shell lets nothing out.
func (l *raftLog) Save(b metadata.Batch) error {
	if len(b.Entries) > 0 && b.Snapshot == nil {
		if at := b.Entries[0].GetIndex(); at < l.now.first || at > l.Last()+1 {
			return fmt.Errorf("entries from %d for a log of %d to %d", at, l.now.first, l.Last())
		}
	}
	l.do(func(i *raftImage) { i.save(b) })
	l.pending = l.pending || b.Sync
	return nil
}

func (i *raftImage) save(b metadata.Batch) {
	if b.HardState != nil {
		i.hard = b.HardState
	}
	if b.Snapshot != nil {
		i.snapshot, i.entries = b.Snapshot, nil
		i.first, i.before = b.Snapshot.GetMetadata().GetIndex()+1, b.Snapshot.GetMetadata().GetTerm()
	}
	if len(b.Entries) > 0 {
		keep := b.Entries[0].GetIndex() - i.first
		i.entries = append(i.entries[:keep:keep], b.Entries...)
	}
}

// Compact keeps a snapshot and forgets the entries before first.
func (l *raftLog) Compact(snapshot *raftpb.Snapshot, first uint64) error {
	l.do(func(i *raftImage) {
		i.snapshot = snapshot
		if first <= i.first {
			return
		}
		i.before = i.entries[first-i.first-1].GetTerm()
		i.entries = append([]*raftpb.Entry(nil), i.entries[first-i.first:]...)
		i.first = first
	})
	return nil
}

func (l *raftLog) do(change func(*raftImage)) {
	change(&l.now)
	l.unsynced = append(l.unsynced, change)
}

func (l *raftLog) waits() bool { return l.pending }

// sync makes all of it durable.
func (l *raftLog) sync() {
	l.pending = false
	if l.bugs&BugForgetVote != 0 {
		return
	}
	l.settle(len(l.unsynced))
}

func (l *raftLog) settle(n int) {
	for _, change := range l.unsynced[:n] {
		change(&l.kept)
	}
	l.unsynced = slices.Clone(l.unsynced[n:])
}

func (l *raftLog) crash(chance *rand.Rand) error {
	if n := len(l.unsynced); n > 0 && l.bugs&BugForgetVote == 0 {
		l.settle(chance.IntN(n + 1))
	}
	l.unsynced, l.pending = nil, false
	l.now = l.kept
	l.now.entries = append([]*raftpb.Entry(nil), l.kept.entries...)
	return nil
}
