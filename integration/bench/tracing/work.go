package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// counter is the actor that is called.
type counter struct{ Count int }

func counters() *virtual.Kind {
	k := virtual.NewKind[counter]("counter")
	virtual.Handle(k, "look", func(c *virtual.Context[counter], _ int) (int, error) { return c.State.Count, nil })
	return k.Kind
}

// place is where a child works: two nodes over the loopback, all in memory.
type place struct {
	nodes       [2]*runtime.Node
	store       *runtime.Store
	here, there virtual.ID // actors of the first node and of the second
	key         string     // led by the first node
}

// work answers each line of the input, the name of a work, with the processor time and the allocations of one operation.
func work(ratio string) error {
	ctx := context.Background()
	part, err := strconv.ParseFloat(ratio, 64)
	if err != nil {
		return err
	}
	p, err := newPlace(ctx, part)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		times, all := p.job(lines.Text())
		if all == nil {
			return fmt.Errorf("there is no work %q", lines.Text())
		}
		ns, allocs, err := measure(ctx, times, all)
		if err != nil {
			return err
		}
		fmt.Println(ns, allocs)
	}
	return errors.Join(lines.Err(), p.nodes[1].Close(), p.nodes[0].Close())
}

func newPlace(ctx context.Context, ratio float64) (*place, error) {
	p := &place{}
	space := []shards.Keyspace{{Name: "default", Shards: 16, Durability: shards.DurabilityMemory, Replicas: shards.NoReplicas}, {Name: "actors", Shards: 16, Durability: shards.DurabilityMemory, Replicas: shards.NoReplicas}}
	for i := range p.nodes {
		c := runtime.Config{Name: fmt.Sprint("n", i+1), Peer: "127.0.0.1:0", HTTP: "127.0.0.1:0", RESP: "127.0.0.1:0", Keyspaces: space, TraceMessages: ratio}
		if i > 0 {
			c.Join, c.Keyspaces = []string{p.nodes[0].PeerAddr()}, nil
		}
		var err error
		if p.nodes[i], err = runtime.Start(ctx, c); err != nil {
			return nil, err
		}
		if err := p.nodes[i].Register(ctx, counters()); err != nil {
			return nil, err
		}
	}
	var err error
	if p.store, err = p.nodes[0].Store("default"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.settle(ctx); err != nil {
		return nil, err
	}
	return p, p.find(ctx)
}

// settle waits until both nodes lead shards of both keyspaces, and nothing has moved for two seconds: what is found then stays where it is.
func (p *place) settle(ctx context.Context) error {
	client, err := admin.New([]string{p.nodes[0].HTTPAddr()}, "")
	if err != nil {
		return err
	}
	var before map[string]int
	for still := 0; still < 20; {
		rows, err := client.CatRows(ctx, "shards", url.Values{})
		if err != nil {
			return err
		}
		led, moving := map[string]int{}, false
		for _, r := range rows {
			moving = moving || r["state"] != "STARTED"
			if r["prirep"] == "p" {
				led[r["keyspace"]+" "+r["node"]]++
			}
		}
		if still++; moving || len(led) < 4 || !maps.Equal(led, before) {
			still = 0
		}
		before = led
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the shards should lie still by now; led are %v", led)
		}
	}
	return nil
}

// find finds actors of both nodes, and a key.
func (p *place) find(ctx context.Context) error {
	for i := 0; p.here.Kind == "" || p.there.Kind == ""; i++ {
		id := virtual.ID{Kind: "counter", Name: strconv.Itoa(i)}
		before := p.nodes[1].Actors().Active()
		if _, err := virtual.Call[int, int](ctx, p.nodes[0].Actors(), id, "look", 1); err != nil {
			return fmt.Errorf("both nodes should lead shards by now: %w", err)
		}
		if p.nodes[1].Actors().Active() > before {
			p.there = id
		} else {
			p.here = id
		}
	}
	best := time.Hour
	for i := range 64 { // one that the first node leads is the quickest to be read
		key := strconv.Itoa(i)
		if _, err := p.store.Put(ctx, key, []byte("some value of a key")); err != nil {
			return err
		}
		began := time.Now()
		for range 200 {
			if _, err := p.store.Get(ctx, key); err != nil {
				return err
			}
		}
		if took := time.Since(began); took < best {
			best, p.key = took, key
		}
	}
	return nil
}

// job is a work: how many operations make a turn, and all of them.
func (p *place) job(name string) (times int, all func(context.Context) error) {
	call := func(id virtual.ID) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := virtual.Call[int, int](ctx, p.nodes[0].Actors(), id, "look", 1)
			return err
		}
	}
	value := []byte("some value of a key")
	switch name {
	case "read":
		return repeat(40_000, 1, func(ctx context.Context) error { _, err := p.store.Get(ctx, p.key); return err })
	case "write":
		return repeat(20_000, 1, func(ctx context.Context) error { _, err := p.store.Put(ctx, p.key, value); return err })
	case "call":
		return repeat(10_000, 1, call(p.here))
	case "call elsewhere":
		return repeat(6_400, 64, call(p.there))
	case "served read":
		return clients * readsEach, p.serve
	}
	return 0, nil
}

// repeat is a work that does the same over and over, with so many under way at once.
func repeat(times, inFlight int, once func(context.Context) error) (int, func(context.Context) error) {
	return times, func(ctx context.Context) error {
		errs := make([]error, inFlight)
		var callers sync.WaitGroup
		for i := range inFlight {
			callers.Go(func() {
				for range times / inFlight {
					if errs[i] = once(ctx); errs[i] != nil {
						return
					}
				}
			})
		}
		callers.Wait()
		return errors.Join(errs...)
	}
}

// The clients of a turn of served reads: each waits for its reply before it asks again.
const (
	clients   = 8
	readsEach = 1000
)

// serve answers Redis clients. They are a process of their own, whose processor time is not this one's.
func (p *place) serve(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	client := exec.CommandContext(ctx, self, "-client", p.nodes[0].RESPAddr(), "-key", p.key)
	client.Stderr = os.Stderr
	return client.Run()
}

// ask is the process of the clients.
func ask(ctx context.Context, addr, key string) error {
	_, all := repeat(clients, clients, func(ctx context.Context) error {
		c, err := harness.Dial(ctx, addr)
		if err != nil {
			return err
		}
		for range readsEach {
			if _, err := c.Do("GET", key); err != nil {
				return errors.Join(err, c.Close())
			}
		}
		return c.Close()
	})
	return all(ctx)
}

// measure is what one operation takes: nanoseconds of the process, and allocations.
func measure(ctx context.Context, times int, all func(context.Context) error) (ns, allocs float64, err error) {
	goruntime.GC() // garbage of the turn before is not this one's
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	used, err := processorTime()
	if err != nil {
		return 0, 0, err
	}
	if err := all(ctx); err != nil {
		return 0, 0, err
	}
	now, err := processorTime()
	goruntime.ReadMemStats(&after)
	return float64(now-used) / float64(times), float64(after.Mallocs-before.Mallocs) / float64(times), err
}

func processorTime() (int64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return u.Utime.Nano() + u.Stime.Nano(), nil
}
