package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/shards"
)

// slotted is a cluster that speaks Redis' protocol: troupe, or Redis Cluster.
type slotted struct {
	title   string
	servers []*harness.Process
	keys    map[string][]string // address of a primary -> keys that it serves
	places  []string            // the addresses, in order
	wait    bool                // WAIT 1 after each batch
	end     func()
}

func (s *slotted) name() string                  { return s.title }
func (s *slotted) processes() []*harness.Process { return s.servers }
func (s *slotted) close()                        { s.end() }

// startTroupe starts three nodes of which each shard has a copy on two.
func startTroupe(durability string) start {
	return func(ctx context.Context, o *options, dir string) (system, error) {
		c, err := harness.StartCluster(ctx, harness.ClusterConfig{
			Program: o.program, Dir: dir, Keyspaces: []string{"default:replicas=1,durability=" + durability},
		})
		if err != nil {
			return nil, err
		}
		s := &slotted{title: "troupe", end: c.Kill}
		for _, m := range c.Members {
			s.servers = append(s.servers, m.Node().Process)
		}
		return s, s.learn(ctx, o, c.RESP())
	}
}

const redisNodes = 6

// startRedis starts three masters with a replica each.
func startRedis(ctx context.Context, o *options, dir string) (system, error) {
	s := &slotted{title: "Redis Cluster, WAIT 1", wait: true}
	s.end = func() {
		for _, p := range s.servers {
			p.Kill()
		}
	}
	var addresses []string
	for i := range redisNodes {
		place := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(place, 0o700); err != nil {
			return s, err
		}
		bus, err := harness.FreeAddress()
		if err != nil {
			return s, err
		}
		_, port, err := net.SplitHostPort(bus)
		if err != nil {
			return s, err
		}
		p, addr, err := harness.StartRedis(ctx, place, "--cluster-enabled", "yes", "--cluster-port", port)
		if err != nil {
			return s, err
		}
		s.servers, addresses = append(s.servers, p), append(addresses, addr)
	}
	create := append(append([]string{"--cluster", "create"}, addresses...), "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.CommandContext(ctx, "redis-cli", create...).CombinedOutput(); err != nil {
		return s, fmt.Errorf("redis-cli: %w\n%s", err, out)
	}
	for i, p := range s.servers {
		if err := p.Until(ctx, func(ctx context.Context) error { return whole(ctx, addresses[i]) }); err != nil {
			return s, err
		}
	}
	return s, s.learn(ctx, o, addresses)
}

// whole says what a node of Redis Cluster still lacks.
func whole(ctx context.Context, addr string) error {
	c, err := harness.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	info, err := c.Do("CLUSTER", "INFO")
	if err != nil {
		return err
	}
	replication, err := c.Do("INFO", "replication")
	if err != nil {
		return err
	}
	text := fmt.Sprint(replication)
	linked := strings.Contains(text, "connected_slaves:1") || strings.Contains(text, "master_link_status:up")
	if !strings.Contains(fmt.Sprint(info), "cluster_state:ok") || !linked {
		return errors.New("the cluster is not whole")
	}
	return nil
}

// learn finds out which keys each primary serves.
func (s *slotted) learn(ctx context.Context, o *options, addresses []string) error {
	c, err := harness.Dial(ctx, addresses[0])
	if err != nil {
		return err
	}
	defer c.Close()
	table, err := c.Do("CLUSTER", "NODES")
	if err != nil {
		return err
	}
	owners, err := parseOwners(fmt.Sprint(table))
	if err != nil {
		return err
	}
	s.keys = map[string][]string{}
	for i := range o.keys {
		key := fmt.Sprintf("key:%08d", i)
		addr := owners[shards.SlotOf([]byte(key))]
		s.keys[addr] = append(s.keys[addr], key)
	}
	for _, addr := range addresses {
		if len(s.keys[addr]) > 0 {
			s.places = append(s.places, addr)
		}
	}
	if len(s.places) != 3 {
		return fmt.Errorf("%d of %d nodes serve keys, not three", len(s.places), len(addresses))
	}
	return nil
}

// parseOwners reads CLUSTER NODES: who serves which slot.
func parseOwners(table string) (owners [shards.Slots]string, err error) {
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 9 {
			continue
		}
		addr, _, _ := strings.Cut(fields[1], "@")
		for _, span := range fields[8:] {
			low, high, found := strings.Cut(span, "-")
			if !found {
				high = low
			}
			first, err1 := strconv.Atoi(low)
			last, err2 := strconv.Atoi(high)
			if err1 != nil || err2 != nil || first < 0 || last >= len(owners) {
				continue // a slot on its way
			}
			for slot := first; slot <= last; slot++ {
				owners[slot] = addr
			}
		}
	}
	for slot, addr := range owners {
		if addr == "" {
			return owners, fmt.Errorf("nobody serves slot %d", slot)
		}
	}
	return owners, nil
}

// conn writes keys of one node.
type conn struct {
	net  net.Conn
	in   *bufio.Reader
	out  []byte
	keys []string
	next int
	tail string // what goes after the value, and the WAIT
	wait string
}

func (s *slotted) dial(ctx context.Context, o *options, number int) (client, error) {
	addr := s.places[number%len(s.places)]
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	keys := s.keys[addr]
	made := &conn{net: c, in: bufio.NewReader(c), keys: keys, next: number * len(keys) / o.connections, tail: "\r\n$100\r\n" + strings.Repeat("v", 100) + "\r\n"}
	if s.wait {
		made.wait = "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n1000\r\n"
	}
	return made, nil
}

func (c *conn) close() { c.net.Close() }

func (c *conn) write(ctx context.Context, n int) error {
	if deadline, ok := ctx.Deadline(); ok {
		c.net.SetDeadline(deadline)
	}
	c.out = c.out[:0]
	for range n {
		c.next = (c.next + 7919) % len(c.keys) // a prime, so that it comes by all of them, out of order
		c.out = append(append(append(c.out, "*3\r\n$3\r\nSET\r\n$12\r\n"...), c.keys[c.next]...), c.tail...)
	}
	c.out = append(c.out, c.wait...)
	if _, err := c.net.Write(c.out); err != nil {
		return err
	}
	for range n {
		if line, err := c.in.ReadSlice('\n'); err != nil || string(line) != "+OK\r\n" {
			return fmt.Errorf("SET: %q, %w", line, err)
		}
	}
	if c.wait == "" {
		return nil
	}
	if line, err := c.in.ReadSlice('\n'); err != nil || string(line) != ":1\r\n" {
		return fmt.Errorf("WAIT: %q, %w", line, err)
	}
	return nil
}
