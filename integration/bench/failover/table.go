package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// goal is what the project has set itself, for the first client to write again; zero: none.
type goal struct{ median, worst time.Duration }

// lease is how long a node may serve reads without word of the leader: after a pause nothing can be quicker.
const lease = 1500 * time.Millisecond

var targets = map[string]goal{
	"troupe, primary, kill":  {150 * time.Millisecond, 500 * time.Millisecond},
	"troupe, leader, kill":   {800 * time.Millisecond, 3 * time.Second},
	"troupe, primary, pause": {0, lease + time.Second},
	"troupe, leader, pause":  {0, lease + time.Second},
	"troupe, primary, cut":   {0, lease + time.Second},
	"troupe, leader, cut":    {0, lease + time.Second},
}

// result is one row: all trials of one system and aim.
type result struct {
	name       string
	target     goal
	first, all []time.Duration
	acked      int
	zombies    int
	lost       int
}

func (r *result) add(t outcome) {
	r.first = append(r.first, t.first)
	r.all = append(r.all, t.all)
	r.acked += t.acked
	r.zombies += t.zombies
	r.lost += t.lost
}

// median is the upper one of the two in the middle, if there are two.
func median(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// verdict says whether the goal was met; losing a write meets none.
func (r *result) verdict() string {
	switch g := r.target; {
	case r.lost > 0:
		return "LOST WRITES"
	case g == goal{}:
		return "-"
	case g.median > 0 && median(r.first) > g.median, slices.Max(r.first) > g.worst:
		return fmt.Sprintf("<= %s / %s MISSED", ms(g.median), ms(g.worst))
	default:
		return fmt.Sprintf("<= %s / %s met", ms(g.median), ms(g.worst))
	}
}

func ms(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprint(d.Round(time.Millisecond).Milliseconds())
}

func printTable(out io.Writer, o *options, rows []*result) error {
	fmt.Fprintf(out, "%d times %s of each, %d clients that write without a pause, ms until a write that began after the fault was acknowledged\n\n", o.kills, o.fault, o.writers)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tfirst client\t\tall clients\t\twrites\t\t\t\t")
	fmt.Fprintln(w, "\tmedian\tworst\tmedian\tworst\tacknowledged\tby sleepers\tlost\ttarget\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t\n", r.name, ms(median(r.first)), ms(slices.Max(r.first)), ms(median(r.all)), ms(slices.Max(r.all)), r.acked, r.zombies, r.lost, r.verdict())
	}
	return w.Flush()
}
