// Package shards is the vocabulary of the house: the names of DESIGN.md as types. It imports the standard library only,
// and everything above it speaks in these words.
//
//	key ──CRC16──► slot (0..16383) ──range──► shard ──table──► copies on nodes
//	"user:{42}:name"   slot of "42"            keyspace/7       n1 (primary), n3 (replica)
package shards

import (
	"fmt"
	"strconv"
)

// NodeID names one running Troupe process across its restarts. It is chosen at first boot and never reused.
type NodeID string

// Epoch numbers the lives of one node: raised at each boot, so that messages of an earlier life can be refused.
type Epoch uint64

// Term is a primary term: the number of a primary's reign over one shard, raised in the cluster state at each promotion.
// Messages and log records of a lower term are fenced off.
type Term uint64

// SeqNo is the position of an operation in its shard, given by the primary, without gaps. The first operation is 1; 0
// means "nothing yet".
type SeqNo uint64

// CopyID names one node's holding of a shard. Each allocation gets a new one.
type CopyID uint64

// ShardID names a shard within a cluster: the number of its keyspace in the high 16 bits, its index within the keyspace
// in the low 16. The zero value is shard 0 of keyspace 0.
type ShardID uint32

// NewShardID builds the id of shard index of the keyspace with the given number.
func NewShardID(keyspace KeyspaceID, index int) ShardID {
	if index < 0 || index >= Slots {
		panic(fmt.Sprintf("shards: index %d is outside 0..%d", index, Slots-1))
	}
	return ShardID(uint32(keyspace)<<16 | uint32(index))
}

// Keyspace is the number of the keyspace that the shard belongs to.
func (id ShardID) Keyspace() KeyspaceID { return KeyspaceID(id >> 16) }

// Index is the shard's place within its keyspace, counted from 0.
func (id ShardID) Index() int { return int(id & 0xFFFF) }

// String prints keyspace number and index, as in "2/17".
func (id ShardID) String() string {
	return strconv.Itoa(int(id.Keyspace())) + "/" + strconv.Itoa(id.Index())
}

// ErrorKind is the closed set of reasons for which an operation can fail. It crosses the wire: never reorder.
type ErrorKind uint8

// The kinds. Each says what the caller may do about it.
const (
	KindUnknown        ErrorKind = iota // unforeseen; the text says more
	KindInvalid                         // the request is wrong; do not repeat it
	KindConflict                        // a condition did not hold; read again, then decide
	KindFull                            // a memory limit is reached; delete, raise the limit, or ask for eviction
	KindDiskFull                        // the disk is nearly full; reads and deletes go on
	KindUnavailable                     // the shard cannot answer now; repeat after a pause
	KindNotPrimary                      // this copy does not lead; ask the primary it names
	KindOutcomeUnknown                  // the operation may or may not have happened; read before repeating
	KindCorrupt                         // stored bytes do not match their checksum
)

var kindNames = [...]string{"unknown", "invalid", "conflict", "full", "disk full", "unavailable", "not primary", "outcome unknown", "corrupt"}

// String is the kind's name in messages and in JSON.
func (k ErrorKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}
