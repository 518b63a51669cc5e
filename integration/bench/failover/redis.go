package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// redisCluster is three masters with a replica each.
type redisCluster struct{ nodes []*redisNode }

// redisNode is one redis-server through all its lives.
type redisNode struct {
	*harness.Process
	dir, addr string
	bus       int
	timeout   int // cluster-node-timeout, ms
}

const redisNodes = 6

func startRedis(ctx context.Context, o *options, dir string) (system, error) {
	r := &redisCluster{}
	create := []string{"--cluster", "create"}
	for i := range redisNodes {
		n := &redisNode{dir: filepath.Join(dir, strconv.Itoa(i)), timeout: o.redis}
		var err error
		if n.addr, err = harness.FreeAddress(); err != nil {
			return r, err
		}
		bus, err := harness.FreeAddress()
		if err != nil {
			return r, err
		}
		if n.bus, err = portOf(bus); err != nil {
			return r, err
		}
		if err := os.Mkdir(n.dir, 0o700); err != nil {
			return r, err
		}
		if err := n.Start(); err != nil {
			return r, err
		}
		r.nodes = append(r.nodes, n)
		if err := n.Until(ctx, n.answers); err != nil {
			return r, err
		}
		create = append(create, n.addr)
	}
	create = append(create, "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.CommandContext(ctx, "redis-cli", create...).CombinedOutput(); err != nil {
		return r, fmt.Errorf("redis-cli: %w\n%s", err, out)
	}
	return r, nil
}

func portOf(addr string) (int, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// Start begins another life of the node.
func (n *redisNode) Start() error {
	host, port, err := net.SplitHostPort(n.addr)
	if err != nil {
		return err
	}
	n.Process, err = harness.Start(n.dir, nil, "redis-server", "--bind", host, "--port", port, "--save", "", "--dir", n.dir,
		"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(n.bus), "--cluster-node-timeout", strconv.Itoa(n.timeout))
	return err
}

// Address is where clients reach the node.
func (n *redisNode) Address() string { return n.addr }

func (n *redisNode) answers(ctx context.Context) error {
	_, err := n.ask(ctx, "PING")
	return err
}

// ask sends one command over a connection of its own.
func (n *redisNode) ask(ctx context.Context, args ...string) (string, error) {
	c, err := harness.Dial(ctx, n.addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	v, err := c.Do(args...)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(v), nil
}

func (r *redisCluster) name() string { return "redis" }

// whole waits until every node sees every other as well, with three masters and a replica at each whose link is up.
func (r *redisCluster) whole(ctx context.Context) error {
	for _, n := range r.nodes {
		if err := n.Until(ctx, n.content); err != nil {
			return err
		}
	}
	return nil
}

func (n *redisNode) content(ctx context.Context) error {
	info, err := n.ask(ctx, "CLUSTER", "INFO")
	if err != nil {
		return err
	}
	if !strings.Contains(info, "cluster_state:ok") {
		return errors.New("the cluster is not ok")
	}
	table, err := n.ask(ctx, "CLUSTER", "NODES")
	if err != nil {
		return err
	}
	masters, followed := 0, map[string]bool{}
	for _, row := range parseNodes(table) {
		switch {
		case strings.Contains(row.flags, "fail"):
			return fmt.Errorf("%s is failed", row.addr)
		case strings.Contains(row.flags, "master") && row.slots:
			masters++
		case strings.Contains(row.flags, "slave"):
			followed[row.master] = true
		}
	}
	if masters != redisNodes/2 || len(followed) != redisNodes/2 {
		return fmt.Errorf("%d masters with slots, %d of them with a replica", masters, len(followed))
	}
	replication, err := n.ask(ctx, "INFO", "replication")
	if err == nil && strings.Contains(replication, "master_link_status:down") {
		err = errors.New("its link to its master is down")
	}
	return err
}

// nodeRow is a line of CLUSTER NODES: id addr@bus flags master ping pong epoch link slot...
type nodeRow struct {
	addr, flags, master string
	slots               bool
}

func parseNodes(table string) (rows []nodeRow) {
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		addr, _, _ := strings.Cut(fields[1], "@")
		rows = append(rows, nodeRow{addr: addr, flags: fields[2], master: fields[3], slots: len(fields) > 8})
	}
	return rows
}

func (r *redisCluster) aims() []string { return []string{aimPrimary} }

// target is the master that serves the tag's slot: it does not answer MOVED.
func (r *redisCluster) target(ctx context.Context, _, tag string) (string, victim, error) {
	for _, n := range r.nodes {
		role, err := n.ask(ctx, "ROLE")
		if err != nil {
			return "", nil, err
		}
		if !strings.HasPrefix(role, "[master") {
			continue
		}
		if _, err := n.ask(ctx, "GET", "{"+tag+"}"); err == nil {
			return tag, n, nil
		}
	}
	return "", nil, fmt.Errorf("no master serves %s", tag)
}

func (r *redisCluster) still(ctx context.Context, aim, tag string, v victim) bool {
	_, now, err := r.target(ctx, aim, tag)
	return err == nil && now == v
}

func (r *redisCluster) store(attempt time.Duration) harness.Store {
	var addresses []string
	for _, n := range r.nodes {
		addresses = append(addresses, n.addr)
	}
	return harness.Follow(addresses, attempt)
}

func (r *redisCluster) close() {
	for _, n := range r.nodes {
		n.Kill()
	}
}
