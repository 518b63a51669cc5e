package metadata

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// The group's part of a node's log:
//
//	records of shard 65535/0   term = the entry's term, first = last = its index   │ type u8 │ data … │
//	node record raft/hard      │ 1 │ raftpb.HardState │
//	node record raft/snapshot  │ 1 │ raftpb.Snapshot │
//	node record raft/first     │ 1 │ index u64 │ term u64 │        little-endian; of the last entry that is no longer there
//	node record raft/number    │ 1 │ number u64 │
//	node record raft/cluster   │ 1 │ id of the cluster │        before anything of it is taken
//	node record raft/lives     │ 1 │ announced u64 │ begun u64 │        see lives.go
//
// Each change is one wal.Batch, so that no crash can leave a hard state that names entries which are not there, a snapshot
// beside entries that do not follow it, or half of an overwritten end.
const (
	hardRecord     = "raft/hard"
	snapshotRecord = "raft/snapshot"
	firstRecord    = "raft/first"
	numberRecord   = "raft/number"
	clusterRecord  = "raft/cluster"
	recordFormat   = 1
)

var logShard = shards.NewShardID(shards.ReservedKeyspace, 0)

// NodeLog is the Log in a node's wal.Log. What it holds is in memory as well: Core shortens it at every snapshot. One caller
// at a time, who must be the only one to write to the reserved shard.
//
// Invariants: (1) entries have the indexes before+1, before+2, … without a gap, and terms that do not fall; (2) the snapshot's
// index is before at least, and at most the last entry's or before itself; (3) what memory holds is what the wal holds.
type NodeLog struct {
	log        *wal.Log
	number     uint64
	cluster    string
	lives      lives
	hard       *raftpb.HardState
	kept       *raftpb.Snapshot // of the newest snapshot; without Data once somebody has had that: it may be tens of MiB, and is needed at starts only
	before     uint64           // index of the entry before the first one
	beforeTerm uint64
	entries    []*raftpb.Entry
}

// OpenLog reads what the group's last process left in the node's log. number is the node's in the group: it is kept at the
// first start, and a folder with another one is refused; 0 takes the one that is kept, or draws one.
func OpenLog(log *wal.Log, number uint64) (*NodeLog, error) {
	l := &NodeLog{log: log, kept: nil}
	if err := l.open(number); err != nil {
		return nil, fmt.Errorf("metadata: open the group's log: %w", err)
	}
	return l, nil
}

func (l *NodeLog) open(number uint64) error {
	if err := l.openNumber(number); err != nil {
		return err
	}
	id, err := l.get(clusterRecord)
	if err != nil {
		return err
	}
	l.cluster = string(id)
	if err := l.openLives(); err != nil {
		return err
	}
	if hard, err := l.get(hardRecord); err != nil {
		return err
	} else if hard != nil {
		l.hard = &raftpb.HardState{}
		if err := proto.Unmarshal(hard, l.hard); err != nil {
			return fmt.Errorf("hard state: %w", err)
		}
	}
	if l.kept, err = l.readSnapshot(); err != nil {
		return err
	}
	if first, err := l.get(firstRecord); err != nil {
		return err
	} else if len(first) == 16 {
		l.before, l.beforeTerm = binary.LittleEndian.Uint64(first), binary.LittleEndian.Uint64(first[8:])
	} else if first != nil {
		return fmt.Errorf("%q has %d bytes", firstRecord, len(first))
	}
	if err := l.log.ReadFrom(logShard, 0, l.read); err != nil {
		return err
	}
	return l.check()
}

func (l *NodeLog) openNumber(number uint64) error {
	stored, err := l.get(numberRecord)
	if err != nil {
		return err
	}
	if len(stored) == 8 {
		l.number = binary.LittleEndian.Uint64(stored)
		if number != 0 && number != l.number {
			return fmt.Errorf("the data folder belongs to member %x of the metadata group, not to %x", l.number, number)
		}
		return nil
	}
	for number == 0 || number >= math.MaxUint64-1 {
		var drawn [8]byte
		rand.Read(drawn[:]) // never fails, says its documentation
		number = binary.LittleEndian.Uint64(drawn[:])
	}
	l.number = number
	return l.log.Set(numberRecord, binary.LittleEndian.AppendUint64([]byte{recordFormat}, number))
}

