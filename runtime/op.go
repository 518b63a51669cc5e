package runtime

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

// Op is one operation of a Batch; make it with Put, Delete, Increment or Require. The zero Op is none, and is refused.
type Op struct {
	op      store.Op
	guard   store.Guard
	ttl     time.Duration // from when it is handed in; 0: op.ExpireAt holds
	expires bool          // an option says when
	refused error         // an option that makes no sense
}

// Option changes what a Put does; nil changes nothing. Options that cannot both be meant, two conditions that no key meets or KeepTTL beside
// a TTL, are refused with KindInvalid.
type Option func(*Op)

// TTL has the key expire a duration after the operation is handed in, to the millisecond: a write that waits for a failover for longer is done, and
// leaves nothing. One below a millisecond is refused with KindInvalid: a key that is to be
// there for ever is Put without a TTL, and one that is not to be there is deleted.
func TTL(d time.Duration) Option {
	if d < time.Millisecond {
		return func(op *Op) {
			op.refused = fmt.Errorf("runtime: a TTL of %v: at least 1ms; without one the key does not expire, and Delete removes it at once", d)
		}
	}
	return func(op *Op) { op.ttl, op.expires = d, true }
}

// ExpireAt has the key expire at a time, to the millisecond. The zero time is never, as in Value; a time that has passed removes the key. One
// more than 292 million years ahead is that far.
func ExpireAt(t time.Time) Option {
	return func(op *Op) {
		op.expires = true
		if !t.IsZero() {
			op.op.ExpireAt, op.ttl = expiryMillis(t), 0
		}
	}
}

// The first and the last time that may stand for an expiry: 0 milliseconds would be never, and time.Time reaches further than they do.
var firstExpiry, lastExpiry = time.UnixMilli(1), time.UnixMilli(math.MaxInt64)

func expiryMillis(t time.Time) int64 {
	switch {
	case t.Before(firstExpiry):
		t = firstExpiry
	case t.After(lastExpiry):
		t = lastExpiry
	}
	return t.UnixMilli()
}

// KeepTTL leaves the key's expiry as it is.
func KeepTTL() Option { return func(op *Op) { op.op.KeepTTL = true } }

// IfAbsent makes the operation fail with ErrConflict if the key is there.
func IfAbsent() Option { return when(store.IfAbsent, 0) }

// IfPresent makes the operation fail with ErrConflict if the key is not there.
func IfPresent() Option { return when(store.IfPresent, 0) }

// IfVersion makes the operation fail with ErrConflict if the key has another version; 0 stands for absent.
// Versions rise; like a Position, one of what was lost may come again where Position says so.
func IfVersion(version uint64) Option { return when(store.IfVersion, version) }

// when adds a condition to those that an operation has: it keeps the one that says what both do.
func when(is store.Condition, version uint64) Option {
	return func(op *Op) {
		was, had := op.op.If, op.op.Version
		absent := func(c store.Condition, version uint64) bool {
			return c == store.IfAbsent || c == store.IfVersion && version == 0
		}
		switch {
		case was == store.Always, was == store.IfPresent && !absent(is, version):
			op.op.If, op.op.Version = is, version
		case absent(was, had) && absent(is, version), !absent(was, had) && is == store.IfPresent, was == is && had == version:
		default:
			op.refused = errors.New("runtime: two conditions that no key meets: IfAbsent, IfPresent and IfVersion say different things of one key")
		}
	}
}

// Put is the operation that sets a key.
func Put(key string, value []byte, options ...Option) Op {
	return newOp(store.Op{Kind: store.OpSet, Key: []byte(key), Value: value}, options)
}

func newOp(inner store.Op, options []Option) Op {
	op := Op{op: inner}
	for _, option := range options {
		if option != nil { // nil asks for nothing
			option(&op)
		}
	}
	return op
}

// inner is the operation as a shard takes it: a TTL counts from now on, by the clock that the node's shards go by.
func (n *Node) inner(op *Op) store.Op {
	inner := op.op
	if op.ttl != 0 {
		inner.ExpireAt = expiryMillis(n.now().Add(op.ttl))
	}
	return inner
}

// check refuses what is no operation.
func (o *Op) check() error {
	if o.op.Kind == 0 && o.guard.If == 0 {
		return errors.New("runtime: the zero Op is none: make it with Put, Delete, Increment or Require")
	}
	if o.op.Kind == store.OpSet && o.op.KeepTTL && o.expires {
		return errors.New("runtime: KeepTTL beside TTL or ExpireAt: the key keeps its expiry, or gets this one")
	}
	return o.refused
}

// Delete is the operation that removes a key; one that is not there is no error. Of the options, the conditions apply.
func Delete(key string, options ...Option) Op {
	return newOp(store.Op{Kind: store.OpDelete, Key: []byte(key)}, options)
}

// Increment is the operation that adds to the decimal number in a key; an absent key counts as 0.
func Increment(key string, by int64) Op {
	return Op{op: store.Op{Kind: store.OpIncrement, Key: []byte(key), Int: by}}
}

// Require changes nothing: the whole batch fails with ErrConflict unless the key has this version; 0 stands for absent.
func Require(key string, version uint64) Op {
	return Op{guard: store.Guard{If: store.IfVersion, Key: []byte(key), Version: version}}
}
