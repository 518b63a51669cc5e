package tracing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Bounds of what waits for a collector; what comes after is dropped and counted. Records wait and not their spans, which are ten
// times as large: each is projected when its turn has come.
const (
	queued     = 64
	maxWaiting = 8 << 20 // bytes, roughly; of one record alone there may be more
)

// exportLimit is how long one trace may take to be exported before it is given up.
const exportLimit = 10 * time.Second

// Exporter sends finished traces to a collector, on a goroutine of its own: whoever has a trace never waits for one.
type Exporter struct {
	env     environment
	origin  Origin
	dial    func() (sdktrace.SpanExporter, error)
	out     sdktrace.SpanExporter // nil: traces go nowhere
	spool   *spool                // of messages; nil: none are traced
	where   string
	failed  func(error)
	queue   chan parcel
	waiting atomic.Int64 // bytes, roughly, in queue and under way
	dropped atomic.Uint64
	closed  chan struct{}      // what waits is sent, and then nothing more
	cancel  context.CancelFunc // the time for that is over
	done    sync.WaitGroup
}

// parcel is a record that waits.
type parcel struct {
	*Failover
	size int64
}

// NewExporter reads the standard variables through env and makes an exporter, or one that is off:
//
//	OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT   the URL to send to; one of them, or OTEL_TRACES_EXPORTER=otlp, switches it on
//	OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL   grpc, http/json or http/protobuf (default)
//	OTEL_TRACES_EXPORTER                                              a list; with none in it, or console, logging, zipkin or jaeger and no otlp, it is off
//	OTEL_SDK_DISABLED=true                                            off, whatever else is set
//	OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES                       default service.name=troupe,service.namespace=CLUSTER
//
// Headers, certificates, compression and timeouts are read by the exporters of OpenTelemetry themselves; an export lasts for 10 s at most, whatever the timeout. The variables may be meant for the program
// that embeds a node, and its own SDK: a value that this one does not know ends nothing, it is told to warn and ignored, as the
// specification of OpenTelemetry has it. warn is also told, on goroutines of the exporter, of what a collector did not take; nil: nobody wants
// to know. cluster is the cluster's name for people. The owner calls Close.
func NewExporter(ctx context.Context, cluster string, env func(string) string, warn func(error)) *Exporter {
	if warn == nil {
		warn = func(error) {}
	}
	v := environment{env, warn}
	e := &Exporter{env: v, origin: v.origin(cluster), failed: warn}
	protocol := v.protocol()
	endpoint, off := v.destination(protocol)
	if off != "" {
		e.where = "traces stay on the nodes: " + off
		return e
	}
	v.delivery()
	e.dial = func() (sdktrace.SpanExporter, error) { return dial(ctx, protocol, endpoint.String()) }
	out, err := e.dial()
	if err != nil {
		warn(err)
		e.where = "traces stay on the nodes: no exporter can be made of what the environment says"
		return e
	}
	e.out, e.where = out, fmt.Sprintf("traces go to %v by %s", endpoint, protocol)
	e.start()
	return e
}

// dial makes an exporter of OpenTelemetry, which connects when it has something to send.
func dial(ctx context.Context, protocol, endpoint string) (out sdktrace.SpanExporter, err error) {
	switch protocol {
	case "grpc":
		out, err = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(endpoint))
	case "http/json":
		out, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithEncoding(otlptracehttp.EncodingJSON))
	default:
		out, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf))
	}
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return out, nil
}

func (e *Exporter) start() {
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel, e.closed, e.queue = cancel, make(chan struct{}), make(chan parcel, queued)
	e.done.Go(func() { e.run(ctx) })
}

// Where is a line that says where traces go.
func (e *Exporter) Where() string { return e.where }

// Dropped counts traces that no collector took.
func (e *Exporter) Dropped() uint64 { return e.dropped.Load() }

// Export hands over a record, which is not changed any more. It never blocks.
func (e *Exporter) Export(f *Failover) {
	if e.out == nil {
		return
	}
	x := parcel{f, f.size()}
	if now := e.waiting.Add(x.size); now > maxWaiting && now > x.size {
		e.drop(x)
		return
	}
	select {
	case e.queue <- x:
	default:
		e.drop(x)
	}
}

func (e *Exporter) drop(x parcel) {
	e.waiting.Add(-x.size)
	e.dropped.Add(1)
}

