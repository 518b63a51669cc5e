package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// system is a cluster that is measured.
type system interface {
	name() string
	processes() []*harness.Process
	// dial opens the connection with this number.
	dial(ctx context.Context, o *options, number int) (client, error)
	close()
}

// client is one connection. Its methods are called from one goroutine.
type client interface {
	// write has n keys written, and returns when all are acknowledged.
	write(ctx context.Context, n int) error
	close()
}

// phases of a round. Connections look before each batch.
const (
	warming = int32(iota)
	measuring
	over
)

// drive is one round under way.
type drive struct {
	pipeline int
	phase    atomic.Int32
	clients  []client
	took     [][]time.Duration // per connection, of the batches in the measured time
	failures []error
}

// measure runs one round.
func measure(ctx context.Context, o *options, s system, pipeline int) (sample, error) {
	d := drive{pipeline: pipeline, took: make([][]time.Duration, o.connections), failures: make([]error, o.connections)}
	defer func() {
		for _, c := range d.clients {
			c.close()
		}
	}()
	for i := range o.connections {
		c, err := s.dial(ctx, o, i)
		if err != nil {
			return sample{}, err
		}
		d.clients = append(d.clients, c)
	}
	ctx, cancel := context.WithTimeout(ctx, o.warmup+o.each+10*time.Second)
	defer cancel()
	var running sync.WaitGroup
	for i, c := range d.clients {
		running.Go(func() { d.loop(ctx, i, c) })
	}
	pass(ctx, o.warmup)
	before, err := cpu(s)
	began := time.Now()
	d.phase.CompareAndSwap(warming, measuring)
	pass(ctx, o.each)
	d.phase.Store(over)
	running.Wait()
	elapsed := time.Since(began)
	after, err2 := cpu(s)
	if err := errors.Join(append(d.failures, err, err2)...); err != nil {
		return sample{}, err
	}
	return d.sample(elapsed, after-before)
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (d *drive) loop(ctx context.Context, number int, c client) {
	for {
		phase := d.phase.Load()
		if phase == over {
			return
		}
		began := time.Now()
		if err := c.write(ctx, d.pipeline); err != nil {
			d.failures[number] = fmt.Errorf("connection %d: %w", number, err)
			d.phase.Store(over)
			return
		}
		if phase == measuring {
			d.took[number] = append(d.took[number], time.Since(began))
		}
	}
}

func (d *drive) sample(elapsed, used time.Duration) (sample, error) {
	all := slices.Concat(d.took...)
	if len(all) == 0 {
		return sample{}, errors.New("nothing was acknowledged")
	}
	slices.Sort(all)
	writes := float64(len(all) * d.pipeline)
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return sample{
		rate: writes / elapsed.Seconds(), cpu: micros(used) / writes,
		p50: micros(all[len(all)/2]), p99: micros(all[len(all)*99/100]),
	}, nil
}

// cpu is the processor time that all servers of a system have used.
func cpu(s system) (sum time.Duration, err error) {
	for _, p := range s.processes() {
		used, failed := p.CPU()
		sum, err = sum+used, errors.Join(err, failed)
	}
	return sum, err
}
