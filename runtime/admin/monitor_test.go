package admin

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// expressions are the queries of a dashboard.
func expressions(t *testing.T, path string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title string
		Panels     []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	seen := map[int]bool{}
	for _, p := range board.Panels {
		if seen[p.ID] || p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("%s: panel %d %q", path, p.ID, p.Title)
		}
		seen[p.ID] = true
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
	}
	if board.UID == "" || len(list) == 0 {
		t.Errorf("%s is no dashboard", path)
	}
	return list
}

// A member that is down is heard of no more: its age would grow for ever.
func TestHeartbeatsOfMembersThatAreDown(t *testing.T) {
	a := newAgreed(t)
	backend := newMemory()
	backend.cluster = a
	s := NewServer(backend, ServerConfig{})
	ages := func() string {
		var list []string
		for line := range strings.Lines(ask(s, "GET", "/metrics", "").Body.String()) {
			if name, labelled := strings.CutPrefix(line, "troupe_cluster_heartbeat_age_seconds{node="); labelled {
				list = append(list, strings.Fields(name)[0])
			}
		}
		return strings.Join(list, " ")
	}
	if got := ages(); got != `"n2"} "n3"}` {
		t.Errorf("ages of %s", got)
	}
	a.apply(t, &cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: nodeID(3), Epoch: 1, Reason: "the test says so"}}}})
	if got := ages(); got != `"n2"}` {
		t.Errorf("with n3 down, ages of %s", got)
	}
}

// rules are the expressions of the alerts.
func rules(t *testing.T, path string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["look"] == "" {
				t.Errorf("%s: alert %q lacks a severity, a summary or where to look", path, r.Alert)
			}
			list = append(list, r.Expr)
		}
	}
	return list
}

// What a scrape reads of the node and of its cluster stands on the page as it is.
func TestFiguresAreOnThePage(t *testing.T) {
	backend := newMemory()
	a := newAgreed(t)
	a.evidence.Members[nodeID(2)] = Liveness{State: Alive, Heard: 1, Silence: .25}
	a.evidence.Full = map[shards.NodeID]string{nodeID(3): "the disk of node n3 has 4% free", "forgotten": "its disk was full"}
	backend.cluster = a
	page := ask(NewServer(backend, ServerConfig{}), "GET", "/metrics", "").Body.String()
	for _, line := range []string{
		`troupe_cluster_detector_silence_ratio{node="n2"} 0.25`, `troupe_cluster_clock_offset_seconds -0.02`, `troupe_raft_apply_lag 3`, `troupe_routing_forwards_total 4`,
		`troupe_client_retries_total 5`, `troupe_actor_mailbox_depth{type="counter"} 2`, `troupe_shard_replication_lag{keyspace="default"} 7`, `troupe_keyspace_oldest_snapshot_seconds{keyspace="default"} 1.5`,
		`troupe_cluster_loss_unplaceable_copies{node="n2"} 3`, `troupe_cluster_loss_unserved_shards{node="n2"} 0`, `troupe_cluster_loss_used_ratio{node="n2"} 1.2`,
		`troupe_cluster_full_members 1`,
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("the page has no %s", line)
		}
	}
	if strings.Contains(page, `silence_ratio{node="n1"}`) {
		t.Error("the leader's own silence is shown")
	}
	backend.cluster = nil
	if page := ask(NewServer(backend, ServerConfig{}), "GET", "/metrics", "").Body.String(); strings.Contains(page, "silence_ratio") {
		t.Error("without a cluster somebody is silent")
	}
}

// crowded is a node that leads many shards.
type crowded struct {
	*memory
	leads int
}

func (c *crowded) Shards() iter.Seq[Shard] {
	var list []Shard
	for i := range c.leads {
		list = append(list, Shard{ID: shards.ShardID(i), Keyspace: "default", Node: c.Node().ID, Primary: true, State: ShardStarted, Term: 1, Keys: 2})
	}
	return slices.Values(append(list, Shard{ID: shards.ShardID(c.leads), Keyspace: "default", Node: c.Node().ID, State: ShardStarted, Term: 1}))
}