// get reads a node record of the group's; nil if there is none.
func (l *NodeLog) get(name string) ([]byte, error) {
	value, found, err := l.log.Get(name)
	switch {
	case err != nil || !found:
		return nil, err
	case len(value) == 0 || value[0] != recordFormat:
		return nil, fmt.Errorf("%q has a format that this release does not read: use the release that wrote it", name)
	}
	return value[1:], nil
}

// read takes one record of the wal.
func (l *NodeLog) read(r wal.Record) error {
	if r.First != r.Last || len(r.Payload) == 0 {
		return fmt.Errorf("record %d..%d is no entry", r.First, r.Last)
	}
	l.entries = append(l.entries, &raftpb.Entry{
		Type:  raftpb.EntryType(r.Payload[0]).Enum(),
		Term:  new(uint64(r.Term)),
		Index: new(uint64(r.Last)),
		Data:  slices.Clone(r.Payload[1:]),
	})
	return nil
}

// check looks at the invariants; what does not hold was damaged.
func (l *NodeLog) check() error {
	for i, e := range l.entries {
		if e.GetIndex() != l.before+1+uint64(i) {
			return fmt.Errorf("entry %d is where %d should be: the log is damaged", e.GetIndex(), l.before+1+uint64(i))
		}
	}
	if at := l.kept.GetMetadata().GetIndex(); at < l.before || at > l.Last() {
		return fmt.Errorf("the snapshot is of %d, the entries are %d to %d: the log is damaged", at, l.First(), l.Last())
	}
	return nil
}

// Number is this node's in the group.
func (l *NodeLog) Number() uint64 { return l.number }

// Cluster is the id of the cluster that this log belongs to; empty if none yet.
func (l *NodeLog) Cluster() string { return l.cluster }

// SetCluster makes the log a cluster's, durably and for good.
func (l *NodeLog) SetCluster(id string) error {
	if l.cluster == id {
		return nil
	}
	if l.cluster != "" {
		return fmt.Errorf("metadata: this node's data belongs to cluster %s, and not to %s; start it with another data folder to make it part of that one", l.cluster, id)
	}
	if err := l.log.Set(clusterRecord, append([]byte{recordFormat}, id...)); err != nil {
		return fmt.Errorf("metadata: note the cluster: %w", err)
	}
	l.cluster = id
	return nil
}

// Stored is what is written of hard state and snapshot.
func (l *NodeLog) Stored() (*raftpb.HardState, *raftpb.Snapshot) {
	whole := l.kept
	if whole != nil && len(whole.GetData()) == 0 {
		var err error
		if whole, err = l.readSnapshot(); err != nil || whole.GetMetadata().GetIndex() != l.kept.GetMetadata().GetIndex() {
			return l.hard, nil // it was there before: NewCore refuses a log that has lost it
		}
	}
	l.kept = slim(whole)
	return l.hard, whole
}

// slim is a snapshot without what is in it.
func slim(s *raftpb.Snapshot) *raftpb.Snapshot {
	if s == nil {
		return nil
	}
	return &raftpb.Snapshot{Metadata: s.GetMetadata()}
}

// readSnapshot reads the newest snapshot; nil if there is none.
func (l *NodeLog) readSnapshot() (*raftpb.Snapshot, error) {
	encoded, err := l.get(snapshotRecord)
	if err != nil || encoded == nil {
		return nil, err
	}
	s := &raftpb.Snapshot{}
	if err := proto.Unmarshal(encoded, s); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return s, nil
}

// First is the index of the first entry that is there.
func (l *NodeLog) First() uint64 { return l.before + 1 }

// Last is the index of the last one, or First-1.
func (l *NodeLog) Last() uint64 { return l.before + uint64(len(l.entries)) }

// Term is the term of an entry from First-1 to Last.
func (l *NodeLog) Term(index uint64) (uint64, error) {
	switch {
	case index < l.before:
		return 0, fmt.Errorf("%w: %d, the first one is %d", ErrCompacted, index, l.First())
	case index > l.Last():
		return 0, fmt.Errorf("%w: %d, the last one is %d", ErrUnavailable, index, l.Last())
	case index == l.before:
		return l.beforeTerm, nil
	}
	return l.entries[index-l.First()].GetTerm(), nil
}

