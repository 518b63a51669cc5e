package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/bench"
)

// benching is one run of the verb bench.
type benching struct {
	c         *console
	plan      bench.Plan
	pid       int
	ops       []string
	mixes     []bench.Mix
	fill      bool
	histogram bool
	json      bool

	versus     string
	vsKeyspace string
	vsPassword string
	rounds     int
}

func benchCommand(c *console) *cobra.Command {
	b := &benching{c: c}
	cmd := &cobra.Command{
		Use: "bench", Short: "measure a Redis-speaking server", Args: cobra.NoArgs,
		Long: `Sends SET and GET over many connections and prints rate, latencies and, with --pid, the server's processor time per
command. It works with any server that speaks the Redis protocol. With --vs two servers are measured in turn, round by
round, and medians and ratios (A = --target, B = --vs) are printed. Each connection waits for its replies before it sends
more. --keyspace is sent as SELECT: a name for Troupe, a number for Redis.`,
		Example: `  troupe bench
  troupe bench --op get --pipeline 16 --duration 10s --pid $(pidof troupe)
  troupe bench --op 80:20 --connections 200 --value-size 1024 --requests 1000000
  troupe bench --pipeline 16 --pid 4711 --vs 127.0.0.1:6379,4712`,
	}
	f := cmd.Flags()
	f.StringVar(&b.plan.Target, "target", "", "server's Redis `address` (default 127.0.0.1:7400)")
	f.StringSliceVar(&b.ops, "op", []string{"set", "get"}, "what to send: set, get, or reads:writes such as 80:20; repeatable")
	f.IntVar(&b.plan.Connections, "connections", 50, "`number` of connections")
	f.IntVar(&b.plan.Pipeline, "pipeline", 1, "`commands` per write")
	f.IntVar(&b.plan.ValueSize, "value-size", 100, "`bytes` per value")
	f.IntVar(&b.plan.Keys, "keys", 100_000, "`number` of distinct keys")
	f.DurationVar(&b.plan.Duration, "duration", 5*time.Second, "measured `time`")
	f.Int64Var(&b.plan.Requests, "requests", 0, "measure this `number` of commands instead of a time")
	f.DurationVar(&b.plan.Warmup, "warmup", time.Second, "`time` that is sent but not measured")
	f.Uint64Var(&b.plan.Seed, "seed", 1, "`number` that decides about keys and values")
	f.BoolVar(&b.fill, "fill", true, "write every key first, so that reads find something")
	f.StringVar(&b.plan.Keyspace, "keyspace", "", "`name` to SELECT (default: none is selected)")
	f.StringVar(&b.plan.Password, "password", "", "`password` for AUTH (TROUPE_PASSWORD)")
	f.IntVar(&b.pid, "pid", 0, "server's process `id`, to measure its processor time (Linux)")
	f.BoolVar(&b.histogram, "histogram", true, "draw the latencies")
	f.StringVar(&b.versus, "vs", "", "compare with the server at this `host:port[,pid]`")
	f.StringVar(&b.vsKeyspace, "vs-keyspace", "", "`name` to SELECT at --vs")
	f.StringVar(&b.vsPassword, "vs-password", "", "`password` for AUTH at --vs")
	f.IntVar(&b.rounds, "rounds", 5, "`rounds` against each server with --vs")
	f.BoolVar(&b.json, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := b.prepare(); err != nil {
			return usage("%w", err)
		}
		if b.versus != "" {
			return b.compare(cmd.Context())
		}
		return b.measure(cmd.Context())
	}
	return cmd
}

func (b *benching) prepare() error {
	if b.plan.Target == "" {
		b.plan.Target = "127.0.0.1:7400"
	}
	b.plan.Password = b.c.setting(b.plan.Password, "TROUPE_PASSWORD", "")
	for _, op := range b.ops {
		mix, err := bench.ParseMix(op)
		if err != nil {
			return err
		}
		b.mixes = append(b.mixes, mix)
	}
	if b.rounds < 1 {
		return fmt.Errorf("--rounds %d must be 1 or more", b.rounds)
	}
	return b.plan.Validate()
}

// filled writes the keys, if they are wanted.
func (b *benching) filled(ctx context.Context, plan *bench.Plan) error {
	if !b.fill {
		return nil
	}
	ticker := b.ticker("fill")
	err := bench.Fill(ctx, plan, ticker.progress)
	ticker.end()
	return b.unreachable(plan, err)
}

func (b *benching) unreachable(plan *bench.Plan, err error) error {
	if dial := (*net.OpError)(nil); !errors.As(err, &dial) || dial.Op != "dial" {
		return err // nil, or somebody is there
	}
	return fmt.Errorf("%w\n  is a server running at %s? start one with: troupe node --data ./data", err, plan.Target)
}

