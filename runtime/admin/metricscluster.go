package admin

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-actors/troupe/policies/cluster"
)

var (
	metricMembers      = metric("cluster_members", "Members of the cluster by state, as this node knows them.", "state")
	metricFullMembers  = metric("cluster_full_members", "Members that take no writes that grow since their disk or memory is full, as this node knows them.")
	metricHasLeader    = metric("raft_has_leader", "1 if this node knows who leads, else 0.")
	metricLeads        = metric("raft_leads", "1 on the placement leader, else 0.")
	metricTerm         = metric("raft_term", "Term of the metadata group: it rises with each election.")
	metricVoters       = metric("raft_voters", "Members that vote now.")
	metricVersion      = metric("routing_version", "Version of the cluster state that this node has applied.")
	metricShardCount   = metric("shard_count", "Copies of shards in the whole cluster by state; missing are those that should be there and are not.", "state")
	metricUnderCopied  = metric("shard_under_replicated", "Shards that lack a copy in sync.")
	metricUnavailable  = metric("shard_unavailable", "Shards without a primary: they serve nothing.")
	metricClusterGreen = metric("cluster_status", "Status of the cluster: 0 green, 1 yellow, 2 red.")
	metricQuarantined  = metric("policy_quarantined", "Policy modules in quarantine.")
	metricBeatAge      = metric("cluster_heartbeat_age_seconds", "How long ago the placement leader heard of a member that is not down; only on the leader.", "node")
	metricSilence      = metric("cluster_detector_silence_ratio", "For how long a member that is not down has been silent, as part of the silence that makes it suspect: 1 and more does; only on the leader.", "node")
	metricOpenStories  = metric("failover_active", "Failovers that go on.")
)

// clusterCollector reads the agreed state at each scrape.
type clusterCollector struct {
	backend Backend

	mu     sync.Mutex
	state  *cluster.State // the last that was judged
	judged cluster.Health
}

// Describe names no metric in advance: a node without a cluster has none.
func (c *clusterCollector) Describe(chan<- *prometheus.Desc) {}

// Collect sends every figure.
func (c *clusterCollector) Collect(out chan<- prometheus.Metric) {
	agreed := c.backend.Cluster()
	if agreed == nil {
		return
	}
	m := sender{out}
	state, _ := agreed.State()
	evidence := agreed.Evidence()
	m.gauge(metricHasLeader, oneIf(evidence.Leader != ""))
	m.gauge(metricLeads, oneIf(evidence.Leader != "" && evidence.Leader == c.backend.Node().ID))
	m.gauge(metricTerm, float64(evidence.Term))
	m.gauge(metricVoters, float64(len(evidence.Voters)))
	m.gauge(metricVersion, float64(state.Version))
	now := time.Now().UnixMilli()
	for i := range state.Members {
		member := &state.Members[i]
		if seen := evidence.Members[member.ID]; seen.Heard > 0 && !member.Down && member.ID != c.backend.Node().ID && evidence.Leader == c.backend.Node().ID {
			m.gauge(metricBeatAge, float64(max(0, now-seen.Heard))/1000, member.Name)
			m.gauge(metricSilence, seen.Silence, member.Name)
		}
	}
	members := map[LivenessState]int{Alive: 0, Grey: 0, Suspect: 0, Dead: 0, Unknown: 0}
	for i := range state.Members {
		switch seen := evidence.Members[state.Members[i].ID].State; {
		case state.Members[i].Down:
			members[Dead]++
		case evidence.Leaderless > 0 && state.Members[i].ID != c.backend.Node().ID:
			members[Unknown]++
		case seen == "":
			members[Alive]++ // nothing speaks against it
		default:
			members[seen]++
		}
	}
	for s, n := range members {
		m.gauge(metricMembers, float64(n), string(s))
	}
	full := 0
	for i := range state.Members {
		if m := &state.Members[i]; !m.Down && evidence.Full[m.ID] != "" {
			full++
		}
	}
	m.gauge(metricFullMembers, float64(full))
	judged := c.healthOf(state)
	o := &overview{state: state, evidence: evidence, node: c.backend.Node(), now: c.backend.Now()}
	m.health(&judged, rank[o.judge(&judged).Status]-1)
	if evidence.Leader != "" && evidence.Leader == c.backend.Node().ID {
		m.losses(agreed)
	}
	open := 0
	for i := range state.Failovers {
		if state.Failovers[i].Open {
			open++
		}
	}
	m.gauge(metricOpenStories, float64(open))
	m.gauge(metricQuarantined, float64(len(state.Quarantine)))
}

// healthOf judges a state once, however often it is looked at: each reason is a sentence, and a state is never changed.
func (c *clusterCollector) healthOf(s *cluster.State) cluster.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != s {
		c.state, c.judged = s, cluster.HealthOf(s)
	}
	return c.judged
}

func (m sender) health(h *cluster.Health, status int) {
	m.gauge(metricClusterGreen, float64(status))
	m.gauge(metricShardCount, float64(h.Primaries), "primary")
	m.gauge(metricShardCount, float64(h.Copies), "in_sync")
	m.gauge(metricShardCount, float64(h.Initializing), "initializing")
	m.gauge(metricShardCount, float64(h.Relocating), "relocating")
	m.gauge(metricShardCount, float64(h.Missing), "missing")
	m.gauge(metricUnderCopied, float64(len(h.Reasons)))
	m.gauge(metricUnavailable, float64(h.Shards-h.Primaries))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
