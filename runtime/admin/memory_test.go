package admin

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// memory is a Backend over one sorted map: keyspace "default" of two shards, all of whose keys are in shard 1.
type memory struct {
	mutex    sync.Mutex
	keys     map[string]Value
	version  uint64
	watchers map[chan Event]string
	failure  error // of every operation, if set
	state    ShardState
	gate     chan struct{} // if set, Put waits for it
	cluster  *agreed       // if set, the node belongs to it
}

func newMemory() *memory {
	return &memory{keys: map[string]Value{}, watchers: map[chan Event]string{}, state: ShardStarted}
}

const testNow = 1_700_000_000_000

func (m *memory) Node() Node {
	return Node{
		ID: nodeID(1), Name: "n1", Cluster: "troupe", RESP: "127.0.0.1:7400", HTTP: "127.0.0.1:7500", Peer: "127.0.0.1:7300",
		Version: "0.1.0", Epoch: 3, Roles: []string{"meta", "data"}, Leader: true, Started: testNow - 90_000,
	}
}

func (m *memory) Cluster() Cluster {
	if m.cluster == nil { // not an interface that holds nil
		return nil
	}
	return m.cluster
}

func (m *memory) Nodes() []Node { return []Node{m.Node()} }
func (m *memory) Now() int64    { return testNow }

func (m *memory) Keyspaces() []shards.Keyspace {
	return []shards.Keyspace{{Name: "default", Shards: 2, MaxMemory: 1 << 20}}
}

func (m *memory) Keyspace(name string) (shards.Keyspace, bool) {
	return m.Keyspaces()[0], name == "default"
}

func (m *memory) Shards() iter.Seq[Shard] {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Values([]Shard{
		{ID: 0, Keyspace: "default", Node: m.Node().ID, Primary: true, State: ShardStarted, Term: 1},
		{
			ID: 1, Keyspace: "default", Node: m.Node().ID, Primary: true, State: m.state, Term: 1,
			Applied: shards.SeqNo(m.version), Keys: int64(len(m.keys)), Bytes: 1536, LogBytes: 99,
		},
	})
}

func (m *memory) Facts() Facts { // metrics are kept every so often, also while something is written
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return Facts{Certificates: map[string]int64{"nodes": 2_000_000_000},
		Keyspaces: []KeyspaceFacts{{Name: "default", Reads: 1, Writes: m.version, Lag: 7, Oldest: 1500 * time.Millisecond}},
		Actors:    []ActorFacts{{Kind: "counter", Active: 1, Bytes: 800, Waiting: 2}},
		Guests:    []GuestFacts{{Kind: "counter", Version: "1", Made: 1}},
		ApplyLag:  3, Forwards: 4, Retries: 5, ClockOffset: -20 * time.Millisecond, ClockKnown: true,
		Fsync: Histogram{Bounds: []float64{.001, .01}, Counts: []uint64{2, 1, 1}, Sum: 0.5},
	}
}

func (m *memory) Get(_ context.Context, _ shards.KeyspaceID, key []byte, _ Reading) (Value, bool, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	v, found := m.keys[string(key)]
	return v, found, m.failure
}

func (m *memory) holds(w *Write) bool {
	v, found := m.keys[string(w.Key)]
	switch w.If {
	case store.IfAbsent:
		return !found
	case store.IfPresent:
		return found
	case store.IfVersion:
		return v.Version == w.Version
	}
	return true
}

func (m *memory) Put(ctx context.Context, _ shards.KeyspaceID, w Write) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if m.gate != nil {
		<-m.gate
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.failure != nil {
		return 0, m.failure
	}
	if !m.holds(&w) {
		return 0, store.ErrConflict
	}
	m.version++
	m.keys[string(w.Key)] = Value{Bytes: bytes.Clone(w.Value), Version: m.version, ExpireAt: w.ExpireAt}
	change := store.Change{Seq: shards.SeqNo(m.version), Kind: store.ChangePut, Key: bytes.Clone(w.Key), Value: bytes.Clone(w.Value), ExpireAt: w.ExpireAt}
	for events, prefix := range m.watchers {
		if strings.HasPrefix(string(w.Key), prefix) {
			events <- Event{Shard: 1, Change: change}
		}
	}
	return m.version, nil
}

func (m *memory) PutAll(ctx context.Context, keyspace shards.KeyspaceID, items []Write) (int, error) {
	for i := range items {
		if _, err := m.Put(ctx, keyspace, items[i]); err != nil {
			return i, err
		}
	}
	return len(items), nil
}

func (m *memory) Delete(_ context.Context, _ shards.KeyspaceID, w Write) (bool, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if !m.holds(&w) {
		return false, store.ErrConflict
	}
	_, found := m.keys[string(w.Key)]
	delete(m.keys, string(w.Key))
	return found, m.failure
}

func (m *memory) DeletePrefix(_ context.Context, _ shards.KeyspaceID, prefix []byte) (int64, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	before := len(m.keys)
	maps.DeleteFunc(m.keys, func(key string, _ Value) bool { return strings.HasPrefix(key, string(prefix)) })
	return int64(before - len(m.keys)), m.failure
}

func (m *memory) Scan(_ context.Context, _ shards.KeyspaceID, o Range) iter.Seq2[Entry, error] {
	m.mutex.Lock()
	all := maps.Clone(m.keys)
	m.mutex.Unlock()
	keys := slices.Sorted(maps.Keys(all))
	order := strings.Compare
	if o.Reverse {
		slices.Reverse(keys)
		order = func(a, b string) int { return strings.Compare(b, a) }
	}
	return func(yield func(Entry, error) bool) {
		for _, key := range keys {
			if !strings.HasPrefix(key, string(o.Prefix)) || o.After != nil && order(key, string(o.After)) <= 0 ||
				o.To != nil && order(key, string(o.To)) >= 0 {
				continue
			}
			v := all[key]
			if !yield(Entry{Key: []byte(key), Value: v.Bytes, Version: v.Version, ExpireAt: v.ExpireAt}, nil) {
				return
			}
		}
		if m.failure != nil {
			yield(Entry{}, m.failure)
		}
	}
}

func (m *memory) Watch(ctx context.Context, _ shards.KeyspaceID, o WatchFrom) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		events := make(chan Event, 16)
		m.mutex.Lock()
		m.watchers[events] = string(o.Prefix)
		m.mutex.Unlock()
		defer func() {
			m.mutex.Lock()
			delete(m.watchers, events)
			m.mutex.Unlock()
		}()
		if !yield(Event{Change: store.Change{Kind: store.ChangeResync}}, nil) { // tells the test that the watch is on
			return
		}
		for {
			select {
			case e := <-events:
				if !yield(e, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// serve starts a real HTTP server over a memory backend, and a client of it.
func serve(t *testing.T, c ServerConfig) (*memory, *Client, string) {
	t.Helper()
	m := newMemory()
	server := httptest.NewServer(NewServer(m, c))
	t.Cleanup(server.Close)
	client, err := New([]string{server.URL}, c.Token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return m, client, server.URL
}
