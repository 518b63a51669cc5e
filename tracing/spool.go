package tracing

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spool sends the spans of messages, many at a time, on a goroutine of its own. It shares nothing with the traces of failovers: those
// must get through while messages are too many.
type spool struct {
	service string
	out     sdktrace.SpanExporter
	failed  func(error)
	queue   chan *Span
	batch   int
	delay   time.Duration
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
// It is called once; once spans are sent, again is an error. They are sent until the exporter is closed.
func (e *Exporter) Messages(nodeID, node string, ratio float64) (*Messages, error) {
	if e.spool != nil {
		return nil, errors.New("tracing: the exporter sends spans of messages already; share what Messages gave")
	}
	s, err := newSampler(e.env, ratio)
	if err != nil {
		return nil, err
	}
	m := &Messages{node: node, id: nodeID}
	if e.out == nil || s.off() {
		return m, nil
	}
	p := &spool{service: e.service, failed: e.failed, closed: make(chan struct{})}
	size, delay := 2048, 1000
	p.batch = 512
	for name, to := range map[string]*int{"OTEL_BSP_MAX_QUEUE_SIZE": &size, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": &p.batch, "OTEL_BSP_SCHEDULE_DELAY": &delay} {
		if err := count(e.env, name, to); err != nil {
			return nil, err
		}
	}
	if p.out, err = e.dial(); err != nil {
		return nil, err
	}
	p.queue, p.delay, p.batch = make(chan *Span, size), time.Duration(delay)*time.Millisecond, min(p.batch, size)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.done.Go(func() { p.run(ctx) })
	e.spool, m.out = p, p.take
	e.where += "; messages by " + s.name
	m.use(s)
	return m, nil
}

// count reads a variable that is a number above 0.
func count(env func(string) string, name string, to *int) error {
	text := env(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1<<20 {
		return fmt.Errorf("tracing: %s is %q; it is a number from 1 to %d", name, text, 1<<20)
	}
	*to = n
	return nil
}

func (p *spool) take(s *Span) {
	select {
	case p.queue <- s:
	default:
		p.dropped.Add(1)
	}
}

// run sends what has gathered when there is a batch of it, or the first has waited for long enough.
func (p *spool) run(ctx context.Context) {
	late := time.NewTimer(p.delay)
	late.Stop()
	defer late.Stop()
	batch := make([]Span, 0, p.batch)
	send := func() {
		late.Stop()
		p.send(ctx, batch)
		clear(batch)
		batch = batch[:0]
	}
	for {
		select {
		case s := <-p.queue:
			if len(batch) == 0 {
				late.Reset(p.delay)
			}
			if batch = append(batch, *s); len(batch) == cap(batch) {
				send()
			}
		case <-late.C:
			send()
		case <-p.closed:
			for len(p.queue) > 0 {
				if batch = append(batch, *<-p.queue); len(batch) == cap(batch) {
					send()
				}
			}
			send()
			return
		}
	}
}

func (p *spool) send(ctx context.Context, batch []Span) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	err := ctx.Err()
	if err == nil {
		err = p.out.ExportSpans(ctx, snapshots(p.service, batch))
	}
	if err != nil {
		p.dropped.Add(uint64(len(batch)))
	}
	if err != nil && !p.failing {
		p.failed(fmt.Errorf("%d spans of messages were not exported: %w", len(batch), err))
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
