package runtime

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// api is the node as its HTTP clients use it: it implements admin.Backend.
type api struct{ node *Node }

// Node is this node.
func (a api) Node() admin.Node {
	n := a.node
	return admin.Node{
		ID: n.id.Node, Name: n.config.Name, Cluster: n.config.ClusterName, RESP: n.config.advertised(n.RESPAddr()),
		HTTP: n.config.advertised(n.HTTPAddr()), Peer: n.PeerAddr(), Version: Version(), Epoch: n.epoch(),
		Roles: n.config.Roles, Leader: true, Host: n.config.Host,
		Started: n.started.UnixMilli(),
	}
}

// Nodes is this node: the others stand in Cluster's state.
func (a api) Nodes() []admin.Node { return []admin.Node{a.Node()} }

// Keyspace finds a keyspace by name.
func (a api) Keyspace(name string) (shards.Keyspace, bool) {
	for _, k := range a.Keyspaces() {
		if k.Name == name {
			return k, true
		}
	}
	return shards.Keyspace{}, false
}

// Keyspaces lists the keyspaces by number.
func (a api) Keyspaces() []shards.Keyspace { return a.node.catalog.Load().settings }

// Shards yields the copies on this node.
func (a api) Shards() iter.Seq[admin.Shard] {
	return func(yield func(admin.Shard) bool) {
		for k, h := range a.node.held() {
			if !yield(a.describe(k, h.Shard)) {
				return
			}
		}
	}
}

func (a api) describe(k *keyspace, s *shard.Shard) admin.Shard {
	st := s.Stats()
	out := admin.Shard{
		ID: s.ID(), Keyspace: k.Name, Node: a.node.id.Node, Copy: st.Copy, Primary: s.Leads(), State: admin.ShardStarted,
		Reason: st.Reason, Term: st.Term, Applied: st.Applied, Rolling: st.Rolling, Keys: st.Keys, Bytes: st.Memory, LogBytes: st.LogBytes,
		Durability: k.Durability, Last: st.End.Seq, LastTerm: st.End.Term, Unnoted: st.Copy != st.Held,
	}
	row := a.node.state().Shard(s.ID())
	if row == nil {
		return out
	}
	c := row.CopyOn(a.node.id.Node)
	switch {
	case c == nil || !st.Available:
		out.State = admin.ShardUnassigned
	case !c.Started:
		out.State = admin.ShardInitializing
	}
	out.InSync = c != nil && c.InSync
	return out
}

// Facts are the node's figures.
func (a api) Facts() admin.Facts {
	n := a.node
	var f admin.Facts
	for _, k := range n.keyspaces() {
		per := admin.KeyspaceFacts{Name: k.Name, Expired: uint64(k.Expired()), Evicted: uint64(k.Evicted())}
		for i := range k.copies {
			if h := k.copies[i].Load(); h != nil {
				st := h.Stats()
				per.Reads += st.Reads
				per.Writes += st.Writes
				per.Limbo += st.Limbo
				per.Snapshots += st.Snapshots
				if !st.Oldest.IsZero() {
					per.Oldest = max(per.Oldest, time.Since(st.Oldest))
				}
				per.Lag = max(per.Lag, behind(&st))
			}
		}
		f.Keyspaces = append(f.Keyspaces, per)
	}
	for _, g := range n.guests.Figures() {
		f.Guests = append(f.Guests, admin.GuestFacts(g))
	}
	n.logFacts(&f)
	n.serverFacts(&f)
	n.workFacts(&f)
	return f
}

// Now is the node's clock.
func (a api) Now() int64 { return a.node.now().UnixMilli() }

// open is the keyspace with this number; the server has looked it up before.
func (a api) open(id shards.KeyspaceID) (*Store, error) {
	k, err := a.node.numbered(id)
	if err != nil {
		return nil, err
	}
	return &Store{node: a.node, space: k}, nil
}

