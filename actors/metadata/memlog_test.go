package metadata

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"go.etcd.io/raft/v3/raftpb"
)

// memLog is a Log in memory that forgets, as a disk does: a crash takes what was not synced, or some of it from its end.
type memLog struct {
	now     contents
	history []contents // [0] is durable; each write adds one
}

// contents are never changed in place.
type contents struct {
	hard       *raftpb.HardState
	kept       *raftpb.Snapshot
	before     uint64
	beforeTerm uint64
	entries    []*raftpb.Entry
}

func (c *contents) last() uint64 { return c.before + uint64(len(c.entries)) }

func newMemLog() *memLog { return &memLog{history: []contents{{}}} }

// crash gives the log as the next process finds it.
func (l *memLog) crash(random *rand.Rand) disk {
	kept := l.history[random.IntN(len(l.history))]
	return &memLog{now: kept, history: []contents{kept}}
}

func (l *memLog) write(next contents, sync bool) {
	l.now = next
	if l.history = append(l.history, next); sync {
		l.history = l.history[len(l.history)-1:]
	}
}

func (l *memLog) Stored() (*raftpb.HardState, *raftpb.Snapshot) { return l.now.hard, l.now.kept }
func (l *memLog) First() uint64                                 { return l.now.before + 1 }
func (l *memLog) Last() uint64                                  { return l.now.last() }

func (l *memLog) Term(index uint64) (uint64, error) {
	switch {
	case index < l.now.before:
		return 0, ErrCompacted
	case index > l.Last():
		return 0, ErrUnavailable
	case index == l.now.before:
		return l.now.beforeTerm, nil
	}
	return l.now.entries[index-l.First()].GetTerm(), nil
}

func (l *memLog) Entries(low, high, bytes uint64) ([]*raftpb.Entry, error) {
	if low <= l.now.before {
		return nil, ErrCompacted
	}
	if high > l.Last()+1 {
		return nil, ErrUnavailable
	}
	run, size := l.now.entries[low-l.First():high-l.First()], uint64(0)
	for i, e := range run {
		if size += uint64(len(e.GetData())) + 16; i > 0 && size > bytes {
			run = run[:i]
			break
		}
	}
	return slices.Clone(run), nil
}

func (l *memLog) Save(b Batch) error {
	next := l.now
	if b.Snapshot != nil {
		next.kept, next.entries = b.Snapshot, nil
		next.before, next.beforeTerm = b.Snapshot.GetMetadata().GetIndex(), b.Snapshot.GetMetadata().GetTerm()
	}
	if len(b.Entries) > 0 {
		at := b.Entries[0].GetIndex() - next.before - 1
		if b.Entries[0].GetIndex() <= next.before || at > uint64(len(next.entries)) {
			return fmt.Errorf("entry %d does not fit after %d..%d", b.Entries[0].GetIndex(), next.before, next.last())
		}
		next.entries = append(slices.Clone(next.entries[:at]), b.Entries...)
	}
	if b.HardState != nil {
		next.hard = b.HardState
	}
	l.write(next, b.Sync)
	return nil
}

func (l *memLog) Compact(s *raftpb.Snapshot, first uint64) error {
	term, err := l.Term(first - 1)
	if err != nil {
		return err
	}
	next := l.now
	next.kept, next.beforeTerm = s, term
	next.entries, next.before = slices.Clone(next.entries[first-1-next.before:]), first-1
	l.write(next, false)
	return nil
}
