package tracetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/troupe-actors/troupe/tracing"
)

// Collector keeps the spans of messages in memory, from all the nodes of a process. Its methods may be called concurrently.
type Collector struct {
	mu    sync.Mutex
	spans []tracing.Span
	news  chan struct{}
}

// NewCollector is empty.
func NewCollector() *Collector { return &Collector{news: make(chan struct{}, 1)} }

// Take keeps a span; it is what tracing.NewMessages wants.
func (c *Collector) Take(s *tracing.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, *s)
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Spans are those of a trace that have ended by now, in the order of their ends.
func (c *Collector) Spans(trace tracing.TraceID) []tracing.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []tracing.Span
	for _, s := range c.spans {
		if s.Trace == trace {
			list = append(list, s)
		}
	}
	return list
}

// Traces are the ids of all traces, in the order of their first ends.
func (c *Collector) Traces() (list []tracing.TraceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if !slices.Contains(list, s.Trace) {
			list = append(list, s.Trace)
		}
	}
	return list
}

// Wait returns the spans of a trace as soon as it has some of each name; one waiter at a time.
func (c *Collector) Wait(ctx context.Context, trace tracing.TraceID, names ...string) ([]tracing.Span, error) {
	for {
		spans := c.Spans(trace)
		missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return slices.ContainsFunc(spans, func(s tracing.Span) bool { return s.Name == name })
		})
		if len(missing) == 0 {
			return spans, nil
		}
		select {
		case <-c.news:
		case <-ctx.Done():
			return spans, fmt.Errorf("trace %v has no %s: %w\n%s", trace, strings.Join(missing, ", "), ctx.Err(), Text(spans))
		}
	}
}

// Shape prints spans as a tree of names, with events and errors, without times and attributes: what is the same in each run. Siblings come
// by name.
func Shape(spans []tracing.Span) string {
	var b strings.Builder
	var list func(parent tracing.SpanID, indent string)
	sorted := slices.Clone(spans)
	slices.SortStableFunc(sorted, func(a, b tracing.Span) int { return strings.Compare(a.Name, b.Name) })
	known := map[tracing.SpanID]bool{}
	for i := range sorted {
		known[sorted[i].ID] = true
	}
	list = func(parent tracing.SpanID, indent string) {
		for i := range sorted {
			s := &sorted[i]
			if s.Parent != parent && (indent != "" || known[s.Parent]) {
				continue
			}
			fmt.Fprintf(&b, "%s%s", indent, s.Name)
			if s.Error != "" {
				fmt.Fprintf(&b, " ✗ %s", s.Error)
			}
			for _, l := range s.Links {
				fmt.Fprintf(&b, " → %s", l.Why)
			}
			b.WriteByte('\n')
			list(s.ID, indent+"  ")
		}
	}
	list(tracing.SpanID{}, "")
	return b.String()
}
