package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// counted is the state of an actor: how often it has counted, and the last call that it counted. Its calls come one after another,
// so that one which is applied twice shows in the count.
type counted struct{ Count, Last int }

func counters() *virtual.Kind {
	k := virtual.NewKind[counted]("counter")
	virtual.Handle(k, "add", func(c *virtual.Context[counted], call int) (int, error) {
		c.State.Count++
		c.State.Last = call
		return c.State.Count, nil
	})
	virtual.HandleRead(k, "look", func(c *virtual.Reading[counted], _ struct{}) (counted, error) { return *c.State, nil })
	return k.Kind
}

func actorOf(caller int) virtual.ID { return virtual.ID{Kind: "counter", Name: fmt.Sprint(caller)} }

// space is where the actors live.
func space(fsync bool) shards.Keyspace {
	k := shards.Keyspace{Name: "actors", Shards: 32, Replicas: 1}
	if !fsync {
		k.Durability = shards.DurabilityMemory
	}
	return k
}

// shardOf names the shard of a caller's actor as failovers do.
func shardOf(caller int) string {
	k := space(true)
	return fmt.Sprintf("%s/%d", k.Name, k.ShardOf(shards.SlotOf([]byte("{"+actorOf(caller).String()+"}"))))
}

// node is one that can be killed.
type node struct{ name, data, peer, join string }

// serve runs it in this process.
func (n *node) serve(ctx context.Context) error {
	running, err := runtime.Start(ctx, runtime.Config{Name: n.name, Data: n.data, Peer: n.peer, Join: []string{n.join}})
	if err != nil {
		return err
	}
	if err := running.Register(ctx, counters()); err != nil {
		return errors.Join(err, running.Close())
	}
	select {
	case <-ctx.Done():
	case <-running.Done():
	}
	return errors.Join(running.Err(), running.Close())
}

// town is the cluster: this process, and two others.
type town struct {
	o       *options
	here    *runtime.Node
	client  *admin.Client
	others  []*node
	running []*harness.Process
	acked   []atomic.Int64 // calls of each caller that were answered
	unknown []atomic.Int64 // those that may have been handled
}

func begin(ctx context.Context, o *options, dir string) (*town, error) {
	t := &town{o: o, acked: make([]atomic.Int64, o.inFlight), unknown: make([]atomic.Int64, o.inFlight)}
	var err error
	t.here, err = runtime.Start(ctx, runtime.Config{
		Name: "n1", Data: filepath.Join(dir, "n1"), Peer: "127.0.0.1:0", HTTP: "127.0.0.1:0", Keyspaces: []shards.Keyspace{{Name: "default", Shards: 1, Replicas: 1}, space(o.fsync)},
	})
	if err != nil {
		return nil, err
	}
	if err := t.here.Register(ctx, counters()); err != nil {
		return nil, errors.Join(err, t.close())
	}
	t.client, err = admin.NewClient(admin.ClientConfig{Addresses: []string{t.here.HTTPAddr()}})
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	for _, name := range []string{"n2", "n3"} {
		peer, err := harness.FreeAddress()
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.others, t.running = append(t.others, &node{name, filepath.Join(dir, name), peer, t.here.PeerAddr()}), append(t.running, nil)
		if err := t.start(len(t.others) - 1); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

// start begins another life of a node.
func (t *town) start(i int) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	n := t.others[i]
	t.running[i], err = harness.Start("", nil, program, "-node", n.name, "-data", n.data, "-peer", n.peer, "-join", n.join)
	return err
}

// whole waits until every copy is there, and one of the nodes that can be killed leads shards.
func (t *town) whole(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, t.o.limit)
	defer cancel()
	for {
		h, failed := t.client.Health(ctx, "green", time.Second)
		led, err := t.led(ctx)
		if err = errors.Join(failed, err); err == nil && h.Status == "green" && led["n2"]+led["n3"] > 0 {
			return nil
		}
		if wait(limited, 100*time.Millisecond) != nil {
			return fmt.Errorf("the cluster is not whole: %w: %+v, primaries %v\n%s\n%s", errors.Join(limited.Err(), err), h, led, t.running[0].Output(), t.running[1].Output())
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *town) close() error {
	for _, p := range t.running {
		if p != nil {
			p.Kill()
		}
	}
	return t.here.Close()
}
