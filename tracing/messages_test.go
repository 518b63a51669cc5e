package tracing_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// sender is a span of somebody who has sent a message.
var sender = tracing.Carrier{Trace: tracing.TraceID{1, 15: 2}, Span: tracing.SpanID{3}, Flags: 1}

func messages(t *testing.T, ratio float64) (*tracing.Messages, *tracetest.Collector) {
	t.Helper()
	into := tracetest.NewCollector()
	m, err := tracing.NewMessages("id1", "n1", ratio, into.Take)
	if err != nil {
		t.Fatal(err)
	}
	return m, into
}

func TestMessagesFollowTheirSender(t *testing.T) {
	m, into := messages(t, 0)
	ctx, outer := m.Enter(sender.Context(t.Context()), tracing.Server)
	outer.Name("SET", tracing.Text("troupe.keyspace", "orders"))
	_, inner := m.Begin(ctx, tracing.Client)
	inner.Name("forward orders/1")
	inner.Event("sent", tracing.Number("troupe.copy.id", 7))
	inner.Link(sender, "its own trace is left out")
	inner.Link(tracing.Carrier{Trace: tracing.TraceID{8}, Span: tracing.SpanID{8}}, "another trace")
	inner.End(errors.New("no peer"))
	inner.End(nil)
	outer.End(nil)
	want := "SET @n1\n  forward orders/1 @n1 ✗ no peer → another trace\n"
	if got := tracetest.Shape(into.Spans(sender.Trace)); got != want {
		t.Errorf("%swant\n%s", got, want)
	}
	if s := into.Spans(sender.Trace); s[1].Parent != sender.Span || s[0].Parent != s[1].ID || s[0].Start < s[1].Start || s[0].End > s[1].End {
		t.Errorf("%+v", s)
	}
	unsampled := sender
	unsampled.Flags = 0
	for _, ctx := range []context.Context{t.Context(), unsampled.Context(t.Context())} {
		if got, span := m.Enter(ctx, tracing.Server); span != nil || got != ctx || m.Carried(ctx).Valid() {
			t.Error("a message is traced that nobody traces")
		}
	}
}

