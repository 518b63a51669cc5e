package resp

import (
	"context"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Backend is what the server needs from a node. Keyspaces are named by their place in Keyspaces(), as in SELECT n. All
// methods may be called concurrently from many connections.
type Backend interface {
	// Do runs calls on one keyspace and returns when each has been answered: its Sink got every result, or its Err is set.
	//
	//  1. Calls of one shard run in the order of the slice, each as one step; a read sees the writes before it.
	//     Calls of different shards may run at once, on different goroutines.
	//  2. A write is answered when it is as durable as the keyspace asks. It is best to make all writes of one Do wait together.
	//  3. The slice, the calls and all that they point to belong to the backend until Do returns, and never after.
	//  4. The end of ctx may cut the wait short: a call that was then under way gets an error of KindOutcomeUnknown and its
	//     Sink is not called any more.
	//  5. Call.Reach says what to do with a call whose primary is on another node. However far it has to go, rule 1 holds.
	Do(ctx context.Context, keyspace int, calls []*Call)

	// Scan visits up to limit keys of one shard (by its index) that start with prefix and sort after after (nil: from the
	// start), in key order, without those that have expired. It may stop before limit. It returns the last key looked at, in a
	// buffer of its own, or nil at the shard's end. visit runs inside the shard's turn: key is valid only there.
	Scan(ctx context.Context, keyspace, shard int, after, prefix []byte, limit int, visit func(key []byte)) (next []byte, err error)

	// Count is the number of keys in the slots first to last.
	Count(ctx context.Context, keyspace int, first, last shards.Slot) (int64, error)

	// KeysInSlot visits up to limit keys of one slot. The key is valid only inside visit.
	KeysInSlot(ctx context.Context, keyspace int, slot shards.Slot, limit int, visit func(key []byte) (more bool)) error

	// RandomKey appends some key to dst; ok is false if the keyspace is empty.
	RandomKey(ctx context.Context, keyspace int, dst []byte) (key []byte, ok bool, err error)

	// Keyspaces lists the keyspaces in the order of SELECT n. The order does not change while the node lives; new ones are
	// appended. The caller does not write to the slice.
	Keyspaces() []shards.Keyspace

	// Nodes is the cluster as its clients should see it, this node first, for the slots of one keyspace. What it returns is
	// not written to again.
	Nodes(keyspace int) []Node

	// Primary is the node (by Node.ID) that leads the shard of a slot, as far as this node knows, and whether that is this
	// node; empty if none does. It is cheap.
	Primary(keyspace int, slot shards.Slot) (node string, here bool)

	// Facts are the node's figures for INFO and CONFIG GET.
	Facts() Facts

	// Now is the time by which expiries are computed, in Unix milliseconds.
	Now() int64
}

// Call is one transaction on the shard that owns one slot.
//
// The backend sets Txn.Time before it runs the transaction (for reads as well) and then calls Sink.Result once per
// operation, in order, inside the shard's turn, where Result.Value may be read without a copy. If the whole call fails it sets
// Err; results that the Sink may have got before are then ignored.
type Call struct {
	Slot shards.Slot
	Txn  store.Txn
	Sink Sink

	// Reach says which copies may answer. The zero value asks for nothing but the truth.
	Reach Reach

	// Err is why the call as a whole failed. If an error in its chain has the method ErrorKind() shards.ErrorKind, the
	// kind chooses Redis' error code (see errorText); otherwise the client sees "ERR" and the text. A *shards.NotPrimaryError
	// and a *HandOverError say that nothing was done, and become redirections where the client follows them.
	Err error

	// Next and Shard are the backend's own while Do runs, so that it can group calls without memory of its own. They are
	// zero when Do begins; what Do leaves in them is ignored.
	Next  *Call
	Shard int32
}

// Reach is a set of permissions and limits for one call.
type Reach uint8

// The flags of a Reach. Without any, the call goes to the primary of its shard, wherever that is. A backend may treat the calls
// of one shard alike, by the flags that all of them have: what is lost is a redirection or a stale read, never an answer.
const (
	ReachHere  Reach = 1 << iota // do not forward: if the primary is elsewhere, Err is a *shards.NotPrimaryError, or a *HandOverError
	ReachStale                   // a replica on this node may answer a call that only reads, as far behind as it is
	ReachAsked                   // the client was sent here by a HandOverError: wait a moment for a primary that is about to be here
)

// HandOverError says that a shard is about to have its primary on another node. Nothing was done; the client is told to ask
// there this once.
type HandOverError struct {
	Shard shards.ShardID
	To    string // Node.ID
}

// Error says where the shard goes.
func (e *HandOverError) Error() string {
	return fmt.Sprintf("shard %v is being handed over to node %s", e.Shard, e.To)
}

// ErrorKind is KindNotPrimary.
func (e *HandOverError) ErrorKind() shards.ErrorKind { return shards.KindNotPrimary }

// ErrLoading is wrapped by what a Backend answers while the node still reads its log: clients then wait and ask again.
var ErrLoading = errors.New("the node is reading its log")

// Operator is what a Backend is besides, if clients may change the cluster through it. Without it, the commands that need
// it answer how it is done otherwise.
type Operator interface {
	// Failover asks for a hand-over of all shards of one keyspace of which this node holds an in-sync replica, to this
	// node, and returns when it is asked for. force: what a living primary must agree to may be asked for more urgently, and no more.
	Failover(ctx context.Context, keyspace int, force bool) error

	// Forget removes a member from the cluster, by Node.ID.
	Forget(ctx context.Context, node string) error
}

// Messenger is what a Backend is besides, if PUBLISH is to reach the subscribers of other nodes.
type Messenger interface {
	// Publish has every other node call Server.Deliver. It does not wait: as in Redis, a message that finds its node gone is
	// lost. The messages of one node arrive in order. channel and message are valid until it returns.
	Publish(sharded bool, channel, message []byte)
}

// Sink takes the results of one call. Result is called from one goroutine at a time and does not block; the result and its
// Value are valid only until it returns. It does not touch the shard. A Sink never panics. A backend that runs a call again,
// elsewhere, begins again with operation 0: what the Sink got before is then void.
type Sink interface {
	Result(i int, r *store.Result)
}

// Node is a member of the cluster as Redis clients see it.
type Node struct {
	ID      string      // 40 lower-case hex digits, as Redis has them; stable across restarts
	Name    string      // the Troupe name; informational
	Host    string      // where clients reach it
	Port    int         // its Redis port; 0: clients cannot reach it, and calls to its shards are forwarded whatever their Reach
	Bus     int         // its port for other nodes; informational
	Ranges  []SlotRange // slots whose primary it is; ascending
	Epoch   uint64      // its life
	Offset  int64       // operations that the shards which it leads have applied, all keyspaces together; 0 if not known
	Suspect bool        // it does not answer, and is not yet declared dead
	Down    bool        // it is declared dead
	Broken  bool        // this node has no connection with it
	Since   int64       // Unix milliseconds, of that connection; 0 if not known
	Heard   int64       // Unix milliseconds, of its last sign of life here; 0 if not known
	Missed  int         // members that miss it
}

// SlotRange is the slots First to Last, both included.
type SlotRange struct {
	First, Last shards.Slot
	Replicas    []string // nodes (by Node.ID) that hold an in-sync replica of all these slots
}

// Facts are figures of the node. Zero values are printed as they are.
type Facts struct {
	Version      string // of Troupe
	NodeID       string // as Node.ID
	DataDir      string
	Started      int64 // Unix milliseconds
	UsedMemory   int64 // bytes that all shards need for what they hold
	MaxMemory    int64 // sum of the limits of all keyspaces that have one, in bytes; 0 = no limit
	Eviction     string
	ExpiredKeys  int64  // since the start
	EvictedKeys  int64  // since the start
	LogBytes     int64  // size of the log on disk
	Loading      bool   // still replaying its log
	LastSaveUnix int64  // seconds; when the newest snapshot was written
	Epoch        uint64 // version of the cluster state that the node has; 0: the highest epoch of a node stands for it
	PerKeyspace  []KeyspaceFacts
	Leaderless   bool // for longer than an election takes the node has reached no majority: what it knows of the cluster may be old
}

// KeyspaceFacts are figures of one keyspace, in the order of Keyspaces().
type KeyspaceFacts struct {
	Keys     int64
	Expiring int64 // of Keys, those with an expiry
}
