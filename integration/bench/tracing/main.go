// Command tracing measures what the tracing of messages costs reads and calls, in rounds that take turns:
//
//	go run ./integration/bench/tracing
//
// Three processes do the same work, over and over: one built without the hooks (tag troupe_untraced), one where nobody asks for traces, and
// one that traces 0.1 % of all messages, to a collector that takes them. A round has each of them work in turn, for some tens
// of milliseconds. What is compared is processor time per operation: each figure is the median of the rounds' ratios to the first, which
// ran at the same time as the others; beside it stand the target and the allocations per operation. No keyspace has a replica: a write is
// one on its primary alone, with nothing to replicate.
package main

import (
	"bufio"
	"cmp"
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
	costs   map[string][]float64 // ns by work
	allocs  map[string]float64
}

func main() {
	rounds := flag.Int("rounds", 151, "rounds of each process and work")
	ratio := flag.String("child", "", "work as a child that traces so many messages")
	flag.Parse()
	run := func() error { return lead(*rounds) }
	if *ratio != "" {
		run = func() error { return work(*ratio) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lead builds and starts the processes, and has them take turns.
func lead(rounds int) (err error) {
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
		if err := v.start(folder, collector.URL); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		defer func() { err = errors.Join(err, v.stop()) }()
	}
	for round := range rounds + 2 {
		for _, w := range works {
			for i := range list { // who is first changes
				if err := list[(i+round)%len(list)].turn(w, round >= 2); err != nil {
					return err
				}
			}
		}
	}
	return report(list)
}

func (v *variant) start(folder, collector string) error {
	program := filepath.Join(folder, "untraced"+v.tags)
	build := exec.Command("go", "build", "-tags", v.tags, "-o", program, "github.com/troupe-actors/troupe/integration/bench/tracing")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	v.costs, v.allocs = map[string][]float64{}, map[string]float64{}
	v.process = exec.Command(program, "-child", v.ratio)
	v.process.Stderr = os.Stderr
	if v.ratio != "0" {
		v.process.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+collector, "OTEL_BSP_SCHEDULE_DELAY=5000") // a process that works one turn in three gathers more slowly than a node does
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

func (v *variant) turn(w string, counts bool) error {
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
		v.costs[w], v.allocs[w] = append(v.costs[w], ns), allocs
	}
	return nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

func report(list []*variant) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WORK\tBUILD\tCPU\tALLOCATIONS\tRATIO\tTARGET")
	for _, w := range works {
		for _, v := range list {
			ratio := make([]float64, len(v.costs[w]))
			for i := range ratio {
				ratio[i] = v.costs[w][i] / list[0].costs[w][i]
			}
			target := "-"
			if v.target > 0 {
				target = fmt.Sprint("≤ ", v.target)
			}
			fmt.Fprintf(t, "%s\t%s\t%.0f ns\t%.2f\t%.3f\t%s\n", w, v.name, median(slices.Clone(v.costs[w])), v.allocs[w], median(ratio), target)
		}
	}
	return t.Flush()
}

// works are what is measured.
var works = strings.Split("read,call,write,call elsewhere", ",")
