// Command failover compares how long writes stop when a node dies: three troupe nodes, a Redis Cluster of three masters and
// three replicas, three etcd nodes, taking turns on this machine:
//
//	go run ./integration/bench/failover                          20 kills each: of a primary's node, and of the leader
//	go run ./integration/bench/failover -fault pause             SIGSTOP in place of SIGKILL
//	go run ./integration/bench/failover -fault cut -systems troupe   the node loses all that other nodes send it, and it them
//	go run ./integration/bench/failover -systems troupe -kills 5
//	go run ./integration/bench/failover -systems troupe,collected,hanging -aim primary -kills 150
//	                                                             what a collector of traces does to that, one that takes them and one that hangs
//
// Clients write without a pause to one slot, through a client that goes where it is sent. The node that matters for the slot is
// killed. What counts is the time from the kill to the first acknowledged write that began after it, and whether every acknowledged
// write is there once the cluster is whole again. With pause and cut, a
// client that has slept through it all writes to the node as it comes back.
//
//	write write write ✗ · · · · · · · write write write ... restart, whole again, read all that was acknowledged
//	                  └─ kill         └─ acknowledged
//	                  └── measured ───┘
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

type options struct {
	kills    int
	systems  string
	aim      string // the only one; empty: all
	fault    string
	writers  int
	warmup   time.Duration
	after    int           // acknowledged writes of each writer to wait for after the fault
	limit    time.Duration // for one trial's failover
	attempt  time.Duration // for one attempt of a client
	redis    int           // cluster-node-timeout, ms
	election int           // etcd's, ms; its heartbeat is a tenth
	troupe   string        // more flags for the nodes
	program  string        // built if empty
}

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 20, "faults of each kind for each system")
	flag.StringVar(&o.systems, "systems", "troupe,redis,etcd", "which, comma separated; collected and hanging are troupe with a collector of traces that takes them, or never answers")
	flag.StringVar(&o.aim, "aim", "", "whose faults: primary or leader (default: both)")
	flag.StringVar(&o.fault, "fault", "kill", "kill (SIGKILL), pause (SIGSTOP) or cut (from the other nodes, not from clients; troupe alone)")
	flag.IntVar(&o.writers, "writers", 8, "clients that write at the same time")
	flag.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "of writing before the fault")
	flag.IntVar(&o.after, "after", 25, "acknowledged writes of each client to wait for after the fault")
	flag.DurationVar(&o.limit, "limit", 90*time.Second, "for a failover, and for becoming whole again")
	flag.DurationVar(&o.attempt, "attempt", 500*time.Millisecond, "for one attempt of a client to write")
	flag.IntVar(&o.redis, "redis-node-timeout", 1000, "cluster-node-timeout of Redis, ms (its default is 15000)")
	flag.IntVar(&o.election, "etcd-election", 1000, "election timeout of etcd, ms (its default)")
	flag.StringVar(&o.troupe, "troupe-flags", "", "more flags for the troupe nodes, separated by blanks")
	flag.StringVar(&o.program, "troupe-program", "", "the troupe binary (default: built)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "failover:", err)
		os.Exit(1)
	}
}

// system is what is compared: a cluster that keeps running through all trials.
type system interface {
	name() string
	// whole waits until every node is up and nothing is missing.
	whole(ctx context.Context) error
	// aims are whose faults are measured, such as "primary" and "leader".
	aims() []string
	// target finds the node that an aim means for the slot of a tag. It may choose the tag's end until one fits.
	target(ctx context.Context, aim, tag string) (slotTag string, victim victim, err error)
	// still says whether the victim is still the one that the aim means for the tag: shards move.
	still(ctx context.Context, aim, tag string, v victim) bool
	// store makes a client.
	store(attempt time.Duration) harness.Store
	close()
}

// victim is a node that a fault befalls.
type victim interface {
	Kill()
	Pause() error
	Resume() error
	Start() error    // after Kill
	Address() string // where it speaks Redis' protocol; empty if it does not
}

