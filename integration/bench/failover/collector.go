package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// What a collector of traces does to failovers: clusters whose nodes send theirs to one that takes them, and to one that takes
// connections and never answers, beside the one whose nodes send nothing.
const (
	collected = "collected"
	hanging   = "hanging"
)

// startCollected is troupe with a collector that takes every trace.
func startCollected(ctx context.Context, o *options, dir string) (system, error) {
	c, err := harness.StartCollector()
	if err != nil {
		return nil, err
	}
	return startTelling(ctx, o, dir, collected, c.URL, c.Close)
}

// startHanging is troupe with a collector that never answers.
func startHanging(ctx context.Context, o *options, dir string) (system, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var serving sync.WaitGroup
	serving.Go(func() { hang(l) })
	return startTelling(ctx, o, dir, hanging, "http://"+l.Addr().String(), func() error {
		err := l.Close()
		serving.Wait()
		return err
	})
}

// hang takes connections and reads nothing, until the listener is closed.
func hang(l net.Listener) {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close() // its other end has waited in vain
		}
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		open = append(open, c)
	}
}

// startTelling starts troupe with a collector at an address, which is closed with it.
func startTelling(ctx context.Context, o *options, dir, name, address string, end func() error) (system, error) {
	t, err := startNodes(ctx, o, dir, name, "OTEL_EXPORTER_OTLP_ENDPOINT="+address)
	if t == nil {
		return nil, errors.Join(err, end())
	}
	t.end = end
	return t, err
}

// memory is what the placement leader holds for itself, in bytes. It tells all failovers, and lives through those of others.
func (t *troupe) memory(ctx context.Context) (int64, error) {
	leader, err := t.cluster.Leader(ctx)
	if err != nil {
		return 0, err
	}
	held, _, err := leader.Node().Memory()
	return held, err
}

// effect is what a collector did to the failovers of one aim.
type effect struct {
	name          string
	ratio         float64 // of the medians, to those without a collector
	low, high     float64 // between which that lies in 95 of 100 drawings of as many trials
	more          int64   // bytes that the leader holds
	without, with time.Duration
}

// Targets of the effect.
const (
	mostSlower = 1.05
	mostMemory = 16 << 20
)

// compare takes the trials without a collector, and with one.
func compare(name string, without, with []time.Duration) effect {
	e := effect{name: name, without: median(without), with: median(with)}
	e.ratio = float64(e.with) / float64(e.without)
	chance := rand.New(rand.NewPCG(1, 2)) // the same trials give the same bounds
	draw := func(from []time.Duration) time.Duration {
		list := make([]time.Duration, len(from))
		for i := range list {
			list[i] = from[chance.IntN(len(from))]
		}
		return median(list)
	}
	drawings := make([]float64, 4000)
	for i := range drawings {
		drawings[i] = float64(draw(with)) / float64(draw(without))
	}
	slices.Sort(drawings)
	e.low, e.high = drawings[len(drawings)/40], drawings[len(drawings)-1-len(drawings)/40]
	return e
}

// verdict says what is known of the targets.
func (e *effect) verdict(weighed bool) string {
	slower := "met"
	switch {
	case e.low > mostSlower:
		slower = "MISSED"
	case e.high > mostSlower:
		slower = "neither shown nor ruled out"
	}
	if !weighed {
		return fmt.Sprintf("<= %.2f %s", mostSlower, slower)
	}
	memory := "met"
	if e.more > mostMemory {
		memory = "MISSED"
	}
	return fmt.Sprintf("<= %.2f %s; <= %d MiB %s", mostSlower, slower, mostMemory>>20, memory)
}

// printEffects compares the rows of clusters with a collector to those without. Memory is compared where all leaders have lived through
// all trials: if no leader was killed.
func printEffects(ctx context.Context, out io.Writer, systems []system, rows []*result, aims []string) error {
	held, err := holdings(ctx, systems, rows)
	if err != nil {
		return err
	}
	row := func(name string) *result {
		if i := slices.IndexFunc(rows, func(r *result) bool { return r.name == name }); i >= 0 {
			return rows[i]
		}
		return nil
	}
	first := true
	for _, name := range []string{collected, hanging} {
		for _, aim := range aims {
			without, with := row("troupe, "+aim), row(name+", "+aim)
			if without == nil || with == nil {
				continue
			}
			if first {
				fmt.Fprintf(out, "\nWith a collector, to without: median until the first client wrote again (95 of 100 drawings of the trials), and what the leader held in the end, if none was killed\n\n")
				first = false
			}
			e := compare(name+", "+aim, without.first, with.first)
			memory := ""
			if held != nil {
				e.more = held[name] - held["troupe"]
				memory = fmt.Sprintf("  %+.1f MiB", float64(e.more)/(1<<20))
			}
			fmt.Fprintf(out, "%s  %.3f (%.2f to %.2f)  %.1f ms, %.1f without%s  %s\n", e.name, e.ratio, e.low, e.high, e.with.Seconds()*1e3, e.without.Seconds()*1e3, memory, e.verdict(held != nil))
		}
	}
	return nil
}

// holdings is what the leaders hold, by system; nil: nobody compares it.
func holdings(ctx context.Context, systems []system, rows []*result) (map[string]int64, error) {
	compared := slices.ContainsFunc(systems, func(s system) bool { return s.name() == collected || s.name() == hanging })
	if !compared || slices.ContainsFunc(rows, func(r *result) bool { return strings.HasSuffix(r.name, ", "+aimLeader) }) {
		return nil, nil
	}
	held := map[string]int64{}
	for _, s := range systems {
		if t, is := s.(*troupe); is {
			var err error
			if held[t.called], err = t.memory(ctx); err != nil {
				return nil, fmt.Errorf("what the leader of %s holds: %w", t.called, err)
			}
		}
	}
	return held, nil
}

// The aims: whose node a fault befalls.
const (
	aimPrimary = "primary"
	aimLeader  = "leader"
)

// wanted is an aim that is to be measured.
func (o *options) wanted(aim string) bool { return o.aim == "" || o.aim == aim }
