package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestClients drives one node with clients that were written for Redis and know nothing of Troupe.
func TestClients(t *testing.T) {
	n := start(t, newNode(t))
	t.Run("redis-cli", func(t *testing.T) { redisCLI(t, n.RESP) })
	t.Run("redis-benchmark", func(t *testing.T) { redisBenchmark(t, n.RESP) })
	t.Run("go-redis", func(t *testing.T) {
		c := redis.NewClient(&redis.Options{Addr: n.RESP})
		defer c.Close()
		goRedis(t, c, func(ctx context.Context, visit func(*redis.Client) error) error { return visit(c) })
	})
	t.Run("go-redis RESP2", func(t *testing.T) {
		c := redis.NewClient(&redis.Options{Addr: n.RESP, Protocol: 2})
		defer c.Close()
		goRedis(t, c, func(ctx context.Context, visit func(*redis.Client) error) error { return visit(c) })
	})
	t.Run("go-redis cluster", func(t *testing.T) {
		c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{n.RESP}})
		defer c.Close()
		goRedis(t, c, func(ctx context.Context, visit func(*redis.Client) error) error {
			return c.ForEachMaster(ctx, func(_ context.Context, one *redis.Client) error { return visit(one) })
		})
	})
	t.Run("ioredis", func(t *testing.T) { ioredis(t, n.RESP, "plain") })
	t.Run("ioredis cluster", func(t *testing.T) { ioredis(t, n.RESP, "cluster") })
}

// TestPipelineReadsItsWrites: however a long pipeline falls into batches, each read in it sees the write before it.
func TestPipelineReadsItsWrites(t *testing.T) {
	n := start(t, newNode(t))
	c := connect(t, n.RESP)
	for shift := range 3 {
		for range shift {
			c.Send("PING")
			c.Send("GET", "nothing")
		}
		const pairs = 3000
		sent := make(chan error, 1)
		for i := range pairs {
			key := fmt.Sprintf("own:%d:%d", shift, i)
			c.Send("SET", key, key)
			c.Send("GET", key)
		}
		go func() { sent <- c.Flush() }()
		for range 2 * shift {
			_, err := c.Receive()
			must(t, err)
		}
		for i := range pairs {
			_, err := c.Receive()
			must(t, err)
			if got, err := c.Receive(); got != fmt.Sprintf("own:%d:%d", shift, i) || err != nil {
				t.Fatalf("GET number %d after its SET: %v, %v", i, got, err)
			}
		}
		must(t, <-sent)
	}
}

// cli is one call of redis-cli; its output without the last line's end.
func cli(t *testing.T, addr string, args ...string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(soon(t), need(t, "redis-cli"), append([]string{"-h", host, "-p", port, "-e"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %q: %v\n%s", args, err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

func redisCLI(t *testing.T, addr string) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"PING"}, "PONG"},
		{[]string{"-3", "SET", "cli", "a value"}, "OK"},
		{[]string{"GET", "cli"}, "a value"},
		{[]string{"-c", "GET", "cli"}, "a value"},
		{[]string{"SET", "cli", "x", "EX", "100"}, "OK"},
		{[]string{"TTL", "cli"}, "100"},
		{[]string{"TYPE", "cli"}, "string"},
		{[]string{"DEL", "cli"}, "1"},
		{[]string{"CLUSTER", "KEYSLOT", "{user}x"}, "5474"},
	} {
		if got := cli(t, addr, c.args...); got != c.want && !(c.want == "100" && got == "99") {
			t.Errorf("redis-cli %q: got %q, want %q", c.args, got, c.want)
		}
	}
	for i := range 50 {
		cli(t, addr, "SET", fmt.Sprintf("cli:%02d", i), "x")
	}
	if keys := strings.Fields(cli(t, addr, "--scan", "--pattern", "cli:*")); len(keys) != 50 {
		t.Errorf("redis-cli --scan found %d of 50 keys", len(keys))
	}
	if info := cli(t, addr, "INFO", "server"); !strings.Contains(info, "redis_version:") {
		t.Errorf("INFO server has no redis_version:\n%s", info)
	}
}

func redisBenchmark(t *testing.T, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(soon(t), need(t, "redis-benchmark"), "-h", host, "-p", port,
		"-t", "get,set,incr", "-P", "16", "-n", "20000", "-q").CombinedOutput()
	if err != nil || strings.Contains(string(out), "rror") {
		t.Fatalf("redis-benchmark: %v\n%s", err, out)
	}
	for _, op := range []string{"SET: ", "GET: ", "INCR: "} {
		if !strings.Contains(string(out), op) {
			t.Errorf("redis-benchmark printed no %q:\n%s", op, out)
		}
	}
}

