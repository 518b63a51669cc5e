// Command actors measures virtual actors beside what they stand on, in rounds that take turns:
//
//	go run ./integration/bench/actors
//
// A local call beside protoactor's own request; a call to another node beside a gRPC unary call, both over the loopback with both
// ends in this process and 64 in flight; actors whose code is WebAssembly beside the same in Go, with their memory put back after each
// message but for the guest in Go; what it costs to wake an actor, and how many bytes one takes that sleeps. What it compares
// is the processor time of the process per call, since that moves least with whatever else the machine does. Each figure is the
// median of the rounds; beside it stands the target that the project has set itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

// contestant is one way to call.
type contestant struct {
	name     string
	inFlight int
	call     func(ctx context.Context, caller int) error
	against  string  // the one that it is compared with
	target   float64 // at most so many times that one's cost; 0: none
	costs    []time.Duration
	walls    []time.Duration
}

type options struct {
	rounds, calls, actors int
	expire                bool
	root                  string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each contestant; 0: none")
	flag.IntVar(&o.calls, "calls", 50_000, "calls in a round")
	flag.IntVar(&o.actors, "actors", 1_000_000, "actors whose memory is measured; 0: leave that out")
	flag.BoolVar(&o.expire, "expire", true, "measure them once more when their replies have expired: ten minutes for each kind of them")
	flag.StringVar(&o.root, "root", ".", "the folder of the repository, where the guests' modules are")
	flag.Parse()
	if err := run(context.Background(), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	if o.rounds > 0 {
		if err := race(ctx, o); err != nil {
			return err
		}
	}
	return measureSleepers(ctx, o)
}

// race has the contestants take turns, and prints what each has cost.
func race(ctx context.Context, o *options) error {
	yard, err := newYard(ctx, o.root)
	if err != nil {
		return err
	}
	list := yard.contestants()
	for range o.rounds {
		for _, c := range list {
			if err := c.round(ctx, o.calls); err != nil {
				return errors.Join(fmt.Errorf("%s: %w", c.name, err), yard.close())
			}
		}
	}
	return errors.Join(print(list), yard.close())
}

// round makes so many calls, from as many callers as are to be in flight.
func (c *contestant) round(ctx context.Context, calls int) error {
	begin, used := time.Now(), processorTime()
	var callers sync.WaitGroup
	errs := make([]error, c.inFlight)
	for caller := range c.inFlight {
		callers.Go(func() {
			for range calls / c.inFlight {
				if errs[caller] = c.call(ctx, caller); errs[caller] != nil {
					return
				}
			}
		})
	}
	callers.Wait()
	n := time.Duration(calls / c.inFlight * c.inFlight)
	c.costs, c.walls = append(c.costs, (processorTime()-used)/n), append(c.walls, time.Since(begin)/n)
	return errors.Join(errs...)
}

// processorTime is what the process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

func print(list []*contestant) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CALL\tIN FLIGHT\tPROCESSOR\tWALL\tRATIO\tTARGET")
	for _, c := range list {
		ratio, target := "", ""
		for _, other := range list {
			if other.name == c.against {
				ratio = fmt.Sprintf("%.2f", float64(median(c.costs))/float64(median(other.costs)))
			}
		}
		if c.target > 0 {
			target = fmt.Sprintf("≤ %.1f × %s", c.target, c.against)
		}
		fmt.Fprintf(t, "%s\t%d\t%v\t%v\t%s\t%s\n", c.name, c.inFlight, median(c.costs), median(c.walls), ratio, target)
	}
	return t.Flush()
}