// Get reads one key.
func (a api) Get(ctx context.Context, keyspace shards.KeyspaceID, key []byte, r admin.Reading) (admin.Value, bool, error) {
	s, err := a.open(keyspace)
	if err != nil {
		return admin.Value{}, false, err
	}
	var option ReadOption
	if r.Replica {
		option = FromReplica(r.Within)
	}
	v, err := s.Get(ctx, string(key), option)
	if errors.Is(err, ErrNotFound) {
		return admin.Value{}, false, nil
	}
	return admin.Value{Bytes: v.Bytes, Version: v.Version, ExpireAt: unixMilli(v.ExpireAt)}, err == nil, err
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func putOp(w *admin.Write) store.Op {
	return store.Op{Kind: store.OpSet, Key: w.Key, Value: w.Value, ExpireAt: w.ExpireAt, If: w.If, Version: w.Version}
}

// one runs a single operation.
func (a api) one(ctx context.Context, keyspace shards.KeyspaceID, op store.Op) (Outcome, error) {
	s, err := a.open(keyspace)
	if err != nil {
		return Outcome{}, err
	}
	outcomes, err := s.Batch(ctx, Op{op: op})
	if errors.Is(err, ErrConflict) {
		err = &shards.Error{Kind: shards.KindConflict, Err: err}
	}
	if err != nil {
		return Outcome{}, err
	}
	return outcomes[0], nil
}

// Put writes one key.
func (a api) Put(ctx context.Context, keyspace shards.KeyspaceID, w admin.Write) (uint64, error) {
	outcome, err := a.one(ctx, keyspace, putOp(&w))
	return outcome.Version, err
}

// Delete removes one key.
func (a api) Delete(ctx context.Context, keyspace shards.KeyspaceID, w admin.Write) (bool, error) {
	outcome, err := a.one(ctx, keyspace, store.Op{Kind: store.OpDelete, Key: w.Key, If: w.If, Version: w.Version})
	return outcome.Changed, err
}

// DeletePrefix removes the keys under a prefix.
func (a api) DeletePrefix(ctx context.Context, keyspace shards.KeyspaceID, prefix []byte) (int64, error) {
	s, err := a.open(keyspace)
	if err != nil {
		return 0, err
	}
	return s.DeletePrefix(ctx, string(prefix))
}

// PutAll writes items that wait for the disk together.
func (a api) PutAll(ctx context.Context, keyspace shards.KeyspaceID, items []admin.Write) (stored int, err error) {
	s, err := a.open(keyspace)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	works := make([]bulk, s.space.Shards)
	for i := range items {
		shard := s.space.ShardOf(shards.SlotOf(items[i].Key))
		works[shard].txns = append(works[shard].txns, store.Txn{Ops: []store.Op{putOp(&items[i])}})
		works[shard].places = append(works[shard].places, i)
	}
	var tasks []directory.Task
	for i := range works {
		if len(works[i].txns) > 0 {
			tasks = append(tasks, directory.Task{Shard: s.space.id(i), Work: &works[i]})
		}
	}
	a.node.directory.Do(ctx, tasks, shard.NewBatch())
	first := len(items)
	for i := range works {
		stored += works[i].stored
		if works[i].err != nil && works[i].failed < first {
			first, err = works[i].failed, works[i].err
		}
	}
	return stored, err
}

// bulk is one shard's items of a PutAll; it implements shard.Work.
type bulk struct {
	txns   []store.Txn
	places []int // of the transactions among the items
	stored int
	failed int // the first item that was not stored...
	err    error
}

func (b *bulk) Len() int             { return len(b.txns) }
func (b *bulk) Txn(i int) *store.Txn { return &b.txns[i] }

func (b *bulk) Result(i, _ int, r *store.Result) {
	if r.Err != nil {
		b.Fail(i, r.Err)
		return
	}
	b.stored++
}

func (b *bulk) Fail(i int, err error) {
	if b.err == nil {
		b.failed, b.err = b.places[i], err
	}
}

// Scan yields keys in order.
func (a api) Scan(ctx context.Context, keyspace shards.KeyspaceID, o admin.Range) iter.Seq2[admin.Entry, error] {
	return func(yield func(admin.Entry, error) bool) {
		s, err := a.open(keyspace)
		if err != nil {
			yield(admin.Entry{}, err)
			return
		}
		options := ScanOptions{Prefix: string(o.Prefix), After: string(o.After), To: string(o.To), Reverse: o.Reverse}
		for e, err := range s.Scan(ctx, options) {
			if !yield(admin.Entry{Key: e.Key, Value: e.Value, Version: e.Version, ExpireAt: unixMilli(e.ExpireAt)}, err) {
				return
			}
		}
	}
}

// Watch yields changes as they happen.
func (a api) Watch(ctx context.Context, keyspace shards.KeyspaceID, o admin.WatchFrom) iter.Seq2[admin.Event, error] {
	return func(yield func(admin.Event, error) bool) {
		s, err := a.open(keyspace)
		if err != nil {
			yield(admin.Event{}, err)
			return
		}
		for c, err := range s.Watch(ctx, string(o.Prefix), seen(o.From)) {
			change := store.Change{Seq: c.Seq, Kind: c.Kind, Key: bytes.Clone([]byte(c.Key)), Value: c.Value, ExpireAt: unixMilli(c.ExpireAt)}
			if !yield(admin.Event{Shard: c.Shard, Change: change}, err) {
				return
			}
		}
	}
}

// seen turns the first sequence numbers wanted into the last ones seen. Who wants the very first has seen none, which is not
// the same as wanting only what comes: a number out of reach makes the watch begin with a resync.
func seen(wanted []shards.SeqNo) Position {
	p := make(Position, len(wanted))
	for i, seq := range wanted {
		switch seq {
		case 0:
		case 1:
			p[i] = math.MaxUint64
		default:
			p[i] = seq - 1
		}
	}
	return p
}

// logFacts adds what the log tells.
func (n *Node) logFacts(f *admin.Facts) {
	if n.log == nil {
		return
	}
	m := n.log.Metrics()
	f.LogAppends, f.LogRecords = uint64(n.committer.Rounds()), uint64(n.committer.Records())
	f.LogWritten, f.LogBytes = uint64(m.BytesIn), m.Bytes
	f.Fsync.Bounds, f.Fsync.Counts, f.Fsync.Sum = n.committer.Waits().Read()
	f.Snapshots = uint64(n.keeper.Saved())
	for _, h := range n.held() {
		if _, size, found := n.files.Newest(h.ID()); found {
			f.SnapshotBytes += size
		}
	}
	f.DiskReserve = n.config.DiskReserve
	if free, err := n.log.Free(); err == nil { // else it is not known, and stays 0
		f.DiskFree = free
	}
}

// serverFacts adds what the servers tell.
func (n *Node) serverFacts(f *admin.Facts) {
	f.Watchers = n.watchers.Load()
	f.Certificates = n.certificateEnds()
	if n.resp != nil {
		f.RESPConnections, f.RESPCommands = n.resp.Load()
		f.RESPHeld, f.RESPLimit, f.RESPRefused = n.resp.Held()
	}
}
