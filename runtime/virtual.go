package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Actors calls virtual actors, wherever in the cluster they live, and runs those whose shards this node leads. Kinds are made known
// with Register.
func (n *Node) Actors() *virtual.Host { return n.actors }

// Register makes a kind of virtual actors known on this node, and its keyspace if the cluster has none of that name yet: with 64
// shards, one replica, and fsync, or in memory if this node has no data folder. It should
// be called on every node that holds copies, right after Start: a node that joins or is back soon leads shards, whose actors it can run only from then
// on. Config.Kinds are known before. The error wraps ErrConfig, as for a keyspace that gives up keys when
// it is full (Eviction), or ErrClosed, or is what the cluster says.
func (n *Node) Register(ctx context.Context, k *virtual.Kind) error {
	if n.stopped.Load() {
		return errClosed
	}
	if k == nil {
		return errNilKind
	}
	if err := n.house(ctx, k); err != nil {
		return err
	}
	if err := n.actors.Register(k); err != nil {
		return invalid("%w", err)
	}
	n.resume(k.Keyspace())
	return nil
}

var errNilKind = invalid("the kind to register is nil")

// house makes the keyspace of a kind, and refuses one that the cluster has as a module.
func (n *Node) house(ctx context.Context, k *virtual.Kind) error {
	if err := n.makeActorKeyspace(ctx, k.Keyspace()); err != nil {
		return err
	}
	if n.state().Kind(k.Name()) != nil {
		return invalid("the cluster has a kind %s that was pushed as a module: give this one another name, or have that one forgotten (troupe actor forget %s)", k.Name(), k.Name())
	}
	return nil
}

// knowKinds registers those of the configuration, before there is anybody who could send them messages.
func (n *Node) knowKinds() error {
	for _, k := range n.config.Kinds {
		if err := n.actors.Register(k); err != nil {
			return invalid("%w", err)
		}
	}
	return nil
}

// makeActorKeyspace makes a keyspace for actors, if the cluster has none of that name.
func (n *Node) makeActorKeyspace(ctx context.Context, name string) error {
	state := n.state()
	known := state.KeyspaceByName(name)
	if known != nil && evicting(&known.Keyspace) {
		return errEvicting(&known.Keyspace)
	}
	if _, err := n.named(name); err == nil {
		return nil
	}
	space := shards.Keyspace{Name: name, Shards: actorShards, Replicas: 1}
	if n.config.Data == "" {
		space.Durability = shards.DurabilityMemory // nothing else can be kept here
	}
	if known != nil { // this node is about to learn of it: it stays as it is
		space = known.Keyspace
	}
	if err := n.keepable(ctx, &space); err != nil {
		return err
	}
	outcome, err := n.propose(ctx, state.KeyspaceCommand(space))
	if err == nil {
		err = n.awaitUnless(ctx, n.done, max(outcome.Version, 1)-1) // until it is known here as well: the first call may come at once
	}
	switch {
	case err != nil:
		return fmt.Errorf("keyspace %q of actors: %w", name, err)
	case outcome.Err != nil && n.state().KeyspaceByName(name) == nil:
		return invalid("keyspace %q of actors: %w", name, outcome.Err)
	}
	return nil
}

// resume has the shards of a keyspace looked at again: what actors of a kind had to do may have waited until the kind is known.
func (n *Node) resume(keyspace string) {
	if space := n.state().KeyspaceByName(keyspace); space != nil {
		for i := range space.Shards {
			n.actors.Led(shards.NewShardID(space.ID, i))
		}
	}
}

// actorShards is how many shards a keyspace gets that is made for actors. Who wants another number makes the keyspace before.
const actorShards = 64

func (n *Node) newActors() (*virtual.Host, error) {
	return virtual.NewHost(virtual.Config{
		Self: n.id.Node, Name: n.config.Name, Client: rand.Uint64()>>1 + 1, Storage: actorStorage{n}, Patience: n.config.Patience, Memory: n.config.ActorMemory, Log: n.config.Logger, Messages: n.telling.messages, Figures: n.telling.figures,
		Coming: func(kind string) bool { return n.state().Kind(kind) != nil }, KeyspaceOf: n.keyspaceOfKind,
		Call: func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
			began := time.Now()
			answer, err := remote{n}.Call(ctx, to, transport.KindActor, body)
			n.telling.figures.RemoteCalled(time.Since(began), failureOf(err))
			return answer, err
		},
	})
}

