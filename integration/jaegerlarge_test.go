package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// Promised: "1000 shards failing over at once give a trace that opens and reads (grouped per target, slowest and failed ones single)".
func TestJaegerShowsAThousandShards(t *testing.T) {
	j := startJaeger(t)
	p := newTown(t, harness.ClusterConfig{Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + j.collector}, Keyspaces: []string{"default:shards=3000"}})
	victim := p.other(p.leader())
	led := 0
	p.waitFor("a third of the shards is led by "+victim.Name, func() bool { led = len(p.led(victim)); return led > 900 }) // they spread after the town is whole
	victim.Kill()
	spans, err := j.Trace(soon(t), "failover "+victim.Name+"@1")
	must(t, err)
	x := wholeTree(t, spans)
	groups, single := 0, 0
	for _, s := range x.children[string(x.root.SpanId)] {
		if strings.HasPrefix(s.Name, "shard ") {
			single++
		}
		if strings.HasPrefix(s.Name, "promote ") && strings.Contains(s.Name, " shards @") {
			groups++
		}
	}
	if groups == 0 || groups > 2 || single < 20 || len(spans) > 250 {
		t.Errorf("%d shards are %d spans: %d targets, %d shards by themselves", led, len(spans), groups, single)
	}
	t.Logf("%d shards are %d spans: %d targets, %d shards by themselves", led, len(spans), groups, single)
	if began, page := time.Now(), p.troupe("trace", victim.Name); len(strings.Split(page, "\n")) > 250 {
		t.Errorf("troupe trace shows %d lines after %v", len(strings.Split(page, "\n")), time.Since(began))
	}
}
