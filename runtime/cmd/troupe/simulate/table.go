package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Table is the result for people.
func (r *Result) Table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", r.Title)
	for _, m := range r.Marks {
		fmt.Fprintf(&out, "  at %-9s %s\n", DurationText(m.At), m.Text)
	}
	m := r.Moves
	rows := [][]string{
		{"  time to green", r.GreenText()},
		{"  unserved", fmt.Sprintf("%s at longest, %d shards", DurationText(r.Unserved), r.Lost)},
		{"  moves", fmt.Sprintf("%d: %d created, %d allocated, %d relocated, %d promoted, %d handed over, %d dropped", m.Total(), m.Creations, m.Allocations, m.Relocations, m.Promotions, m.Handovers, m.Drops)},
		{"  copied", fmt.Sprintf("%s, at most %d at once", SizeText(r.Bytes), r.Peak)},
		{"  at the end", fmt.Sprintf("%d red, %d yellow, %d green; %d waiting, %d of them unplaceable", r.Red, r.Yellow, r.shards-r.Red-r.Yellow, r.Waiting, r.Unplaceable)},
	}
	align(&out, rows)
	for _, why := range r.Why {
		fmt.Fprintf(&out, "    %s\n", why)
	}
	rows = [][]string{{"  balance", "max/mean", "least", "mean", "most", "on"}}
	for d, b := range r.balances {
		if b.Mean == 0 {
			continue
		}
		print := func(x float64) string { return fmt.Sprintf("%.1f", x) }
		if d >= cpuOf {
			print = percent.print
		}
		rows = append(rows, []string{"    " + dimensionNames[d], fmt.Sprintf("%.3f", b.ratio()), print(b.Least), print(b.Mean), print(b.Most), b.Fullest})
	}
	align(&out, rows)
	return out.String()
}

// GreenText is the time to green.
func (r *Result) GreenText() string {
	if r.TimeToGreen < 0 {
		return "never"
	}
	return DurationText(r.TimeToGreen)
}

// HottestText names the fullest node: by what is measured, the fullest first, or else by its copies.
func (r *Result) HottestText() string {
	best := -1
	for d := cpuOf; d < dimensions; d++ {
		if r.balances[d].Mean > 0 && (best < 0 || r.balances[d].Most > r.balances[best].Most) {
			best = d
		}
	}
	if best < 0 {
		b := r.balances[copiesOf]
		return fmt.Sprintf("%s, with %.0f copies", b.Fullest, b.Most)
	}
	return fmt.Sprintf("%s, %s at %s", r.balances[best].Fullest, dimensionNames[best], percent.print(r.balances[best].Most))
}

// align writes rows with their columns under each other.
func align(out *strings.Builder, rows [][]string) {
	width := []int{}
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// DurationText rounds a duration to what a reader wants.
func DurationText(d time.Duration) string {
	switch {
	case d >= time.Hour:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	}
	text := d.String()
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "m") || text == "" {
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		if text == "" {
			return "0s"
		}
		return text
	}
	return d.String()
}

// SizeText prints bytes in the unit that suits.
func SizeText(n float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 40, "TB"}, {1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "KB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f bytes", n)
}

// print answers a question about the present.
func (p *player) print(l *line) (func() error, error) {
	verb, name := l.next(), ""
	switch verb {
	case "shards?":
		name = l.next()
	case "explain":
		var err error
		if name, err = l.need("the shard"); err != nil {
			return nil, err
		}
	}
	return func() error {
		var out strings.Builder
		if err := p.w.show(&out, verb, name); err != nil {
			return err
		}
		fmt.Fprintf(&p.out, "%s\n%s", l.text, out.String())
		return nil
	}, l.done()
}

func (w *World) show(out *strings.Builder, verb, name string) error {
	switch verb {
	case "nodes?":
		w.printNodes(out)
	case "shards?":
		k := w.State.KeyspaceByName(name)
		if name != "" && k == nil {
			return fmt.Errorf("there is no keyspace %q", name)
		}
		for i := range w.State.Shards {
			if r := &w.State.Shards[i]; k == nil || r.ID.Keyspace() == k.ID {
				fmt.Fprintf(out, "  %s\n", w.State.Describe(r))
			}
		}
	case "health?":
		h := cluster.HealthOf(w.State)
		fmt.Fprintf(out, "  %v\n", h.Status)
		for _, reason := range h.Reasons {
			fmt.Fprintf(out, "  %v %s: %s\n", reason.Status, reason.Name, reason.Reason)
		}
	case "explain":
		return w.explain(out, name)
	}
	return nil
}

func (w *World) printNodes(out *strings.Builder) {
	all := w.figuresOf()
	rows := [][]string{{"  node", "copies", "primaries", "cpu", "memory", "disk", ""}}
	for i := range w.State.Members {
		m := &w.State.Members[i]
		row := []string{"  " + m.Name, fmt.Sprint(all[i][copiesOf]), fmt.Sprint(all[i][primariesOf])}
		for d := range policies.Dimensions {
			if bears := w.machines[m.ID].capacity.Vector()[d]; bears > 0 {
				row = append(row, percent.print(all[i][cpuOf+d]/bears))
			} else {
				row = append(row, "-")
			}
		}
		var words []string
		for _, a := range m.Attributes {
			words = append(words, a.Name+"="+a.Value)
		}
		for _, x := range []struct {
			is   bool
			word string
		}{{m.Down, "down"}, {m.Draining, "draining"}, {m.Maintained, "maintained"}} {
			if x.is {
				words = append(words, x.word)
			}
		}
		rows = append(rows, append(row, strings.Join(words, " ")))
	}
	align(out, rows)
}

func (w *World) explain(out *strings.Builder, name string) error {
	id, err := w.shardNamed(name)
	if err != nil {
		return err
	}
	in := w.Input()
	in.Policies = &policies.Set{Deciders: slices.Clone(w.Policies.Deciders), Scorers: slices.Clone(w.Policies.Scorers)}
	e, err := allocator.Explain(in, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  %s\n", e.Row)
	for i := range e.Nodes {
		fmt.Fprintf(out, "  %s\n", e.Nodes[i].String())
		if e.Starts[i].Verdict != policies.Yes {
			fmt.Fprintf(out, "  %s\n", e.Starts[i].String())
		}
		for _, s := range e.Scores {
			fmt.Fprintf(out, "  %s score %.2f: [%s]\n", e.Nodes[i].Node, s.Each[i], s.Scorer)
		}
	}
	for i := range e.Conflict {
		fmt.Fprintf(out, "  in the way: %s\n", e.Conflict[i].String())
	}
	for _, d := range e.Decisions {
		fmt.Fprintf(out, "  next: %v %v: %s\n", d.Lane, d.Verdict, d.Reason)
	}
	return nil
}
