package store

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// OpKind says what an Op does. The numbers are written to the log: never reorder, only append.
type OpKind uint8

// The operations. Get alone reads; all others are ordered, logged and replicated.
const (
	OpGet            OpKind = iota + 1 // result: value, version, expiry
	OpSet                              // Value, ExpireAt or KeepTTL, If; an expiry that has passed deletes; Int: see AccessedBefore; result: the old value if WantOld
	OpDelete                           // If; result: Changed, the old value if WantOld
	OpDeletePrefix                     // every key that starts with Key; result: Int = how many
	OpIncrement                        // adds Int to the decimal number in Key (absent: 0); result: Int
	OpIncrementFloat                   // adds Float; result: Value = the new number as text, as Redis prints it
	OpAppend                           // appends Value; result: Int = new length
	OpSetRange                         // overwrites from offset Int, zero-filling a gap; result: Int = new length
	OpExpireAt                         // sets ExpireAt (0: never) under If; a time that has passed deletes; result: Changed; the old expiry in ExpireAt
	OpRename                           // moves Key to Value (a key of the same shard) with its expiry; If applies to the target
	OpCopy                             // copies Key to Value (a key of the same shard) with its expiry; If applies to the target
	OpExpireDue                        // deletes up to Int keys whose expiry is at or before the store's time, the earliest first; not within Atomic; result: Int
	OpEvict                            // deletes Key because of the memory limit; watchers see the reason
	OpRequire                          // changes nothing; unless If holds for Key, it and the Int operations after it fail with ErrConflict; not within Atomic, where all do
)

// Condition guards one operation, or a transaction as a whole (Guard).
type Condition uint8

// The conditions. A key whose expiry has passed at the transaction's time counts as absent.
const (
	Always            Condition = iota
	IfAbsent                    // Redis NX
	IfPresent                   // Redis XX
	IfVersion                   // the key's version is Version; 0 means absent
	IfEqual                     // the key's value is Compare
	IfNoExpiry                  // Redis EXPIRE NX: has no expiry (absent key: false)
	IfHasExpiry                 // Redis EXPIRE XX
	IfLater                     // Redis EXPIRE GT: the new expiry is later; a key without expiry counts as infinitely late
	IfSooner                    // Redis EXPIRE LT
	IfHasExpirySooner           // Redis EXPIRE XX LT: has an expiry, and the new one is sooner
)

// Op is one operation on one key. Slices are only read, and only until Apply or Read returns.
type Op struct {
	Kind     OpKind
	If       Condition
	KeepTTL  bool   // OpSet: the present expiry stays
	WantOld  bool   // OpSet, OpDelete: the result holds the value before; OpGet in a read: Int tells of the accesses before (see IdleTime), and this is none
	Key      []byte // at most MaxKey bytes; the empty key is a key
	Value    []byte // at most MaxValue bytes
	Compare  []byte // for IfEqual
	ExpireAt int64  // Unix milliseconds; 0 = never
	Version  uint64 // for IfVersion
	Int      int64
	Float    float64
}

// Guard is a condition on one key that must hold for a whole transaction.
type Guard struct {
	If      Condition // IfAbsent, IfPresent, IfVersion or IfEqual
	Key     []byte
	Version uint64
	Compare []byte
}

// Txn is what a shard orders, logs and applies as one step: it takes one sequence number, and no reader sees half of it.
//
// If a guard fails nothing happens, and every result is ErrConflict. Otherwise the operations run in order; one whose own
// condition fails, or that cannot be done (ErrNotNumber), is skipped and says so in its result, as in Redis' EXEC.
// With Atomic set, any such failure undoes the whole: nothing happens, the failing operation's result holds the cause and
// all others ErrConflict. Watchers see each key of an Atomic transaction once, as it is at its end.
//
// A transaction with a Client may be sent again when nobody knows what came of it: the first one that is ordered happens, and
// those after it change nothing and answer what the first one answered (see sessions). Client is one life of a node that
// sends transactions for others: a random number, not used again. It numbers those to one shard from 1 on; several may be
// under way at once and arrive in any order. The same number always stands for the same transaction.
type Txn struct {
	Time   int64 // Unix milliseconds, from the primary; the store never goes back in time
	Atomic bool
	Guards []Guard
	Ops    []Op
	Client uint64 // 0: the transaction is sent once
	Seq    uint64 // with a Client: its number among those of the client to this shard, from 1 on
}

