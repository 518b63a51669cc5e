// Command replicate compares what an acknowledged write costs in a cluster of three troupe nodes, each shard with one replica, with
// what it costs elsewhere, in rounds that take turns on this machine:
//
//	go run ./integration/bench/replicate
//
//	durability memory    beside Redis Cluster, three masters with a replica each, WAIT 1 after each batch
//	durability fsync     beside three nodes of etcd
//
// 50 connections on the loopback, 100-byte values; each connection writes keys whose primary is the node that it talks to, etcd's
// talk to its leader. What it compares is the processor time of all servers together per write: it moves least with whatever else
// the machine does. Each figure is the median of the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

type options struct {
	rounds      int
	each        time.Duration
	warmup      time.Duration
	connections int
	keys        int
	program     string
	pipelines   []int
	only        string
}

// match is a durability, and who is measured with it: the first is troupe, the others are what it is compared with.
type match struct {
	name    string
	systems []start
	target  map[int]float64 // by pipeline: troupe's processor time per write over the other's, at most
}

// start brings up a system that runs until close.
type start func(ctx context.Context, o *options, dir string) (system, error)

var matches = []match{
	{"memory", []start{startTroupe("memory"), startRedis}, map[int]float64{1: 1.2, 16: 1.2}},
	{"fsync", []start{startTroupe("fsync"), startEtcd}, map[int]float64{1: 0.2, 16: 0.2}},
}

func main() {
	var o options
	var pipelines string
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each system in each row")
	flag.DurationVar(&o.each, "time", 2*time.Second, "measured time of one round")
	flag.DurationVar(&o.warmup, "warmup", 300*time.Millisecond, "time before it that is not measured")
	flag.IntVar(&o.connections, "connections", 50, "connections in all")
	flag.IntVar(&o.keys, "keys", 100_000, "distinct keys")
	flag.StringVar(&o.program, "program", "", "the troupe program; default: built from this tree")
	flag.StringVar(&o.only, "only", "", "memory or fsync; default: both")
	flag.StringVar(&pipelines, "pipelines", "1,16", "writes under way on each connection")
	flag.Parse()
	for text := range strings.SplitSeq(pipelines, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "replicate: --pipelines %q: numbers above 0, with commas between\n", pipelines)
			os.Exit(2)
		}
		o.pipelines = append(o.pipelines, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "replicate:", err)
		os.Exit(1)
	}
}

// run plays all matches and prints one table.
func run(ctx context.Context, o *options, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.program == "" {
		if o.program, err = harness.Build(ctx, dir, false); err != nil {
			return err
		}
	}
	var rows []row
	for _, m := range matches {
		if o.only != "" && o.only != m.name {
			continue
		}
		played, err := m.play(ctx, o, dir, progress)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, played...)
	}
	return printTable(out, o, rows)
}

// play starts all systems of a match and measures them in turn.
func (m *match) play(ctx context.Context, o *options, dir string, progress io.Writer) (rows []row, err error) {
	var systems []system
	defer func() {
		for _, s := range systems {
			s.close()
		}
	}()
	for i, begin := range m.systems {
		place := fmt.Sprintf("%s/%s%d", dir, m.name, i)
		if err := os.Mkdir(place, 0o700); err != nil {
			return nil, err
		}
		s, err := begin(ctx, o, place)
		if s != nil {
			systems = append(systems, s)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, pipeline := range o.pipelines {
		taken := make([][]sample, len(systems))
		for round := range o.rounds {
			fmt.Fprintf(progress, "%s, pipeline %d, round %d\n", m.name, pipeline, round+1)
			for i, s := range systems {
				got, err := measure(ctx, o, s, pipeline)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name(), err)
				}
				taken[i] = append(taken[i], got)
			}
		}
		r := row{match: m.name, pipeline: pipeline, target: m.target[pipeline], ours: median(taken[0])}
		for i, s := range systems[1:] {
			r.beside, r.theirs = s.name(), median(taken[i+1])
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// sample is one round of one system, or the medians of some.
type sample struct{ rate, p50, p99, cpu float64 } // writes a second; microseconds; microseconds of processor time per write

func median(all []sample) sample {
	of := func(pick func(sample) float64) float64 {
		var list []float64
		for _, s := range all {
			list = append(list, pick(s))
		}
		slices.Sort(list)
		return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
	}
	return sample{
		of(func(s sample) float64 { return s.rate }), of(func(s sample) float64 { return s.p50 }),
		of(func(s sample) float64 { return s.p99 }), of(func(s sample) float64 { return s.cpu }),
	}
}
