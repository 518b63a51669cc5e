package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/store"
)

// trio is three Redis servers over one set of shards, so that a shard moves by a stroke of the pen: what clients for a Redis
// cluster make of our map and our redirections shows without a cluster of processes. Shard i starts at server i modulo 3, and
// is followed by the next one.
type trio struct {
	space  shards.Keyspace
	stores []*store.Store

	mu      sync.Mutex // of all below, and of the stores
	servers []*resp.Server
	addrs   [3]string
	primary []int
	to      []int // the server that a shard is being handed over to; -1: none
	moved   int   // calls that got a redirection
	stale   int   // calls that a replica answered
	hops    int   // calls that would have been forwarded
	calls   int   // since a shard has moved
}

// server is one of the three; it implements resp.Backend.
type server struct {
	*trio
	self int
}

const trioShards = 12

func newTrio(t *testing.T, redirect resp.Redirect) *trio {
	t.Helper()
	w := &trio{space: shards.Keyspace{Name: "default", Shards: trioShards, Durability: shards.DurabilityMemory}}
	for i := range trioShards {
		w.stores, w.primary, w.to = append(w.stores, store.New(store.Options{})), append(w.primary, i%3), append(w.to, -1)
	}
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		w.mu.Lock()
		w.addrs[i] = l.Addr().String()
		w.mu.Unlock()
		s, err := resp.New(server{w, i}, resp.Config{Redirect: redirect})
		must(t, err)
		w.mu.Lock()
		w.servers = append(w.servers, s)
		w.mu.Unlock()
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := s.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := <-served; !errors.Is(err, resp.ErrClosed) {
				t.Errorf("serve: %v", err)
			}
		})
	}
	return w
}

// move takes the next step in the life of a shard: a hand-over begins, or ends at the next server.
func (w *trio) move(shard int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to[shard] < 0 {
		w.to[shard] = (w.primary[shard] + 1) % 3
		return
	}
	w.primary[shard], w.to[shard] = w.to[shard], -1
}

// callsPerMove is how many calls come between two moves at least: a client that is redirected finds the shard where it was sent, however slow the machine is.
const callsPerMove = 4

// keepMoving moves one shard after the other, as often as a time and what is called allow, until it is stopped. It says then how many moves there were.
func (w *trio) keepMoving(every time.Duration) (stop func() int) {
	stopping, moves := make(chan struct{}), 0
	var moving sync.WaitGroup
	moving.Go(func() {
		pace := time.NewTicker(every)
		defer pace.Stop()
		for {
			select {
			case <-stopping:
				return
			case <-pace.C:
			}
			if w.called() {
				w.move(moves % trioShards)
				moves++
			}
		}
	})
	return func() int {
		close(stopping)
		moving.Wait()
		return moves
	}
}

// called says whether there were enough calls for another move.
func (w *trio) called() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls < callsPerMove {
		return false
	}
	w.calls = 0
	return true
}

func (w *trio) figures() (moved, stale int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.moved, w.stale
}

func trioID(i int) string { return fmt.Sprintf("%040x", i+1) }

func (s server) Do(_ context.Context, _ int, calls []*resp.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls += len(calls)
	for _, c := range calls {
		shard := s.space.ShardOf(c.Slot)
		if c.Err = s.admit(c, shard); c.Err != nil {
			s.moved++
			continue
		}
		c.Txn.Time = s.Now()
		s.stores[shard].Apply(s.stores[shard].Applied()+1, &c.Txn, c.Sink.Result)
	}
}

func (s server) admit(c *resp.Call, shard int) error {
	id, primary, to := shards.NewShardID(0, shard), s.primary[shard], s.to[shard]
	if c.Reach&resp.ReachHere == 0 && primary != s.self {
		s.hops++
	}
	switch {
	case to == s.self && c.Reach&resp.ReachAsked != 0, c.Reach&resp.ReachHere == 0:
		return nil
	case c.Reach&resp.ReachStale != 0 && (primary+1)%3 == s.self:
		s.stale++
		return nil
	case primary != s.self:
		return &shards.NotPrimaryError{Shard: id, Primary: shards.NodeID(trioID(primary))}
	case to >= 0:
		return &resp.HandOverError{Shard: id, To: trioID(to)}
	}
	return nil
}

func (s server) Publish(sharded bool, channel, message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.servers {
		if i != s.self {
			other.Deliver(sharded, channel, message)
		}
	}
}

func (s server) Scan(_ context.Context, _, shard int, after, prefix []byte, limit int, visit func([]byte)) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stores[shard].Scan(s.Now(), after, prefix, limit, func(key []byte, _ radix.Item) bool {
		visit(key)
		return true
	}), nil
}