// cuttable is a victim that can be cut off from the other nodes. Clients still reach it.
type cuttable interface {
	Cut(ctx context.Context, from []string, both bool) error
	Heal(ctx context.Context) error
}

// run starts the systems, one after another in each round, and prints one table.
func run(ctx context.Context, o *options, out, progress io.Writer) (err error) {
	if !slices.Contains([]string{"kill", "pause", "cut"}, o.fault) {
		return fmt.Errorf("-fault %s: must be kill, pause or cut", o.fault)
	}
	if !slices.Contains([]string{"", aimPrimary, aimLeader}, o.aim) {
		return fmt.Errorf("-aim %s: must be %s or %s", o.aim, aimPrimary, aimLeader)
	}
	if o.fault == "cut" && o.systems != "troupe" {
		return errors.New("-fault cut: only troupe nodes can be told to lose messages; add -systems troupe")
	}
	dir, err := os.MkdirTemp("", "troupe-failover-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	systems, err := o.start(ctx, dir)
	for _, s := range systems {
		defer s.close()
	}
	if err != nil {
		return err
	}
	results := map[string]*result{}
	var order []string
	for round := range o.kills {
		for _, s := range systems {
			for _, aim := range s.aims() {
				if !o.wanted(aim) {
					continue
				}
				row := s.name() + ", " + aim
				if results[row] == nil {
					results[row] = &result{name: row, target: targets[row+", "+o.fault]}
					order = append(order, row)
				}
				t, err := o.trial(ctx, s, aim, fmt.Sprintf("t%d", round))
				for again := 1; errors.Is(err, errMoved) && again < 10; again++ {
					t, err = o.trial(ctx, s, aim, fmt.Sprintf("t%d-%d", round, again))
				}
				if err != nil {
					return fmt.Errorf("%s, trial %d: %w", row, round+1, err)
				}
				results[row].add(t)
				fmt.Fprintf(progress, "%s, %s %d of %d: %v, all clients %v, %d acknowledged (%d by whom had slept), %d lost\n",
					row, o.fault, round+1, o.kills, t.first.Round(time.Millisecond), t.all.Round(time.Millisecond), t.acked, t.zombies, t.lost)
			}
		}
	}
	var rows []*result
	for _, name := range order {
		rows = append(rows, results[name])
	}
	if len(rows) == 0 {
		return fmt.Errorf("-aim %s: none of %s has such a node", o.aim, o.systems)
	}
	if err := printTable(out, o, rows); err != nil {
		return err
	}
	return printEffects(ctx, out, systems, rows, []string{aimPrimary, aimLeader})
}

// start starts the systems that were asked for. Those that it returns are to be closed, also after an error.
func (o *options) start(ctx context.Context, dir string) (systems []system, err error) {
	starters := map[string]func(context.Context, *options, string) (system, error){
		"troupe": startTroupe, "redis": startRedis, "etcd": startEtcd, collected: startCollected, hanging: startHanging,
	}
	for name := range strings.SplitSeq(o.systems, ",") {
		start, known := starters[name]
		if !known {
			return systems, fmt.Errorf("-systems %s: there is no %q", o.systems, name)
		}
		folder := filepath.Join(dir, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			return systems, err
		}
		limited, cancel := context.WithTimeout(ctx, o.limit)
		s, err := start(limited, o, folder)
		if s != nil {
			systems = append(systems, s)
		}
		if err == nil {
			err = s.whole(limited)
		}
		cancel()
		if err != nil {
			return systems, fmt.Errorf("start %s: %w", name, err)
		}
	}
	return systems, nil
}

// outcome is one trial.
type outcome struct {
	first   time.Duration // from the fault to the first acknowledgement of a write that began after it
	all     time.Duration // ...until every client had one
	acked   int
	zombies int // of acked: by a node that woke up and did not know what had happened
	lost    int
}

// errMoved is a trial that ended before its fault: its shard, or the lead, had gone elsewhere.
var errMoved = errors.New("what was aimed at has moved")

// trial befalls a system with one fault.
func (o *options) trial(ctx context.Context, s system, aim, tag string) (out outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*o.limit)
	defer cancel()
	if err := s.whole(ctx); err != nil {
		return out, fmt.Errorf("before the fault: %w", err)
	}
	tag, victim, err := s.target(ctx, aim, fmt.Sprintf("%s-%s-", tag, aim))
	if err != nil {
		return out, err
	}
	writers := make([]*harness.Writer, o.writers)
	stores := make([]harness.Store, o.writers)
	for i := range writers {
		stores[i] = s.store(o.attempt)
		defer stores[i].Close()
		writers[i] = harness.StartWriter(stores[i], tag, fmt.Sprintf("w%d", i))
		defer writers[i].Stop()
	}
	select {
	case <-time.After(o.warmup):
	case <-ctx.Done():
		return out, ctx.Err()
	}
	if !s.still(ctx, aim, tag, victim) {
		return out, errMoved
	}
	var stale *zombie
	if o.fault != "kill" {
		if stale, err = raise(ctx, victim.Address()); err != nil {
			return out, err
		}
	}
	struck, gone, err := o.strike(ctx, victim, writers)
	if err != nil {
		return out, err
	}
	var acks [][]harness.Ack
	for _, w := range writers {
		w.Stop()
		acks = append(acks, w.Acks())
	}
	out.first, out.all = delays(writers, struck, gone)
	keys := harness.Keys(slices.Concat(acks...))
	awake, err := o.repair(ctx, victim, stale, tag)
	if err != nil {
		return out, err
	}
	keys = append(keys, awake...)
	if err := s.whole(ctx); err != nil {
		return out, fmt.Errorf("after the fault: %w", err)
	}
	missing, err := stores[0].Missing(ctx, keys)
	if err != nil {
		return out, fmt.Errorf("read back: %w", err)
	}
	out.acked, out.zombies, out.lost = len(keys), len(awake), len(missing)
	return out, nil
}

