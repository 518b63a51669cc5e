package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// waited is a call that ended after the kill.
type waited struct {
	caller     int
	begin, end int64 // nanoseconds since 1970
	failed     bool
}

// led counts the primaries of the nodes by name.
func (t *town) led(ctx context.Context) (map[string]int, error) {
	nodes, err := t.client.Nodes(ctx)
	led := map[string]int{}
	for _, n := range nodes {
		led[n.Name] = n.Primaries
	}
	return led, err
}

const (
	warmup  = 300 * time.Millisecond
	goingOn = 500 * time.Millisecond // after the failover is over
)

// round kills a node while calls are under way, and begins its next life.
func (t *town) round(ctx context.Context, n int) (*tally, error) {
	led, err := t.led(ctx)
	if err != nil {
		return nil, err
	}
	victim := n % len(t.others)
	if led[t.others[victim].name] == 0 {
		victim = (n + 1) % len(t.others)
	}
	var killed atomic.Int64
	var stop atomic.Bool
	var callers sync.WaitGroup
	lists, errs := make([][]waited, t.o.inFlight), make([]error, t.o.inFlight)
	for caller := range t.o.inFlight {
		callers.Go(func() {
			for i := 0; !stop.Load() && errs[caller] == nil; i++ {
				var w waited
				w, errs[caller] = t.call(ctx, caller, i)
				if at := killed.Load(); at != 0 && w.end >= at {
					lists[caller] = append(lists[caller], w)
				}
			}
		})
	}
	var stood []stall
	callers.Go(func() { stood = watchStalls(&stop) })
	story, err := t.kill(ctx, victim, &killed)
	stop.Store(true)
	callers.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	if err := t.start(victim); err != nil {
		return nil, err
	}
	return judge(story, killed.Load(), slices.Concat(lists...), stood), t.whole(ctx)
}

// call makes one, and notes what is known of it.
func (t *town) call(ctx context.Context, caller, i int) (waited, error) {
	w := waited{caller: caller, begin: time.Now().UnixNano()}
	_, err := virtual.Call[int, int](ctx, t.here.Actors(), actorOf(caller), "add", i)
	w.end = time.Now().UnixNano()
	var known *shards.Error
	switch {
	case err == nil:
		t.acked[caller].Add(1)
	case errors.As(err, &known): // nobody knows whether it was handled, or nobody was there
		t.unknown[caller].Add(1)
		w.failed = true
	default:
		return w, err
	}
	return w, nil
}

// kill waits a moment, kills a node, and gives the record of the failover when it is over.
func (t *town) kill(ctx context.Context, victim int, killed *atomic.Int64) (*tracing.Failover, error) {
	if err := wait(ctx, warmup); err != nil {
		return nil, err
	}
	at := time.Now()
	killed.Store(at.UnixNano())
	t.running[victim].Kill()
	ctx, cancel := context.WithTimeout(ctx, t.o.limit)
	defer cancel()
	for {
		list, _ := t.here.Failovers(ctx) // who leads may be dead: ask again
		for _, f := range list {
			if f.Kind == tracing.KindFailover && f.Name == t.others[victim].name && f.Done > at.UnixNano() {
				return f, wait(ctx, goingOn)
			}
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("the failover of %s is not over: %w", t.others[victim].name, err)
		}
	}
}

// stall is a time in which this process did not get on, since the machine was busy with others. All nodes share it.
type stall struct{ begin, end int64 }

// watchStalls notes stalls until it is told to stop.
func watchStalls(stop *atomic.Bool) (list []stall) {
	const step, normal = time.Millisecond, 5 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for last := time.Now(); !stop.Load(); {
		<-tick.C
		now := time.Now()
		if now.Sub(last) > normal {
			list = append(list, stall{last.UnixNano(), now.UnixNano()})
		}
		last = now
	}
	return list
}

// tally is what became of the calls that waited for another primary.
type tally struct {
	inFlight, later, failed int
	late                    []time.Duration // after the new primary took writes
	stopped                 []time.Duration // from the kill until it did, by shard
	stood                   time.Duration   // the longest stall while calls waited
	kills, intime           int             // kills, and those after which no call was later than the target
}

// target is how late a call may be, says the project.
const target = 50 * time.Millisecond

// judge takes the calls to shards of the dead node that had not ended when the new primary took writes.
func judge(f *tracing.Failover, killed int64, list []waited, stood []stall) *tally {
	t := &tally{}
	served := map[string]int64{}
	for i := range f.Shards {
		if n := len(f.Shards[i].Attempts); n > 0 {
			served[f.Shards[i].Name] = f.Shards[i].Attempts[n-1].Served
			t.stopped = append(t.stopped, time.Duration(f.Shards[i].Attempts[n-1].Served-killed))
		}
	}
	for _, w := range list {
		at, moved := served[shardOf(w.caller)]
		if !moved || w.end < at && !w.failed || w.begin > at {
			continue
		}
		if w.begin < killed {
			t.inFlight++
		} else {
			t.later++
		}
		if w.failed {
			t.failed++
		}
		t.late = append(t.late, time.Duration(w.end-at))
		for _, s := range stood {
			if s.begin < w.end && s.end > at {
				t.stood = max(t.stood, time.Duration(s.end-s.begin))
			}
		}
	}
	if t.kills = 1; len(t.late) == 0 || slices.Max(t.late) <= target {
		t.intime = 1
	}
	return t
}

func (t *tally) add(other *tally) {
	t.inFlight, t.later, t.failed = t.inFlight+other.inFlight, t.later+other.later, t.failed+other.failed
	t.kills, t.intime = t.kills+other.kills, t.intime+other.intime
	t.late, t.stopped, t.stood = append(t.late, other.late...), append(t.stopped, other.stopped...), max(t.stood, other.stood)
}

// String says how late calls were answered.
func (t *tally) String() string {
	if len(t.late) == 0 || len(t.stopped) == 0 {
		return "no call waited"
	}
	slices.Sort(t.late)
	slices.Sort(t.stopped)
	at := func(list []time.Duration, share float64) time.Duration {
		return list[int(share*float64(len(list)-1))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%d calls in flight, %d later: answered %v after the new primary took writes, p99 %v, worst %v (a process stood still for %v); %d with an error; %d of %d kills within %v; no writes for %v, worst %v",
		t.inFlight, t.later, at(t.late, 0.5), at(t.late, 0.99), at(t.late, 1), t.stood.Round(100*time.Microsecond), t.failed, t.intime, t.kills, target, at(t.stopped, 0.5), at(t.stopped, 1))
}

// reckon compares what the actors have counted with what was acknowledged.
func (t *town) reckon(ctx context.Context) error {
	var acked, unknown, sum int64
	for caller := range t.o.inFlight {
		c, err := virtual.Call[struct{}, counted](ctx, t.here.Actors(), actorOf(caller), "look", struct{}{})
		if err != nil {
			return err
		}
		a, u := t.acked[caller].Load(), t.unknown[caller].Load()
		if n := int64(c.Count); n < a || n > a+u {
			return fmt.Errorf("actor %s has counted %d calls; %d were acknowledged, and of %d nobody knows", actorOf(caller), n, a, u)
		}
		acked, unknown, sum = acked+a, unknown+u, sum+int64(c.Count)
	}
	fmt.Printf("%d calls were acknowledged, of %d nobody knows, and %d were counted: none is lost, none was applied twice\n", acked, unknown, sum)
	return nil
}