func (s server) Count(_ context.Context, _ int, first, last shards.Slot) (n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot := first; slot <= last; slot++ {
		n += int64(s.stores[s.space.ShardOf(slot)].SlotCount(slot))
	}
	return n, nil
}

func (s server) KeysInSlot(_ context.Context, _ int, slot shards.Slot, limit int, visit func([]byte) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stores[s.space.ShardOf(slot)].KeysInSlot(slot, limit, visit)
	return nil
}

func (s server) RandomKey(_ context.Context, _ int, dst []byte) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.stores {
		if key, ok := one.RandomKey(s.Now(), 1); ok {
			return append(dst, key...), true, nil
		}
	}
	return dst, false, nil
}

func (s server) Keyspaces() []shards.Keyspace { return []shards.Keyspace{s.space} }
func (s server) Facts() resp.Facts            { return resp.Facts{NodeID: trioID(s.self)} }
func (s server) Now() int64                   { return time.Now().UnixMilli() }

func (s server) Primary(_ int, slot shards.Slot) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	primary := s.primary[s.space.ShardOf(slot)]
	return trioID(primary), primary == s.self
}

func (s server) Nodes(int) (nodes []resp.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for j := range 3 {
		i := (s.self + j) % 3
		host, port, _ := net.SplitHostPort(s.addrs[i])
		number, _ := strconv.Atoi(port)
		n := resp.Node{ID: trioID(i), Name: fmt.Sprint("n", i), Host: host, Port: number, Bus: number, Epoch: 1}
		for shard, primary := range s.primary {
			if primary == i {
				first, last := s.space.SlotRange(shard)
				n.Ranges = append(n.Ranges, resp.SlotRange{First: first, Last: last, Replicas: []string{trioID((i + 1) % 3)}})
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// TestClusterClients drives three servers with clients that were written for a Redis cluster, while nothing moves and while
// shards move all the time. In mode always every connection follows redirections; in auto most are served by forwarding.
func TestClusterClients(t *testing.T) {
	onceIsEnough(t)
	for _, redirect := range []resp.Redirect{resp.RedirectAlways, resp.RedirectAuto, resp.RedirectNever} {
		t.Run(redirect.String(), func(t *testing.T) {
			w := newTrio(t, redirect)
			t.Run("redis-cli", func(t *testing.T) { redisCLICluster(t, w) })
			t.Run("redis-benchmark", func(t *testing.T) { redisBenchmarkCluster(t, w) })
			t.Run("go-redis", func(t *testing.T) {
				c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{w.addrs[0]}})
				defer c.Close()
				goRedis(t, c, func(ctx context.Context, visit func(*redis.Client) error) error {
					return c.ForEachMaster(ctx, func(_ context.Context, one *redis.Client) error { return visit(one) })
				})
			})
			t.Run("go-redis, one node", func(t *testing.T) {
				if redirect == resp.RedirectAlways {
					t.Skip("a client for one Redis follows no redirections")
				}
				c := redis.NewClient(&redis.Options{Addr: w.addrs[2]})
				defer c.Close()
				goRedis(t, c, func(_ context.Context, visit func(*redis.Client) error) error { return visit(c) })
			})
			t.Run("go-redis, replicas", func(t *testing.T) { goRedisReplicas(t, w, redirect) })
			t.Run("go-redis, moving", func(t *testing.T) { goRedisMoving(t, w) })
			t.Run("ioredis", func(t *testing.T) { ioredisCluster(t, w, redirect) })
		})
	}
}

// redisCLICluster: redis-cli -c follows MOVED, and its cluster check finds nothing to complain of but what it cannot know.
func redisCLICluster(t *testing.T, w *trio) {
	for i := range 30 {
		key := fmt.Sprint("cli:", i)
		if got := cli(t, w.addrs[0], "-c", "SET", key, "v"); got != "OK" {
			t.Errorf("SET %s: %q", key, got)
		}
		if got := cli(t, w.addrs[1], "-c", "GET", key); got != "v" {
			t.Errorf("GET %s: %q", key, got)
		}
	}
	out, err := exec.CommandContext(soon(t), need(t, "redis-cli"), "--cluster", "check", w.addrs[0]).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "[OK] All nodes agree about slots configuration.") || !strings.Contains(string(out), "[OK] All 16384 slots covered.") {
		t.Errorf("redis-cli --cluster check: %v\n%s", err, out)
	}
}

func redisBenchmarkCluster(t *testing.T, w *trio) {
	host, port, err := net.SplitHostPort(w.addrs[0])
	must(t, err)
	out, err := exec.CommandContext(soon(t), need(t, "redis-benchmark"), "--cluster", "-h", host, "-p", port, "-t", "set,get", "-P", "16", "-n", "20000", "-q").CombinedOutput()
	if err != nil || strings.Contains(string(out), "rror") || !strings.Contains(string(out), "GET: ") {
		t.Errorf("redis-benchmark --cluster: %v\n%s", err, out)
	}
}

// goRedisReplicas reads from replicas, which go-redis finds in CLUSTER SLOTS and asks after READONLY.
func goRedisReplicas(t *testing.T, w *trio, redirect resp.Redirect) {
	ctx := soon(t)
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{w.addrs[0]}, RouteRandomly: true})
	defer c.Close()
	for i := range 200 {
		key := fmt.Sprint("replica:", i%20)
		must(t, c.Set(ctx, key, i, 0).Err())
		same(t, c.Get(ctx, key).Val(), fmt.Sprint(i))
	}
	if _, stale := w.figures(); stale == 0 && redirect != resp.RedirectNever {
		t.Error("no replica was asked")
	}
}

