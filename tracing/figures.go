package tracing

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Latency counts how long something took. Its exemplars carry the trace of what was traced. A nil Latency counts nothing. Its methods may
// be called concurrently.
type Latency struct{ h prometheus.Observer }

// Observe counts one that took so long, and belongs to a trace unless of is the zero value.
func (l *Latency) Observe(took time.Duration, of Carrier) {
	switch {
	case l == nil:
	case of.Sampled():
		observe(l.h, int64(took), prometheus.Labels{"trace_id": of.Trace.String()})
	default:
		l.h.Observe(max(0, took.Seconds()))
	}
}

// Calls counts how long messages to actors of a kind took, by what became of them. A nil Calls counts nothing. Its methods may be called
// concurrently.
type Calls struct {
	of      prometheus.ObserverVec
	handled prometheus.Observer
}

// Observe counts one that took so long, and belongs to a trace unless of is the zero value. failure is one of few words that says why
// it came to nothing; empty: it was handled.
func (c *Calls) Observe(took time.Duration, failure string, of Carrier) {
	if c == nil {
		return
	}
	l := Latency{c.handled}
	if failure != "" {
		l.h = c.of.WithLabelValues(label(failure))
	}
	l.Observe(took, of)
}

// label is a name as values of labels are written.
func label(name string) string { return strings.ReplaceAll(name, " ", "_") }

