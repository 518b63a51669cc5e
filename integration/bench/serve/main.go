// Command serve compares a troupe node with redis-server on this machine, in rounds that take turns:
//
//	go run ./integration/bench/serve
//
// 50 connections on the loopback, 100-byte values, 100,000 keys, one client for both. What it compares is the processor time
// of the server per operation, since that moves least with whatever else the machine does, and the throughput. Each figure is
// the median of the rounds; beside it stands the target that the project has set itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/bench"
)

// match is one pair of servers that promise the same, and what is asked of both.
type match struct {
	name     string
	redis    []string // settings of redis-server
	keyspace string   // --keyspace of the node
	runs     []trial
}

// trial is one kind of load. A target of 0 is none.
type trial struct {
	mix        string
	pipeline   int
	cpuTarget  float64 // the node's processor time per operation over Redis', at most
	rateTarget float64 // the node's throughput over Redis', at least
}

var matches = []match{
	{"in memory", nil, "default:durability=memory", []trial{
		{"get", 1, 1.25, 0}, {"set", 1, 1.25, 0}, {"get", 16, 1, 0}, {"set", 16, 1, 0},
	}},
	{"fsync before each answer", []string{"--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"},
		"default:durability=fsync", []trial{{"set", 1, 1.2, 1}, {"set", 16, 1.2, 1}}},
}

type options struct {
	rounds int
	each   time.Duration
	warmup time.Duration
	keys   int
	seed   uint64
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each server in each row")
	flag.DurationVar(&o.each, "time", 2*time.Second, "measured time of one round")
	flag.DurationVar(&o.warmup, "warmup", 300*time.Millisecond, "time before it that is not measured")
	flag.IntVar(&o.keys, "keys", 100_000, "distinct keys")
	flag.Uint64Var(&o.seed, "seed", 1, "of the keys' order")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// run plays all matches and prints one table.
func run(ctx context.Context, o options, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, err := harness.Build(ctx, dir, false)
	if err != nil {
		return err
	}
	var rows []row
	for _, m := range matches {
		played, err := m.play(ctx, o, program, progress)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, played...)
	}
	return printTable(out, o, rows)
}

// play starts both servers, fills them and runs the trials.
func (m match) play(ctx context.Context, o options, program string, progress io.Writer) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	redis, addr, err := harness.StartRedis(ctx, dir, m.redis...)
	if err != nil {
		return nil, err
	}
	defer redis.Kill()
	node, err := harness.StartNode(ctx, &harness.NodeConfig{Program: program, Data: dir + "/node", Keyspaces: []string{m.keyspace}})
	if err != nil {
		return nil, err
	}
	defer node.Kill()
	filled := false
	for _, t := range m.runs {
		ours, theirs := o.plan(node.RESP, t.pipeline), o.plan(addr, t.pipeline)
		if !filled {
			if err := errors.Join(bench.Fill(ctx, ours, nil), bench.Fill(ctx, theirs, nil)); err != nil {
				return nil, err
			}
			filled = true
		}
		mix, err := bench.ParseMix(t.mix)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(progress, "%s: %s, pipeline %d, %d rounds\n", m.name, t.mix, t.pipeline, o.rounds)
		v, err := bench.Compare(ctx, bench.Side{Plan: ours, PID: node.PID()}, bench.Side{Plan: theirs, PID: redis.PID()}, mix, o.rounds, nil, nil)
		if err != nil {
			return nil, err
		}
		r, err := summarize(m.name, t, v)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (o options) plan(target string, pipeline int) *bench.Plan {
	p := &bench.Plan{Target: target, Pipeline: pipeline, Keys: o.keys, Duration: o.each, Warmup: o.warmup, Seed: o.seed}
	if err := p.Validate(); err != nil {
		panic(err) // the flags are all bounded by what a person would wait for
	}
	return p
}