// newGuests begins to look after the kinds of actors whose code was pushed.
func (n *Node) newGuests() (*guest.Shell, error) {
	return guest.Start(guest.Config{
		Self: n.id.Node, Group: placing{n}, Host: n.actors, Engine: n.engine, Registered: n.resume, Log: n.config.Logger,
	})
}

// actorStorage is what virtual actors keep things in: the shards that this node leads.
type actorStorage struct{ node *Node }

// space finds a keyspace by name. One that the cluster has agreed on and this node is about to know is only not there yet.
func (s actorStorage) space(name string) (*keyspace, error) {
	k, err := s.node.named(name)
	if err != nil && s.node.state().KeyspaceByName(name) != nil {
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("keyspace %q has just been made, and is not known on this node yet", name)}
	}
	return k, err
}

// Locate says which shard a key belongs to, and which node leads it as far as is known here.
func (s actorStorage) Locate(keyspace, key string) (shards.ShardID, shards.NodeID, error) {
	k, err := s.space(keyspace)
	if err != nil {
		return 0, "", err
	}
	id := k.id(k.ShardOf(shards.SlotOf([]byte(key))))
	row := s.node.state().Shard(id)
	if row == nil {
		return id, "", nil
	}
	if c := row.PrimaryCopy(); c != nil {
		return id, c.Node, nil
	}
	return id, "", nil
}

// Leads says whether this node leads a shard now.
func (s actorStorage) Leads(id shards.ShardID) bool {
	here := s.node.local(id)
	return here != nil && here.Leads() && lease(s).Valid()
}

// Reign gives the term in which this node leads a shard, if nobody else can have begun to.
func (s actorStorage) Reign(id shards.ShardID) (shards.Term, error) {
	here := s.node.local(id)
	if here == nil {
		return 0, &shards.NotPrimaryError{Shard: id}
	}
	return here.Reign()
}

// Await returns with the next change of the cluster state, or with ctx.
func (s actorStorage) Await(ctx context.Context) {
	_ = s.node.await(ctx, s.node.state().Version) // whatever ended the wait, the caller looks again
}

// actorWork is one transaction on the shard of an actor.
type actorWork struct {
	txn     store.Txn
	results []store.Result
	err     error
	task    [1]directory.Task
	batch   *shard.Batch
	keys    []byte // of reads
}

// actorReads are works that are done with: each call from another node reads the reply that an earlier try may have had.
var actorReads = sync.Pool{New: func() any { return &actorWork{batch: shard.NewBatch()} }}

// keptKeys bounds what is kept of a work, in bytes and in reads.
const keptKeys = 4096

// forget makes a work ready for another use, when nobody holds anything of it any more.
func (w *actorWork) forget() {
	if cap(w.keys) > keptKeys || cap(w.results) > keptKeys {
		return
	}
	clear(w.txn.Ops)
	clear(w.results)
	*w = actorWork{txn: store.Txn{Ops: w.txn.Ops[:0]}, results: w.results[:0], batch: w.batch, keys: w.keys[:0]}
	actorReads.Put(w)
}

func (w *actorWork) Len() int              { return 1 }
func (w *actorWork) Txn(int) *store.Txn    { return &w.txn }
func (w *actorWork) Fail(_ int, err error) { w.err = err }

func (w *actorWork) Result(_, op int, r *store.Result) {
	if r.Err != nil && (w.err == nil || errors.Is(w.err, store.ErrConflict)) {
		w.err = r.Err
	}
	kept := *r
	kept.Value = bytes.Clone(r.Value)
	w.results[op] = kept
}

// do runs a work on the shard of its first key, on this node or not at all.
func (s actorStorage) do(ctx context.Context, keyspace string, w *actorWork) error {
	k, err := s.space(keyspace)
	if err != nil {
		return err
	}
	w.results = slices.Grow(w.results, len(w.txn.Ops))[:len(w.txn.Ops)]
	w.task[0] = directory.Task{Shard: k.id(k.ShardOf(shards.SlotOf(w.txn.Ops[0].Key))), Work: w, Here: true}
	s.node.directory.Do(ctx, w.task[:], w.batch)
	if errors.Is(w.err, directory.ErrGivenUp) {
		return fmt.Errorf("%w: %w", virtual.ErrGivenUp, w.err)
	}
	return w.err
}