// micro are the bounds of histograms of calls and commits, in seconds: a commit in memory takes some 50 µs, one that waits for disks of
// several machines some ms.
var micro = []float64{50e-6, 100e-6, 250e-6, 500e-6, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// nano are the bounds of histograms of questions to policies: a guest answers most in some µs.
var nano = []float64{1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, .001, .0025, .005, .01, .05, .1}

// Figures are the metrics of what a node does all the time, under OpenTelemetry's names as Prometheus has them. Its methods may be called
// concurrently. Of a nil Figures, that of actors without a node, Calls and MailboxWaits give nil, and Rejected, Activated,
// Passivated, SetAside and KnowKind count nothing; the other methods may not be called.
type Figures struct {
	Commits      *Latency // of a replicated shard's rounds, from their launch on the primary to their commit
	GroupCommits *Latency // of the metadata group's commands, from their proposal to their application
	Plans        *Latency // of the placement leader's plans, without their commits
	Elections    *Latency // of the times in which this node knew of no placement leader, between one and the next
	RoundTrips   *Latency // of this node's heartbeats, to the placement leader and back
	calls        *prometheus.HistogramVec
	remote       *prometheus.HistogramVec
	mailbox      *prometheus.HistogramVec
	deciders     *prometheus.HistogramVec
	recoveries   *prometheus.HistogramVec
	recovered    *prometheus.CounterVec
	copied       prometheus.Counter
	suspicions   *prometheus.CounterVec
	aside        *prometheus.CounterVec
	rejected     *prometheus.CounterVec
	activations  *prometheus.CounterVec
	passivations *prometheus.CounterVec
	proposals    *prometheus.CounterVec
	changes      prometheus.Counter
	missed       prometheus.Counter
	moves        *prometheus.CounterVec
	verdicts     *prometheus.CounterVec
	fuel         *prometheus.CounterVec
	faults       *prometheus.CounterVec
	collectors   []prometheus.Collector
}

// NewFigures makes them, all 0; Begin, KnowKind and KnowPolicy do what it cannot know.
func NewFigures() *Figures {
	f := &Figures{}
	latency := func(name, help string, bounds []float64) *Latency {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds})
		f.collectors = append(f.collectors, h)
		return &Latency{h}
	}
	latencies := func(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
		f.collectors = append(f.collectors, h)
		return h
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		f.collectors = append(f.collectors, c)
		return c
	}
	f.Commits = latency("troupe_shard_commit_duration_seconds", "How long rounds of writes took from their launch on the primary until enough copies had them; exemplars carry the trace.", micro)
	f.GroupCommits = latency("troupe_raft_commit_duration_seconds", "How long commands of the metadata group took from this node's proposal to their application.", micro)
	f.Plans = latency("troupe_plan_duration_seconds", "How long the placement leader took to make a plan, without its commit.", micro)
	f.Elections = latency("troupe_raft_election_duration_seconds", "How long this node knew of no placement leader, from the loss of one to the next.", seconds)
	f.RoundTrips = latency("troupe_cluster_heartbeat_rtt_seconds", "How long this node's heartbeats took to the placement leader and back.", micro)
	f.remote = latencies("rpc_client_call_duration_seconds", "How long tries to have actors of other nodes handle a message took, on the node of the caller; error_type says why that node did not answer, and is empty where it did.", micro, "error_type")
	f.remote.WithLabelValues("")
	f.calls = latencies("rpc_server_call_duration_seconds", "How long messages to actors of this node took from their arrival in the mailbox to the reply; error_type says why they came to nothing, and is empty where they were handled; exemplars carry the trace.", micro, "rpc_system_name", "type", "error_type")
	f.mailbox = latencies("troupe_actor_mailbox_wait_seconds", "How long messages to actors of this node waited in the mailbox for their turn.", micro, "type")
	f.deciders = latencies("troupe_decider_duration_seconds", "How long a decider or scorer that is a guest took to answer one question of a plan; one in eight is timed.", nano, "decider")
	f.recoveries = latencies("troupe_recovery_duration_seconds", "How long copies took to come in sync with a primary of this node, by where what they lacked came from.", minutes, "source")
	f.recovered = counters("troupe_recovery_operations_total", "Operations that copies got one by one to come in sync with primaries of this node.", "source")
	f.suspicions = counters("troupe_cluster_suspicion_total", "Suspicions of members that ended while this node led, by how: refuted, proof, timeout, or replaced by another life of the node.", "outcome")
	f.aside = counters("troupe_actor_dead_letters_total", "Messages of actors of this node, and reminders, that were refused so often that they were set aside.", "type")
	f.rejected = counters("troupe_actor_rejected_total", "Messages that actors of this node refused without handling them.", "type", "reason")
	f.activations = counters("troupe_actor_activations_total", "Actors of this node that have come into memory.", "type")
	f.passivations = counters("troupe_actor_passivations_total", "Actors of this node that have left memory.", "type")
	f.proposals = counters("troupe_raft_proposal_total", "Commands that this node proposed to the metadata group, by what became of them.", "outcome")
	f.changes = prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_raft_leader_changes_total", Help: "Changes of the placement leader that this node has seen."})
	f.moves = counters("troupe_plan_moves_total", "What this node's plans have asked for while it led, by their reasons.", "lane")
	f.verdicts = counters("troupe_decider_verdicts_total", "What deciders said of candidates in plans that this node made while it led.", "decider", "verdict")
	f.fuel = counters("troupe_wasm_fuel_total", "Fuel that deciders and scorers which are guests have burnt on this node while it led, with what plans cost that changed nothing.", "decider")
	f.faults = counters("troupe_decider_errors_total", "Faults of policies' modules on this node, by kind: traps, fuel, time, memory, nonsense.", "policy", "type")
	f.copied = prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_recovery_io_bytes_total", Help: "Bytes of snapshots that primaries of this node sent to copies which then came in sync."})
	f.missed = prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_cluster_heartbeat_missed_total", Help: "Heartbeats of this node that the placement leader had not answered when the next one was sent."})
	f.collectors = append(f.collectors, f.changes, f.copied, f.missed)
	for _, outcome := range []string{"committed", "refused", "unknown"} {
		f.proposals.WithLabelValues(outcome)
	}
	for _, source := range []string{"operations", "snapshot"} {
		f.recoveries.WithLabelValues(source)
		f.recovered.WithLabelValues(source)
	}
	return f
}

// Begin has what is counted by names of other packages begin at 0, as NewMetrics has its own: the outcomes of suspicions, and the lanes of
// plans.
func (f *Figures) Begin(outcomes, lanes []string) {
	for _, outcome := range outcomes {
		f.suspicions.WithLabelValues(outcome)
	}
	for _, lane := range lanes {
		f.moves.WithLabelValues(lane)
	}
}

// KnowKind has what is counted of the actors of a kind begin at 0, once the kind is known; reasons are those for which a message may be
// refused.
func (f *Figures) KnowKind(kind string, reasons ...string) {
	if f == nil {
		return
	}
	f.aside.WithLabelValues(kind)
	f.activations.WithLabelValues(kind)
	f.passivations.WithLabelValues(kind)
	for _, reason := range reasons {
		f.rejected.WithLabelValues(kind, reason)
	}
}

