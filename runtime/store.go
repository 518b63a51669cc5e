package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/tracing"
)

// Store is one keyspace of a node. Its methods may be called concurrently; keys are byte strings of at most store.MaxKey
// bytes, values of at most store.MaxValue. Errors are ErrNotFound, ErrConflict, of an increment store.ErrNotNumber or
// store.ErrOverflow, or a *shards.Error whose kind says what to do. It does not matter on which node of the cluster a key lives:
// calls go to its primary, and are tried again while a failover is under way, until ctx ends or Config.Patience. A ctx that has
// ended refuses a call; a write that is under way on this node is waited for, since only then is its outcome known.
//
// A value is written, sent and kept whole, so a large one holds up what comes behind it on the way to disk and to other nodes. Beside somebody
// who writes values of 64 KiB over and over one small write in a hundred waited 52 ms, beside 1 MiB 0.3 s, beside 16 MiB 0.8 s, and 11 ms
// beside none (three nodes on one busy machine of two cores; BenchmarkBesideLargeValues names the command). Where others must not wait, values
// stay below some 64 KiB, and what is larger is cut into several keys.
type Store struct {
	node  *Node
	space *keyspace
	asks  sync.Pool // of *asking
}

// Errors that a caller is expected to meet. They come wrapped, in one that names the key but where it may be any of a batch: ask with errors.Is.
var (
	ErrNotFound = errors.New("runtime: no such key")
	ErrConflict = errors.New("runtime: a condition does not hold")
)

// keyError says which key it was.
type keyError struct {
	err error
	key string
}

func (e *keyError) Error() string { return fmt.Sprintf("%v: %.80q", e.err, e.key) }
func (e *keyError) Unwrap() error { return e.err }

func noKeyspace(name string) error { return fmt.Errorf("there is no keyspace %q", name) }

// Store gives access to a keyspace by name. The error is a *shards.Error of KindInvalid if there is none, or wraps ErrClosed.
//
// In a keyspace in which virtual actors live, "actors" unless their kinds say otherwise, keys with a tag {KIND/NAME} are an actor's own
// (package actors/virtual lists them): a program may read them, and must not write them. Other keys there are free to use.
func (n *Node) Store(keyspace string) (*Store, error) {
	if n.stopped.Load() {
		return nil, errClosed
	}
	k, err := n.named(keyspace)
	if err != nil {
		return nil, err
	}
	return &Store{node: n, space: k}, nil
}

// Value is a value with what is known of it.
type Value struct {
	Bytes    []byte    // the caller's own
	Version  uint64    // changes with each write of the key; never 0
	ExpireAt time.Time // zero: never
}

// Outcome is what an operation of a batch left behind.
type Outcome struct {
	Version uint64 // of the key; 0 = absent
	Changed bool   // whether the operation did something
	Int     int64  // Increment: the new number
}

// ReadOption changes where a Get may be answered; nil changes nothing.
type ReadOption func(*reading)

// reading is which copies may answer a read.
type reading struct {
	stale   bool
	within  time.Duration
	refused error
}

// FromReplica lets any in-sync copy answer, also while the primary is dead, cut off or slow: the one on this node if there is one, else one
// on another node, the primary only if there is no other. The answer may be stale, and reads of one key that different copies
// answer may go back in time. How stale: a copy in sync has every acknowledged write in its log, and shows it when it hears that the others
// have it too, 50 ms and the way later. A copy that is cut off hears nothing, and cannot tell by itself; within sets the
// bound then: the answer lacks nothing that was acknowledged longer before the call than that. The node asks no clock but its own for it:
// it knows when it last heard from the placement leader (4 times a second by default), so a bound below half a second is often not met. 0 is no
// bound, for those who would rather have an old answer than none. A negative one is refused with KindInvalid.
//
// If no copy may answer, copies are tried until ctx ends or Config.Patience, and the error is a *shards.Error of KindUnavailable; it wraps
// ErrTooOld if there was a bound.
func FromReplica(within time.Duration) ReadOption {
	return func(r *reading) {
		r.stale, r.within = true, within
		if within < 0 {
			r.refused = fmt.Errorf("runtime: a read within %v: the bound must not be below 0", within)
		}
	}
}

// ErrTooOld is in the error of a read from a replica when no copy was known to be as fresh as the caller asked.
var ErrTooOld = shard.ErrTooOld

// Get reads a key: ErrNotFound if it is not there or has expired. The primary answers, with the latest acknowledged write or a later one; see FromReplica
// for the exception.
func (s *Store) Get(ctx context.Context, key string, options ...ReadOption) (Value, error) {
	a := s.ask()
	for _, option := range options {
		if option != nil {
			option(&a.reading)
		}
	}
	a.key = append(a.key[:0], key...)
	a.op[0] = store.Op{Kind: store.OpGet, Key: a.key}
	a.txn.Ops = a.op[:]
	err := s.run(ctx, a)
	value, found := a.value, a.found
	s.forget(a)
	switch {
	case err != nil:
		return Value{}, err
	case !found:
		return Value{}, &keyError{ErrNotFound, key}
	}
	return value, nil
}

