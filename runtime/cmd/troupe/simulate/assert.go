package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/settings"
	"github.com/troupe-actors/troupe/shards"
)

// unit says how a metric's values are read and printed.
type unit int

const (
	plain   unit = iota // a count or a ratio
	sizes               // a size
	lasting             // a duration; the value is in seconds
	percent             // a share
	ratio               // of two like things
)

// metrics of a result; those about one node or about copies that are together ask the world.
var metrics = map[string]struct {
	unit unit
	of   func(*Result) float64
}{
	"moves":           {plain, func(r *Result) float64 { return float64(r.Moves.Total()) }},
	"creations":       {plain, func(r *Result) float64 { return float64(r.Moves.Creations) }},
	"allocations":     {plain, func(r *Result) float64 { return float64(r.Moves.Allocations) }},
	"relocations":     {plain, func(r *Result) float64 { return float64(r.Moves.Relocations) }},
	"promotions":      {plain, func(r *Result) float64 { return float64(r.Moves.Promotions) }},
	"handovers":       {plain, func(r *Result) float64 { return float64(r.Moves.Handovers) }},
	"drops":           {plain, func(r *Result) float64 { return float64(r.Moves.Drops) }},
	"moved_twice":     {plain, func(r *Result) float64 { return float64(r.MovedTwice) }},
	"churn":           {percent, func(r *Result) float64 { return r.Unrest.Churn }},
	"thrash":          {percent, func(r *Result) float64 { return r.Unrest.Thrash }},
	"returned":        {plain, func(r *Result) float64 { return float64(r.Unrest.Returned) }},
	"peak_recoveries": {plain, func(r *Result) float64 { return float64(r.Peak) }},
	"unplaceable":     {plain, func(r *Result) float64 { return float64(r.Unplaceable) }},
	"waiting":         {plain, func(r *Result) float64 { return float64(r.Waiting) }},
	"red":             {plain, func(r *Result) float64 { return float64(r.Red) }},
	"yellow":          {plain, func(r *Result) float64 { return float64(r.Yellow) }},
	"green":           {plain, func(r *Result) float64 { return float64(r.shards - r.Red - r.Yellow) }},
	"bytes":           {sizes, func(r *Result) float64 { return r.Bytes }},
	"unserved":        {lasting, func(r *Result) float64 { return r.UnservedFor }},
	"time_to_green": {lasting, func(r *Result) float64 {
		if r.GreenAfter == nil {
			return math.Inf(1)
		}
		return *r.GreenAfter
	}},
	"balance": {plain, func(r *Result) float64 {
		worst := 0.0
		for _, b := range r.Balance {
			worst = max(worst, b.Ratio)
		}
		return worst
	}},
}

// MetricNames lists what may be asserted and plotted, for messages.
func MetricNames() string {
	var names []string
	for name := range metrics {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ") + ", balance.copies and so on, average.cpu and so on, hottest.disk and so on, together.zone and so on, copies.NODE, primaries.NODE"
}

// unitOf is how the values of a metric are read.
func unitOf(name string) (unit, error) {
	if m, known := metrics[name]; known {
		return m.unit, nil
	}
	kind, what, found := strings.Cut(name, ".")
	d := slices.Index(dimensionNames[:], what)
	switch {
	case !found:
	case d >= 0 && (kind == "balance" || kind == "average"), kind == "together", kind == "copies", kind == "primaries":
		return plain, nil
	case kind == "hottest" && d >= cpuOf:
		return percent, nil
	}
	return plain, fmt.Errorf("there is no metric %q; there are %s", name, MetricNames())
}

// figure gives a metric of the last eval, of which unitOf knows.
func (p *player) figure(r *Result, name string) (float64, error) {
	if m, known := metrics[name]; known {
		return m.of(r), nil
	}
	kind, what, _ := strings.Cut(name, ".")
	d := slices.Index(dimensionNames[:], what)
	switch kind {
	case "balance":
		if r.balances[d].Mean == 0 {
			return 0, fmt.Errorf("%s is not measured: say %s=… where nodes and keyspaces begin", name, what)
		}
		return r.balances[d].ratio(), nil
	case "average":
		x, ok := r.average(d)
		if !ok {
			return 0, fmt.Errorf("%s is not measured: say %s=… where nodes and keyspaces begin", name, what)
		}
		return x, nil
	case "hottest":
		return r.balances[d].Most, nil
	case "together":
		if what == "host" {
			return float64(p.w.together(func(m *cluster.Member) string { return m.Host })), nil
		}
		return float64(p.w.together(func(m *cluster.Member) string { return m.Attribute(what) })), nil
	}
	m := p.w.State.MemberByName(what)
	if m == nil {
		return 0, fmt.Errorf("there is no node %q", what)
	}
	copies, primaries := p.w.holds(m.ID)
	if kind == "copies" {
		return float64(copies), nil
	}
	return float64(primaries), nil
}

// holds counts a node's copies and primaries.
func (w *World) holds(id shards.NodeID) (copies, primaries int) {
	for i := range w.State.Shards {
		if c := w.State.Shards[i].CopyOn(id); c != nil {
			copies++
			if c.ID == w.State.Shards[i].Primary {
				primaries++
			}
		}
	}
	return copies, primaries
}

func (u unit) read(text string) (float64, error) {
	switch {
	case u == sizes:
		n, err := settings.ParseSize(text)
		return float64(n), err
	case u == lasting:
		d, err := time.ParseDuration(text)
		return d.Seconds(), err
	}
	return fraction("the value", text, -math.MaxFloat64, math.MaxFloat64)
}

func (u unit) print(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "never"
	case u == sizes:
		return SizeText(x)
	case u == lasting:
		return DurationText(time.Duration(x * float64(time.Second)))
	case u == ratio:
		return fmt.Sprintf("%.3f", x)
	case u == percent:
		return fmt.Sprintf("%.1f%%", 100*x)
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", x), "0"), ".")
}

var operators = map[string]func(a, b float64) bool{
	"<": func(a, b float64) bool { return a < b }, "<=": func(a, b float64) bool { return a <= b },
	"==": func(a, b float64) bool { return a == b }, "!=": func(a, b float64) bool { return a != b },
	">=": func(a, b float64) bool { return a >= b }, ">": func(a, b float64) bool { return a > b },
}

func (p *player) assert(l *line) (func() error, error) {
	if err := p.follows(); err != nil {
		return nil, err
	}
	words := strings.Fields(l.text)
	if len(words) != 4 {
		return nil, fmt.Errorf("%q; write: assert METRIC OP VALUE, as in: assert balance <= 1.1", l.text)
	}
	holds, known := operators[words[2]]
	if !known {
		return nil, fmt.Errorf("%q is no comparison; write one of < <= == != >= >", words[2])
	}
	unit, err := unitOf(words[1])
	if err != nil {
		return nil, err
	}
	want, err := unit.read(words[3])
	if err != nil {
		return nil, err
	}
	return func() error {
		is, err := p.figure(p.last(), words[1])
		if err != nil {
			return err
		}
		a := Assert{Line: l.number, Text: strings.Join(words[1:], " "), Holds: holds(is, want), Figure: unit.print(is)}
		p.outcome.Asserts = append(p.outcome.Asserts, a)
		verdict := "holds"
		if !a.Holds {
			verdict = "FAILS"
		}
		fmt.Fprintf(&p.out, "%s  line %d: %s: it is %s\n", verdict, a.Line, a.Text, a.Figure)
		return nil
	}, nil
}
