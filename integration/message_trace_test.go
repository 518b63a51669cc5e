package integration

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/tracing"
)

// The spans of one message hang together across nodes: a client's call by HTTP, with the header of W3C Trace Context, is one trace
// over the node that was asked, the node where the actor lives, and those that keep copies of what it changed.
func TestOneCallIsOneTraceOverProcesses(t *testing.T) {
	onceIsEnough(t)
	collector, err := harness.StartCollector()
	must(t, err)
	t.Cleanup(func() { must(t, collector.Close()) })
	list := startPolling(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_BSP_SCHEDULE_DELAY=50")
	for _, p := range list { // green: a write to a shard that has its second copy yet to come is not replicated
		must(t, p.process.Load().Until(soon(t), func(ctx context.Context) error {
			if status, text := p.do(ctx, http.DefaultClient, "GET", "/polls/0", nil); status != http.StatusOK {
				return fmt.Errorf("%d %s", status, text)
			}
			if status, text := get(ctx, http.DefaultClient, p.admin+"/_cluster/health"); !strings.Contains(text, `"status":"green"`) {
				return fmt.Errorf("%d %.200s", status, text)
			}
			return nil
		}))
	}
	over := 0
	for i := range 3 * len(list) { // actors that live on different nodes, at different nodes
		asked := list[i%len(list)]
		from := tracing.Carrier{Trace: tracing.TraceID{1, byte(i + 1)}, Span: tracing.SpanID{2}, Flags: 1}
		vote(t, asked.admin+fmt.Sprintf("/actors/poll/p%d/vote", i), from)
		x := called(t, collector, from)
		handled := carriedOut(x, x.below(x.root, "call poll/vote @"))
		write := x.below(handled, "write actors/")
		x.below(x.below(write, "replicate actors/"), "append actors/")
		if at, by := node(x.root), node(handled); at != by {
			over++
		}
		if node(write) != node(handled) || node(x.below(x.below(write, "replicate "), "append ")) == node(write) {
			t.Errorf("%q, %q and its copy are not where they belong", handled.Name, write.Name)
		}
	}
	if over == 0 {
		t.Error("every actor lived on the node that was asked")
	}
}

// carriedOut is the try of a call that came to write: a shard that is being handed over refuses one before that, and the call is tried again.
func carriedOut(x *traceTree, call *trace.Span) *trace.Span {
	x.Helper()
	for _, try := range x.children[string(call.SpanId)] {
		for _, s := range x.children[string(try.SpanId)] {
			if strings.HasPrefix(try.Name, "poll/vote @") && strings.HasPrefix(s.Name, "write actors/") {
				return try
			}
		}
	}
	x.Fatalf("no try of %q has written: %v", call.Name, x.children)
	return nil
}

// vote has an actor handle a message, as a client that traces it.
func vote(t *testing.T, url string, from tracing.Carrier) {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), http.MethodPost, url, strings.NewReader(`{"voter":"ann","choice":"yes"}`))
	must(t, err)
	r.Header.Set("traceparent", from.TraceParent())
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	answer.Body.Close()
	if back, ok := tracing.ParseTraceParent(answer.Header.Get("traceresponse")); answer.StatusCode != http.StatusOK || !ok || back.Trace != from.Trace {
		t.Fatalf("the answer has status %d, and traceresponse %q", answer.StatusCode, answer.Header.Get("traceresponse"))
	}
}

// called waits for the trace of a call, whose root is the client's child, and checks that it is whole.
func called(t *testing.T, collector *harness.Collector, from tracing.Carrier) *traceTree {
	t.Helper()
	has := func(spans []*trace.Span, prefix string) bool {
		return slices.ContainsFunc(spans, func(s *trace.Span) bool { return strings.HasPrefix(s.Name, prefix) })
	}
	spans, err := collector.Of(soon(t), from.Trace[:], func(spans []*trace.Span) error {
		for _, name := range []string{"POST ", "call ", "poll/vote ", "write ", "replicate ", "append "} {
			if !has(spans, name) {
				return fmt.Errorf("there is no %q", name)
			}
		}
		return nil
	})
	must(t, err)
	for _, s := range spans {
		if bytes.Equal(s.ParentSpanId, from.Span[:]) {
			s.ParentSpanId = nil // for the nodes it is the root
		}
	}
	return wholeTree(t, spans)
}

// node is who made a span.
func node(s *trace.Span) string {
	_, name, _ := strings.Cut(s.Name, " @")
	return name
}