// Entries gives entries from low up to high, one at least and as many as fit.
func (l *NodeLog) Entries(low, high, bytes uint64) ([]*raftpb.Entry, error) {
	if low <= l.before {
		return nil, fmt.Errorf("%w: %d, the first one is %d", ErrCompacted, low, l.First())
	}
	if high > l.Last()+1 {
		return nil, fmt.Errorf("%w: %d, the last one is %d", ErrUnavailable, high-1, l.Last())
	}
	run := l.entries[low-l.First() : high-l.First()]
	size := uint64(0)
	for i, e := range run {
		if size += uint64(proto.Size(e)); i > 0 && size > bytes {
			run = run[:i]
			break
		}
	}
	return slices.Clone(run), nil
}

// Save writes a batch in one step.
func (l *NodeLog) Save(b Batch) error {
	var w wal.Batch
	before, beforeTerm, entries := l.before, l.beforeTerm, l.entries
	if b.Snapshot != nil {
		before, beforeTerm = b.Snapshot.GetMetadata().GetIndex(), b.Snapshot.GetMetadata().GetTerm()
		if len(entries) > 0 {
			w.Cuts = []wal.Cut{{Shard: logShard, Through: shards.SeqNo(l.Last())}}
		}
		entries = nil
		if err := setSnapshot(&w, b.Snapshot, before, beforeTerm); err != nil {
			return err
		}
	}
	if len(b.Entries) > 0 {
		from := b.Entries[0].GetIndex()
		if from <= before || from > before+uint64(len(entries))+1 {
			return fmt.Errorf("entry %d follows neither snapshot nor log, which ends at %d", from, before+uint64(len(entries)))
		}
		if at := from - before - 1; at < uint64(len(entries)) {
			w.Cuts = []wal.Cut{{Shard: logShard, From: shards.SeqNo(from)}}
			entries = entries[:at]
		}
		entries = append(entries, b.Entries...) // Entries hands out copies
		w.Records = records(b.Entries)
	}
	hard := l.hard
	if b.HardState != nil {
		encoded, err := proto.Marshal(b.HardState)
		if err != nil {
			return err
		}
		hard, w.Set = b.HardState, append(w.Set, named(hardRecord, encoded))
	}
	if err := l.log.Write(w, b.Sync); err != nil {
		return err
	}
	if b.Snapshot != nil {
		l.kept = slim(b.Snapshot)
	}
	l.before, l.beforeTerm, l.entries, l.hard = before, beforeTerm, entries, hard
	return nil
}

func records(entries []*raftpb.Entry) []wal.Record {
	list := make([]wal.Record, len(entries))
	for i, e := range entries {
		index := shards.SeqNo(e.GetIndex())
		payload := append([]byte{byte(e.GetType())}, e.GetData()...)
		list[i] = wal.Record{Shard: logShard, Term: shards.Term(e.GetTerm()), First: index, Last: index, Payload: payload}
	}
	return list
}

func setSnapshot(w *wal.Batch, s *raftpb.Snapshot, before, beforeTerm uint64) error {
	room := make([]byte, 1, 1+proto.Size(s)) // it may be long: it is copied as seldom as can be
	room[0] = recordFormat
	encoded, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(room, s)
	if err != nil {
		return err
	}
	first := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, before), beforeTerm)
	w.Set = append(w.Set, wal.Named{Name: snapshotRecord, Value: encoded}, named(firstRecord, first))
	return nil
}

func named(name string, value []byte) wal.Named {
	return wal.Named{Name: name, Value: append([]byte{recordFormat}, value...)}
}

// Compact keeps a snapshot and forgets entries, in one step.
func (l *NodeLog) Compact(s *raftpb.Snapshot, first uint64) error {
	before := first - 1
	if index := s.GetMetadata().GetIndex(); before > index || index > l.Last() || before < l.before {
		return errors.New("a snapshot that does not reach to the first entry that is kept")
	}
	term, err := l.Term(before)
	if err != nil {
		return err
	}
	w := wal.Batch{}
	if before > l.before {
		w.Cuts = []wal.Cut{{Shard: logShard, Through: shards.SeqNo(before)}}
	}
	if err := setSnapshot(&w, s, before, term); err != nil {
		return err
	}
	if err := l.log.Write(w, false); err != nil {
		return err
	}
	l.entries = slices.Clone(l.entries[before-l.before:])
	l.kept, l.before, l.beforeTerm = slim(s), before, term
	return nil
}
