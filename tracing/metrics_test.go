package tracing_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/troupe-actors/troupe/tracing"
)

// gather tells a registry's page by name.
func gather(t *testing.T, m *tracing.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m.Collectors()...)
	list, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]*dto.MetricFamily{}
	for _, f := range list {
		families[f.GetName()] = f
		if !strings.HasPrefix(f.GetName(), "troupe_") || f.GetHelp() == "" {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
	}
	return families
}

func TestMetricsOfAFailover(t *testing.T) {
	m := tracing.NewMetrics(func() uint64 { return 3 }, func() uint64 { return 3 })
	f := death()
	m.Told(f)
	m.Told(&tracing.Failover{Kind: tracing.KindSuspicion, Outcome: tracing.OutcomeRefuted})
	page := gather(t, m)
	for name, want := range map[string]float64{"troupe_failover_shards_total": 2, "troupe_failover_promote_attempts_total": 3, "troupe_failover_resent_entries_total": 3, "troupe_telemetry_dropped_traces_total": 3} {
		if got := page[name].Metric[0].Counter.GetValue(); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if n := told(page); n != 2 {
		t.Errorf("%d outcomes", n)
	}
	h := page["troupe_failover_duration_seconds"].Metric[0].Histogram
	if h.GetSampleCount() != 1 || h.GetSampleSum() != .23 {
		t.Errorf("%d failovers took %v s in all", h.GetSampleCount(), h.GetSampleSum())
	}
	var exemplar string
	for _, b := range h.Bucket {
		for _, l := range b.GetExemplar().GetLabel() {
			exemplar = l.GetValue()
		}
	}
	if exemplar != f.Trace().String() {
		t.Errorf("the exemplar leads to trace %q", exemplar)
	}
	if h := page["troupe_shard_unavailable_duration_seconds"].Metric[0].Histogram; h.GetSampleCount() != 2 || h.GetSampleSum() <= .23 || h.GetSampleSum() > 2*.23 {
		t.Errorf("%d shards were unavailable for %v s in all", h.GetSampleCount(), h.GetSampleSum())
	}
	if n := len(page["troupe_failover_phase_duration_seconds"].Metric); n != 6 {
		t.Errorf("%d phases", n)
	}
}

// A failover after which a shard takes no writes has not lasted until the others did, and who goes on with one was not elected for that.
func TestMetricsOfAFailoverWithoutAnEnd(t *testing.T) {
	for _, outcome := range []tracing.Outcome{tracing.OutcomeRed, tracing.OutcomeGivenUp} {
		m := tracing.NewMetrics(func() uint64 { return 0 }, func() uint64 { return 0 })
		f := death()
		f.Outcome = outcome
		f.Elections = []tracing.Election{{Term: 4, By: "n1", Began: f.Declared, Won: f.Declared, Resume: true}}
		last := &f.Shards[len(f.Shards)-1]
		last.Attempts = last.Attempts[:1]
		last.Attempts[0].Served, last.Attempts[0].Written, last.Attempts[0].Failed = 0, 0, "its disk is full"
		if outcome == tracing.OutcomeRed {
			last.Attempts, last.Problem = nil, "no copy in sync"
		}
		m.Told(f)
		page := gather(t, m)
		if n := page["troupe_failover_duration_seconds"].Metric[0].Histogram.GetSampleCount(); n != 0 {
			t.Errorf("%v: writes are said to be back", outcome)
		}
		for _, p := range page["troupe_failover_phase_duration_seconds"].Metric {
			if p.Label[0].GetValue() == "elect" && p.Histogram.GetSampleCount() != 0 {
				t.Errorf("%v: an election is counted that was none", outcome)
			}
		}
		root := f.Spans()[0]
		if a, said := root.Attribute("troupe.failover.unavailable_ms"); said {
			t.Errorf("%v: the root says that writes were away for %d ms", outcome, a.Int)
		}
		if s := f.Summary(); strings.Contains(s, "writes back") || !strings.Contains(s, ", of which 1 take no writes") {
			t.Errorf("%v: %s", outcome, s)
		}
	}
}

func TestMetricsOfADrain(t *testing.T) {
	m := tracing.NewMetrics(func() uint64 { return 0 }, func() uint64 { return 0 })
	f := drain()
	m.Told(f)
	cut := drain()
	cut.Outcome, cut.Shards[0].Attempts = tracing.OutcomeTakenBack, nil
	m.Told(cut)
	felt := death()
	felt.Clients = []tracing.Wait{{Node: "n3", Requests: 5, Longest: 200 * ms}, {Node: "n4", Requests: 2, Longest: 300 * ms}}
	m.Told(felt)
	page := gather(t, m)
	for name, want := range map[string]float64{"troupe_drain_copies_total": 3 + 2, "troupe_failover_waiting_requests_total": 7} {
		if got := page[name].Metric[0].Counter.GetValue(); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]float64{"troupe_drain_duration_seconds": .9, "troupe_failover_longest_wait_seconds": .3} {
		if h := page[name].Metric[0].Histogram; h.GetSampleCount() != 1 || h.GetSampleSum() != want {
			t.Errorf("%s has %d samples that are %v in all, want one of %v", name, h.GetSampleCount(), h.GetSampleSum(), want)
		}
	}
	if n := told(page); n != 3 {
		t.Errorf("%d kinds and outcomes", n)
	}
}

// told is how many kinds and outcomes have been counted; the others are there at 0.
func told(page map[string]*dto.MetricFamily) (count int) {
	for _, m := range page["troupe_failover_total"].Metric {
		if m.Counter.GetValue() > 0 {
			count++
		}
	}
	return count
}
