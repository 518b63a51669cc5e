package virtual

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// world is a cluster in memory: shards that keep, and say who leads them. It runs in a bubble of package synctest, so its clock is
// not the machine's.
type world struct {
	t     *testing.T
	hosts map[shards.NodeID]*Host
	log   bytes.Buffer

	mu      sync.Mutex
	values  []map[string]item // by shard
	leader  []shards.NodeID
	term    []shards.Term
	version uint64
	changed chan struct{}
	looks   int // how often somebody has begun to wait for changed
	// spoil, if set, may turn the answer of a Commit that was carried out into an error.
	spoil func(ops []Op) error
	// stall, if set, is what a Commit waits for first.
	stall func(ctx context.Context) error
	// few says that too few copies are in sync: one Commit is under way, and nobody knows what becomes of it; others are refused. See enough.
	few      bool
	underWay func()
	// way, if set, carries messages between nodes in place of a call.
	way func(ctx context.Context, to *Host, body []byte) ([]byte, error)
}

type item struct {
	Stored
	until time.Time
}

// newWorld begins with all shards led by the first node. The hosts are closed when the test ends.
func newWorld(t *testing.T, shardsCount int, nodes ...shards.NodeID) *world {
	w := &world{t: t, hosts: map[shards.NodeID]*Host{}, changed: make(chan struct{})}
	for range shardsCount {
		w.values, w.leader, w.term = append(w.values, map[string]item{}), append(w.leader, nodes[0]), append(w.term, 1)
	}
	for i, name := range nodes {
		h, err := NewHost(Config{
			Self: name, Client: uint64(i + 1), Storage: memory{w, name}, Patience: 5 * time.Second, Log: slog.New(slog.NewTextHandler(&syncWriter{w: &w.log}, nil)),
			Call: func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
				if w.way != nil {
					return w.way(ctx, w.hosts[to], body)
				}
				return serve(ctx, w.hosts[to], body)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.hosts[name] = h
		t.Cleanup(h.Close)
	}
	return w
}

// serve has a host serve a message as the network has it: on a goroutine of its own, which a handler may end, and for which the caller waits as
// long as ctx allows.
func serve(ctx context.Context, h *Host, body []byte) ([]byte, error) {
	type answer struct {
		body []byte
		err  error
	}
	over := make(chan answer, 1)
	go func() {
		a := answer{err: &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("what served it has ended its goroutine")}}
		defer func() { over <- a }()
		a.body, a.err = h.Serve(ctx, body)
	}()
	select {
	case a := <-over:
		return a.body, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type syncWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

// Write appends.
func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// register makes kinds known on all nodes.
func (w *world) register(kinds ...func() *Kind) {
	w.t.Helper()
	for _, h := range w.hosts {
		for _, k := range kinds {
			if err := h.Register(k()); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// lead gives a shard to a node, in a new term.
func (w *world) lead(shard int, node shards.NodeID) {
	w.mu.Lock()
	w.leader[shard] = node
	w.term[shard]++
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	if h := w.hosts[node]; h != nil {
		h.Led(shards.ShardID(shard))
	}
}

// home is the shard of an actor.
func (w *world) home(id ID) int { return w.shardOf(id.key("s", "")) }

func (w *world) shardOf(key string) int {
	f := fnv.New32a()
	f.Write([]byte(key[strings.IndexByte(key, '{') : strings.IndexByte(key, '}')+1]))
	return int(f.Sum32() % uint32(len(w.values)))
}

// keys lists what is kept under a class of keys.
func (w *world) keys(class string) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, values := range w.values {
		for key := range values {
			if strings.HasPrefix(key, class+"/") {
				list = append(list, key)
			}
		}
	}
	slices.Sort(list)
	return list
}

// unkeepable is in keys that no shard takes, as the real ones take none that are too long.
const unkeepable = "unkeepable"

// memory is the Storage of one node.
type memory struct {
	*world
	self shards.NodeID
}

// Locate implements Storage, as the methods below do.
func (m memory) Locate(_, key string) (shards.ShardID, shards.NodeID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	shard := m.shardOf(key)
	return shards.ShardID(shard), m.leader[shard], nil
}

func (m memory) Leads(shard shards.ShardID) bool {
	_, err := m.Reign(shard)
	return err == nil
}

func (m memory) Reign(shard shards.ShardID) (shards.Term, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term[shard], m.mine(int(shard))
}

func (m memory) mine(shard int) error {
	if m.leader[shard] != m.self {
		return &shards.NotPrimaryError{Shard: shards.ShardID(shard), Primary: m.leader[shard]}
	}
	return nil
}

func (m memory) Read(_ context.Context, _ string, keys []string) (list []Stored, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		shard := m.shardOf(key)
		if err := m.mine(shard); err != nil {
			return nil, err
		}
		list = append(list, m.at(shard, key).Stored)
	}
	return list, nil
}

func (m memory) at(shard int, key string) item {
	it := m.values[shard][key]
	if !it.until.IsZero() && !it.until.After(time.Now()) {
		return item{}
	}
	return it
}

func (m memory) Scan(ctx context.Context, _ string, s Span) iter.Seq2[Entry, error] {
	return m.ScanShard(ctx, shards.ShardID(m.shardOf(s.Prefix)), s)
}

func (m memory) ScanShard(_ context.Context, shard shards.ShardID, s Span) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.Lock()
		err := m.mine(int(shard))
		values := maps.Clone(m.values[shard])
		m.mu.Unlock()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		keys := slices.Sorted(maps.Keys(values))
		if s.Last {
			slices.Reverse(keys)
		}
		for _, key := range keys {
			if it := values[key]; s.Holds(key) && (it.until.IsZero() || it.until.After(time.Now())) && !yield(Entry{key, it.Bytes}, nil) {
				return
			}
		}
	}
}

func (m memory) Commit(ctx context.Context, _ string, ops []Op, guards ...Guard) (uint64, error) {
	if m.stall != nil {
		if err := m.stall(ctx); err != nil {
			return 0, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	shard := m.shardOf(ops[0].Key)
	if err := m.mine(shard); err != nil {
		return 0, err
	}
	switch {
	case m.few && m.underWay == nil:
		m.underWay = func() { _, _ = m.carryOut(shard, ops, guards) }
		return 0, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the write waits for copies")}
	case m.few:
		return 0, &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("too few copies are in sync")}
	}
	return m.carryOut(shard, ops, guards)
}

// enough has copies in sync again: the Commit that was under way comes first.
func (w *world) enough() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.few = false
	w.underWay()
}

// carryOut is called with the lock held.
func (m memory) carryOut(shard int, ops []Op, guards []Guard) (uint64, error) {
	for _, guard := range guards {
		if m.at(shard, guard.Key).Version != guard.Version {
			return 0, ErrStale
		}
	}
	for _, op := range ops {
		if strings.Contains(op.Key, unkeepable) {
			return 0, fmt.Errorf("key %s has %d bytes too many", op.Key, len(op.Key))
		}
	}
	m.version++
	for _, op := range ops {
		if m.shardOf(op.Key) != shard {
			return 0, fmt.Errorf("key %s is in another shard", op.Key)
		}
		it := item{Stored: Stored{bytes.Clone(op.Value), m.version, op.TTL > 0}}
		if op.TTL > 0 {
			it.until = time.Now().Add(op.TTL)
		}
		m.values[shard][op.Key] = it
		if op.Delete {
			delete(m.values[shard], op.Key)
		}
	}
	if m.spoil != nil {
		if err := m.spoil(ops); err != nil {
			return 0, err
		}
	}
	if len(guards) == 0 {
		return 0, nil
	}
	return m.at(shard, guards[0].Key).Version, nil
}

func (m memory) Await(ctx context.Context) {
	m.mu.Lock()
	m.looks++
	changed := m.changed
	m.mu.Unlock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
}

// pass lets the bubble's time pass.
func pass(d time.Duration) { <-time.After(d) }
