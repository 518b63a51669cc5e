package tracing

import (
	"cmp"
	"fmt"
	"strings"
)

// planned says that nobody took writes over: it was wanted, or is about copies alone.
func (f *Failover) planned() bool { return f.Kind >= KindDrain }

// change shows what was asked for, and by which signs it was seen.
func (p *projection) change() {
	f := p.f
	what := "drain " + f.Name + " asked for"
	switch f.Kind {
	case KindPolicies:
		what = f.Reason
	case KindMoves:
		what = f.Name + " begun"
	case KindCopies:
		what = "copies of " + f.Name + " lost"
	}
	s := Span{Name: what + " @" + f.Detector, NodeID: p.detector(), Node: f.Detector, Start: f.Declared, End: f.Declared, Attributes: []Attribute{Text(attributeReason, f.Reason)}}
	for _, c := range f.Checks {
		s.Events = append(s.Events, Event{At: c.At, Name: c.Text})
		s.End = max(s.End, c.At)
	}
	if f.Kind == KindCopies {
		trace := KindFailover.Trace(f.Cluster, f.Node, f.Epoch)
		s.Links = []Link{{Trace: trace, Span: trace.Span("root"), Why: "the failover of " + f.Name}}
	}
	p.add("change", "root", s)
}

// move shows a copy that leaves its node: why it goes where it goes, and how often it was tried.
//
//	copy orders/17 n2→n3
//	├ decide orders/17 @n1
//	└ recover orders/17 @n3
func (p *projection) move(s *Shard) {
	step, to, end := "shard/"+s.Name, "nobody", cmp.Or(p.end, s.Decided)
	if a := s.Last(); a != nil {
		to, end = a.To, cmp.Or(a.Served, p.end, a.Told)
	}
	start := s.Decided
	if start == 0 && len(s.Attempts) > 0 {
		start = s.Attempts[0].Told
	}
	what := "copy"
	if p.f.Kind == KindPolicies && s.Led {
		what = "lead of"
	}
	decisions := p.f.decisions(s)
	id, by := p.maker(decisions, 0)
	x := Span{Name: fmt.Sprintf("%s %s %s→%s", what, s.Name, s.From, to), NodeID: id, Node: by, Start: cmp.Or(start, p.f.Declared), End: end,
		Attributes: []Attribute{Text(attributeShard, s.Name), Text(attributeFrom, s.From), Text(attributeTo, to), Truth(attributePrimary, s.Led)}}
	if !s.Serving() {
		x.Error = s.Problem
	}
	p.add(step, "root", x)
	p.decide(s, decisions, step)
	for i := range s.Attempts {
		a := &s.Attempts[i]
		if a.ToID == "" {
			continue
		}
		again := ""
		if i > 0 {
			again = " again"
		}
		end := cmp.Or(a.Served, p.end, a.Told)
		if a.Failed != "" && i+1 < len(s.Attempts) {
			end = s.Attempts[i+1].Told
		}
		x := Span{Name: fmt.Sprintf("recover %s%s @%s", s.Name, again, a.To), NodeID: a.ToID, Node: a.To, Start: a.Told, End: end, Error: a.Failed,
			Attributes: []Attribute{Text(attributeShard, s.Name), Text(attributeTo, a.To)}}
		if a.Source != "" {
			x.Attributes = append(x.Attributes, Text(attributeSource, a.Source), Number(attributeBytes, a.Bytes), Number(attributeOperations, a.Operations))
		}
		p.add(fmt.Sprintf("recover/%s/%d", s.Name, i+1), step, x)
	}
}

// volume says how much was copied, if it is known of all.
func (f *Failover) volume() string {
	total, operations := int64(0), int64(0)
	for i := range f.Shards {
		for j := range f.Shards[i].Attempts {
			a := &f.Shards[i].Attempts[j]
			total, operations = total+a.Bytes, operations+a.Operations
		}
	}
	var text string
	switch {
	case f.Omitted > 0:
		return ""
	case total >= 1<<30:
		text = fmt.Sprintf(", %.1f GiB", float64(total)/(1<<30))
	case total >= 1<<20:
		text = fmt.Sprintf(", %.1f MiB", float64(total)/(1<<20))
	case total > 0:
		text = fmt.Sprintf(", %.1f KiB", float64(total)/(1<<10))
	}
	if operations > 0 {
		text += fmt.Sprintf(", %d operations", operations)
	}
	return text
}

// client shows that requests waited on a node.
func (p *projection) client(c *Wait) {
	s := Span{Name: fmt.Sprintf("clients waited @%s", c.Node), NodeID: c.ID, Node: c.Node, Start: c.Began, End: c.Ended,
		Attributes: []Attribute{Number(attributeRequests, c.Requests), Number(attributeLongest, c.Longest/1e6)}}
	if c.Ahead != 0 {
		s.Attributes = append(s.Attributes, Number(attributeAhead, c.Ahead/1e6))
	}
	p.add("clients/"+c.ID, "root", s)
}

// waits sums up what clients felt.
func (f *Failover) waits() (requests int, longest int64) {
	for i := range f.Clients {
		requests, longest = requests+f.Clients[i].Requests, max(longest, f.Clients[i].Longest)
	}
	return requests, longest
}

// Felt is what clients felt in a line; empty: nothing that is known.
func (f *Failover) Felt() string {
	requests, longest := f.waits()
	if requests == 0 {
		return ""
	}
	var where []string
	for i := range f.Clients {
		where = append(where, fmt.Sprintf("%d @%s", f.Clients[i].Requests, f.Clients[i].Node))
	}
	return fmt.Sprintf("%d requests waited, the longest %v: %s", requests, short(longest), strings.Join(where, ", "))
}
