package tracing

import (
	"context"
	"encoding/hex"
	"log/slog"
	"reflect"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// Carrier is what a message takes along of the trace that it belongs to. The zero value says that it belongs to none.
//
//	0          16        24      25
//	├──────────┼─────────┼───────┤
//	│ trace id │ span id │ flags │      flags: as in traceparent; 1: sampled. A span that begins inside sends that one alone
//	└──────────┴─────────┴───────┘
type Carrier struct {
	Trace TraceID
	Span  SpanID
	Flags byte
}

// CarrierBytes is the length of a carrier on the wire.
const CarrierBytes = 16 + 8 + 1

// sampledFlag says that the spans of the message are wanted: whoever gets it does not decide again.
const sampledFlag = 1

// Valid says whether the carrier names a span.
func (c Carrier) Valid() bool { return c.Trace != (TraceID{}) && c.Span != (SpanID{}) }

// Sampled says whether spans of the message are to be made.
func (c Carrier) Sampled() bool { return c.Flags&sampledFlag != 0 && c.Valid() }

// Append appends the carrier as it is on the wire.
func (c Carrier) Append(dst []byte) []byte {
	dst = append(dst, c.Trace[:]...)
	dst = append(dst, c.Span[:]...)
	return append(dst, c.Flags)
}

// ReadCarrier takes a carrier off the start of b, and gives the rest. ok is false if b is too short.
func ReadCarrier(b []byte) (c Carrier, rest []byte, ok bool) {
	if len(b) < CarrierBytes {
		return c, b, false
	}
	copy(c.Trace[:], b)
	copy(c.Span[:], b[16:])
	c.Flags = b[24]
	return c, b[CarrierBytes:], true
}

// noSpan is the type of what OpenTelemetry finds in a context without a span.
var noSpan = reflect.TypeOf(trace.SpanFromContext(context.Background()))

// FromContext is the carrier of the span in ctx: one of Troupe's, or of any other code that uses OpenTelemetry.
func FromContext(ctx context.Context) Carrier {
	if span := spanIn(ctx); span != nil {
		return carrierOf(span)
	}
	return Carrier{}
}

// spanIn is the span in ctx, or nil: that there is none is sooner said than its ids are copied and compared.
func spanIn(ctx context.Context) trace.Span {
	if span := trace.SpanFromContext(ctx); reflect.TypeOf(span) != noSpan {
		return span
	}
	return nil
}

func carrierOf(span trace.Span) Carrier {
	sc := span.SpanContext()
	return Carrier{TraceID(sc.TraceID()), SpanID(sc.SpanID()), byte(sc.TraceFlags())}
}

// Context is ctx with the carrier's span as the one in which everything happens. Code that uses OpenTelemetry finds it there
// as the parent of its own spans.
func (c Carrier) Context(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(c.Trace), SpanID: trace.SpanID(c.Span), TraceFlags: trace.TraceFlags(c.Flags),
	}))
}

// TraceParent is the carrier as the header of W3C Trace Context has it:
//
//	00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
func (c Carrier) TraceParent() string {
	b := make([]byte, 0, traceParentBytes)
	b = append(b, "00-"...)
	b = append(hex.AppendEncode(b, c.Trace[:]), '-')
	b = append(hex.AppendEncode(b, c.Span[:]), '-')
	return string(hex.AppendEncode(b, []byte{c.Flags}))
}

const traceParentBytes = 55

// ParseTraceParent reads the header traceparent of W3C Trace Context, level 1. ok is false if it is malformed or names no span;
// such a header is to be treated as if it were not there. Of a later version the parts that all versions have are read.
func ParseTraceParent(text string) (c Carrier, ok bool) {
	if len(text) < traceParentBytes || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return Carrier{}, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		from string
	}{{version[:], text[:2]}, {c.Trace[:], text[3:35]}, {c.Span[:], text[36:52]}, {flags[:], text[53:55]}} {
		if !lowerHex(part.to, part.from) {
			return Carrier{}, false
		}
	}
	rest := text[traceParentBytes:]
	if version[0] == 0xff || version[0] == 0 && rest != "" || rest != "" && rest[0] != '-' || !c.Valid() {
		return Carrier{}, false
	}
	c.Flags = flags[0]
	return c, true
}

// lowerHex decodes hexadecimal digits, of which the header allows no capitals.
func lowerHex(to []byte, from string) bool {
	for i := range len(from) {
		if 'A' <= from[i] && from[i] <= 'F' {
			return false
		}
	}
	n, err := hex.Decode(to, []byte(from))
	return err == nil && n == len(to)
}

// LogHandler gives h's lines the ids of the trace and of the span in their context, where there is one: at the top, outside of all groups.
func LogHandler(h slog.Handler) slog.Handler { return logHandler{Handler: h, top: h} }

// logHandler is top and what was made of it since the first group was opened: a line with ids is handled by top with the ids, and the same
// made of that.
type logHandler struct {
	slog.Handler
	top  slog.Handler
	made []func(slog.Handler) slog.Handler
}

// Handle adds the ids and passes the line on.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	c := FromContext(ctx)
	if !c.Valid() {
		return h.Handler.Handle(ctx, r)
	}
	ids := []slog.Attr{slog.String("trace_id", c.Trace.String()), slog.String("span_id", c.Span.String())}
	if len(h.made) == 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.Handler.Handle(ctx, r)
	}
	to := h.top.WithAttrs(ids)
	for _, step := range h.made {
		to = step(to)
	}
	return to.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the ids.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.made) == 0 {
		return LogHandler(h.Handler.WithAttrs(attrs))
	}
	return h.and(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup see WithAttrs.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.and(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h logHandler) and(step func(slog.Handler) slog.Handler) slog.Handler {
	return logHandler{Handler: step(h.Handler), top: h.top, made: append(slices.Clip(h.made), step)}
}
