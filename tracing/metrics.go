package tracing

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts the failovers that a node has told: each is told by one node, the placement leader of that moment, so that sums
// over all nodes are right. Its methods may be called concurrently.
type Metrics struct {
	told        *prometheus.CounterVec
	unavailable prometheus.Histogram
	down        prometheus.Histogram
	phases      *prometheus.HistogramVec
	shards      prometheus.Counter
	attempts    prometheus.Counter
	resent      prometheus.Counter
	dropped     prometheus.CounterFunc
	lost        prometheus.CounterFunc
	drains      prometheus.Histogram
	left        prometheus.Counter
	waited      prometheus.Counter
	longest     prometheus.Histogram
}

// seconds are the bounds of histograms about failovers: from a few milliseconds, where proof of death leads, to a lease and more.
var seconds = []float64{.005, .01, .02, .05, .1, .2, .5, 1, 1.5, 2, 3, 5, 10, 30}

// minutes are the bounds of what people ask for: a node is emptied as fast as its copies recover elsewhere.
var minutes = []float64{.1, .5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 4 * 3600}

// NewMetrics makes the metrics; traces and spans count those of failovers and of messages that no collector took.
//
// What has labels of a known few is there from the start, at 0: what is born at 1 has not increased, says Prometheus, and an alert would
// miss the first event.
func NewMetrics(traces, spans func() uint64) *Metrics {
	m := &Metrics{
		told: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "troupe_failover_total",
			Help: "Failovers, suspicions, drains, moves of copies, copies that came back after a death, and switches of policies that this node has told to their end, as the placement leader."}, []string{"kind", "outcome"}),
		unavailable: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "troupe_failover_duration_seconds", Buckets: seconds,
			Help: "From the end of a node to the last of its shards that takes writes again, where all do; exemplars carry the trace."}),
		down: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "troupe_shard_unavailable_duration_seconds", Buckets: seconds,
			Help: "From the end of the node that led a shard to the moment in which the shard takes writes again, of each shard; exemplars carry the trace."}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "troupe_failover_phase_duration_seconds", Buckets: seconds,
			Help: "How long the phases of a failover took: detect, elect, plan, commit, promote of each shard, and first_write: from then to its first write that was acknowledged."}, []string{"phase"}),
		shards:   prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_failover_shards_total", Help: "Shards that were led by nodes that ended."}),
		attempts: prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_failover_promote_attempts_total", Help: "Promotions; more than shards where the target ended as well."}),
		resent:   prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_failover_resent_entries_total", Help: "Writes that a dead primary left open, and its successor sent again."}),
		dropped:  prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "troupe_telemetry_dropped_traces_total", Help: "Traces that no collector took."}, func() float64 { return float64(traces()) }),
		lost:     prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "troupe_telemetry_dropped_spans_total", Help: "Spans of messages that no collector took."}, func() float64 { return float64(spans()) }),
		drains: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "troupe_drain_duration_seconds", Buckets: minutes,
			Help: "From the wish that a node be emptied to the last copy that left it, of drains that were carried out; exemplars carry the trace."}),
		left:   prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_drain_copies_total", Help: "Copies that left nodes because these were drained."}),
		waited: prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_failover_waiting_requests_total", Help: "Requests that were tried again because their shard had no primary that answered."}),
		longest: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "troupe_failover_longest_wait_seconds", Buckets: seconds,
			Help: "The longest that a request waited because of a failover, one figure for each failover that a request felt; exemplars carry the trace."}),
	}
	for _, kind := range kinds[1:] {
		for _, outcome := range outcomes[OutcomeOpen+1:] {
			m.told.WithLabelValues(kind, outcome)
		}
	}
	for _, phase := range []string{"detect", "elect", "plan", "commit", "promote", "first_write"} {
		m.phases.WithLabelValues(phase)
	}
	return m
}

// Told counts a failover that has ended.
func (m *Metrics) Told(f *Failover) {
	m.told.WithLabelValues(f.Kind.String(), f.Outcome.String()).Inc()
	trace := prometheus.Labels{"trace_id": f.Trace().String()}
	if f.Kind == KindDrain {
		m.drained(f, trace)
	}
	if f.Kind != KindFailover {
		return
	}
	if requests, longest := f.waits(); requests > 0 {
		m.waited.Add(float64(requests))
		observe(m.longest, longest, trace)
	}
	if f.Back() && f.Seen() {
		observe(m.unavailable, f.Unavailable(), trace)
	}
	if f.Declared != 0 && f.Seen() {
		observe(m.phases.WithLabelValues("detect"), max(0, f.Declared-f.Gone()), trace)
	}
	for _, e := range f.Elections {
		if !e.Resume { // of an election that another death brought on, or a hand-over
			observe(m.phases.WithLabelValues("elect"), e.Won-e.Began, trace)
		}
	}
	for _, p := range f.Plans {
		observe(m.phases.WithLabelValues("plan"), p.Took, trace)
		if p.Committed != 0 {
			observe(m.phases.WithLabelValues("commit"), p.Committed-p.Began-p.Took, trace)
		}
	}
	m.shards.Add(float64(len(f.Shards) + f.Omitted))
	for i := range f.Shards {
		m.shard(f, &f.Shards[i], trace)
	}
}

func (m *Metrics) shard(f *Failover, s *Shard, trace prometheus.Labels) {
	for _, a := range s.Attempts {
		m.attempts.Inc()
		m.resent.Add(float64(a.Entries))
		if a.Served != 0 && a.Told != 0 {
			observe(m.phases.WithLabelValues("promote"), a.Served-a.Told, trace)
		}
	}
	if !s.Serving() {
		return
	}
	a := s.Last()
	if f.Seen() {
		observe(m.down, a.Served-f.Gone(), trace)
	}
	if a.Written != 0 {
		observe(m.phases.WithLabelValues("first_write"), a.Written-a.Served, trace)
	}
}

func (m *Metrics) drained(f *Failover, trace prometheus.Labels) {
	if f.Outcome == OutcomeDone {
		observe(m.drains, f.Took(), trace)
	}
	for i := range f.Shards {
		if f.Shards[i].Serving() {
			m.left.Inc()
		}
	}
	for i := range f.Groups {
		m.left.Add(float64(f.Groups[i].Shards))
	}
}

// observe takes nanoseconds. Clocks of two nodes may differ: nothing took less than no time.
func observe(o prometheus.Observer, ns int64, trace prometheus.Labels) {
	o.(prometheus.ExemplarObserver).ObserveWithExemplar(max(0, float64(ns)/1e9), trace)
}

// Collectors are what a registry takes.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.told, m.unavailable, m.down, m.phases, m.shards, m.attempts, m.resent, m.dropped, m.lost, m.drains, m.left, m.waited, m.longest}
}