// Read gives the values of keys of one slot.
func (s actorStorage) Read(ctx context.Context, keyspace string, keys []string) ([]virtual.Stored, error) {
	w := actorReads.Get().(*actorWork)
	defer w.forget()
	for _, key := range keys {
		from := len(w.keys)
		w.keys = append(w.keys, key...)
		w.txn.Ops = append(w.txn.Ops, store.Op{Kind: store.OpGet, Key: w.keys[from:len(w.keys):len(w.keys)]})
	}
	if err := s.do(ctx, keyspace, w); err != nil {
		return nil, err
	}
	list := make([]virtual.Stored, len(keys))
	for i := range w.results {
		if r := &w.results[i]; r.Found {
			list[i] = virtual.Stored{Bytes: r.Value, Version: r.Version, Expires: r.ExpireAt != 0}
		}
	}
	return list, nil
}

// Commit carries out operations if the guards hold.
func (s actorStorage) Commit(ctx context.Context, keyspace string, ops []virtual.Op, guards ...virtual.Guard) (uint64, error) {
	w := &actorWork{txn: store.Txn{Atomic: true}, batch: shard.NewBatch()}
	for _, guard := range guards {
		w.txn.Guards = append(w.txn.Guards, store.Guard{If: store.IfVersion, Key: []byte(guard.Key), Version: guard.Version})
	}
	for i := range ops {
		op := store.Op{Kind: store.OpSet, Key: []byte(ops[i].Key), Value: ops[i].Value}
		if ops[i].Delete {
			op.Kind, op.Value = store.OpDelete, nil
		}
		if ops[i].TTL > 0 {
			op.ExpireAt = s.node.now().Add(ops[i].TTL).UnixMilli()
		}
		w.txn.Ops = append(w.txn.Ops, op)
	}
	err := s.do(ctx, keyspace, w)
	if errors.Is(err, store.ErrConflict) {
		return 0, virtual.ErrStale
	}
	if err != nil {
		return 0, err
	}
	if len(guards) == 0 {
		return 0, nil
	}
	at := slices.IndexFunc(ops, func(op virtual.Op) bool { return op.Key == guards[0].Key })
	if at < 0 {
		return guards[0].Version, nil
	}
	return w.results[at].Version, nil
}

// Scan visits the keys of a span, all in one slot.
func (s actorStorage) Scan(ctx context.Context, keyspace string, span virtual.Span) iter.Seq2[virtual.Entry, error] {
	k, err := s.space(keyspace)
	if err != nil {
		return func(yield func(virtual.Entry, error) bool) { yield(virtual.Entry{}, err) }
	}
	return s.ScanShard(ctx, k.id(k.ShardOf(shards.SlotOf([]byte(span.Prefix)))), span)
}

// ScanShard visits the keys of a span that a shard holds, on a snapshot of this moment.
func (s actorStorage) ScanShard(ctx context.Context, id shards.ShardID, span virtual.Span) iter.Seq2[virtual.Entry, error] {
	return func(yield func(virtual.Entry, error) bool) {
		here := s.node.local(id)
		if here == nil {
			yield(virtual.Entry{}, &shards.NotPrimaryError{Shard: id})
			return
		}
		view, err := here.BriefView()
		if err != nil {
			yield(virtual.Entry{}, err)
			return
		}
		defer view.Close()
		now, walk := s.node.now().UnixMilli(), view.Range
		if span.Last {
			walk = view.Reverse
		}
		from, to := span.Bounds()
		for key, item := range walk([]byte(from), boundOf(to)) {
			if err := ctx.Err(); err != nil {
				yield(virtual.Entry{}, err)
				return
			}
			if item.ExpireAt != 0 && item.ExpireAt <= now {
				continue
			}
			if !yield(virtual.Entry{Key: string(key), Value: bytes.Clone(item.Value)}, nil) {
				return
			}
		}
	}
}

// boundOf is the end of a range of keys; nil: none.
func boundOf(to string) []byte {
	if to == "" {
		return nil
	}
	return []byte(to)
}
