package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector takes traces by OTLP over HTTP, as Jaeger and any other collector do.
type Collector struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	server *http.Server
	served chan error
	news   chan struct{}

	mu    sync.Mutex
	spans []*trace.Span
	bad   error // the first request that could not be read
}

// StartCollector listens on a free port of the loopback. The owner calls Close.
func StartCollector() (*Collector, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Collector{URL: "http://" + l.Addr().String(), served: make(chan error, 1), news: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", c.take)
	c.server = &http.Server{Handler: mux}
	go func() { c.served <- c.server.Serve(l) }()
	return c, nil
}

// Close ends the listening.
func (c *Collector) Close() error {
	err := c.server.Close()
	<-c.served
	return err
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	request := &coltrace.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if c.bad == nil {
			c.bad = fmt.Errorf("a request with traces cannot be read: %w", err)
		}
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Trace waits for the trace whose root has a name, and gives all its spans in the order in which they came. The name may be that of a
// life as well, as in "failover n2@7".
func (c *Collector) Trace(ctx context.Context, root string) ([]*trace.Span, error) {
	for {
		c.mu.Lock()
		all, bad := slices.Clone(c.spans), c.bad
		c.mu.Unlock()
		if bad != nil {
			return nil, bad
		}
		for _, s := range all {
			if len(s.ParentSpanId) == 0 && named(s, root) {
				return slices.DeleteFunc(all, func(x *trace.Span) bool { return string(x.TraceId) != string(s.TraceId) }), nil
			}
		}
		select {
		case <-c.news:
		case <-ctx.Done():
			var names []string
			for _, s := range all {
				names = append(names, s.Name)
			}
			return nil, fmt.Errorf("no trace %q came; there are spans %q: %w", root, names, ctx.Err())
		}
	}
}

// Of waits until a trace has what somebody looks for, and gives its spans in the order in which they came.
func (c *Collector) Of(ctx context.Context, id []byte, whole func([]*trace.Span) error) ([]*trace.Span, error) {
	for {
		c.mu.Lock()
		spans, bad := slices.DeleteFunc(slices.Clone(c.spans), func(s *trace.Span) bool { return !bytes.Equal(s.TraceId, id) }), c.bad
		c.mu.Unlock()
		if bad != nil {
			return nil, bad
		}
		lacks := whole(spans)
		if lacks == nil {
			return spans, nil
		}
		select {
		case <-c.news:
		case <-ctx.Done():
			return spans, fmt.Errorf("trace %x: %w: %w", id, lacks, ctx.Err())
		}
	}
}

func named(s *trace.Span, name string) bool {
	kind, _, _ := strings.Cut(s.Name, " ")
	return s.Name == name || kind+" "+Text(s, "troupe.failover.id") == name
}

// Text is the value of a span's attribute, or empty.
func Text(s *trace.Span, name string) string { return text(s.Attributes, name) }

// EventText is the value of an event's attribute, or empty.
func EventText(e *trace.Span_Event, name string) string { return text(e.Attributes, name) }

func text(list []*common.KeyValue, name string) string {
	for _, a := range list {
		if n, whole := a.Value.GetValue().(*common.AnyValue_IntValue); a.Key == name && whole {
			return strconv.FormatInt(n.IntValue, 10)
		}
		if a.Key == name {
			return a.Value.GetStringValue()
		}
	}
	return ""
}