// strike lets the fault happen and waits until all clients write again. It struck at one time, and at another the victim was
// certainly gone: a write that began in between may have been acknowledged with its last breath.
func (o *options) strike(ctx context.Context, v victim, writers []*harness.Writer) (struck, gone time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	for _, w := range writers {
		if err := w.Await(ctx, 1, time.Time{}); err != nil {
			return struck, gone, fmt.Errorf("before the fault: %w", err)
		}
	}
	struck = time.Now()
	switch o.fault {
	case "kill":
		v.Kill()
	case "pause":
		err = v.Pause()
	case "cut":
		err = v.(cuttable).Cut(ctx, nil, true)
	}
	gone = time.Now()
	if err != nil {
		return struck, gone, err
	}
	for _, w := range writers {
		if err := w.Await(ctx, o.after, gone); err != nil {
			return struck, gone, fmt.Errorf("after the fault: %w", err)
		}
	}
	return struck, gone, nil
}

// repair brings the victim back. What a zombie got acknowledged is returned.
func (o *options) repair(ctx context.Context, v victim, stale *zombie, tag string) (awake []string, err error) {
	if stale != nil {
		if err := stale.write(tag); err != nil {
			return nil, err
		}
	}
	switch o.fault {
	case "kill":
		err = v.Start()
	case "pause":
		err = v.Resume()
	case "cut":
		err = v.(cuttable).Heal(ctx)
	}
	if err != nil || stale == nil {
		return nil, err
	}
	return stale.acknowledged(tag), nil
}

// delays are the times from the blow until the first of the writers, and the last of them, had a write acknowledged that began
// when the victim was gone.
func delays(writers []*harness.Writer, struck, gone time.Time) (first, all time.Duration) {
	first = 1<<63 - 1
	for _, w := range writers {
		own := w.Since(gone)[0].Ended.Sub(struck)
		first, all = min(first, own), max(all, own)
	}
	return first, all
}
