// Command tracing measures what the tracing of messages costs reads and calls, in rounds that take turns:
//
//	go run ./integration/bench/tracing
//
// Three processes do the same work, over and over: one built without the hooks (tag troupe_untraced), one where nobody asks for traces, and
// one that traces 0.1 % of all messages, to a collector that takes them. A round has each of them work in turn, for some tens
// of milliseconds. What is compared is processor time per operation: each figure is the median of the rounds' ratios to the first, which
// ran at the same time as the others. After some rounds all three are built anew, with their functions in another random order, and
// started anew: where the linker puts a function, and the heap an object, is worth some hundredths by itself, for as long as a process
// lives, and must not be taken for a cost (Curtsinger and Berger, "Stabilizer", ASPLOS 2013). SPREAD says between which ratios the
// middle half of the builds lay.
//
//	served read      GET of clients that speak Redis' protocol, whose processor time does not count
//	call             of an actor on this node
//	call elsewhere   of an actor on another node, 64 under way; both nodes are in the process
//	read, write      of an embedding program, on this node: less than half a microsecond, in which each nanosecond can be seen
//
// No keyspace has a replica: a write is one on its primary alone, with nothing to replicate.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/troupe-actors/troupe/integration/harness"
)

// variant is one of the processes.
type variant struct {
	name    string
	tags    string
	ratio   string  // of messages that are traced
	target  float64 // at most so many times the first one's cost
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	costs   map[string][][]float64 // ns by work, build and round
	allocs  map[string]float64
}

func main() {
	rounds := flag.Int("rounds", 20, "rounds of each build's processes and works")
	builds := flag.Int("builds", 12, "builds of each process, each with its functions in another order")
	ratio := flag.String("child", "", "work as a child that traces so many messages")
	addr := flag.String("client", "", "be Redis clients of this address, once")
	key := flag.String("key", "", "what they read")
	flag.Parse()
	run := func() error { return lead(*builds, *rounds) }
	switch {
	case *ratio != "":
		run = func() error { return work(*ratio) }
	case *addr != "":
		run = func() error { return ask(context.Background(), *addr, *key) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lead has the processes take turns, build after build.
func lead(builds, rounds int) (err error) {
	folder, err := os.MkdirTemp("", "troupe-tracing-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	collector, err := harness.StartCollector()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, collector.Close()) }()
	list := []*variant{{name: "without the hooks", tags: "troupe_untraced", ratio: "0"}, {name: "off", ratio: "0", target: 1.01}, {name: "0.1 % traced", ratio: "0.001", target: 1.02}}
	for _, v := range list {
		v.costs, v.allocs = map[string][][]float64{}, map[string]float64{}
	}
	for b := range builds {
		fmt.Fprintf(os.Stderr, "\rbuild %d of %d ", b+1, builds)
		if err := compare(list, folder, collector.URL, b, rounds); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr)
	return report(list)
}

// compare builds and starts the processes, and has them take turns.
func compare(list []*variant, folder, collector string, build, rounds int) (err error) {
	for _, v := range list {
		if err := v.start(folder, collector, build+1); err != nil { // 0 would be the usual order
			return fmt.Errorf("%s: %w", v.name, err)
		}
		defer func() { err = errors.Join(err, v.stop()) }()
	}
	const warm = 2
	for round := range rounds + warm {
		for _, w := range works {
			for i := range list { // who is first changes
				if err := list[(i+round)%len(list)].turn(w, build, round >= warm); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (v *variant) start(folder, collector string, layout int) error {
	program := filepath.Join(folder, "untraced"+v.tags)
	build := exec.Command("go", "build", "-tags", v.tags, fmt.Sprint("-ldflags=-randlayout=", layout), "-o", program, "github.com/troupe-actors/troupe/integration/bench/tracing")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	v.process = exec.Command(program, "-child", v.ratio)
	v.process.Stderr = os.Stderr
	v.process.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "OTEL_") }) // those of the shell are for another
	if v.ratio == "0" {
		v.process.Env = append(v.process.Env, "OTEL_SDK_DISABLED=true")
	} else {
		v.process.Env = append(v.process.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector, "OTEL_BSP_SCHEDULE_DELAY=5000") // a process that works one turn in three gathers more slowly than a node does
	}
	out, err := v.process.StdoutPipe()
	if err != nil {
		return err
	}
	v.out = bufio.NewScanner(out)
	if v.in, err = v.process.StdinPipe(); err != nil {
		return err
	}
	return v.process.Start()
}

// stop ends the input, which ends the process.
func (v *variant) stop() error {
	return errors.Join(v.in.Close(), v.process.Wait())
}

func (v *variant) turn(w string, build int, counts bool) error {
	if _, err := fmt.Fprintln(v.in, w); err != nil {
		return err
	}
	if !v.out.Scan() {
		return fmt.Errorf("%s ended: %w", v.name, cmp.Or(v.out.Err(), io.ErrUnexpectedEOF))
	}
	var ns, allocs float64
	if _, err := fmt.Sscan(v.out.Text(), &ns, &allocs); err != nil {
		return fmt.Errorf("%s says %q: %w", v.name, v.out.Text(), err)
	}
	if counts {
		for len(v.costs[w]) <= build {
			v.costs[w] = append(v.costs[w], nil)
		}
		v.costs[w][build], v.allocs[w] = append(v.costs[w][build], ns), allocs
	}
	return nil
}

// part is the value below which such a part of the list lies.
func part(of float64, list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[int(of*float64(len(list)-1)+0.5)]
}

func report(list []*variant) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WORK\tBUILD\tCPU\tALLOCATIONS\tRATIO\tSPREAD\tTARGET")
	for _, w := range works {
		for _, v := range list {
			var all, ofBuilds []float64
			for b, costs := range v.costs[w] {
				ratios := make([]float64, len(costs))
				for i := range ratios {
					ratios[i] = costs[i] / list[0].costs[w][b][i]
				}
				all, ofBuilds = append(all, ratios...), append(ofBuilds, part(0.5, ratios))
			}
			target := "-"
			if v.target > 0 {
				target = fmt.Sprint("≤ ", v.target)
			}
			fmt.Fprintf(t, "%s\t%s\t%.0f ns\t%.2f\t%.3f\t%.3f to %.3f\t%s\n", w, v.name, part(0.5, slices.Concat(v.costs[w]...)), v.allocs[w],
				part(0.5, all), part(0.25, ofBuilds), part(0.75, ofBuilds), target)
		}
	}
	return t.Flush()
}

// works are what is measured.
var works = strings.Split("served read,call,call elsewhere,read,write", ",")
