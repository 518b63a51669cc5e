package metadata

import (
	"errors"

	"go.etcd.io/raft/v3/raftpb"
)

// Log keeps the Raft group's entries, its hard state and its newest snapshot on one node. Core is its only user, and makes
// one call at a time.
//
//	snapshot 1..900                      │ kept for followers that are behind │ not in the snapshot
//	─────────────────────────────────────┼────────────────────────────────────┼────────────────────►
//	                                First = 601                          index 900           Last = 1012
//
// Each call that writes is one atomic step: after a crash all of it is there or none. What is written without sync is lost
// only together with all that was written after it.
//
// Entries are shared: neither side changes one.
type Log interface {
	// Stored is what the last process left: the hard state, and the snapshot with its ConfState. Both are nil in an empty log.
	Stored() (*raftpb.HardState, *raftpb.Snapshot)

	// First is the index of the first entry that Entries may give, Last that of the last one; Last is First-1 if there is none.
	First() uint64
	Last() uint64

	// Term is the term of an entry from First-1 to Last. Below, the error wraps ErrCompacted, above ErrUnavailable.
	Term(index uint64) (uint64, error)

	// Entries gives entries from low up to, not including, high: as many as fit into so many bytes, but one at least. Errors
	// are those of Term.
	Entries(low, high, bytes uint64) ([]*raftpb.Entry, error)

	// Save writes. With Batch.Sync it returns when everything written so far is durable.
	Save(Batch) error

	// Compact keeps a snapshot of what this node has applied and forgets the entries before first, which is at most one more
	// than the snapshot's index. It need not be durable when it returns.
	Compact(snapshot *raftpb.Snapshot, first uint64) error
}

// Batch is what Raft wants written in one step.
type Batch struct {
	HardState *raftpb.HardState // nil: as it was
	Snapshot  *raftpb.Snapshot  // from the leader; takes the place of all entries. nil: none
	Entries   []*raftpb.Entry   // follow the entry before the first of them; what was there from that index on is dropped
	Sync      bool
}

// Errors of a Log, compared with errors.Is.
var (
	ErrCompacted   = errors.New("metadata: the log no longer holds this entry")
	ErrUnavailable = errors.New("metadata: the log does not hold this entry yet")
)
