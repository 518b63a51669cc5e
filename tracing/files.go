package tracing

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strconv"
)

// WriteOTLP writes the spans as an OTLP/JSON request, which any collector takes on its HTTP port.
func WriteOTLP(w io.Writer, from Origin, spans []Span) error {
	type scopeSpans struct {
		Scope map[string]string `json:"scope"`
		Spans []otlpSpan        `json:"spans"`
	}
	type resourceSpans struct {
		Resource   map[string][]otlpAttribute `json:"resource"`
		ScopeSpans []scopeSpans               `json:"scopeSpans"`
	}
	var out struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	for _, group := range byNode(spans) {
		var list []otlpSpan
		for _, s := range group {
			list = append(list, newOTLPSpan(s))
		}
		out.ResourceSpans = append(out.ResourceSpans, resourceSpans{
			Resource:   map[string][]otlpAttribute{"attributes": otlpAttributes(from.resource(group[0]))},
			ScopeSpans: []scopeSpans{{Scope: map[string]string{"name": scope}, Spans: list}},
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(out)
}

// scope is what the spans say of the library that made them.
const scope = "github.com/troupe-actors/troupe/tracing"

// byNode groups spans by who took them, in the order of the ids, each group in the order given.
func byNode(spans []Span) (groups [][]*Span) {
	sorted := make([]*Span, len(spans))
	for i := range spans {
		sorted[i] = &spans[i]
	}
	slices.SortStableFunc(sorted, func(a, b *Span) int { return cmp.Or(cmp.Compare(a.NodeID, b.NodeID), cmp.Compare(a.Node, b.Node)) })
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].NodeID == sorted[0].NodeID && sorted[n].Node == sorted[0].Node {
			n++
		}
		groups, sorted = append(groups, sorted[:n]), sorted[n:]
	}
	return groups
}

type otlpSpan struct {
	TraceID    string          `json:"traceId"`
	SpanID     string          `json:"spanId"`
	Parent     string          `json:"parentSpanId,omitempty"`
	Name       string          `json:"name"`
	Kind       int             `json:"kind"`
	Start      string          `json:"startTimeUnixNano"`
	End        string          `json:"endTimeUnixNano"`
	Attributes []otlpAttribute `json:"attributes,omitempty"`
	Events     []otlpEvent     `json:"events,omitempty"`
	Links      []otlpLink      `json:"links,omitempty"`
	Status     *otlpStatus     `json:"status,omitempty"`
}

type otlpAttribute struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

type otlpEvent struct {
	Time       string          `json:"timeUnixNano"`
	Name       string          `json:"name"`
	Attributes []otlpAttribute `json:"attributes,omitempty"`
}

type otlpLink struct {
	TraceID    string          `json:"traceId"`
	SpanID     string          `json:"spanId"`
	Attributes []otlpAttribute `json:"attributes,omitempty"`
}

type otlpStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func nanos(t int64) string { return strconv.FormatInt(t, 10) }

func newOTLPSpan(s *Span) otlpSpan {
	x := otlpSpan{TraceID: s.Trace.String(), SpanID: s.ID.String(), Name: s.Name, Kind: [...]int{Internal: 1, Client: 3, Server: 2, Producer: 4, Consumer: 5}[s.Kind],
		Start: nanos(s.Start), End: nanos(s.End), Attributes: otlpAttributes(s.Attributes)}
	if s.Parent != (SpanID{}) {
		x.Parent = s.Parent.String()
	}
	for _, e := range s.Events {
		x.Events = append(x.Events, otlpEvent{nanos(e.At), e.Name, otlpAttributes(e.Attributes)})
	}
	for _, l := range s.Links {
		x.Links = append(x.Links, otlpLink{l.Trace.String(), l.Span.String(), otlpAttributes([]Attribute{Text("why", l.Why)})})
	}
	if s.Error != "" {
		x.Status = &otlpStatus{2, s.Error}
	}
	return x
}

func otlpAttributes(list []Attribute) (out []otlpAttribute) {
	for _, a := range list {
		switch a.Type {
		case TypeInt:
			out = append(out, otlpAttribute{a.Name, map[string]any{"intValue": nanos(a.Int)}})
		case TypeBool:
			out = append(out, otlpAttribute{a.Name, map[string]any{"boolValue": a.Int != 0}})
		default:
			out = append(out, otlpAttribute{a.Name, map[string]any{"stringValue": a.Text}})
		}
	}
	return out
}

// WriteJaeger writes the spans as a file that the upload of Jaeger's search page opens.
func WriteJaeger(w io.Writer, from Origin, spans []Span) error {
	type process struct {
		ServiceName string      `json:"serviceName"`
		Tags        []jaegerTag `json:"tags"`
	}
	type trace struct {
		TraceID   string             `json:"traceID"`
		Spans     []jaegerSpan       `json:"spans"`
		Processes map[string]process `json:"processes"`
	}
	var out struct {
		Data []trace `json:"data"`
	}
	if len(spans) > 0 {
		t := trace{TraceID: spans[0].Trace.String(), Processes: map[string]process{}}
		for i, group := range byNode(spans) {
			name := "p" + strconv.Itoa(i+1)
			t.Processes[name] = process{from.Service, jaegerTags(from.resource(group[0])[1:])}
			for _, s := range group {
				t.Spans = append(t.Spans, newJaegerSpan(s, name))
			}
		}
		slices.SortStableFunc(t.Spans, func(a, b jaegerSpan) int { return cmp.Compare(a.Start, b.Start) })
		out.Data = append(out.Data, t)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(out)
}

type jaegerSpan struct {
	TraceID    string      `json:"traceID"`
	SpanID     string      `json:"spanID"`
	Operation  string      `json:"operationName"`
	References []jaegerRef `json:"references"`
	Start      int64       `json:"startTime"` // microseconds
	Duration   int64       `json:"duration"`
	Tags       []jaegerTag `json:"tags"`
	Logs       []jaegerLog `json:"logs"`
	Process    string      `json:"processID"`
}

type jaegerRef struct {
	Type    string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

type jaegerTag struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type jaegerLog struct {
	Time   int64       `json:"timestamp"`
	Fields []jaegerTag `json:"fields"`
}

func newJaegerSpan(s *Span, process string) jaegerSpan {
	x := jaegerSpan{TraceID: s.Trace.String(), SpanID: s.ID.String(), Operation: s.Name, References: []jaegerRef{}, Start: s.Start / 1000,
		Duration: (s.End - s.Start) / 1000, Tags: jaegerTags(s.Attributes), Logs: []jaegerLog{}, Process: process}
	if s.Parent != (SpanID{}) {
		x.References = append(x.References, jaegerRef{"CHILD_OF", s.Trace.String(), s.Parent.String()})
	}
	for _, l := range s.Links {
		x.References = append(x.References, jaegerRef{"FOLLOWS_FROM", l.Trace.String(), l.Span.String()})
	}
	x.Tags = append(x.Tags, jaegerTag{"span.kind", "string", [...]string{Internal: "internal", Client: "client", Server: "server", Producer: "producer", Consumer: "consumer"}[s.Kind]})
	if s.Error != "" {
		x.Tags = append(x.Tags, jaegerTag{"error", "bool", true}, jaegerTag{"otel.status_description", "string", s.Error})
	}
	for _, e := range s.Events {
		x.Logs = append(x.Logs, jaegerLog{e.At / 1000, append([]jaegerTag{{"event", "string", e.Name}}, jaegerTags(e.Attributes)...)})
	}
	return x
}

func jaegerTags(list []Attribute) []jaegerTag {
	out := []jaegerTag{}
	for _, a := range list {
		switch a.Type {
		case TypeInt:
			out = append(out, jaegerTag{a.Name, "int64", a.Int})
		case TypeBool:
			out = append(out, jaegerTag{a.Name, "bool", a.Int != 0})
		default:
			out = append(out, jaegerTag{a.Name, "string", a.Text})
		}
	}
	return out
}