func ioredis(t *testing.T, addr, kind string) {
	node := need(t, "node")
	if err := exec.CommandContext(soon(t), node, "-e", `require.resolve("ioredis")`).Run(); err != nil {
		lack(t, "node does not find ioredis (npm install ioredis@6.0.0, and NODE_PATH): %v", err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(soon(t), node, "testdata/ioredis.js", host, port, kind).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Fatalf("ioredis, %s: %v\n%s", kind, err, out)
	}
}

// goRedis exercises one client. masters visits a plain client of every server, since SCAN knows only its own.
func goRedis(t *testing.T, c redis.UniversalClient, masters func(context.Context, func(*redis.Client) error) error) {
	ctx := soon(t)
	for _, step := range []struct {
		name string
		run  func(context.Context, *testing.T, redis.UniversalClient)
	}{{"strings", goStrings}, {"expiry", goExpiry}, {"transactions", goTransactions}, {"pubsub", goPubSub}, {"pipeline", goPipeline}} {
		t.Run(step.name, func(t *testing.T) { step.run(ctx, t, c) })
	}
	t.Run("scan", func(t *testing.T) { goScan(ctx, t, c, masters) })
}

func goStrings(ctx context.Context, t *testing.T, c redis.UniversalClient) {
	must(t, c.Del(ctx, "g").Err())
	must(t, c.Set(ctx, "g", "value", 0).Err())
	same(t, c.Get(ctx, "g").Val(), "value")
	if err := c.Get(ctx, "absent").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("GET of an absent key: %v", err)
	}
	same(t, c.Append(ctx, "g", "!").Val(), int64(6))
	same(t, c.StrLen(ctx, "g").Val(), int64(6))
	same(t, c.GetRange(ctx, "g", 1, 3).Val(), "alu")
	must(t, c.Set(ctx, "g:n", "40", 0).Err())
	same(t, c.IncrBy(ctx, "g:n", 2).Val(), int64(42))
	must(t, c.MSet(ctx, "{g}a", "1", "{g}b", "2").Err())
	same(t, fmt.Sprint(c.MGet(ctx, "{g}a", "{g}b", "{g}c").Val()), "[1 2 <nil>]")
	same(t, c.Exists(ctx, "{g}a", "{g}b", "{g}c").Val(), int64(2))
	same(t, c.Del(ctx, "{g}a", "{g}b").Val(), int64(2))
}

func goExpiry(ctx context.Context, t *testing.T, c redis.UniversalClient) {
	must(t, c.Set(ctx, "x", "1", time.Hour).Err())
	if left := c.TTL(ctx, "x").Val(); left <= 0 || left > time.Hour {
		t.Errorf("TTL is %v after a set with an hour", left)
	}
	same(t, c.Persist(ctx, "x").Val(), true)
	same(t, c.TTL(ctx, "x").Val(), time.Duration(-1))
	same(t, c.ExpireAt(ctx, "x", time.Unix(1, 0)).Val(), true)
	same(t, c.Exists(ctx, "x").Val(), int64(0))
	must(t, c.Set(ctx, "short", "1", 20*time.Millisecond).Err())
	until(t, "a key past its expiry is gone", func() bool { return errors.Is(c.Get(ctx, "short").Err(), redis.Nil) })
}

func goTransactions(ctx context.Context, t *testing.T, c redis.UniversalClient) {
	var sum *redis.IntCmd
	_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "{tx}n", "1", 0)
		sum = p.Incr(ctx, "{tx}n")
		return nil
	})
	must(t, err)
	same(t, sum.Val(), int64(2))
	interfere := func(tx *redis.Tx) error {
		must(t, c.Set(ctx, "{tx}n", "9", 0).Err())
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "{tx}n", "10", 0)
			return nil
		})
		return err
	}
	if err := c.Watch(ctx, interfere, "{tx}n"); !errors.Is(err, redis.TxFailedErr) {
		t.Errorf("a transaction whose watched key was written: %v", err)
	}
	same(t, c.Get(ctx, "{tx}n").Val(), "9")
}

func goPubSub(ctx context.Context, t *testing.T, c redis.UniversalClient) {
	s := c.PSubscribe(ctx, "news.*")
	defer s.Close()
	_, err := s.Receive(ctx) // the confirmation
	must(t, err)
	must(t, c.Publish(ctx, "news.today", "hello").Err())
	m, err := s.ReceiveMessage(ctx)
	must(t, err)
	same(t, m.Channel+" "+m.Payload, "news.today hello")
}

func goPipeline(ctx context.Context, t *testing.T, c redis.UniversalClient) {
	var gets []*redis.StringCmd
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 1000 {
			key := fmt.Sprintf("pipe:%d", i)
			p.Set(ctx, key, i, 0)
			gets = append(gets, p.Get(ctx, key))
		}
		return nil
	})
	must(t, err)
	for i, g := range gets {
		same(t, g.Val(), fmt.Sprint(i))
	}
}

func goScan(ctx context.Context, t *testing.T, c redis.UniversalClient, masters func(context.Context, func(*redis.Client) error) error) {
	var want, got []string
	for i := range 300 {
		want = append(want, fmt.Sprintf("walk:%03d", i))
		must(t, c.Set(ctx, want[i], "x", 0).Err())
	}
	var mu sync.Mutex // a cluster's masters are asked at the same time
	must(t, masters(ctx, func(one *redis.Client) error {
		walk := one.Scan(ctx, 0, "walk:*", 20).Iterator()
		for walk.Next(ctx) {
			mu.Lock()
			got = append(got, walk.Val())
			mu.Unlock()
		}
		return walk.Err()
	}))
	slices.Sort(got)
	if !slices.Equal(slices.Compact(got), want) {
		t.Errorf("SCAN found %d of %d keys", len(got), len(want))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// until asks again and again for what must come true soon.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for ctx := soon(t); !holds(); {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		case <-again.C:
		}
	}
}