// size is about what a record costs in memory: texts are counted as they come, though many share theirs.
func (f *Failover) size() int64 {
	n := 1024 + 128*(len(f.Plans)+len(f.Checks)+len(f.Elections)+len(f.Groups)+len(f.Clients))
	for i := range f.Words {
		n += 128 + len(f.Words[i].Reason)
	}
	for i := range f.Shards {
		s := &f.Shards[i]
		n += 256 + len(s.Reason) + len(s.Problem) + 160*len(s.Attempts)
		for c := range s.Candidates {
			n += 80 + 8*len(s.Candidates[c].Words)
		}
	}
	return int64(n)
}

func (e *Exporter) run(ctx context.Context) {
	for {
		select {
		case x := <-e.queue:
			e.send(ctx, x)
		case <-e.closed:
			for {
				select {
				case x := <-e.queue:
					e.send(ctx, x)
				default:
					return
				}
			}
		}
	}
}

func (e *Exporter) send(ctx context.Context, x parcel) {
	defer e.waiting.Add(-x.size)
	if ctx.Err() != nil {
		e.dropped.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	spans := snapshots(e.origin.shared(), x.Spans())
	err := e.out.ExportSpans(ctx, spans)
	for pause := firstPause; unreached(err) && e.rest(ctx, pause); pause = min(2*pause, lastPause) {
		err = e.out.ExportSpans(ctx, spans)
	}
	if err != nil {
		e.dropped.Add(1)
		e.failed(fmt.Errorf("a trace did not reach its collector, troupe trace has it: %w", err))
	}
}

// Pauses between tries of a collector that nobody listens for: it may be about to start again. OpenTelemetry's exporter by HTTP tries again only
// what was answered.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)

// unreached says that surely nothing of what was sent has arrived: there was no connection.
func unreached(err error) bool { return err != nil && strings.Contains(err.Error(), "dial tcp") }

// rest waits before another try, and says whether there is to be one: not when the time is over, or the exporter closes.
func (e *Exporter) rest(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
	case <-e.closed:
	}
	return false
}

// Close sends what waits, for as long as ctx allows, and ends. Nothing is exported afterwards.
func (e *Exporter) Close(ctx context.Context) (err error) {
	if e.out == nil {
		return nil
	}
	defer e.cancel()
	close(e.closed)
	if e.spool != nil {
		err = e.spool.close(ctx)
	}
	stop := context.AfterFunc(ctx, e.cancel) // what is under way fails at once then, and so does the rest
	e.done.Wait()
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	return errors.Join(err, e.out.Shutdown(ctx))
}

// snapshots are the spans as OpenTelemetry's exporters take them.
func snapshots(from Origin, spans []Span) []sdktrace.ReadOnlySpan {
	var stubs tracetest.SpanStubs
	for _, group := range byNode(spans) {
		res := resource.NewSchemaless(keyValues(from.resource(group[0]))...)
		for _, s := range group {
			stubs = append(stubs, stub(s, res))
		}
	}
	return stubs.Snapshots()
}

func stub(s *Span, res *resource.Resource) tracetest.SpanStub {
	x := tracetest.SpanStub{
		Name: s.Name, SpanContext: spanContext(s.Trace, s.ID), SpanKind: [...]trace.SpanKind{Internal: trace.SpanKindInternal, Client: trace.SpanKindClient, Server: trace.SpanKindServer,
			Producer: trace.SpanKindProducer, Consumer: trace.SpanKindConsumer}[s.Kind],
		StartTime: time.Unix(0, s.Start), EndTime: time.Unix(0, s.End), Attributes: keyValues(s.Attributes), Resource: res,
		InstrumentationScope: instrumentation.Scope{Name: scope},
	}
	if s.Parent != (SpanID{}) {
		x.Parent = spanContext(s.Trace, s.Parent)
	}
	for _, e := range s.Events {
		x.Events = append(x.Events, sdktrace.Event{Name: e.Name, Time: time.Unix(0, e.At), Attributes: keyValues(e.Attributes)})
	}
	for _, l := range s.Links {
		x.Links = append(x.Links, sdktrace.Link{SpanContext: spanContext(l.Trace, l.Span), Attributes: []attribute.KeyValue{attribute.String("why", l.Why)}})
	}
	if s.Error != "" {
		x.Status = sdktrace.Status{Code: codes.Error, Description: s.Error}
	}
	return x
}

func spanContext(t TraceID, s SpanID) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(t), SpanID: trace.SpanID(s), TraceFlags: trace.FlagsSampled})
}

func keyValues(list []Attribute) (out []attribute.KeyValue) {
	for _, a := range list {
		switch a.Type {
		case TypeInt:
			out = append(out, attribute.Int64(a.Name, a.Int))
		case TypeBool:
			out = append(out, attribute.Bool(a.Name, a.Int != 0))
		default:
			out = append(out, attribute.String(a.Name, a.Text))
		}
	}
	return out
}