func (b *benching) measure(ctx context.Context) error {
	if err := b.filled(ctx, &b.plan); err != nil {
		return err
	}
	var results []*bench.Result
	for _, mix := range b.mixes {
		ticker := b.ticker(mix.Name)
		result, err := bench.Run(ctx, &b.plan, mix, b.pid, ticker.progress)
		ticker.end()
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	return b.print(results)
}

// benchJSON is one result in JSON; times in nanoseconds.
type benchJSON struct {
	Op          string           `json:"op"`
	Target      string           `json:"target"`
	Connections int              `json:"connections"`
	Pipeline    int              `json:"pipeline"`
	ValueSize   int              `json:"value_size"`
	Ops         int64            `json:"ops"`
	Seconds     float64          `json:"seconds"`
	Rate        float64          `json:"ops_per_second"`
	Latency     map[string]int64 `json:"latency_ns"`
	CPUPerOp    int64            `json:"cpu_per_op_ns,omitempty"`
	Misses      int64            `json:"misses"`
	Failed      int64            `json:"failed"`
}

func (b *benching) resultJSON(p *bench.Plan, r *bench.Result) benchJSON {
	h := r.Latency
	return benchJSON{
		Op: r.Mix.Name, Target: p.Target, Connections: p.Connections, Pipeline: p.Pipeline, ValueSize: p.ValueSize,
		Ops: r.Ops, Seconds: r.Elapsed.Seconds(), Rate: r.Rate(), CPUPerOp: int64(r.CPUPerOp()), Misses: r.Misses, Failed: r.Failed,
		Latency: map[string]int64{
			"p50": h.ValueAtPercentile(50), "p90": h.ValueAtPercentile(90), "p99": h.ValueAtPercentile(99),
			"p99.9": h.ValueAtPercentile(99.9), "max": h.Max(),
		},
	}
}

func (b *benching) print(results []*bench.Result) error {
	if b.json {
		list := make([]benchJSON, len(results))
		for i, r := range results {
			list[i] = b.resultJSON(&b.plan, r)
		}
		if err := printJSON(b.c.out, list); err != nil {
			return err
		}
		return refusals(results)
	}
	fmt.Fprintln(b.c.out, b.conditions())
	if err := bench.WriteTable(b.c.out, results); err != nil {
		return err
	}
	for _, r := range results {
		if !b.histogram {
			break
		}
		fmt.Fprintf(b.c.out, "\n%s: latency, share, share so far\n", r.Mix.Name)
		if err := bench.WriteHistogram(b.c.out, r.Latency); err != nil {
			return err
		}
	}
	return refusals(results)
}

func (b *benching) conditions() string {
	p := &b.plan
	return fmt.Sprintf("%s · %d connections · pipeline %d · values of %s · %s keys", p.Target, p.Connections, p.Pipeline,
		byteText(int64(p.ValueSize)), bench.Thousands(int64(p.Keys)))
}

// refusals makes error replies a failure: figures of refused commands would mislead.
func refusals(results []*bench.Result) error {
	for _, r := range results {
		if r.Failed > 0 {
			return fmt.Errorf("%s of %s commands were refused, the first with: %s", bench.Thousands(r.Failed), bench.Thousands(r.Ops), r.Error)
		}
	}
	return nil
}

// compare runs the ratio mode.
func (b *benching) compare(ctx context.Context) error {
	target, pidText, hasPID := strings.Cut(b.versus, ",")
	other := bench.Side{Plan: new(bench.Plan)}
	*other.Plan = b.plan
	other.Plan.Target, other.Plan.Keyspace, other.Plan.Password = target, b.vsKeyspace, b.vsPassword
	if hasPID {
		var err error
		if other.PID, err = strconv.Atoi(pidText); err != nil {
			return usage("--vs %s: %q is no process id", b.versus, pidText)
		}
	}
	for _, plan := range []*bench.Plan{&b.plan, other.Plan} {
		if err := b.filled(ctx, plan); err != nil {
			return err
		}
	}
	var all []*bench.Versus
	for _, mix := range b.mixes {
		ticker := b.ticker(mix.Name)
		say := func(round int, target string) {
			ticker.name = fmt.Sprintf("%s round %d/%d %s", mix.Name, round, b.rounds, target)
		}
		v, err := bench.Compare(ctx, bench.Side{Plan: &b.plan, PID: b.pid}, other, mix, b.rounds, say, ticker.progress)
		ticker.end()
		if err != nil {
			return err
		}
		if err := refusals(append(append([]*bench.Result{}, v.A...), v.B...)); err != nil {
			return err
		}
		all = append(all, v)
	}
	return b.printVersus(other.Plan, all)
}

func (b *benching) printVersus(other *bench.Plan, all []*bench.Versus) error {
	if !b.json {
		fmt.Fprintf(b.c.out, "%s\nB: %s · medians of %d rounds of each, in turn\n", "A: "+b.conditions(), other.Target, b.rounds)
		return bench.WriteVersus(b.c.out, all)
	}
	type versusJSON struct {
		Op      string         `json:"op"`
		Figures []bench.Figure `json:"figures"`
		A       []benchJSON    `json:"a"`
		B       []benchJSON    `json:"b"`
	}
	list := make([]versusJSON, len(all))
	for i, v := range all {
		list[i] = versusJSON{Op: v.Mix.Name, Figures: v.Figures()}
		for round := range v.A {
			list[i].A = append(list[i].A, b.resultJSON(&b.plan, v.A[round]))
			list[i].B = append(list[i].B, b.resultJSON(other, v.B[round]))
		}
	}
	return printJSON(b.c.out, list)
}

// ticker shows on a terminal how many commands were answered; elsewhere a benchmark is silent until it ends.
type ticker struct {
	c    *console
	name string
	on   bool
}

func (b *benching) ticker(name string) *ticker { return &ticker{b.c, name, interactive(b.c.err)} }

func (t *ticker) progress(done int64, elapsed time.Duration) {
	if t.on {
		fmt.Fprintf(t.c.err, "\r%-60s", fmt.Sprintf("%s: %s commands, %.1f s", t.name, bench.Thousands(done), elapsed.Seconds()))
	}
}

func (t *ticker) end() {
	if t.on {
		fmt.Fprintf(t.c.err, "\r%60s\r", "")
	}
}
