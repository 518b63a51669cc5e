package runtime

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
)

// unserved are metrics that take more than these nodes have: policies that are modules, a decision between candidates, a bound of memory,
// certificates. That their names are right says TestMonitorNamesWhatThereIs.
var unserved = []string{
	"troupe_decider_duration_seconds_bucket", "troupe_wasm_fuel_total", "troupe_decider_errors_total", "troupe_decider_verdicts_total",
	"troupe_cluster_loss_used_ratio", "troupe_certificate_end_seconds",
}

// Promised: "Grafana dashboards and alert rules as files with a test that each metric exists": on the pages of real nodes that have had calls, a
// leader and plans, with each label by which dashboards and alerts sum, choose or name.
func TestNodesServeWhatMonitorsName(t *testing.T) {
	c, _ := tracedTroop(t, false, shards.Keyspace{Name: "actors", Shards: 1, Replicas: 1, Durability: shards.DurabilityMemory})
	for _, n := range c.nodes {
		if err := n.Register(t.Context(), accounts()); err != nil {
			t.Fatal(err)
		}
	}
	gateway, _ := c.roles("x", "actors")
	for range 2 { // the figures of the first are complete when the second is answered
		if _, err := virtual.Call[deposit, int](t.Context(), gateway.Actors(), virtual.ID{Kind: "account", Name: "ann"}, "deposit", deposit{Amount: 1}); err != nil {
			t.Fatal(err)
		}
	}
	asks := queries(t)
	var missing []string
	defer func() {
		if t.Failed() {
			t.Logf("no node serves %s", strings.Join(missing, "\n"))
		}
	}()
	eventually(t, "the nodes serve what dashboards and alerts ask for", func() bool { // some of it comes with the first heartbeats
		var pages strings.Builder
		for _, n := range c.nodes {
			pages.WriteString(openMetrics(t, n))
		}
		missing = unanswered(t, asks, pages.String())
		return len(missing) == 0
	})
}

// unanswered lists what is asked for and not on the pages.
func unanswered(t *testing.T, asks []query, pages string) (list []string) {
	looked := 0
	for _, q := range asks {
		for _, m := range asked.FindAllStringSubmatch(q.expr, -1) {
			name := m[1]
			if slices.Contains(unserved, name) {
				continue
			}
			looked++
			if labels := q.labels(m[2]); !sampled(pages, name, labels) {
				list = append(list, fmt.Sprintf("%s with %q, for %q %q", name, labels, q.expr, q.legend))
			}
		}
	}
	if looked < 60 {
		t.Fatalf("only %d names were looked at", looked)
	}
	return list
}

// query is what a panel or an alert asks, and how it names what comes.
type query struct{ expr, legend string }

var (
	asked    = regexp.MustCompile(`\b((?:troupe|rpc)_[a-z0-9_]+)\b(?:\{([^}]*)\})?`)
	summed   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	selected = regexp.MustCompile(`([a-z_]+)(?:=~|!=|!~|=)"`)
	shown    = regexp.MustCompile(`\{\{\s*([a-z_]+)\s*\}\}`)
)

// labels begin the pairs that a metric must have which is chosen by a selector.
func (q *query) labels(selector string) (list []string) {
	var names []string
	for _, m := range summed.FindAllStringSubmatch(q.expr, -1) {
		names = append(names, strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	for _, m := range append(selected.FindAllStringSubmatch(selector, -1), shown.FindAllStringSubmatch(q.legend, -1)...) {
		names = append(names, m[1])
	}
	for _, name := range names {
		if name != "le" && name != "instance" { // of buckets, and of whoever scrapes
			list = append(list, name+`="`)
		}
	}
	return list
}

// queries are those of all dashboards and alerts.
func queries(t *testing.T) (list []query) {
	t.Helper()
	boards, err := filepath.Glob("admin/monitor/*.json")
	if err != nil || len(boards) < 3 {
		t.Fatalf("dashboards %q, %v", boards, err)
	}
	for _, path := range append(boards, "admin/monitor/troupe-alerts.yml") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels []struct {
				Targets []struct{ Expr, LegendFormat string }
			}
		}
		var alerts struct {
			Groups []struct {
				Rules []struct {
					Expr        string
					Annotations map[string]string
				}
			}
		}
		if strings.HasSuffix(path, ".json") {
			err = json.Unmarshal(text, &board)
		} else {
			err = yaml.Unmarshal(text, &alerts)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, p := range board.Panels {
			for _, x := range p.Targets {
				list = append(list, query{x.Expr, x.LegendFormat})
			}
		}
		for _, g := range alerts.Groups {
			for _, r := range g.Rules {
				list = append(list, query{r.Expr, strings.ReplaceAll(r.Annotations["summary"], "$labels.", "")})
			}
		}
	}
	return list
}
