package virtual

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Storage is what a Host needs of the shards. Read, Scan and Commit work only while this node leads the shard of their keys, and
// fail with a *shards.NotPrimaryError, or a *shards.Error of KindUnavailable, when it does not. Methods may be called
// concurrently.
type Storage interface {
	// Locate says which shard a key belongs to, and which node leads that as far as this one knows; none if the node is empty.
	Locate(keyspace, key string) (shards.ShardID, shards.NodeID, error)
	// Leads says whether this node leads a shard at this moment, under its lease.
	Leads(shard shards.ShardID) bool
	// Reign gives the term in which this node leads a shard, if what it holds of it is all that has been acknowledged: no
	// successor can have begun. The error is like those of Read.
	Reign(shard shards.ShardID) (shards.Term, error)
	// Read gives the values of keys of one slot; a Version of 0 says that a key is not there.
	Read(ctx context.Context, keyspace string, keys []string) ([]Stored, error)
	// Scan visits the keys of a span that lie in the slot of its prefix's tag, in its order.
	Scan(ctx context.Context, keyspace string, s Span) iter.Seq2[Entry, error]
	// ScanShard visits the keys of a span that a shard holds, in its order. It finds where that begins without visiting what lies before.
	ScanShard(ctx context.Context, shard shards.ShardID, s Span) iter.Seq2[Entry, error]
	// Commit carries out operations on keys of one shard, all or none, if the keys of all guards still have their versions, and
	// gives the one that the first guard's key has then. ErrStale if one has not. Of other errors those of the kinds unavailable, not
	// primary, outcome unknown, full, disk full and corrupt may pass; with any other the operations can never be carried out.
	Commit(ctx context.Context, keyspace string, ops []Op, guards ...Guard) (uint64, error)
	// Await returns when the cluster state has changed, or with ctx.
	Await(ctx context.Context)
}

// Stored is a value as it is kept.
type Stored struct {
	Bytes   []byte
	Version uint64 // 0: there is none
	Expires bool   // it has a TTL
}

// Guard is a condition of a Commit: the version that a key must have; 0: it must not be there.
type Guard struct {
	Key     string
	Version uint64
}

// Op sets a key, or deletes it.
type Op struct {
	Key    string
	Value  []byte
	Delete bool
	TTL    time.Duration // 0: for ever, as when a runtime.Put has no TTL; else at least a millisecond
}

// ErrStale says that a guard did not hold.
var ErrStale = errors.New("virtual: the actor's state is not what it was: another activation has changed it")

// ErrGivenUp is in the errors of a Storage that has tried for as long as the node is patient: nobody tries again for as long once more.
var ErrGivenUp = errors.New("the node's patience is over")

// givenUp is ErrGivenUp as another node has put it.
type givenUp string

// Error is that node's sentence.
func (g givenUp) Error() string { return string(g) }

// Is says that it is ErrGivenUp.
func (g givenUp) Is(target error) bool { return target == ErrGivenUp }

// kindOf is the kind in an error's chain.
func kindOf(err error) shards.ErrorKind {
	var known interface{ ErrorKind() shards.ErrorKind }
	if errors.As(err, &known) {
		return known.ErrorKind()
	}
	return shards.KindUnknown
}

// passing says whether an error may be gone when the message is tried again, perhaps on another node.
func passing(err error) bool {
	switch kindOf(err) {
	case shards.KindNotPrimary, shards.KindUnavailable, shards.KindOutcomeUnknown:
		return true
	}
	return false
}

// short says whether a shard refuses what is written for want of room, or cannot read what it holds, until somebody acts.
func short(err error) bool {
	switch kindOf(err) {
	case shards.KindFull, shards.KindDiskFull, shards.KindCorrupt:
		return true
	}
	return false
}

// final says whether a commit was refused for what is in it: it would be again, wherever it is tried.
func final(ctx context.Context, err error) bool {
	over := ctx.Err() != nil && errors.Is(err, ctx.Err())
	return !over && !passing(err) && !short(err) && !errors.Is(err, ErrStale) && !errors.Is(err, ErrGivenUp)
}