// goRedisMoving increments counters and checks transactions while every shard moves from server to server.
func goRedisMoving(t *testing.T, w *trio) {
	ctx := soon(t)
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: w.addrs[:], MaxRedirects: 64, MinRetryBackoff: time.Millisecond, MaxRetryBackoff: 4 * time.Millisecond})
	defer c.Close()
	stop := sync.OnceValue(w.keepMoving(time.Millisecond))
	defer stop()
	const rounds, keys = 40, 24
	for range rounds {
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range keys {
				p.Incr(ctx, fmt.Sprint("moving:", i))
			}
			return nil
		})
		must(t, err)
		for i := range 4 {
			_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Incr(ctx, fmt.Sprintf("{tx%d}a", i))
				p.Incr(ctx, fmt.Sprintf("{tx%d}b", i))
				return nil
			})
			must(t, err)
		}
	}
	moves := stop()
	for i := range keys {
		same(t, c.Get(ctx, fmt.Sprint("moving:", i)).Val(), fmt.Sprint(rounds))
	}
	for i := range 4 {
		same(t, c.Get(ctx, fmt.Sprintf("{tx%d}a", i)).Val()+" "+c.Get(ctx, fmt.Sprintf("{tx%d}b", i)).Val(), fmt.Sprintf("%d %d", rounds, rounds))
	}
	t.Logf("%d moves", moves)
}

// TestGoRedisReadsTheMapWhenShardsMove: served by forwarding, a client sees no MOVED, and by default reads the map again after
// a minute. The push tells it at once, if MaintNotificationsConfig is set.
func TestGoRedisReadsTheMapWhenShardsMove(t *testing.T) {
	ctx := soon(t)
	w := newTrio(t, resp.RedirectNever)
	changed := func() {
		for _, s := range w.servers {
			s.MapChanged()
		}
	}
	changed()
	c := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: w.addrs[:], MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeEnabled},
	})
	defer c.Close()
	hops := func() int {
		w.mu.Lock()
		before := w.hops
		w.mu.Unlock()
		for i := range 50 {
			must(t, c.Set(ctx, fmt.Sprint("map:", i), "v", 0).Err())
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.hops - before
	}
	if n := hops(); n != 0 {
		t.Fatalf("%d of 50 writes of a client with a new map were forwarded", n)
	}
	begun := time.Now()
	for shard := range trioShards {
		w.move(shard)
		w.move(shard)
	}
	changed()
	until(t, "no write is forwarded", func() bool { return hops() == 0 })
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the client read the map after %v", took)
	}
}

// ioredisCluster reads from replicas as well, but in mode always: ioredis takes a node that leads any slot for a master, sends
// it no READONLY, and is redirected in a circle.
func ioredisCluster(t *testing.T, w *trio, redirect resp.Redirect) {
	node := need(t, "node")
	if err := exec.CommandContext(soon(t), node, "-e", `require.resolve("ioredis")`).Run(); err != nil {
		lack(t, "node does not find ioredis (npm install ioredis@6.0.0, and NODE_PATH): %v", err)
	}
	reads := "slave"
	if redirect == resp.RedirectAlways {
		reads = "master"
	}
	script := exec.CommandContext(soon(t), node, append([]string{"testdata/iocluster.js", reads}, w.addrs[:]...)...)
	stop := sync.OnceValue(w.keepMoving(2 * time.Millisecond))
	defer stop()
	out, err := script.CombinedOutput()
	t.Logf("%d moves", stop())
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Errorf("ioredis: %v\n%s", err, out)
	}
}