// Put sets a key and gives its new version.
func (s *Store) Put(ctx context.Context, key string, value []byte, options ...Option) (version uint64, err error) {
	outcome, err := s.one(ctx, Put(key, value, options...))
	return outcome.Version, err
}

// one is Batch of one operation that is no condition.
func (s *Store) one(ctx context.Context, op Op) (Outcome, error) {
	if err := op.check(); err != nil {
		return Outcome{}, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	a := s.ask()
	a.op[0] = s.node.inner(&op)
	a.txn = store.Txn{Atomic: true, Ops: a.op[:]}
	a.outcomes, a.places = a.outcome[:], a.place[:]
	err := s.run(ctx, a)
	outcome := a.outcome[0]
	s.forget(a)
	if err != nil {
		return Outcome{}, err
	}
	return outcome, nil
}

// CompareAndSet sets a key if it still has the version that was read (0: if it is absent), and gives its new one;
// ErrConflict otherwise.
func (s *Store) CompareAndSet(ctx context.Context, key string, version uint64, value []byte, options ...Option) (uint64, error) {
	return s.Put(ctx, key, value, append([]Option{IfVersion(version)}, options...)...)
}

// Delete removes a key and says whether it was there.
func (s *Store) Delete(ctx context.Context, key string, options ...Option) (bool, error) {
	outcome, err := s.one(ctx, Delete(key, options...))
	return outcome.Changed, err
}

// Increment adds to the decimal number in a key, an absent one counting as 0, and gives the sum. What is no number, or would pass 64 bits,
// stays as it is, and the error wraps store.ErrNotNumber or store.ErrOverflow.
func (s *Store) Increment(ctx context.Context, key string, by int64) (int64, error) {
	outcome, err := s.one(ctx, Increment(key, by))
	return outcome.Int, err
}

// ErrManyShards says that the keys of a batch are not in one slot.
var ErrManyShards = errors.New(`the keys of a batch must share a {tag}, as in "{order:7}:total" and "{order:7}:items"`)

// Batch runs operations as one step: all of them happen or none, and no reader sees half. Their keys must lie in one slot
// (share a {tag}). ErrConflict if a condition does not hold; store.ErrNotNumber and its kin if one cannot be done; KindInvalid if
// one is none.
func (s *Store) Batch(ctx context.Context, ops ...Op) ([]Outcome, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	for i := range ops {
		if err := ops[i].check(); err != nil {
			return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
		}
	}
	a, outcomes := s.ask(), make([]Outcome, len(ops))
	a.txn.Atomic, a.outcomes = true, outcomes
	for i := range ops {
		if ops[i].op.Kind == 0 {
			a.txn.Guards = append(a.txn.Guards, ops[i].guard)
			continue
		}
		a.txn.Ops = append(a.txn.Ops, s.node.inner(&ops[i]))
		a.places = append(a.places, i)
	}
	if len(a.txn.Ops) == 0 { // conditions alone: something must have a result, which says whether they hold
		a.txn.Ops = append(a.txn.Ops, store.Op{Kind: store.OpGet, Key: a.txn.Guards[0].Key})
	}
	err := s.run(ctx, a)
	s.forget(a)
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// DeletePrefix removes all keys that start with prefix and says how many. Each shard does its part as one step. A prefix that is longer than
// keys may be is refused with KindInvalid.
func (s *Store) DeletePrefix(ctx context.Context, prefix string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(prefix) > store.MaxKey {
		return 0, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("prefix of %d bytes: %w", len(prefix), store.ErrTooLarge)}
	}
	ctx, span := s.enter(ctx, "delete prefix")
	asks := make([]ask, s.space.Shards)
	s.node.directory.Do(ctx, s.space.tasks(func(i int) shard.Work {
		asks[i].txn.Ops = []store.Op{{Kind: store.OpDeletePrefix, Key: []byte(prefix)}}
		asks[i].outcomes, asks[i].places = make([]Outcome, 1), []int{0}
		return &asks[i]
	}), shard.NewBatch())
	total := int64(0)
	var problems []error
	for i := range asks {
		problems = append(problems, asks[i].err)
		total += asks[i].outcomes[0].Int
	}
	err := errors.Join(problems...)
	span.End(err)
	return total, err
}

// run checks an ask, takes it to its shard and waits for the answer.
func (s *Store) run(ctx context.Context, a *asking) error {
	messages := s.node.telling.messages
	if !messages.On() { // nearly always, and the call of Enter could be seen in what a read costs
		return s.runInside(ctx, a)
	}
	ctx, span := messages.Enter(ctx, tracing.Internal)
	if span == nil {
		return s.runInside(ctx, a)
	}
	s.describe(span, a.what())
	err := s.runInside(ctx, a)
	span.End(err)
	return err
}

// runInside is run in the ask's span, if it has one.
func (s *Store) runInside(ctx context.Context, a *asking) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	slot, err := a.check()
	if err = cmp.Or(err, a.reading.refused); err != nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	a.task[0] = directory.Task{
		Shard: s.space.id(s.space.ShardOf(slot)), Work: a, Stale: a.reading.stale, Within: a.reading.within,
	}
	s.node.directory.Do(ctx, a.task[:], a.batch)
	return a.err
}
