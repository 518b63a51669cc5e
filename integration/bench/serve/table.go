package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/bench"
)

// row is what one trial came to: medians over its rounds, the node's first.
type row struct {
	match string
	trial
	rate, cpu, p99 bench.Figure
}

// summarize reduces the rounds to medians. An operation that failed, or found nothing, makes them worthless: an error.
func summarize(match string, t trial, v *bench.Versus) (row, error) {
	for _, r := range slices.Concat(v.A, v.B) {
		if r.Failed > 0 || r.Misses > 0 {
			return row{}, fmt.Errorf("%d operations failed (%s), %d found no key", r.Failed, r.Error, r.Misses)
		}
	}
	r := row{match: match, trial: t}
	for _, f := range v.Figures() {
		switch f.Name {
		case "op/s":
			r.rate = f
		case "cpu/op":
			r.cpu = f
		case "p99":
			r.p99 = f
		}
	}
	return r, nil
}

func printTable(out io.Writer, o options, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "50 connections, 100-byte values, %d keys, medians of %d rounds of %v\n\n", o.keys, o.rounds, o.each)
	fmt.Fprintln(w, "\t\t\tredis\t\t\ttroupe\t\t\tCPU\t\tops/s\t\t")
	fmt.Fprintln(w, "durability\top\tP\tops/s\tp99 us\tCPU us/op\tops/s\tp99 us\tCPU us/op\tratio\ttarget\tratio\ttarget\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.2f\t%.2f\t%s\t%.2f\t%s\t\n", r.match, r.mix, r.pipeline,
			r.rate.B, r.p99.B/nsPerMicro, r.cpu.B/nsPerMicro, r.rate.A, r.p99.A/nsPerMicro, r.cpu.A/nsPerMicro,
			r.cpu.Ratio, target("<=", r.cpuTarget, r.cpu.Ratio <= r.cpuTarget),
			r.rate.Ratio, target(">=", r.rateTarget, r.rate.Ratio >= r.rateTarget))
	}
	return w.Flush()
}

const nsPerMicro = 1000

// target says what was aimed at and whether it was met.
func target(sign string, value float64, met bool) string {
	switch {
	case value == 0:
		return "-"
	case met:
		return fmt.Sprintf("%s %.2f met", sign, value)
	}
	return fmt.Sprintf("%s %.2f MISSED", sign, value)
}
