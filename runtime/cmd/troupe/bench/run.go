package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	hdrhistogram "github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what one run measured.
type Result struct {
	Mix     Mix
	Ops     int64 // commands answered in the measured time
	Elapsed time.Duration
	Misses  int64  // of Ops: GETs that found nothing
	Failed  int64  // error replies, the warm-up's included
	Error   string // the first error reply's text
	CPU     time.Duration
	HasCPU  bool // CPU was asked for
	Latency *hdrhistogram.Histogram
}

// Rate is commands per second.
func (r *Result) Rate() float64 { return float64(r.Ops) / r.Elapsed.Seconds() }

// CPUPerOp is the server's processor time per command; 0 if it was not measured.
func (r *Result) CPUPerOp() time.Duration {
	if !r.HasCPU || r.Ops == 0 {
		return 0
	}
	return time.Duration(float64(r.CPU) / float64(r.Ops))
}

// Progress hears, a few times a second, how many commands were answered (the warm-up's included) and for how long.
type Progress func(done int64, elapsed time.Duration)

// phases of a run. Connections look before each batch.
const (
	phaseWarmup = int32(iota)
	phaseMeasure
	phaseStop
)

// run is one run in progress.
type run struct {
	plan   *Plan
	mix    Mix
	conns  []*conn
	phase  atomic.Int32
	budget atomic.Int64 // commands still to be sent, if the plan bounds them
}

// ErrStalled says that the server did not answer commands that were sent before the time was up.
var ErrStalled = errors.New("bench: the server stopped answering")

// grace is how long a server may take to answer what was sent when the time is up.
const grace = 5 * time.Second

// Run connects, sends commands as the plan says and reports. pid is the server's process for its processor time, 0 for none.
// progress may be nil. The plan must be valid. An error reply of the server is not an error of Run: see Result.Failed.
func Run(ctx context.Context, p *Plan, mix Mix, pid int, progress Progress) (*Result, error) {
	r := &run{plan: p, mix: mix}
	r.budget.Store(p.Requests)
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	ended := make(chan error, 1)
	start := time.Now()
	go func() { ended <- r.drive() }()
	return r.supervise(ctx, ended, start, pid, progress)
}

// Fill writes every key of the plan once, so that reads find something.
func Fill(ctx context.Context, p *Plan, progress Progress) error {
	plan := *p
	plan.Pipeline = max(1, min(128, 8<<20/plan.ValueSize))
	plan.Connections = min(plan.Connections, 8)
	r := &run{plan: &plan}
	if err := r.connect(ctx); err != nil {
		return err
	}
	defer r.close()
	defer context.AfterFunc(ctx, r.close)()
	ended := make(chan error, 1)
	start := time.Now()
	go func() { ended <- r.fill() }()
	ticks := time.NewTicker(200 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case err := <-ended:
			return cmp.Or(ctx.Err(), err)
		case <-ticks.C:
			r.report(progress, start)
		}
	}
}

func (r *run) connect(ctx context.Context) error {
	body := make([]byte, r.plan.ValueSize)
	random := newRandom(r.plan.Seed, 0)
	for i := range body {
		body[i] = byte(random.Uint32())
	}
	value := append(strconv.AppendInt([]byte{'$'}, int64(len(body)), 10), "\r\n"...)
	value = append(append(value, body...), "\r\n"...)
	for i := range r.plan.Connections {
		c, err := dial(ctx, r.plan, i+1, value)
		if err != nil {
			r.close()
			return fmt.Errorf("connection %d of %d: %w", i+1, r.plan.Connections, err)
		}
		r.conns = append(r.conns, c)
	}
	return nil
}

func (r *run) close() {
	for _, c := range r.conns {
		c.net.Close()
	}
}

// drive runs every connection to its end and returns the first failure. One that fails stops the others.
func (r *run) drive() error {
	return r.each(func(c *conn, _ int) error { return r.loop(c) })
}

