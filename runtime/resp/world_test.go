package resp

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// world is a cluster of servers over one set of shards: who leads a shard, and who follows it, is a table that tests change.
type world struct {
	data    *localBackend
	members []*member
	servers []*Server
	addrs   []string

	mu    sync.Mutex
	table []placing // by shard
}

// placing is where a shard is: members by number, -1 for none.
type placing struct {
	primary  int
	to       int // being handed over to
	replicas []int
}

// member is the backend of one server of a world.
type member struct {
	*localBackend
	world     *world
	self      int
	mu        sync.Mutex
	forwarded int
	stale     int
	asked     []string // what Operator was asked for
	suspect   bool
	down      bool
	seen      func() // called once, when calls have been refused
}

// newWorld starts n servers; shard i is led by member i modulo n and followed by the next one.
func newWorld(t *testing.T, n, shardCount int, config Config) *world {
	t.Helper()
	w := &world{data: newLocalBackend(shardCount, "default", "second")}
	for i := range shardCount {
		w.table = append(w.table, placing{primary: i % n, to: -1, replicas: []int{(i + 1) % n}})
	}
	for i := range n {
		w.members = append(w.members, &member{localBackend: w.data, world: w, self: i})
		w.addrs = append(w.addrs, "")
	}
	for i, m := range w.members {
		s, addr := startServer(t, m, config)
		w.mu.Lock()
		w.addrs[i], w.servers = addr, append(w.servers, s)
		w.mu.Unlock()
	}
	return w
}

func nodeID(i int) string { return fmt.Sprintf("%040x", i+1) }

// place changes where the shard of a key is.
func (w *world) place(key string, change func(p *placing)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.table[w.data.spaces[0].ShardOf(shards.SlotOf([]byte(key)))])
}

func (m *member) Nodes(int) (nodes []Node) {
	w := m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for j := range w.members {
		i := (m.self + j) % len(w.members)
		host, port, _ := net.SplitHostPort(w.addrs[i])
		number, _ := strconv.Atoi(port)
		n := Node{
			ID: nodeID(i), Name: fmt.Sprint("n", i), Host: host, Port: number, Bus: 7300 + i, Epoch: uint64(i + 1), Offset: int64(100 * (i + 1)), Since: 5, Heard: 6,
			Suspect: w.members[i].suspect, Down: w.members[i].down, Broken: w.members[i].down, Missed: 2 * btoi(w.members[i].down),
		}
		for shard, p := range w.table {
			if p.primary == i {
				first, last := w.data.spaces[0].SlotRange(shard)
				var replicas []string
				for _, r := range p.replicas {
					replicas = append(replicas, nodeID(r))
				}
				n.Ranges = append(n.Ranges, SlotRange{first, last, replicas})
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (m *member) Primary(_ int, slot shards.Slot) (string, bool) {
	w := m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.table[w.data.spaces[0].ShardOf(slot)].primary
	if p < 0 {
		return "", false
	}
	return nodeID(p), p == m.self
}

func (m *member) Facts() Facts {
	f := m.localBackend.Facts()
	f.NodeID, f.Epoch = nodeID(m.self), 77
	return f
}

func (m *member) Do(ctx context.Context, keyspace int, calls []*Call) {
	refused := m.admitAll(calls)
	for i, call := range calls {
		if call.Reach&ReachHere != calls[0].Reach&ReachHere {
			panic("calls that may be forwarded and calls that may not, in one batch")
		}
		if refused[i] != nil {
			call.Err = refused[i]
			continue
		}
		m.localBackend.Do(ctx, keyspace, []*Call{call})
	}
}

// admitAll decides by one table about all calls: a real node takes those of a shard in one piece.
func (m *member) admitAll(calls []*Call) []error {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	refused := make([]error, len(calls))
	for i, call := range calls {
		refused[i] = m.admit(call)
	}
	if m.seen != nil && slices.ContainsFunc(refused, func(err error) bool { return err != nil }) {
		m.seen()
		m.seen = nil
	}
	return refused
}

// admit is what a real node does before it runs a call, or sends it on. The world's mu is held.
func (m *member) admit(call *Call) error {
	w := m.world
	shard := w.data.spaces[0].ShardOf(call.Slot)
	p := w.table[shard]
	id := shards.NewShardID(0, shard)
	switch {
	case p.primary < 0:
		return fmt.Errorf("wrapped: %w", &shards.NotPrimaryError{Shard: id})
	case p.to == m.self && call.Reach&ReachAsked != 0:
		return nil
	case call.Reach&ReachStale != 0 && call.Txn.ReadOnly() && slices.Contains(p.replicas, m.self):
		m.count(&m.stale)
		return nil
	case call.Reach&ReachHere != 0 && p.primary != m.self:
		return &shards.NotPrimaryError{Shard: id, Primary: shards.NodeID(nodeID(p.primary)), Term: 3}
	case call.Reach&ReachHere != 0 && p.to >= 0:
		return &HandOverError{Shard: id, To: nodeID(p.to)}
	case p.primary != m.self:
		m.count(&m.forwarded)
	}
	return nil
}

func (m *member) count(n *int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*n++
}

func (m *member) counts() (forwarded, stale int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forwarded, m.stale
}

func (m *member) Failover(_ context.Context, keyspace int, force bool) error {
	m.asked = append(m.asked, fmt.Sprint("failover ", keyspace, force))
	return nil
}

func (m *member) Forget(_ context.Context, node string) error {
	m.asked = append(m.asked, "forget "+node)
	return &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("node %s still holds copies", node)}
}

func (m *member) Publish(sharded bool, channel, message []byte) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	for i, s := range m.world.servers {
		if i != m.self {
			s.Deliver(sharded, channel, message)
		}
	}
}

// keyOn is a key that member i leads.
func (w *world) keyOn(i int, prefix string) string {
	for j := 0; ; j++ {
		key := prefix + strconv.Itoa(j)
		w.mu.Lock()
		p := w.table[w.data.spaces[0].ShardOf(shards.SlotOf([]byte(key)))]
		w.mu.Unlock()
		if p.primary == i {
			return key
		}
	}
}

func (w *world) moved(word, key string, to int) string {
	return fmt.Sprintf("-%s %d %s\r\n", word, shards.SlotOf([]byte(key)), w.addrs[to])
}

// expect sends a command and compares the start of its reply.
func (c *client) expect(want string, words ...string) {
	c.t.Helper()
	if got := c.do(words...); !strings.HasPrefix(got, want) {
		c.t.Errorf("%v gave %q, want %q", words, got, want)
	}
}
