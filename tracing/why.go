package tracing

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Why prints why a shard went where it went: at each decision every candidate with what each decider said of it, and what came of it.
func (f *Failover) Why(w io.Writer, shard string) error {
	s := f.Shard(shard)
	if s == nil {
		if f.Omitted > 0 {
			return fmt.Errorf("failover %s keeps nothing about shard %q: %d of its %d shards were too many to be kept one by one; it has %s",
				f.ID(), shard, f.Omitted, len(f.Shards)+f.Omitted, f.names())
		}
		return fmt.Errorf("failover %s has no shard %q; it has %s", f.ID(), shard, f.names())
	}
	told := f.Kind != KindPolicies && len(s.Attempts) > 0 // where policies changed the plan is told, and not what came of it
	decisions := f.decisions(s)
	if len(decisions) == 0 {
		decisions = []Decision{{Plan: -1, Reason: s.Reason, Candidates: s.Candidates}}
		if told && s.Reason == "" && s.Problem == "" && !f.planned() {
			decisions[0].Reason = "who decided was gone before it could say why"
		}
	}
	tries := make([][]int, len(decisions)) // the attempts of each
	at := 0
	for i, carries := range carried(decisions, s.Attempts) {
		at = max(at, carries) // of one that nobody noted the plan of, what was decided before
		tries[at] = append(tries[at], i)
	}
	for i := range decisions {
		d := &decisions[i]
		name := s.Name
		if len(decisions) > 1 {
			name = fmt.Sprintf("%s, decision %d of %d", s.Name, i+1, len(decisions))
		}
		fmt.Fprintf(w, "%s: %s\n", name, d.Reason)
		if last := i == len(decisions)-1; last && s.Problem != "" {
			fmt.Fprintf(w, "problem: %s\n", s.Problem)
		}
		if len(d.Candidates) == 0 && !told {
			if _, err := fmt.Fprintln(w, "what the rules said of each node was not kept: troupe explain "+s.Name+" asks them now"); err != nil {
				return err
			}
			continue
		}
		if !told {
			tries[i] = nil
		}
		if err := f.table(w, s, d, tries[i]); err != nil {
			return err
		}
	}
	return nil
}

// table prints what was said of each candidate of a decision, and what came of it.
func (f *Failover) table(w io.Writer, s *Shard, d *Decision, tries []int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tVERDICT\tDECIDER\tSAYS\tREASON\tMODULE\tFUEL")
	for _, c := range d.Candidates {
		verdict := c.Verdict
		if c.Chosen {
			verdict += " ← chosen"
		}
		fmt.Fprintf(t, "%s\t%s\t\t\t\t\t\n", c.Node, verdict)
		for _, at := range c.Words {
			if at >= 0 && at < len(f.Words) {
				x := &f.Words[at]
				fmt.Fprintf(t, "\t\t%s\t%s\t%s\t%s\t%s\n", x.Decider, x.Verdict, x.Reason, x.Module, x.fuel())
			}
		}
		for _, x := range c.Scores {
			fmt.Fprintf(t, "\t\t%s\tscore %.2f\tin copies: the lowest is preferred\t\t\n", x.Scorer, x.Score)
		}
	}
	for _, i := range tries {
		fmt.Fprintln(t, f.tried(i+1, &s.Attempts[i]))
	}
	return t.Flush()
}

// tried is the row of the try of that number.
func (f *Failover) tried(number int, a *Attempt) string {
	what, how, words := "promotion", "waits", fmt.Sprintf("in term %d", a.Term)
	switch {
	case f.planned():
		what, how, words = "recovery", a.recovery(), a.Failed
	case a.Failed != "":
		how, words = "failed", a.Failed
	case a.Served != 0 && f.Seen():
		how, words = "serves", fmt.Sprintf("in term %d, %v after %s was gone", a.Term, short(a.Served-f.Gone()), f.Name)
	case a.Served != 0:
		how = "serves"
	}
	return fmt.Sprintf("%s %d\t@%s\t\t%s\t%s\t\t", what, number, a.To, how, words)
}

// recovery is how the recovery of a copy that was to leave went.
func (a *Attempt) recovery() string {
	switch {
	case a.Failed != "":
		return "failed"
	case a.Served == 0:
		return "goes on"
	case a.ToID == "":
		return "not needed"
	}
	return "done"
}

// fuel is what the row cost, as text; a rule in Go costs none.
func (w *Word) fuel() string {
	if w.Fuel == 0 {
		return ""
	}
	return strconv.FormatInt(w.Fuel, 10)
}

// names lists the first shards, for people who mistyped one.
func (f *Failover) names() string {
	switch n := len(f.Shards); {
	case n == 0:
		return "none"
	case n > 3:
		return fmt.Sprintf("%s, %s and %d more", f.Shards[0].Name, f.Shards[1].Name, n-2)
	}
	text := f.Shards[0].Name
	for _, s := range f.Shards[1:] {
		text += ", " + s.Name
	}
	return text
}