func (r *run) each(work func(c *conn, number int) error) error {
	var wg sync.WaitGroup
	failures := make([]error, len(r.conns))
	for i, c := range r.conns {
		wg.Go(func() {
			if failures[i] = work(c, i); failures[i] != nil {
				r.phase.Store(phaseStop)
			}
		})
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// loop is one connection's life: batches until the phase or the budget ends it.
func (r *run) loop(c *conn) error {
	n := r.plan.Pipeline
	for {
		var record *hdrhistogram.Histogram
		misses := c.replies.misses
		switch r.phase.Load() {
		case phaseStop:
			return nil
		case phaseMeasure:
			if r.plan.Requests > 0 && r.budget.Add(-int64(n)) <= -int64(n) {
				return nil
			}
			record = c.latency
		}
		c.build(n, r.plan.Keys, r.mix.Reads)
		if err := c.exchange(int64(n), record); err != nil {
			return err
		}
		c.done.Add(int64(n))
		if record != nil {
			c.misses += c.replies.misses - misses
		}
	}
}

// fill writes the plan's keys, each connection its share.
func (r *run) fill() error {
	return r.each(func(c *conn, number int) error {
		for key := number; key < r.plan.Keys && r.phase.Load() != phaseStop; {
			c.out = c.out[:0]
			sent := int64(0)
			for ; sent < int64(r.plan.Pipeline) && key < r.plan.Keys; key += len(r.conns) {
				c.set(key)
				sent++
			}
			if err := c.exchange(sent, nil); err != nil {
				return err
			}
			if c.replies.failed > 0 {
				return fmt.Errorf("SET is refused: %s", c.replies.first)
			}
			c.done.Add(sent)
		}
		return nil
	})
}

// supervise moves the run through its phases and adds up what the connections measured.
func (r *run) supervise(ctx context.Context, ended <-chan error, start time.Time, pid int, progress Progress) (*Result, error) {
	result := &Result{Mix: r.mix, HasCPU: pid != 0}
	ticks := time.NewTicker(200 * time.Millisecond)
	defer ticks.Stop()
	warm := time.NewTimer(r.plan.Warmup)
	defer warm.Stop()
	var over, dead <-chan time.Time
	var measured time.Time
	var cpu time.Duration
	var stalled error
	cancelled := ctx.Done()
	for {
		select {
		case <-warm.C:
			var err error
			if cpu, err = processCPU(pid); err != nil {
				r.phase.Store(phaseStop)
				<-ended
				return nil, err
			}
			measured = time.Now()
			r.phase.CompareAndSwap(phaseWarmup, phaseMeasure)
			if r.plan.Requests == 0 {
				over = time.After(r.plan.Duration)
			}
		case <-over:
			r.phase.Store(phaseStop)
			dead = time.After(grace)
		case <-cancelled:
			r.phase.Store(phaseStop)
			cancelled, dead = nil, time.After(grace/10)
		case <-dead:
			stalled = ErrStalled
			r.close()
		case <-ticks.C:
			r.report(progress, start)
		case err := <-ended:
			result.Elapsed = time.Since(measured)
			if err = cmp.Or(ctx.Err(), stalled, err); err != nil {
				return nil, err
			}
			after, err := processCPU(pid)
			result.CPU = after - cpu
			r.collect(result)
			return result, err
		}
	}
}

func (r *run) report(progress Progress, start time.Time) {
	if progress == nil {
		return
	}
	var done int64
	for _, c := range r.conns {
		done += c.done.Load()
	}
	progress(done, time.Since(start))
}

// collect adds up the connections; their goroutines have ended.
func (r *run) collect(result *Result) {
	result.Latency = newHistogram()
	for _, c := range r.conns {
		result.Latency.Merge(c.latency)
		result.Misses += c.misses
		result.Failed += c.replies.failed
		if result.Error == "" {
			result.Error = c.replies.first
		}
	}
	result.Ops = result.Latency.TotalCount()
}
