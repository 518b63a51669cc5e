package runtime

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
)

// Promised: "Metrics with OTel names as the reference lists, Prometheus page, exemplars": what messages, commits and plans leave on the page,
// and the trace of a call beside its bucket.
func TestFiguresOfWork(t *testing.T) {
	c, _ := tracedTroop(t, false, shards.Keyspace{Name: "actors", Shards: 1, Replicas: 1, Durability: shards.DurabilityMemory})
	for _, n := range c.nodes {
		if err := n.Register(t.Context(), accounts()); err != nil {
			t.Fatal(err)
		}
	}
	_, primary := c.roles("x", "actors")
	ann := virtual.ID{Kind: "account", Name: "ann"}
	if _, err := virtual.Call[deposit, int](caller(7).Context(t.Context()), primary.Actors(), ann, "deposit", deposit{Amount: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := virtual.Call[transfer, int](t.Context(), primary.Actors(), ann, "transfer", transfer{To: "bob", Amount: 9}); virtual.ReasonOf(err) != "insufficient-funds" {
		t.Fatal(err)
	}
	if _, err := virtual.Call[deposit, int](t.Context(), primary.Actors(), ann, "deposit", deposit{Amount: 1}); err != nil { // the figures of the first two are complete
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		page := openMetrics(t, n)
		if n == primary {
			for _, line := range []string{
				`troupe_actor_active{type="account"} 1`, `troupe_actor_activations_total{type="account"} 1`, `rpc_server_call_duration_seconds_count{error_type="",rpc_system_name="troupe",type="account"} `,
				`rpc_server_call_duration_seconds_count{error_type="failed",rpc_system_name="troupe",type="account"} 1`, "\ntroupe_cluster_heartbeat_missed_total ",
				`trace_id="` + caller(7).Trace.String() + `"`, "troupe_shard_commit_duration_seconds_count",
				`troupe_actor_mailbox_wait_seconds_count{type="account"} `, `troupe_actor_mailbox_depth{type="account"} 0`, `troupe_shard_replication_lag{keyspace="actors"} `,
			} {
				if !strings.Contains(page, line) {
					t.Errorf("the primary's page has no %s", line)
				}
			}
		}
		if strings.Contains(page, "\ntroupe_raft_leads 1") {
			for _, line := range []string{`troupe_plan_moves_total{lane="`, `troupe_raft_proposal_total{outcome="committed"}`, "troupe_plan_duration_seconds_bucket", "troupe_raft_commit_duration_seconds_bucket", "troupe_cluster_heartbeat_age_seconds{node=",
				"troupe_cluster_detector_silence_ratio{node=", "troupe_cluster_clock_offset_seconds 0.0", "troupe_raft_apply_lag "} {
				if !strings.Contains(page, line) {
					t.Errorf("the leader's page has no %s", line)
				}
			}
		}
	}
}

// openMetrics is a node's metrics page in the form that has exemplars.
func openMetrics(t *testing.T, n *Node) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.HTTPAddr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/openmetrics-text")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// A node knows how far its clock is ahead of the leader's, in one process not at all; and how long its heartbeats take.
func TestClocksAreCompared(t *testing.T) {
	c := newTroopOf(t, false, func(c *Config) { c.HTTP = "127.0.0.1:0" }, volatileSpace("x", 1))
	leads, follows := c.leader()
	asked := time.Now()
	ahead, err := c.nodes[follows].ahead(t.Context(), c.nodes[leads].id.Node)
	if err != nil || ahead.Abs() > time.Since(asked) {
		t.Errorf("a clock is %v ahead of itself, %v", ahead, err)
	}
	view, err := clusterAPI{c.nodes[follows]}.View(t.Context(), c.nodes[leads].id.Node, false)
	if told := time.Unix(0, view.Clock); err != nil || told.Before(asked) || told.After(time.Now()) {
		t.Errorf("what a check goes by: %v, %v", told, err)
	}
	for _, want := range []string{"\ntroupe_cluster_clock_offset_seconds ", "\ntroupe_cluster_heartbeat_rtt_seconds_bucket"} {
		eventually(t, "a follower's page has"+want, func() bool { return strings.Contains(openMetrics(t, c.nodes[follows]), want) })
	}
}
