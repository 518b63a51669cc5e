package main

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/shards"
)

// sleepers is one series of actors that are made by a call each, fall asleep, and are woken by a call.
type sleepers struct {
	name   string
	method string // of the first call, which leaves a state, and perhaps a reminder
	data   int    // bytes of keys and values that an actor keeps, but for its reply
}

const sleeperName = "0000000"

// The reminders of a series are due long after it has been measured.
const remindAfter = 24 * time.Hour

// sleeperKind is the counter, whose actors fall asleep soon.
func sleeperKind() *virtual.Kind {
	k := virtual.NewKind[counter]("counter", virtual.IdleAfter(time.Second))
	add := func(c *virtual.Context[counter], n int) (int, error) {
		c.State.Count += n
		return c.State.Count, nil
	}
	virtual.Handle(k, "look", func(c *virtual.Context[counter], _ int) (int, error) { return c.State.Count, nil })
	virtual.Handle(k, "add", add)
	virtual.Handle(k, "remind", func(c *virtual.Context[counter], n int) (int, error) {
		if err := c.Remind("bell", remindAfter, 0, "add", 1); err != nil {
			return 0, err
		}
		return add(c, n)
	})
	return k.Kind
}

// measureSleepers tells how many bytes of heap an actor takes that was called and is not in memory any more, and what it costs to wake it: one with a
// state, and one that has a reminder as well. For ten minutes it has the reply to its call beside that; then it is measured once more.
func measureSleepers(ctx context.Context, o *options) error {
	if o.actors == 0 {
		return nil
	}
	for _, s := range []sleepers{{name: "with a state", method: "add"}, {name: "with a state and a reminder", method: "remind"}} {
		if err := s.measure(ctx, o); err != nil {
			return fmt.Errorf("actors %s: %w", s.name, err)
		}
	}
	return nil
}

func (s *sleepers) measure(ctx context.Context, o *options) error {
	node, err := runtime.Start(ctx, runtime.Config{
		ActorMemory: 4 << 30, // so that they leave it since they are idle
		Keyspaces:   []shards.Keyspace{{Name: "actors", Shards: 16, Durability: shards.DurabilityMemory, Replicas: shards.NoReplicas}},
	})
	if err != nil {
		return err
	}
	err = node.Register(ctx, sleeperKind())
	if err == nil {
		err = s.on(ctx, node, o)
	}
	return errors.Join(err, node.Close())
}

func (s *sleepers) on(ctx context.Context, node *runtime.Node, o *options) error {
	before, used := heap(), processorTime()
	for i := range o.actors {
		if err := s.call(ctx, node, i, s.method); err != nil {
			return err
		}
	}
	fmt.Printf("\n%d actors %s: made by one call each, for %v of processor time\n", o.actors, s.name, (processorTime()-used)/time.Duration(o.actors))
	asleep(node)
	if err := s.weigh(ctx, node); err != nil {
		return err
	}
	s.print("with the reply to its call", heap()-before, o.actors)
	wakes := min(o.actors, 10*o.calls)
	used = processorTime()
	for i := range wakes {
		if err := s.call(ctx, node, i*(o.actors/wakes), "look"); err != nil {
			return err
		}
	}
	fmt.Printf("woken by a call: %v of processor time (target: 20µs)\n", (processorTime()-used)/time.Duration(wakes))
	asleep(node)
	if !o.expire {
		return nil
	}
	if err := expired(ctx, node); err != nil {
		return err
	}
	s.print("when its reply has expired", heap()-before, o.actors)
	return nil
}

func (s *sleepers) call(ctx context.Context, node *runtime.Node, i int, method string) error {
	_, err := virtual.Call[int, int](ctx, node.Actors(), virtual.ID{Kind: "counter", Name: fmt.Sprintf("%07d", i)}, method, 1)
	return err
}

// weigh sums what the first actor keeps. The others keep as much.
func (s *sleepers) weigh(ctx context.Context, node *runtime.Node) error {
	store, err := node.Store("actors")
	if err != nil {
		return err
	}
	s.data = 0
	for _, class := range []string{"s", "m"} {
		for e, err := range store.Scan(ctx, runtime.ScanOptions{Prefix: class + "/{counter/" + sleeperName + "}"}) {
			if err != nil {
				return err
			}
			s.data += len(e.Key) + len(e.Value)
		}
	}
	return nil
}

func (s *sleepers) print(what string, bytes uint64, n int) {
	each := int(bytes / uint64(n))
	fmt.Printf("asleep, %s: %d bytes each, %d beside the %d of keys and values that it has %s (target: under 200)\n", what, each, each-s.data, s.data, s.name)
}

// asleep waits until no actor is in memory.
func asleep(node *runtime.Node) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for node.Actors().Active() > 0 {
		<-again.C
	}
}

// expired waits until no reply is kept any more.
func expired(ctx context.Context, node *runtime.Node) error {
	store, err := node.Store("actors")
	if err != nil {
		return err
	}
	again := time.NewTicker(10 * time.Second)
	defer again.Stop()
	for {
		<-again.C
		kept := false
		for _, err := range store.Scan(ctx, runtime.ScanOptions{Prefix: "r/"}) {
			if err != nil {
				return err
			}
			kept = true
			break
		}
		if !kept {
			return nil
		}
	}
}

// heap is what is live.
func heap() uint64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}
