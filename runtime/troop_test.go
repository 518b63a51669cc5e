package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
)

// troop is a cluster of three in this process.
type troop struct {
	t       *testing.T
	configs []Config
	nodes   []*Node // nil: not running
}

// newTroop starts three nodes from one initial list. Without folders everything is in memory.
func newTroop(t *testing.T, folders bool, keyspaces ...shards.Keyspace) *troop {
	t.Helper()
	return newTroopOf(t, folders, func(*Config) {}, keyspaces...)
}

// newTroopOf is newTroop of nodes with some other configuration.
func newTroopOf(t *testing.T, folders bool, change func(*Config), keyspaces ...shards.Keyspace) *troop {
	t.Helper()
	c := &troop{t: t, nodes: make([]*Node, 3)}
	var initial []string
	for range 3 {
		initial = append(initial, freeAddress(t))
	}
	for i, address := range initial {
		config := Config{
			Name: fmt.Sprint("n", i+1), Peer: address, RESP: "127.0.0.1:0", Dev: true, Initial: initial, Keyspaces: keyspaces, Redirect: RedirectNever,
			Lease: 5 * time.Second, Patience: time.Minute, // a busy machine is not a dead one, and takes long to get over a death
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)).With("on", fmt.Sprint("n", i+1)),
		}
		if folders {
			config.Data = t.TempDir()
		}
		change(&config)
		c.configs = append(c.configs, config)
	}
	t.Cleanup(func() {
		for i, n := range c.nodes {
			if n == nil {
				continue
			}
			if err := n.Close(); err != nil {
				t.Errorf("close %s: %v", c.configs[i].Name, err)
			}
		}
	})
	c.startAll()
	return c
}

// startAll starts the nodes that do not run, together, and waits until each sees all shards served.
func (c *troop) startAll() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	failed := make([]error, len(c.nodes))
	var starting sync.WaitGroup
	for i := range c.nodes {
		if c.nodes[i] == nil {
			starting.Go(func() { c.nodes[i], failed[i] = Start(ctx, c.configs[i]) })
		}
	}
	starting.Wait()
	if err := errors.Join(failed...); err != nil {
		c.t.Fatal(err)
	}
	for _, n := range c.nodes {
		eventually(c.t, "all vote", func() bool {
			s := placing{n}.group().Status()
			return len(s.Voters) == len(c.nodes) && !s.Changing
		})
	}
	c.whole()
}

// running are the nodes that run.
func (c *troop) running() (list []*Node) {
	for _, n := range c.nodes {
		if n != nil {
			list = append(list, n)
		}
	}
	return list
}

// whole waits until every node sees every shard with the copies that it should have, as far as there are nodes for them.
func (c *troop) whole() {
	c.t.Helper()
	lacks := ""
	defer func() {
		if lacks != "" {
			c.t.Log(lacks)
		}
	}()
	for _, n := range c.running() {
		eventually(c.t, n.Name()+" sees every shard whole", func() bool {
			state := n.state()
			lacks = "no shards"
			for i := range state.Shards {
				row := &state.Shards[i]
				k := state.Keyspace(row.ID.Keyspace())
				if row.Primary == 0 || row.InSync() < min(k.Copies(), len(c.running())) {
					lacks = fmt.Sprintf("%s: %+v", state.ShardName(row.ID), *row)
					for _, at := range c.running() {
						if h := at.copyOf(row.ID); h != nil {
							lacks += fmt.Sprintf("\n%s: %+v", at.Name(), h.Stats())
						}
					}
					return false
				}
			}
			return len(state.Shards) > 0
		})
	}
	lacks = ""
}

// stop closes a node in order.
func (c *troop) stop(i int) {
	c.t.Helper()
	n := c.nodes[i]
	c.nodes[i] = nil
	if err := n.Close(); err != nil {
		c.t.Error(err)
	}
}

// kill ends a node as a crash does: it serves no more and hangs up, without a word to anybody. What it holds is let go of later.
func (c *troop) kill(i int) {
	c.t.Helper()
	n := c.nodes[i]
	c.nodes[i] = nil
	for _, h := range n.held() {
		h.Fail(shard.ErrClosed)
	}
	n.fail(errors.New("killed by the test"))
	if err := n.life.Load().transport.Close(); err != nil {
		c.t.Error(err)
	}
	c.t.Cleanup(func() { _ = n.Close() }) // it has failed, and says so
}

// leaderOf is the place of the node that leads the group, and of one that does not.
func (c *troop) leader() (leads, follows int) {
	c.t.Helper()
	eventually(c.t, "somebody leads", func() bool {
		leads, follows = -1, -1
		for i, n := range c.nodes {
			switch {
			case n == nil:
			case placing{n}.group().Status().Won:
				leads = i
			default:
				follows = i
			}
		}
		return leads >= 0
	})
	return leads, follows
}

func volatileSpace(name string, replicas int) shards.Keyspace {
	return shards.Keyspace{Name: name, Shards: 6, Replicas: replicas, Durability: shards.DurabilityMemory}
}
