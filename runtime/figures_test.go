package runtime

import (
	"io"
	"net/http"
	"strings"
	"testing"

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
	if _, err := virtual.Call[deposit, int](t.Context(), primary.Actors(), ann, "deposit", deposit{Amount: 1}); err != nil { // the figures of the first are complete
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		page := openMetrics(t, n)
		if n == primary {
			for _, line := range []string{
				`troupe_actor_active{type="account"} 1`, `troupe_actor_activations_total{type="account"} 1`, `rpc_server_call_duration_seconds_count{rpc_system_name="troupe",type="account"}`,
				`trace_id="` + caller(7).Trace.String() + `"`, "troupe_shard_commit_duration_seconds_count",
			} {
				if !strings.Contains(page, line) {
					t.Errorf("the primary's page has no %s", line)
				}
			}
		}
		if strings.Contains(page, "\ntroupe_raft_leads 1") {
			for _, line := range []string{`troupe_plan_moves_total{lane="`, `troupe_raft_proposal_total{outcome="committed"}`, "troupe_plan_duration_seconds_bucket", "troupe_raft_commit_duration_seconds_bucket", "troupe_cluster_heartbeat_age_seconds{node="} {
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
