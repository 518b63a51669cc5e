// Package tracetest prints traces as golden text, so that a test reads like what an operator sees:
//
//	failover n2 @n1 0ms..212ms reason="…" outcome=recovered
//	  detect n2 @n1 0ms..161ms
//	    · 150ms suspect
//	  shard orders/17 n2→n3 @n1 163ms..212ms ✗ error
package tracetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/tracing"
)

// Text prints spans as a tree. Times are relative to the earliest start, which itself is not shown; ids are not shown, since
// they are hashes of what is. Siblings come in the order of their starts, and equal starts in the order given.
func Text(spans []tracing.Span) string {
	if len(spans) == 0 {
		return "no spans\n"
	}
	p := &printer{children: map[tracing.SpanID][]*tracing.Span{}, from: spans[0].Start}
	known := map[tracing.SpanID]bool{}
	for i := range spans {
		known[spans[i].ID] = true
		p.from = min(p.from, spans[i].Start)
	}
	var roots []*tracing.Span
	for i := range spans {
		s := &spans[i]
		if known[s.Parent] {
			p.children[s.Parent] = append(p.children[s.Parent], s)
		} else {
			roots = append(roots, s)
		}
	}
	p.print(roots, "")
	return p.text.String()
}

type printer struct {
	children map[tracing.SpanID][]*tracing.Span
	from     int64
	text     strings.Builder
}

func (p *printer) print(list []*tracing.Span, indent string) {
	slices.SortStableFunc(list, func(a, b *tracing.Span) int { return cmp.Compare(a.Start, b.Start) })
	for _, s := range list {
		fmt.Fprintf(&p.text, "%s%s %v..%v%s", indent, s.Name, p.at(s.Start), p.at(s.End), attributes(s.Attributes))
		if s.Error != "" {
			fmt.Fprintf(&p.text, " ✗ %s", s.Error)
		}
		p.text.WriteByte('\n')
		for _, e := range s.Events {
			fmt.Fprintf(&p.text, "%s  · %v %s%s\n", indent, p.at(e.At), e.Name, attributes(e.Attributes))
		}
		for _, l := range s.Links {
			fmt.Fprintf(&p.text, "%s  → %s\n", indent, l.Why)
		}
		p.print(p.children[s.ID], indent+"  ")
	}
}

func (p *printer) at(t int64) time.Duration { return time.Duration(t - p.from) }

func attributes(list []tracing.Attribute) string {
	var b strings.Builder
	for _, a := range list {
		value := a.Value()
		if strings.ContainsAny(value, " \"") || value == "" {
			value = fmt.Sprintf("%q", value)
		}
		fmt.Fprintf(&b, " %s=%s", strings.TrimPrefix(a.Name, "troupe."), value)
	}
	return b.String()
}
