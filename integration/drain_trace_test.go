package integration

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/troupe-actors/troupe/integration/harness"
)

// relocated has an operator move a copy, and looks at the trace of it.
func (p *town) relocated(c *harness.Collector) {
	p.t.Helper()
	p.rests() // what balance moves is not where it was
	p.storiesEnd()
	rows, err := p.Shards(soon(p.t))
	must(p.t, err)
	from, holders := "", []string{}
	for _, r := range rows {
		if r.Keyspace+"/"+r.Shard != "default/0" {
			continue
		}
		if holders = append(holders, r.Node); r.Role == "r" {
			from = r.Node
		}
	}
	i := slices.IndexFunc(p.Members, func(m *harness.Member) bool { return !slices.Contains(holders, m.Name) })
	to := p.Members[i].Name
	p.troupe("reroute", "move", "default/0", from, to)
	spans, err := c.Trace(soon(p.t), "moves relocation")
	must(p.t, err)
	x := wholeTree(p.t, spans)
	x.below(x.root, "relocation begun @")
	move := x.below(x.root, "copy default/0 "+from+"→"+to)
	if recover := x.below(move, "recover default/0 @"+to); harness.Text(recover, "troupe.recovery.source") == "" {
		p.t.Errorf("%s does not say where its data came from", recover.Name)
	}
	if outcome := harness.Text(x.root, "troupe.failover.outcome"); outcome != "done" {
		p.t.Errorf("the relocation of default/0 from %s to %s ended as %q", from, to, outcome)
	}
}

// storiesEnd waits until no story is open: what is moved before that is told as a part of it.
func (p *town) storiesEnd() {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) error {
		body, err := p.Fetch(ctx, "/_cluster/failovers")
		if err != nil {
			return err
		}
		var list struct {
			Failovers []struct{ ID, Outcome string }
		}
		if err := json.Unmarshal(body, &list); err != nil {
			return err
		}
		for _, f := range list.Failovers {
			if f.Outcome == "open" {
				return fmt.Errorf("story %s is open: %s", f.ID, body)
			}
		}
		return nil
	}))
}

// Promised: "drains … and policy switches have traces of the same shape": a policy with the plan that followed, and every copy that leaves with
// what was said of each place, by which module and for how much fuel.
func TestDrainIsOneTrace(t *testing.T) {
	if testing.Short() {
		t.Skip("a failover is trace enough")
	}
	p, collector := newWatchedTown(t, harness.ClusterConfig{Nodes: 4})
	leader := p.leader()
	leaver, spared := p.other(leader), p.other(leader, p.other(leader))
	p.relocated(collector)
	p.troupe("policy", "push", module(t, "traced"), "--name", "spare")
	p.troupe("policy", "activate", "spare", "--version", "1", "--set", "nodes="+spared.Name)
	spans, err := collector.Trace(soon(t), "policies spare")
	must(t, err)
	x := wholeTree(t, spans)
	x.below(x.root, "spare 1 in force, module ")
	x.below(x.root, "plan ")
	if page := p.troupe("trace", "spare"); !strings.Contains(page, "spare 1 in force") {
		t.Errorf("troupe trace spare shows\n%s", page)
	}
	p.empty(spared)
	p.rests() // what balance moves would be no part of the drain

	var held []string
	rows, err := p.Shards(soon(t))
	must(t, err)
	for _, r := range rows {
		if r.Node == leaver.Name {
			held = append(held, r.Keyspace+"/"+r.Shard)
		}
	}
	p.write(2, leaver)
	p.troupe("drain", leaver.Name)
	p.empty(leaver)
	spans, err = collector.Trace(soon(t), "drain "+leaver.Name)
	must(t, err)
	x = wholeTree(t, spans)
	x.below(x.root, "drain "+leaver.Name+" asked for @")
	x.below(x.root, "plan ")
	if outcome := harness.Text(x.root, "troupe.failover.outcome"); outcome != "done" || len(held) == 0 {
		t.Errorf("%s held %d copies, and its drain ended as %q", leaver.Name, len(held), outcome)
	}
	refused := 0
	for _, name := range held {
		for _, s := range x.children[string(x.below(x.root, "copy "+name+" "+leaver.Name+"→").SpanId)] {
			if strings.HasPrefix(s.Name, "recover ") && (harness.Text(s, "troupe.recovery.source") == "" || harness.Text(s, "troupe.recovery.bytes") == "" || harness.Text(s, "troupe.recovery.ops") == "") {
				t.Errorf("%s does not say from where, and how much", s.Name)
			}
			if slices.ContainsFunc(s.Events, func(e *trace.Span_Event) bool {
				return strings.HasPrefix(e.Name, spared.Name+": keep_off NO") && harness.EventText(e, "troupe.decider.module") != ""
			}) {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("no decision says that the policy did not want the copy on the node that it spares, and which module that is")
	}
	if list := p.troupe("trace"); !strings.Contains(list, "drain") || !strings.Contains(list, "done") {
		t.Errorf("troupe trace lists\n%s", list)
	}
	p.unnoticed()

	leader.Kill() // it told the drain, and others know of it all the same, by the same trace
	trace := hex.EncodeToString(x.root.TraceId)
	must(t, p.Wait(soon(t), func(ctx context.Context) error {
		if list := p.troupe("trace", "--wide"); !strings.Contains(list, "drain ") || !strings.Contains(list, "relocation@") || !strings.Contains(list, trace) || strings.Contains(list, "open") {
			return fmt.Errorf("after the leader's death troupe trace lists\n%s", list)
		}
		return nil
	}))
}
