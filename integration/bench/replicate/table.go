package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// row compares troupe with another system.
type row struct {
	match        string
	pipeline     int
	target       float64 // for the ratio of processor time, at most; 0: none
	beside       string
	ours, theirs sample
}

func printTable(out io.Writer, o *options, rows []row) error {
	fmt.Fprintf(out, "%d connections, 100-byte values, %d keys, three nodes, one replica; medians of %d rounds of %v\n\n",
		o.connections, o.keys, o.rounds, o.each)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\t\t\ttroupe\t\t\t\tbeside\t\t\t\tCPU\t\twrites/s\t")
	fmt.Fprintln(w, "durability\tbeside\tP\twrites/s\tp50 us\tp99 us\tCPU us\twrites/s\tp50 us\tp99 us\tCPU us\tratio\ttarget\tratio\t")
	for _, r := range rows {
		ratio := r.ours.cpu / r.theirs.cpu
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%s\t%.2f\t\n", r.match, r.beside, r.pipeline,
			r.ours.rate, r.ours.p50, r.ours.p99, r.ours.cpu, r.theirs.rate, r.theirs.p50, r.theirs.p99, r.theirs.cpu,
			ratio, verdict(r.target, ratio), r.ours.rate/r.theirs.rate)
	}
	return w.Flush()
}

// verdict says what was aimed at and whether it was met.
func verdict(target, ratio float64) string {
	switch {
	case target == 0:
		return "-"
	case ratio <= target:
		return fmt.Sprintf("<= %.2f met", target)
	}
	return fmt.Sprintf("<= %.2f MISSED", target)
}
