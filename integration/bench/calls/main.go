// Command calls measures how long calls to virtual actors wait when the node of their actors dies:
//
//	go run ./integration/bench/calls              20 kills
//	go run ./integration/bench/calls -kills 100   what the project promises: nothing acknowledged lost, nothing applied twice
//
// Three nodes; this process is one of them, and calls without a pause, with so many calls in flight. The others are processes of
// their own, and are killed in turn. What counts is the time from the moment at which a shard's new primary took writes, which is
// what the record of the failover says, to the end of each call that was in flight to that shard when its node died:
//
//	call call call call call ✗ · · · · · · · ┊ · ■ reply, or an error
//	                         └─ kill         ┊   │
//	                              new primary┊   │
//	                                         ┊───┊ measured
//
// On a busy machine a process may not get on for longer than that: the longest such time while calls waited stands beside it.
//
// In the end each actor has counted every call that was acknowledged, and none twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

type options struct {
	kills    int
	inFlight int
	limit    time.Duration
	fsync    bool
	node     node
}

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 20, "nodes to kill, one after another")
	flag.IntVar(&o.inFlight, "in-flight", 64, "calls that are under way at a time, each to an actor of its own")
	flag.DurationVar(&o.limit, "limit", time.Minute, "for the cluster to be whole again")
	flag.BoolVar(&o.fsync, "fsync", true, "keep on disk what calls change; without, in the memory of two nodes")
	flag.StringVar(&o.node.name, "node", "", "be one of the nodes (this command runs itself so)")
	flag.StringVar(&o.node.data, "data", "", "its data folder")
	flag.StringVar(&o.node.peer, "peer", "", "where it listens")
	flag.StringVar(&o.node.join, "join", "", "a node of the cluster that it joins")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	do := run
	if o.node.name != "" {
		do = func(ctx context.Context, o *options) error { return o.node.serve(ctx) }
	}
	if err := do(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "calls:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) (err error) {
	dir, err := os.MkdirTemp("", "troupe-calls-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t, err := begin(ctx, o, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.whole(ctx); err != nil {
		return err
	}
	all := &tally{}
	for i := range o.kills {
		one, err := t.round(ctx, i)
		if err != nil {
			return fmt.Errorf("kill %d: %w", i+1, err)
		}
		fmt.Printf("kill %3d: %s\n", i+1, one)
		all.add(one)
	}
	fmt.Printf("in all:   %s\n", all)
	return t.reckon(ctx)
}
