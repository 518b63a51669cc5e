package integration

import (
	"context"
	"fmt"
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
	must(t, p.Wait(soon(t), func(ctx context.Context) error {
		found, err := j.trace(ctx, "troupe.failover.id", victim.Name+"@1")
		if err != nil {
			return err
		}
		names, err := found.whole()
		if err != nil {
			return fmt.Errorf("%s: %w", victim.Name, err)
		}
		groups, single, n := 0, 0, strings.Count(names, "\n")
		for name := range strings.Lines(names) {
			if strings.HasPrefix(name, "shard ") {
				single++
			}
			if strings.HasPrefix(name, "promote ") && strings.Contains(name, " shards @") {
				groups++
			}
		}
		if groups == 0 || groups > 2 || single < 20 || n > 250 {
			return fmt.Errorf("%d shards are %d spans: %d targets, %d shards by themselves", led, n, groups, single)
		}
		t.Logf("%d shards are %d spans: %d targets, %d shards by themselves", led, n, groups, single)
		return nil
	}))
	if began, page := time.Now(), p.troupe("trace", victim.Name); len(strings.Split(page, "\n")) > 250 {
		t.Errorf("troupe trace shows %d lines after %v", len(strings.Split(page, "\n")), time.Since(began))
	}
}
