package integration

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/troupe-actors/troupe/integration/harness"
)

// Issue: "drains … and policy switches have traces of the same shape": a policy with the plan that followed, and every copy that leaves with
// what was said of each place, by which module and for how much fuel.
func TestDrainIsOneTrace(t *testing.T) {
	if testing.Short() {
		t.Skip("a failover is trace enough")
	}
	p, collector := newWatchedTown(t, harness.ClusterConfig{Nodes: 4})
	leader := p.leader()
	leaver, spared := p.other(leader), p.other(leader, p.other(leader))
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
		if list := p.troupe("trace"); !strings.Contains(list, "drain ") || !strings.Contains(list, trace) || strings.Contains(list, "open") {
			return fmt.Errorf("after the leader's death troupe trace lists\n%s", list)
		}
		return nil
	}))
}
