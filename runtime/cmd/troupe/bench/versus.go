package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Side is one of two servers that are compared.
type Side struct {
	Plan *Plan
	PID  int // 0 = its processor time is not measured
}

// Versus is what rounds against two servers measured, round by round.
type Versus struct {
	Mix  Mix
	A, B []*Result
}

// Compare runs rounds against A and B in turn (A B A B ...), so that whatever else the machine does meets both alike. say,
// if not nil, hears which round begins.
func Compare(ctx context.Context, a, b Side, mix Mix, rounds int, say func(round int, target string), progress Progress) (*Versus, error) {
	v := &Versus{Mix: mix}
	for round := range rounds {
		for _, side := range []struct {
			Side
			results *[]*Result
		}{{a, &v.A}, {b, &v.B}} {
			if say != nil {
				say(round+1, side.Plan.Target)
			}
			r, err := Run(ctx, side.Plan, mix, side.PID, progress)
			if err != nil {
				return nil, fmt.Errorf("round %d against %s: %w", round+1, side.Plan.Target, err)
			}
			*side.results = append(*side.results, r)
		}
	}
	return v, nil
}

// Figure is one quantity of both sides: medians over the rounds, and A's median divided by B's.
type Figure struct {
	Name  string  `json:"name"`
	A     float64 `json:"a"`
	B     float64 `json:"b"`
	Ratio float64 `json:"ratio"`
	Unit  string  `json:"unit"`
}

// Figures computes throughput, processor time per command (if both sides have it) and latencies.
func (v *Versus) Figures() []Figure {
	figures := []Figure{v.figure("op/s", "1/s", (*Result).Rate)}
	if v.A[0].HasCPU && v.B[0].HasCPU {
		figures = append(figures, v.figure("cpu/op", "ns", func(r *Result) float64 { return float64(r.CPUPerOp()) }))
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 50}, {"p99", 99}, {"p99.9", 99.9}} {
		figures = append(figures, v.figure(q.name, "ns", func(r *Result) float64 { return float64(r.Latency.ValueAtPercentile(q.at)) }))
	}
	return figures
}

func (v *Versus) figure(name, unit string, of func(*Result) float64) Figure {
	f := Figure{Name: name, Unit: unit, A: median(v.A, of), B: median(v.B, of)}
	if f.B != 0 {
		f.Ratio = f.A / f.B
	}
	return f
}

// median of an even count is the mean of the middle two.
func median(results []*Result, of func(*Result) float64) float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// WriteVersus prints the medians and ratios of several mixes.
//
//	op   figure        A        B   A/B
//	set    op/s  540,100  352,000  1.53
//	     cpu/op   1.14µs   1.62µs  0.70
func WriteVersus(w io.Writer, all []*Versus) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "op\tfigure\tA\tB\tA/B\t")
	for _, v := range all {
		name := v.Mix.Name
		for _, f := range v.Figures() {
			a, b := Thousands(int64(f.A)), Thousands(int64(f.B))
			if f.Unit == "ns" {
				a, b = Latency(int64(f.A)), Latency(int64(f.B))
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.2f\t\n", name, f.Name, a, b, f.Ratio)
			name = ""
		}
	}
	return t.Flush()
}