// Promised: "a per-shard label only under 256 shards": what a node serves of single shards does not grow with them for ever, and sums stay.
func TestFiguresOfShardsAreBounded(t *testing.T) {
	for leads, series := range map[int]int{255: 4 * 255, 256: 0} {
		page := ask(NewServer(&crowded{newMemory(), leads}, ServerConfig{}), "GET", "/metrics", "").Body.String()
		if n := strings.Count(page, "\ntroupe_shard_keys{") + strings.Count(page, "\ntroupe_shard_bytes{") + strings.Count(page, "\ntroupe_shard_applied_sequence{") + strings.Count(page, "\ntroupe_shard_log_bytes{"); n != series {
			t.Errorf("%d series of %d shards, want %d", n, leads, series)
		}
		for _, line := range []string{fmt.Sprintf(`troupe_keyspace_keys{keyspace="default"} %d`, 2*leads), fmt.Sprintf(`troupe_keyspace_shards{keyspace="default",state="started"} %d`, leads+1)} {
			if !strings.Contains(page, "\n"+line+"\n") {
				t.Errorf("of %d shards there is no %s", leads, line)
			}
		}
	}
}

// Clients are refused long before the reserve is reached where the flood stage is: who is woken by the reserve alone is woken too late.
func TestFullNodeWakesSomebody(t *testing.T) {
	if list := rules(t, "monitor/troupe-alerts.yml"); !slices.Contains(list, "max(troupe_cluster_full_members) > 0") {
		t.Error("no alert tells of a node that takes no writes since it is full")
	}
}

// Promised: "Grafana dashboards and alert rules as files with a test that each metric exists".
func TestMonitorNamesWhatThereIs(t *testing.T) {
	m := tracing.NewMetrics(func() uint64 { return 0 }, func() uint64 { return 0 })
	m.Told(&tracing.Failover{Kind: tracing.KindFailover, Heard: 1, Declared: 2, Plans: []tracing.Plan{{}},
		Shards: []tracing.Shard{{Attempts: []tracing.Attempt{{Told: 3, Served: 4, Written: 5}}}}})
	f := tracing.NewFigures()
	f.Commits.Observe(time.Millisecond, tracing.Carrier{})
	f.Calls("counter").Observe(time.Millisecond, "", tracing.Carrier{Trace: tracing.TraceID{1}, Span: tracing.SpanID{1}, Flags: 1})
	f.Rejected("counter", "overload")
	f.Activated("counter")
	f.Passivated("counter")
	f.Proposed(time.Millisecond, "committed")
	f.LeaderChanged()
	f.Moved("balance")
	f.Said("alive", "YES")
	f.Burnt("alive", 100)
	f.Faulted("mine", "fuel")
	f.Answered("mine", time.Microsecond)
	f.Recovered(time.Second, 1<<20, 10)
	f.Suspected("refuted")
	f.SetAside("counter")
	f.MailboxWaits("counter").Observe(time.Millisecond, tracing.Carrier{})
	backend := newMemory()
	backend.cluster = newAgreed(t)
	s := NewServer(backend, ServerConfig{Collectors: append(m.Collectors(), f.Collectors()...)})
	ask(s, "GET", "/", "")
	page := ask(s, "GET", "/metrics", "").Body.String()
	var all []string
	boards, err := filepath.Glob("monitor/*.json")
	if err != nil || len(boards) < 2 {
		t.Fatalf("dashboards %q, %v", boards, err)
	}
	for _, path := range boards {
		all = append(all, expressions(t, path)...)
	}
	all = append(all, rules(t, "monitor/troupe-alerts.yml")...)
	names := regexp.MustCompile(`\b(?:troupe|rpc)_[a-z0-9_]+\b`)
	checked := 0
	for _, expr := range all {
		for _, name := range names.FindAllString(expr, -1) {
			checked++
			if !strings.Contains(page, "\n"+name+"{") && !strings.Contains(page, "\n"+name+" ") {
				t.Errorf("%s is in %q, and no node serves it", name, expr)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d names were found", checked)
	}
	text, err := os.ReadFile("monitor/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names.FindAllString(string(text), -1) { // a histogram by its family
		if several := strings.HasSuffix(name, "_"); !several && !strings.Contains(page, "\n# TYPE "+name+" ") {
			t.Errorf("the README names %s, and no node serves it", name)
		}
	}
}

// The first event of a series raises its alert, also in a node's second life: Prometheus' own tool says so, where it is installed.
func TestAlertsSeeTheFirstEvent(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool is here; it comes with Prometheus")
	}
	cmd := exec.CommandContext(t.Context(), tool, "test", "rules", "troupe-alerts.test.yml")
	cmd.Dir = "monitor"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
