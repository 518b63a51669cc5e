package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	hdrhistogram "github.com/HdrHistogram/hdrhistogram-go"
)

// quantiles of the table, in percent.
var quantiles = []float64{50, 90, 99, 99.9}

// WriteTable prints a line per result.
//
//	op       op/s     p50     p90     p99   p99.9     max  cpu/op  misses
//	set   412,345  1.71ms  2.05ms  3.31ms  5.10ms  9.82ms  1.31µs       -
func WriteTable(w io.Writer, results []*Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "op\top/s\tp50\tp90\tp99\tp99.9\tmax\tcpu/op\tmisses\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t", r.Mix.Name, Thousands(int64(r.Rate())))
		for _, q := range quantiles {
			fmt.Fprintf(t, "%s\t", Latency(r.Latency.ValueAtPercentile(q)))
		}
		misses := "-"
		if r.Misses > 0 {
			misses = Thousands(r.Misses)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", Latency(r.Latency.Max()), cpuText(r), misses)
	}
	return t.Flush()
}

func cpuText(r *Result) string {
	if !r.HasCPU {
		return "-"
	}
	return Latency(int64(r.CPUPerOp()))
}

// Latency prints nanoseconds with three significant digits: 870ns, 1.31µs, 12.4ms, 2.07s.
func Latency(ns int64) string {
	v, unit := float64(ns), "ns"
	for _, next := range []struct {
		step float64
		unit string
	}{{1000, "µs"}, {1000, "ms"}, {1000, "s"}} {
		if v < 999.5 {
			break
		}
		v, unit = v/next.step, next.unit
	}
	switch {
	case unit == "ns" || v >= 99.95:
		return fmt.Sprintf("%.0f%s", v, unit)
	case v >= 9.995:
		return fmt.Sprintf("%.1f%s", v, unit)
	}
	return fmt.Sprintf("%.2f%s", v, unit)
}

// Thousands groups digits: 1,234,567.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	start := len(s) % 3
	if start == 0 || s[:start] == "-" {
		start += 3
	}
	var b strings.Builder
	b.WriteString(s[:min(start, len(s))])
	for i := start; i < len(s); i += 3 {
		b.WriteByte(',')
		b.WriteString(s[i : i+3])
	}
	return b.String()
}

// barWidth is the longest bar of a histogram, in columns.
const barWidth = 50

// WriteHistogram draws the latencies as bars, two to each doubling. A line says how long, the share of the commands that
// took so long (and longer than the line before), and the share that took no longer. Empty stretches become one line.
//
//	<=  1.00µs   1.000 %    1.000 %  #
//	<=  1.41µs  40.000 %   41.000 %  ########################################
//	    ...
func WriteHistogram(w io.Writer, h *hdrhistogram.Histogram) error {
	buckets := bucketize(h)
	total, most := h.TotalCount(), int64(0)
	for _, b := range buckets {
		most = max(most, b.count)
	}
	if total == 0 {
		_, err := fmt.Fprintln(w, "  (nothing was measured)")
		return err
	}
	seen := int64(0)
	for i, b := range buckets {
		if b.count == 0 && buckets[i-1].count == 0 {
			continue
		}
		seen += b.count
		bar := strings.Repeat("#", int((b.count*barWidth+most-1)/most))
		line := fmt.Sprintf("  <= %7s %7.3f %% %8.3f %%  %s", Latency(b.end), percent(b.count, total), percent(seen, total), bar)
		if b.count == 0 && buckets[i+1].count == 0 {
			line = "      ..."
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(whole) }

// bucket counts the latencies up to end and beyond the end of the bucket before it.
type bucket struct{ end, count int64 }

// ladder is the ends of the buckets within one doubling, in halves of an octave.
var ladder = []float64{1, 1.41}

// bucketize sorts the histogram's bars into steps of half an octave and drops the empty steps at both ends.
func bucketize(h *hdrhistogram.Histogram) []bucket {
	var buckets []bucket
	step := 0
	end := func() int64 {
		return int64(float64(int64(time.Microsecond)<<(step/len(ladder))) * ladder[step%len(ladder)])
	}
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		if len(buckets) == 0 {
			for end() < bar.To {
				step++
			}
			buckets = append(buckets, bucket{end: end()})
		}
		for end() < bar.To {
			step++
			buckets = append(buckets, bucket{end: end()})
		}
		buckets[len(buckets)-1].count += bar.Count
	}
	return buckets
}