// KnowPolicy has the faults of a policy's module begin at 0, once the policy is asked; kinds are those that there are.
func (f *Figures) KnowPolicy(policy string, kinds ...string) {
	for _, kind := range kinds {
		f.faults.WithLabelValues(policy, kind)
	}
}

// Calls is the latency of messages to actors of a kind.
func (f *Figures) Calls(kind string) *Calls {
	if f == nil {
		return nil
	}
	of := f.calls.MustCurryWith(prometheus.Labels{"rpc_system_name": "troupe", "type": kind})
	return &Calls{of: of, handled: of.WithLabelValues("")}
}

// RemoteCalled counts a try to have an actor of another node handle a message; failure is as for Calls, if it was not answered.
func (f *Figures) RemoteCalled(took time.Duration, failure string) {
	f.remote.WithLabelValues(label(failure)).Observe(max(0, took.Seconds()))
}

// HeartbeatMissed counts a heartbeat that was not answered in time.
func (f *Figures) HeartbeatMissed() { f.missed.Inc() }

// MailboxWaits is how long messages to actors of a kind wait for their turn.
func (f *Figures) MailboxWaits(kind string) *Latency {
	if f == nil {
		return nil
	}
	return &Latency{f.mailbox.WithLabelValues(kind)}
}

// SetAside counts a message of an actor of a kind, or a reminder, that was refused so often that it was set aside.
func (f *Figures) SetAside(kind string) {
	if f != nil {
		f.aside.WithLabelValues(kind).Inc()
	}
}

// Rejected counts a message that an actor refused without handling it.
func (f *Figures) Rejected(kind, reason string) {
	if f != nil {
		f.rejected.WithLabelValues(kind, reason).Inc()
	}
}

// Activated counts an actor that has come into memory.
func (f *Figures) Activated(kind string) {
	if f != nil {
		f.activations.WithLabelValues(kind).Inc()
	}
}

// Passivated counts an actor that has left memory.
func (f *Figures) Passivated(kind string) {
	if f != nil {
		f.passivations.WithLabelValues(kind).Inc()
	}
}

// Proposed counts a command of the metadata group: what became of it is committed, refused or unknown.
func (f *Figures) Proposed(took time.Duration, outcome string) {
	f.proposals.WithLabelValues(outcome).Inc()
	if outcome != "unknown" {
		f.GroupCommits.Observe(took, Carrier{})
	}
}

// LeaderChanged counts another placement leader.
func (f *Figures) LeaderChanged() { f.changes.Inc() }

// Suspected counts a suspicion of a member that has ended.
func (f *Figures) Suspected(outcome string) { f.suspicions.WithLabelValues(outcome).Inc() }

// Recovered counts a copy that has come in sync, by a snapshot of so many bytes and so many operations one by one.
func (f *Figures) Recovered(took time.Duration, bytes, operations int64) {
	source := "operations"
	if bytes > 0 {
		source = "snapshot"
	}
	f.recoveries.WithLabelValues(source).Observe(max(0, took.Seconds()))
	f.recovered.WithLabelValues(source).Add(float64(operations))
	f.copied.Add(float64(bytes))
}

// Answered counts a question to a decider or scorer that is a guest.
func (f *Figures) Answered(decider string, took time.Duration) {
	f.deciders.WithLabelValues(decider).Observe(max(0, took.Seconds()))
}

// Moved counts what a plan asks for.
func (f *Figures) Moved(lane string) { f.moves.WithLabelValues(lane).Inc() }

// Said counts a decider's word of a candidate.
func (f *Figures) Said(decider, verdict string) { f.verdicts.WithLabelValues(decider, verdict).Inc() }

// Burnt counts what a decider or a scorer has cost.
func (f *Figures) Burnt(decider string, fuel uint64) {
	f.fuel.WithLabelValues(decider).Add(float64(fuel))
}

// Faulted counts a fault of a policy's module.
func (f *Figures) Faulted(policy, kind string) { f.faults.WithLabelValues(policy, kind).Inc() }

// Collectors are what a registry takes.
func (f *Figures) Collectors() []prometheus.Collector { return f.collectors }
