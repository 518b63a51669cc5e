package admin

import (
	"context"
	"iter"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Backend is what the server needs from a node. All methods may be called concurrently.
//
// If an error's chain has the method ErrorKind() shards.ErrorKind (as *shards.Error has), the kind chooses the status; the
// errors of package store do so too. Every other error is answered as 500, kind "unknown".
type Backend interface {
	// Cluster is the cluster that the node belongs to. It may be nil: then there is this node alone.
	Cluster() Cluster

	// Node is this node; Nodes is every member, this one included, sorted by name. With a Cluster, members come from there.
	Node() Node
	Nodes() []Node

	// Keyspace finds a keyspace by its name.
	Keyspace(name string) (shards.Keyspace, bool)

	// Keyspaces lists the keyspaces, sorted by number. Shards yields the copies on this node, sorted by id. It is called for
	// each health check and each scrape: no figure in it may cost more than O(1) per shard.
	Keyspaces() []shards.Keyspace
	Shards() iter.Seq[Shard]

	// Facts are the node's figures for the metrics page.
	Facts() Facts

	// Now is the time by which expiries are computed, in Unix milliseconds.
	Now() int64

	// Get reads one key, from the copies that may answer. Value.Bytes is a copy that belongs to the caller.
	Get(ctx context.Context, keyspace shards.KeyspaceID, key []byte, from Reading) (v Value, found bool, err error)

	// Put writes one key and returns its new version when the write is as durable as the keyspace asks. A condition that
	// does not hold is an error of KindConflict. The backend does not keep the slices.
	Put(ctx context.Context, keyspace shards.KeyspaceID, w Write) (version uint64, err error)

	// PutAll writes each item on its own and returns when all have been answered: they wait for the disk together. stored
	// counts those that were written; err is the failure of the first that was not. Items of one key take effect in order.
	PutAll(ctx context.Context, keyspace shards.KeyspaceID, items []Write) (stored int, err error)

	// Delete removes one key. Only If, Key and Version of w count.
	Delete(ctx context.Context, keyspace shards.KeyspaceID, w Write) (found bool, err error)

	// DeletePrefix removes every key that starts with prefix, shard by shard: each shard at once, the keyspace not.
	DeletePrefix(ctx context.Context, keyspace shards.KeyspaceID, prefix []byte) (deleted int64, err error)

	// Scan yields the live keys in byte order across all shards, each shard as it was when the iteration began. Key and
	// value are views that are valid until the next step. An error is yielded last. Breaking off frees what it holds.
	Scan(ctx context.Context, keyspace shards.KeyspaceID, o Range) iter.Seq2[Entry, error]

	// Watch yields changes as they happen until ctx ends (then it just ends) or the node stops (an error of
	// KindUnavailable). Slices in Event are valid until the next step. One goroutine at a time runs one iteration.
	// Changes of one shard come in order. A watcher that is too slow gets ChangeResync for a shard, and then its later changes.
	Watch(ctx context.Context, keyspace shards.KeyspaceID, o WatchFrom) iter.Seq2[Event, error]
}

// Reading says which copies may answer a read. The zero value: the primary alone.
type Reading struct {
	Replica bool          // any in-sync copy may, so that the answer may lack the latest writes
	Within  time.Duration // but none that was acknowledged longer ago than this; 0: no matter how long
}

// Node is one member. JSON is that of /_nodes.
type Node struct {
	ID      shards.NodeID `json:"id"`
	Name    string        `json:"name"`
	Cluster string        `json:"cluster"` // the cluster's name for people
	RESP    string        `json:"resp"`    // host:port, as others reach it; empty when not served
	HTTP    string        `json:"http"`
	Peer    string        `json:"peer"`
	Version string        `json:"version"` // of Troupe
	Epoch   shards.Epoch  `json:"epoch"`
	Roles   []string      `json:"roles"`   // of "meta", "data", "gateway"
	Leader  bool          `json:"leader"`  // is the placement leader
	Started int64         `json:"started"` // Unix milliseconds of its boot; 0: not known

	// What a cluster knows of its members.
	Host        string            `json:"host,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	State       LivenessState     `json:"state,omitempty"`
	Reason      string            `json:"reason,omitempty"` // why it is not alive
	Draining    bool              `json:"draining,omitempty"`
	Maintenance bool              `json:"maintenance,omitempty"`
	Voter       bool              `json:"voter,omitempty"`    // votes in the metadata group
	Excluded    bool              `json:"excluded,omitempty"` // shall not vote
	Copies      int               `json:"copies,omitempty"`   // that it has been given
	Primaries   int               `json:"primaries,omitempty"`
	Load        *Load             `json:"load,omitempty"` // nil: not known
}

// ShardState is what a copy is doing.
type ShardState string

// The states, as DESIGN.md and Elasticsearch name them.
const (
	ShardUnassigned   ShardState = "unassigned"
	ShardInitializing ShardState = "initializing" // recovering: not served yet
	ShardStarted      ShardState = "started"
	ShardRelocating   ShardState = "relocating" // served, and moving away
)

// Shard is one copy of one shard.
type Shard struct {
	ID         shards.ShardID
	Keyspace   string // its name
	Node       shards.NodeID
	Copy       shards.CopyID // 0 for a node without cluster
	Primary    bool
	InSync     bool
	State      ShardState
	Reason     string // why it is not started; empty otherwise
	Term       shards.Term
	Applied    shards.SeqNo
	Rolling    uint64       // hash over all that was applied: equal on all copies that have the same Applied
	Told       bool         // its node has said so itself
	Last       shards.SeqNo // in a cluster: the operation that its log ends with, applied or not …
	LastTerm   shards.Term  // … and whose reign wrote it
	Unnoted    bool         // the record of its node does not name it under this number yet
	Keys       int64
	Bytes      int64 // of memory
	LogBytes   int64 // of its records in the log: about what a restart would replay
	Durability shards.Durability
	Recovery   *Recovery // while it recovers
}

// Value is what a key holds.
type Value struct {
	Bytes    []byte
	Version  uint64
	ExpireAt int64 // Unix milliseconds; 0 = never
}

// Write is one key to be written. The zero If and ExpireAt write always, and for ever (an earlier expiry is dropped).
type Write struct {
	Key      []byte
	Value    []byte
	ExpireAt int64           // Unix milliseconds; 0 = never
	If       store.Condition // Always, IfAbsent, IfPresent or IfVersion
	Version  uint64          // for IfVersion
}

// Range says what a scan visits. After and To are where it begins and ends in the direction of the scan; neither is visited
// itself, so that the last key of one page is the After of the next.
//
//	forward:  After < key < To      reverse:  After > key > To
type Range struct {
	Prefix    []byte
	After, To []byte // nil: open
	Reverse   bool
	Limit     int // how many will be read at most, as a hint; 0 = all
}

// Entry is one key of a scan.
type Entry struct {
	Key, Value []byte
	Version    uint64
	ExpireAt   int64 // Unix milliseconds; 0 = never
}

// WatchFrom says what to watch.
type WatchFrom struct {
	Prefix []byte
	From   []shards.SeqNo // by shard index: the first sequence number wanted; 0, or beyond the slice: only what comes now
}

// Event is one change in one shard.
type Event struct {
	Shard int // index within the keyspace
	store.Change
}

// Facts are figures of this node since its start, for the metrics page. Zero where the node has nothing to tell.
type Facts struct {
	Keyspaces []KeyspaceFacts // on this node
	Guests    []GuestFacts    // modules of actors that this node has, each kind and version once

	LogAppends    uint64    // batches written to the log
	LogRecords    uint64    // records in them: shared fsyncs save LogRecords-LogAppends of them
	LogWritten    uint64    // bytes appended
	LogBytes      int64     // on disk now
	Fsync         Histogram // seconds that each durable append took: write and fsync
	Snapshots     uint64    // written
	SnapshotBytes int64     // on disk now

	DiskFree    int64 // bytes, of the data folder's disk; 0 without a data folder
	DiskReserve int64 // bytes below which writes that grow are refused

	RESPConnections int64
	RESPCommands    uint64
	RESPHeld        int64  // bytes that all connections hold together, beyond what each has free
	RESPLimit       int64  // of RESPHeld
	RESPRefused     uint64 // times that a connection was refused more
	Watchers        int64
	Certificates    map[string]int64 // when they end, in Unix seconds, by whom they are shown to: clients, nodes

	Actors           []ActorFacts  // by kind
	ProposalsPending int64         // commands of this node that the metadata group has not answered yet
	ApplyLag         uint64        // entries of the metadata group's log that are known to be committed and are not applied yet
	Forwards         uint64        // pieces of work for shards that were sent to other nodes
	Retries          uint64        // pieces of work for shards that were tried again
	ClockOffset      time.Duration // how far this node's clock is ahead of the placement leader's, if ClockKnown
	ClockKnown       bool
	Thrown           ThrownFacts
}

// ActorFacts are the actors of one kind that are in memory on this node.
type ActorFacts struct {
	Kind   string
	Active int
	Bytes  int64 // that they are taken to need

	Waiting int // messages in their mailboxes
}

// ThrownFacts count what other nodes sent and this one threw away.
type ThrownFacts struct {
	Unknown   uint64 // of kinds or forms that this release does not know
	Malformed uint64
	TooLong   uint64
	Silenced  uint64 // since an operator cut this node off
}

// KeyspaceFacts count what happened in one keyspace.
type KeyspaceFacts struct {
	Name    string
	Reads   uint64 // operations
	Writes  uint64 // operations
	Expired uint64 // keys
	Evicted uint64 // keys
	Lag     uint64 // operations that the slowest copy in sync lacks, of any primary here

	Limbo     int64         // bytes that only open snapshots of its copies here still see
	Snapshots int64         // open ones
	Oldest    time.Duration // since the oldest of them was taken; 0: none is open
}

// GuestFacts count what a module of actors has done since this node has loaded it.
type GuestFacts struct {
	Kind, Version string // as its manifest says
	Handled       uint64 // messages
	Refused       uint64 // by the guest, or before it saw them
	Stopped       uint64 // that trapped or passed a limit
	Fuel          uint64 // of all of them
	Made          uint64 // instances
	Idle          int    // instances that wait
}

// Histogram counts observations in buckets. The zero value is an empty one.
type Histogram struct {
	Bounds []float64 // upper bounds, ascending, without the infinite one
	Counts []uint64  // how many are at or below each bound and above the one before; one longer than Bounds
	Sum    float64
}
