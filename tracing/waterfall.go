package tracing

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Waterfall draws spans as bars on a common time line, width columns wide in all:
//
//	failover n2            n1  |━━━━━━━━━━━━━━━━━━━━━━━━━━━━|  212.0ms
//	├ detect n2 @n1        n1  |━━━━━━━━━━━━━━━━━━━━━━━     |  161.0ms
//	└ shard orders/17 …    n1  |                       ━━━━━|   51.0ms
//
// A span whose parent is not there is drawn as a root, so what is known of a failover that goes on can be seen. A failed
// span is marked with ✗ and its error follows below, as do its links to other traces.
func Waterfall(w io.Writer, spans []Span, width int) error {
	if len(spans) == 0 {
		_, err := fmt.Fprintln(w, "no spans")
		return err
	}
	f := newForest(spans)
	rows := f.rows()
	label, node := 0, 0
	for _, r := range rows {
		label, node = max(label, utf8.RuneCountInString(r.label)), max(node, utf8.RuneCountInString(r.span.Node))
	}
	label = min(label, max(24, width-node-40))
	bars := max(20, width-label-node-16)
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, "%s  %s |%s| %9v\n", fit(r.label, label), fit(r.span.Node, node), f.bar(r.span, bars), short(r.span.End-r.span.Start)); err != nil {
			return err
		}
		if r.span.Error != "" {
			if _, err := fmt.Fprintf(w, "%s  ✗ %s\n", strings.Repeat(" ", 2*r.depth), r.span.Error); err != nil {
				return err
			}
		}
		for _, l := range r.span.Links {
			if _, err := fmt.Fprintf(w, "%s  → %s: trace %s, span %s\n", strings.Repeat(" ", 2*r.depth), l.Why, l.Trace, l.Span); err != nil {
				return err
			}
		}
	}
	return nil
}

// forest is spans by parent, with the time that they cover.
type forest struct {
	children map[SpanID][]*Span // each list by start
	roots    []*Span
	from, to int64
}

func newForest(spans []Span) *forest {
	f := &forest{children: map[SpanID][]*Span{}, from: spans[0].Start, to: spans[0].End}
	known := map[SpanID]bool{}
	for i := range spans {
		known[spans[i].ID] = true
	}
	for i := range spans {
		s := &spans[i]
		f.from, f.to = min(f.from, s.Start), max(f.to, s.End)
		if known[s.Parent] {
			f.children[s.Parent] = append(f.children[s.Parent], s)
		} else {
			f.roots = append(f.roots, s)
		}
	}
	earlier := func(a, b *Span) int { return cmp.Compare(a.Start, b.Start) }
	slices.SortStableFunc(f.roots, earlier)
	for _, list := range f.children {
		slices.SortStableFunc(list, earlier)
	}
	return f
}

type row struct {
	span  *Span
	label string
	depth int
}

func (f *forest) rows() (rows []row) {
	for _, r := range f.roots {
		rows = append(rows, row{r, mark(r), 0})
		rows = f.below(rows, r, "", 1)
	}
	return rows
}

func (f *forest) below(rows []row, parent *Span, indent string, depth int) []row {
	list := f.children[parent.ID]
	for i, s := range list {
		branch, next := "├ ", "│ "
		if i == len(list)-1 {
			branch, next = "└ ", "  "
		}
		rows = append(rows, row{s, indent + branch + mark(s), depth})
		rows = f.below(rows, s, indent+next, depth+1)
	}
	return rows
}

func mark(s *Span) string {
	if s.Error != "" {
		return "✗ " + s.Name
	}
	return s.Name
}

// bar draws one span; what is too short to be seen is a dot.
func (f *forest) bar(s *Span, width int) string {
	total := max(1, f.to-f.from)
	from := int((s.Start - f.from) * int64(width-1) / total)
	to := int((s.End - f.from) * int64(width-1) / total)
	if from == to {
		return strings.Repeat(" ", from) + "╸" + strings.Repeat(" ", width-from-1)
	}
	return strings.Repeat(" ", from) + strings.Repeat("━", to-from+1) + strings.Repeat(" ", width-to-1)
}

// fit pads or cuts a text to so many runes.
func fit(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n <= width {
		return text + strings.Repeat(" ", width-n)
	}
	runes := []rune(text)
	return string(runes[:max(0, width-1)]) + "…"
}