// ReadOnly says whether the transaction changes nothing, so that it needs neither order nor log.
func (t *Txn) ReadOnly() bool {
	for i := range t.Ops {
		if t.Ops[i].Kind != OpGet {
			return false
		}
	}
	return true
}

// Grows says that the transaction may make the store larger, by more than times to live.
func (t *Txn) Grows() bool {
	for i := range t.Ops {
		switch t.Ops[i].Kind {
		case OpGet, OpDelete, OpDeletePrefix, OpExpireDue, OpEvict, OpExpireAt:
		default:
			return true
		}
	}
	return false
}

// Result is the outcome of one Op. Value is a view: of Apply it is valid only inside visit, of Read until the store is next
// changed. An operation that finds nothing to do, as a delete of an absent key, is not Changed and has no Err. After
// ErrConflict the result says what is there instead, but for ErrConflict because of a guard or of another operation.
type Result struct {
	Found    bool   // the key was there (before the operation)
	Changed  bool   // the operation did something
	Value    []byte // see the operation
	Version  uint64 // of the key after the operation (before it, for OpGet); 0 = absent
	ExpireAt int64  // likewise; Unix milliseconds, 0 = never
	Int      int64  // see the operation
	Err      error  // ErrConflict, ErrNotNumber, ErrOverflow, ErrNoKey, ErrTooLarge, ErrInvalid, ErrFull, ErrResultLost, ErrTooOld, or nil
}

// Limits of one key and one value. They bound every frame of the log and of the wire.
const (
	MaxKey   = 1<<16 - 1 // bytes
	MaxValue = 64 << 20  // bytes
	MaxOps   = 1 << 16   // operations and guards in one transaction
	MaxTxn   = 96 << 20  // bytes of one encoded transaction: one message takes it from node to node
)

// Errors of operations. They are values, compared with errors.Is; a failed operation changes nothing.
var (
	ErrConflict  = errors.New("store: condition does not hold")
	ErrNotNumber = errors.New("store: value is not a number")
	ErrOverflow  = errors.New("store: increment would overflow")
	ErrNoKey     = errors.New("store: no such key")
	ErrTooLarge  = errors.New("store: key or value exceeds its limit")
	ErrInvalid   = errors.New("store: malformed operation")
	ErrFull      = errors.New("store: the shard's tree cannot grow any more")

	// ErrResultLost answers a transaction that is repeated so late, or had so long a result, that the result is no longer
	// kept. It was applied, once, as it would have been had it not been repeated: there is nothing to repeat.
	ErrResultLost = errors.New("store: the transaction was applied before; its result is no longer known")

	// ErrTooOld answers a transaction whose number lies so far below its client's others that nobody knows whether it was
	// applied. This time it was not.
	ErrTooOld error = &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("store: the transaction is too old to tell whether it was applied before")}
)

// Change is one key's change as watchers see it. Key and Value are never written again: they may be kept.
type Change struct {
	Seq      shards.SeqNo // of the transaction; several changes may share it
	Kind     ChangeKind
	Key      []byte
	Value    []byte // ChangePut only
	ExpireAt int64  // ChangePut only
}

// ChangeKind says why a key changed.
type ChangeKind uint8

// The kinds of change. A watcher that was too slow gets ChangeResync and then starts afresh from a snapshot.
const (
	ChangePut ChangeKind = iota + 1
	ChangeDelete
	ChangeExpire
	ChangeEvict
	ChangeResync
)

var changeNames = [...]string{ChangePut: "put", ChangeDelete: "delete", ChangeExpire: "expire", ChangeEvict: "evict", ChangeResync: "resync"}

// String is the kind's name, as the HTTP API and troupe watch write it.
func (k ChangeKind) String() string {
	if k > 0 && int(k) < len(changeNames) {
		return changeNames[k]
	}
	return fmt.Sprintf("change %d", uint8(k))
}

// ChangeKindOf finds a kind by its name; 0 if there is none.
func ChangeKindOf(name string) ChangeKind {
	for k := ChangePut; int(k) < len(changeNames); k++ {
		if changeNames[k] == name {
			return k
		}
	}
	return 0
}
