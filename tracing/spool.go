package tracing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spool sends the spans of messages, many at a time, on a goroutine of its own. It shares nothing with the traces of failovers: those
// must get through while messages are too many.
//
// That goroutine sleeps until there is a batch, or the first span has waited for long enough: to wake it for each span, as a channel of spans
// does, costs more processor time than to make the span.
type spool struct {
	origin  Origin
	out     sdktrace.SpanExporter
	failed  func(error)
	size    int // spans that may wait; guarded by mu, as is waiting
	batch   int
	delay   time.Duration
	mu      sync.Mutex
	waiting []*Span
	late    *time.Timer   // runs while spans wait
	full    chan struct{} // has room for one: a batch waits
	dropped atomic.Uint64
	failing bool // the last batch was not exported: failed is told once, and again after one that was
	cancel  context.CancelFunc
	closed  chan struct{}
	done    sync.WaitGroup
}

// Messages makes the spans of a node's messages, and sends them where the exporter's traces go. While those go nowhere it is off. Which
// messages are traced say the standard variables, or without them ratio, from 0 to 1: that part of the messages that come in, and all
// whose senders trace them.
//
//	OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG   always_on, always_off, traceidratio, or parentbased_ and one of these
//	OTEL_BSP_MAX_QUEUE_SIZE                        spans that wait; default 2048. What comes after is dropped and counted
//	OTEL_BSP_MAX_EXPORT_BATCH_SIZE                 spans that are sent together; default 512
//	OTEL_BSP_SCHEDULE_DELAY                        ms that a span waits for others; default 1000
//
// A value that it does not know is told to the exporter's warn, and ignored. It is called once; once spans are sent, again is an error, as
// is a ratio that is none. They are sent until the exporter is closed.
func (e *Exporter) Messages(nodeID, node string, ratio float64) (*Messages, error) {
	if e.spool != nil {
		return nil, errors.New("tracing: the exporter sends spans of messages already; share what Messages gave")
	}
	if err := checkRatio("the ratio of messages to trace", ratio); err != nil {
		return nil, err
	}
	s := e.env.sampler(ratio)
	m := &Messages{node: node, id: nodeID}
	if e.out == nil || s.off() {
		return m, nil
	}
	size := e.env.count("OTEL_BSP_MAX_QUEUE_SIZE", 2048)
	batch := e.env.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
	delay := e.env.count("OTEL_BSP_SCHEDULE_DELAY", 1000)
	out, err := e.dial()
	if err != nil { // the first one could be made
		return nil, err
	}
	e.spool = newSpool(e.origin, size, min(batch, size), time.Duration(delay)*time.Millisecond, out, e.failed)
	m.out = e.spool.take
	e.where += "; messages by " + s.name
	m.use(s)
	return m, nil
}

// newSpool begins to send what it takes to out, until it is closed.
func newSpool(from Origin, size, batch int, delay time.Duration, out sdktrace.SpanExporter, failed func(error)) *spool {
	p := &spool{origin: from, out: out, failed: failed, size: size, batch: batch, delay: delay,
		late: time.NewTimer(delay), full: make(chan struct{}, 1), closed: make(chan struct{})}
	p.late.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.done.Go(func() { p.run(ctx) })
	return p
}

func (p *spool) take(s *Span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) >= p.size {
		p.dropped.Add(1)
		return
	}
	p.waiting = append(p.waiting, s)
	switch len(p.waiting) {
	case p.batch:
		select {
		case p.full <- struct{}{}:
		default:
		}
	case 1:
		p.late.Reset(p.delay)
	}
}

// run sends what has gathered when there is a batch of it, or the first has waited for long enough.
func (p *spool) run(ctx context.Context) {
	batch := make([]Span, 0, p.batch)
	for open := true; open; {
		select {
		case <-p.full:
		case <-p.late.C:
		case <-p.closed:
			open = false
		}
		for more := true; more; {
			batch, more = p.gather(batch[:0], open)
			p.send(ctx, batch)
			clear(batch)
		}
	}
}

// gather takes what waits, a batch at most. more says that the rest is to be sent at once. When the spool is not open any more, and nothing
// waits, it takes nothing from then on.
func (p *spool) gather(batch []Span, open bool) (taken []Span, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.waiting), p.batch)
	for _, s := range p.waiting[:n] {
		batch = append(batch, *s)
	}
	p.waiting = slices.Delete(p.waiting, 0, n)
	p.late.Stop()
	switch rest := len(p.waiting); {
	case rest >= p.batch || rest > 0 && !open:
		return batch, true
	case rest > 0:
		p.late.Reset(p.delay)
	case !open:
		p.size = 0
	}
	return batch, false
}

func (p *spool) send(ctx context.Context, batch []Span) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	err := ctx.Err()
	if err == nil {
		err = p.out.ExportSpans(ctx, snapshots(p.origin, batch))
	}
	if err != nil {
		p.dropped.Add(uint64(len(batch)))
	}
	if err != nil && !p.failing {
		p.failed(fmt.Errorf("%d spans of messages did not reach their collector and are lost: %w", len(batch), err))
	}
	p.failing = err != nil
}

// close sends what waits, for as long as ctx allows, and ends. Spans that end later are dropped.
func (p *spool) close(ctx context.Context) error {
	defer p.cancel()
	close(p.closed)
	stop := context.AfterFunc(ctx, p.cancel)
	p.done.Wait()
	if !stop() {
		return errors.Join(ctx.Err(), p.out.Shutdown(ctx))
	}
	return p.out.Shutdown(ctx)
}

// DroppedSpans counts spans of messages that no collector took.
func (e *Exporter) DroppedSpans() uint64 {
	if e.spool == nil {
		return 0
	}
	return e.spool.dropped.Load()
}
