package admin

import (
	"errors"
	"net/http"

	"github.com/troupe-actors/troupe/tracing"
)

// The headers of W3C Trace Context: what a request belongs to, and what its answer was part of.
const (
	headerTraceParent   = "Traceparent"
	headerTraceResponse = "Traceresponse"
)

// traced is the span of a request.
type traced struct {
	x    *exchange
	span *tracing.Active
}

// trace begins the span of a request: of one whose sender traces it, or of a few others. A request says by the header traceparent
// what it belongs to, and the answer by traceresponse where its spans are to be found.
func (x *exchange) trace(m *tracing.Messages) *traced {
	ctx := x.r.Context()
	from, carries := tracing.ParseTraceParent(x.r.Header.Get(headerTraceParent))
	if carries {
		ctx = from.Context(ctx)
	}
	ctx, span := m.Enter(ctx, tracing.Server)
	if span == nil && !carries {
		ctx = m.Decline(ctx)
	}
	x.r = x.r.WithContext(ctx)
	if span != nil {
		span.Name(x.r.Method+" "+x.path, tracing.Text("http.request.method", x.r.Method), tracing.Text("http.route", x.path))
		x.Header().Set(headerTraceResponse, span.Carrier().TraceParent())
	}
	return &traced{x, span}
}

// errBrokenOff ends spans of requests whose answer is not whole.
var errBrokenOff = errors.New("the answer was broken off")

// end ends the span with the status of the answer. What a client did wrong is no failure of the server's.
func (t *traced) end() {
	if t.span == nil {
		return
	}
	t.span.Set(tracing.Number("http.response.status_code", t.x.status))
	switch {
	case t.x.status == 0:
		t.span.End(errBrokenOff)
	case t.x.status >= http.StatusInternalServerError && t.x.cause != nil:
		t.span.End(t.x.cause)
	default:
		t.span.End(nil)
	}
}
