package runtime

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// counted finds the counters of a rule, with the labels that it asks for.
var counted = regexp.MustCompile(`(?:increase|rate)\((troupe_[a-z0-9_]+)(?:\{([^}]*)\})?\[`)

// A counter that is born at 1 has not increased: an alert would miss the first event, which may be the only one. Each one that a rule looks
// at is there at 0 on a node that has just begun, on every node: any may count the first.
func TestAlertsSeeTheFirstEvent(t *testing.T) {
	c, _ := tracedTroop(t, false, shards.Keyspace{Name: "actors", Shards: 1, Replicas: 1, Durability: shards.DurabilityMemory})
	text, err := os.ReadFile("admin/monitor/troupe-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct{ Rules []struct{ Expr string } }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	asked := cluster.State{Policies: []cluster.Policy{{Name: "spot", Version: 7, Active: cluster.PolicyUse{Version: 1}}, {Name: "pushed", Version: 8}}}
	for _, n := range c.nodes {
		if err := n.Register(t.Context(), accounts()); err != nil {
			t.Fatal(err)
		}
		fresh := &telling{figures: n.telling.figures} // that of the node belongs to the goroutine that applies states
		fresh.know(&asked)
		page, looked := openMetrics(t, n), 0
		for _, r := range file.Groups[0].Rules {
			for _, m := range counted.FindAllStringSubmatch(r.Expr, -1) {
				if m[1] == "troupe_decider_duration_seconds_bucket" { // of guests, in quantiles: one question more or less is nothing
					continue
				}
				looked++
				for _, labels := range every(m[2]) {
					if !sampled(page, m[1], labels) {
						t.Errorf("no %s with %q before it counts, for %s", m[1], labels, r.Expr)
					}
				}
			}
		}
		if looked < 7 {
			t.Errorf("only %d counters were found", looked)
		}
		for _, line := range []string{`troupe_decider_errors_total{policy="spot",type="fuel"} 0`, `troupe_actor_rejected_total{reason="overload",type="account"} 0`, `troupe_actor_dead_letters_total{type="account"} 0`} {
			if !strings.Contains(page, line) {
				t.Errorf("no %s", line)
			}
		}
		if strings.Contains(page, `policy="pushed"`) {
			t.Error("a policy that nobody asks has figures")
		}
	}
}

// every gives the label pairs that a selector stands for: outcome=~"red|given_up" is one of two.
func every(selector string) (all [][]string) {
	all = [][]string{nil}
	for _, pair := range strings.FieldsFunc(selector, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, values, _ := strings.Cut(pair, "=")
		var next [][]string
		for value := range strings.SplitSeq(strings.Trim(values, `~"`), "|") {
			for _, labels := range all {
				next = append(next, append(labels[:len(labels):len(labels)], name+`="`+value+`"`))
			}
		}
		all = next
	}
	return all
}

// sampled says whether a page has a sample of a metric with these labels.
func sampled(page, metric string, labels []string) bool {
	for line := range strings.Lines(page) {
		rest, found := strings.CutPrefix(line, metric)
		if !found || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		for _, l := range labels {
			found = found && strings.Contains(rest, l)
		}
		if found {
			return true
		}
	}
	return false
}