// A trace that is chosen by chance is so on all who look at its id by the same ratio, as OpenTelemetry's samplers do.
func TestMessagesAreChosen(t *testing.T) {
	m, _ := messages(t, 0.25)
	const tries = 20000
	chosen := 0
	for range tries {
		if ctx, span := m.Enter(t.Context(), tracing.Server); span != nil {
			chosen++
			if !m.Carried(ctx).Sampled() {
				t.Fatal("a chosen message does not say so")
			}
		}
	}
	if chosen < tries/5 || chosen > tries/3 {
		t.Errorf("%d of %d were chosen, want about a quarter", chosen, tries)
	}
	always, _ := messages(t, 1)
	if _, span := always.Enter(always.Decline(t.Context()), tracing.Server); span != nil {
		t.Error("chance decided twice")
	}
	e := exporter(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, nil)
	other, err := e.Messages("id2", "n2", 0) // looks at ids, whatever their senders say
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Messages("id2", "n2", 0); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("an exporter takes the messages of two: %v", err)
	}
	for range 1000 {
		ctx, span := m.Enter(t.Context(), tracing.Server)
		if span == nil {
			continue
		}
		c := m.Carried(ctx)
		if _, span = other.Enter(c.Context(t.Context()), tracing.Server); span == nil {
			t.Fatalf("trace %v is chosen here, and not by another with the same ratio", c.Trace)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e.Close(ctx) // nobody listens there
}

// Promised: "off = one atomic check, no allocation", and a message that is not chosen allocates nothing either.
func TestUntracedMessagesCostNothing(t *testing.T) {
	on, _ := messages(t, 1e-9)
	off := tracing.NewExporter(t.Context(), "berlin", func(string) string { return "" }, nil)
	silent, err := off.Messages("id1", "n1", 1)
	if err != nil || silent.On() {
		t.Fatalf("%v, on %v: without a collector nothing is traced", err, silent.On())
	}
	ctx := t.Context()
	for name, m := range map[string]*tracing.Messages{"nil": nil, "off": silent, "not chosen": on} {
		if n := testing.AllocsPerRun(1000, func() {
			in, span := m.Enter(ctx, tracing.Server)
			if span != nil {
				span.Name("never")
			}
			_, inner := m.Begin(in, tracing.Client)
			inner.End(nil)
			span.End(nil)
			if m.Carried(in).Valid() || m.BeginFrom(tracing.Carrier{}, tracing.Client) != nil {
				t.Error("it is traced")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestSamplers(t *testing.T) {
	unsampled := tracing.Carrier{Trace: sender.Trace, Span: sender.Span}
	high := tracing.Carrier{Trace: tracing.TraceID{8: 0xff}, Span: sender.Span, Flags: 1}
	for _, c := range []struct {
		kind, arg                      string
		alone, sampled, unsampled, top bool // whether a message is traced without a sender's word, with one, with a no, with the highest id
	}{
		{"always_on", "", true, true, true, true},
		{"always_off", "", false, false, false, false},
		{"traceidratio", "0.5", false, true, true, false},
		{"traceidratio", "", true, true, true, true},
		{"parentbased_always_on", "", true, true, false, true},
		{"parentbased_always_off", "", false, true, false, true},
		{"parentbased_traceidratio", "0", false, true, false, true},
		{"", "", false, true, false, true},
	} {
		env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": c.kind, "OTEL_TRACES_SAMPLER_ARG": c.arg}
		e := exporter(t, env, nil)
		m, err := e.Messages("id1", "n1", 0)
		if err != nil {
			t.Fatal(err)
		}
		alone := c.alone
		if c.kind != "traceidratio" || c.arg == "" { // else it is chance
			_, span := m.Enter(t.Context(), tracing.Server)
			alone = span != nil
		}
		got := [4]bool{alone}
		for i, from := range []tracing.Carrier{sender, unsampled, high} {
			_, span := m.Enter(from.Context(t.Context()), tracing.Server)
			got[i+1] = span != nil
		}
		if want := [4]bool{c.alone, c.sampled, c.unsampled, c.top}; got != want {
			t.Errorf("%s %s: %v, want %v", c.kind, c.arg, got, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e.Close(ctx) // nobody listens there
	}
	if _, err := tracing.NewMessages("id1", "n1", 1.5, nil); err == nil {
		t.Error("one and a half of all messages are to be traced")
	}
}

func TestTraceParent(t *testing.T) {
	text := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c, ok := tracing.ParseTraceParent(text)
	if !ok || !c.Sampled() || c.TraceParent() != text {
		t.Errorf("%v, %+v", ok, c)
	}
	if c, ok := tracing.ParseTraceParent("cc" + text[2:] + "-what-will-come"); !ok || !c.Sampled() {
		t.Errorf("a later version: %v, %+v", ok, c)
	}
	for _, bad := range []string{"", text[:54], text + "-", "ff" + text[2:], "cc" + text[2:] + "x", strings.ToUpper(text), strings.Replace(text, "-", "_", 1),
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", strings.Replace(text, "a", "g", 1)} {
		if c, ok := tracing.ParseTraceParent(bad); ok {
			t.Errorf("%q is read as %+v", bad, c)
		}
	}
}

func FuzzTraceParent(f *testing.F) {
	f.Add(sender.TraceParent())
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := tracing.ParseTraceParent(text)
		if !ok {
			return
		}
		if again, ok := tracing.ParseTraceParent(c.TraceParent()); !ok || again != c || text[2:55] != c.TraceParent()[2:] {
			t.Errorf("%q is %+v, which is written %q", text, c, c.TraceParent())
		}
	})
}

func FuzzCarrier(f *testing.F) {
	f.Add(sender.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, rest, ok := tracing.ReadCarrier(b)
		if ok != (len(b) >= tracing.CarrierBytes) || ok && string(append(c.Append(nil), rest...)) != string(b) {
			t.Errorf("%x is %v, %+v and %x", b, ok, c, rest)
		}
		if c.Valid() && tracing.FromContext(c.Context(context.Background())) != c {
			t.Errorf("%+v does not come back from a context", c)
		}
	})
}

func TestLogLinesCarryTheirTrace(t *testing.T) {
	var b strings.Builder
	first := slog.New(tracing.LogHandler(slog.NewTextHandler(&b, nil))).With("node", "n1")
	ids := " trace_id=" + sender.Trace.String() + " span_id=" + sender.Span.String()
	for _, c := range []struct {
		log           *slog.Logger
		inside, plain string
	}{
		{first, " node=n1 x=1" + ids + "\n", " node=n1 x=1\n"},
		{first.WithGroup("g"), " node=n1" + ids + " g.x=1\n", " node=n1 g.x=1\n"},
		{first.WithGroup("g").With("y", 2).WithGroup("h"), " node=n1" + ids + " g.y=2 g.h.x=1\n", " node=n1 g.y=2 g.h.x=1\n"},
	} {
		b.Reset()
		c.log.InfoContext(sender.Context(t.Context()), "line", "x", 1)
		c.log.Info("line", "x", 1)
		lines := strings.SplitAfter(b.String(), "\n")
		if !strings.HasSuffix(lines[0], "msg=line"+c.inside) || !strings.HasSuffix(lines[1], "msg=line"+c.plain) {
			t.Errorf("the log says\n%s", b.String())
		}
	}
	if err := slogtest.TestHandler(tracing.LogHandler(slog.NewJSONHandler(&b, nil)), results(&b)); err != nil {
		t.Error(err)
	}
}

// results reads what a JSON handler has written since.
func results(b *strings.Builder) func() []map[string]any {
	b.Reset()
	return func() (list []map[string]any) {
		for line := range strings.Lines(b.String()) {
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				panic(err) // the handler is package slog's
			}
			list = append(list, m)
		}
		return list
	}
}

// While nothing is traced contexts are not looked at; a span, or a message of another node, has them looked at until it has ended.
func TestContextsAreLookedAtWhileSomethingIsTraced(t *testing.T) {
	m, err := tracing.NewMessages("id", "n", 0, func(*tracing.Span) {})
	if err != nil {
		t.Fatal(err)
	}
	from := tracing.Carrier{Trace: tracing.TraceID{1}, Span: tracing.SpanID{2}, Flags: 1}
	elsewhere := from.Context(t.Context()) // of a program, which has not entered
	if _, a := m.Begin(elsewhere, tracing.Internal); a != nil || m.Busy() || m.Carried(elsewhere).Valid() {
		t.Errorf("what has not entered is traced: %v", a)
	}
	joined, a := m.Join(elsewhere, tracing.Internal)
	if a == nil || !m.Busy() || m.Carried(joined) != a.Carrier() {
		t.Fatalf("what is joined carries %+v", m.Carried(joined))
	}
	inside, left := m.Within(t.Context(), from)
	a.End(nil)
	a.End(nil)
	if m.Carried(inside) != from {
		t.Errorf("a message of another node carries %+v", m.Carried(inside))
	}
	left()
	if m.Busy() {
		t.Error("it is busy with what has ended")
	}
	if inside, left = m.Within(t.Context(), tracing.Carrier{}); m.Busy() || inside != t.Context() {
		t.Error("a message without a carrier is traced")
	}
	left()
	var off *tracing.Messages
	if inside, left = off.Within(t.Context(), from); tracing.FromContext(inside) != from {
		t.Error("lines of the log lose the trace where no spans are made")
	}
	left()
}
