package resp

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/store"
)

// localBackend is a whole backend without actors and log: each shard is a store behind a mutex.
type localBackend struct {
	spaces []shards.Keyspace
	shards [][]*localShard
	now    atomic.Int64 // Unix milliseconds; 0: the clock
	fail   atomic.Pointer[error]
}

type localShard struct {
	mu    sync.Mutex
	store *store.Store
	one   store.Result
}

func newLocalBackend(shardCount int, names ...string) *localBackend {
	b := &localBackend{}
	for i, name := range names {
		b.spaces = append(b.spaces, shards.Keyspace{ID: shards.KeyspaceID(i), Name: name, Shards: shardCount, Durability: shards.DurabilityMemory})
		group := make([]*localShard, shardCount)
		for j := range group {
			group[j] = &localShard{store: store.New(store.Options{})}
		}
		b.shards = append(b.shards, group)
	}
	return b
}

func (b *localBackend) Now() int64 {
	if now := b.now.Load(); now != 0 {
		return now
	}
	return time.Now().UnixMilli()
}

func (b *localBackend) Do(_ context.Context, keyspace int, calls []*Call) {
	now := b.Now()
	for _, call := range calls {
		if fail := b.fail.Load(); fail != nil {
			call.Err = *fail
			continue
		}
		s := b.shards[keyspace][b.spaces[keyspace].ShardOf(call.Slot)]
		call.Txn.Time = now
		s.run(call)
	}
}

func (s *localShard) run(call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.Txn.ReadOnly() && len(call.Txn.Guards) == 0 {
		for i := range call.Txn.Ops {
			s.one = store.Result{}
			s.store.Read(call.Txn.Time, &call.Txn.Ops[i], &s.one)
			call.Sink.Result(i, &s.one)
		}
		return
	}
	s.store.Apply(s.store.Applied()+1, &call.Txn, call.Sink.Result)
}

func (b *localBackend) Scan(_ context.Context, keyspace, shard int, after, prefix []byte, limit int, visit func([]byte)) ([]byte, error) {
	s := b.shards[keyspace][shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.store.Scan(b.Now(), after, prefix, limit, func(key []byte, _ radix.Item) bool {
		visit(key)
		return true
	})
	return next, nil
}

func (b *localBackend) each(keyspace int, visit func(key []byte) bool) {
	for i := range b.shards[keyspace] {
		done := false
		for after := []byte(nil); ; {
			next, _ := b.Scan(context.Background(), keyspace, i, after, nil, 1000, func(key []byte) { done = done || !visit(key) })
			if after = next; next == nil || done {
				break
			}
		}
	}
}

func (b *localBackend) Count(_ context.Context, keyspace int, first, last shards.Slot) (n int64, err error) {
	b.each(keyspace, func(key []byte) bool {
		if slot := shards.SlotOf(key); first <= slot && slot <= last {
			n++
		}
		return true
	})
	return n, nil
}

func (b *localBackend) KeysInSlot(_ context.Context, keyspace int, slot shards.Slot, limit int, visit func([]byte) bool) error {
	b.each(keyspace, func(key []byte) bool {
		if limit > 0 && shards.SlotOf(key) == slot {
			limit--
			return visit(key) && limit > 0
		}
		return limit > 0
	})
	return nil
}

func (b *localBackend) RandomKey(_ context.Context, keyspace int, dst []byte) (key []byte, ok bool, err error) {
	n := 0
	b.each(keyspace, func(k []byte) bool {
		if n++; rand.IntN(n) == 0 {
			key = append(dst[:0], k...)
		}
		return true
	})
	return key, n > 0, nil
}

func (b *localBackend) Keyspaces() []shards.Keyspace { return b.spaces }

func (b *localBackend) Nodes(int) []Node {
	return []Node{{ID: "0123456789abcdef0123456789abcdef01234567", Host: "127.0.0.1", Port: 7400, Bus: 7300, Epoch: 1,
		Ranges: []SlotRange{{First: 0, Last: shards.Slots - 1}}}}
}

func (b *localBackend) Primary(int, shards.Slot) (string, bool) { return b.Nodes(0)[0].ID, true }

func (b *localBackend) Facts() Facts {
	f := Facts{Version: "test", NodeID: b.Nodes(0)[0].ID}
	for i := range b.spaces {
		n, _ := b.Count(context.Background(), i, 0, shards.Slots-1)
		f.PerKeyspace = append(f.PerKeyspace, KeyspaceFacts{Keys: n})
	}
	return f
}

// startServer serves a local backend on a loopback port until the test ends.
func startServer(t testing.TB, b Backend, config Config) (*Server, string) {
	t.Helper()
	s, err := New(b, config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != ErrClosed {
			t.Errorf("serve: %v", err)
		}
	})
	return s, l.Addr().String()
}

// client is a plain Redis client that returns replies as the bytes that came.
type client struct {
	t  testing.TB
	nc net.Conn
	in []byte
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, nc: nc}
}

func (c *client) send(raw string) {
	c.t.Helper()
	if err := c.nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.nc.Write([]byte(raw)); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one whole reply; "" is the end of the connection.
func (c *client) reply() string {
	c.t.Helper()
	for {
		if n := replyLength(c.in); n > 0 {
			reply := string(c.in[:n])
			c.in = c.in[n:]
			return reply
		}
		var buffer [4096]byte
		n, err := c.nc.Read(buffer[:])
		c.in = append(c.in, buffer[:n]...)
		if n == 0 && err != nil {
			return string(c.in)
		}
	}
}

func (c *client) do(words ...string) string {
	c.t.Helper()
	c.send(encode(words...))
	return c.reply()
}

func encode(words ...string) string {
	b := appendArray(nil, len(words))
	for _, word := range words {
		b = appendBulk(b, word)
	}
	return string(b)
}

// replyLength is the length of the first reply in b, 0 if it is not all there.
func replyLength(b []byte) int {
	end := 0
	for end = 1; end < len(b) && (b[end-1] != '\r' || b[end] != '\n'); end++ {
	}
	if end >= len(b) {
		return 0
	}
	end++
	n, _ := parseInt(b[1 : end-2])
	switch b[0] {
	case '$', '=':
		if n < 0 {
			return end
		}
		if len(b) < end+int(n)+2 {
			return 0
		}
		return end + int(n) + 2
	case '%':
		n *= 2
	case '*', '~', '>':
	default:
		return end
	}
	for ; n > 0; n-- {
		size := replyLength(b[end:])
		if size == 0 {
			return 0
		}
		end += size
	}
	return end
}
