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
	led := len(p.led(victim))
	victim.Kill()
	must(t, p.Wait(soon(t), func(ctx context.Context) error {
		found, err := j.trace(ctx, "troupe.failover.id", victim.Name+"@1")
		if err != nil {
			return err
		}
		if len(found.Data) != 1 {
			return fmt.Errorf("%d traces of %s", len(found.Data), victim.Name)
		}
		roots, groups, single := 0, 0, 0
		for _, s := range found.Data[0].Spans {
			if len(s.References) == 0 {
				roots++
			}
			if strings.HasPrefix(s.OperationName, "shard ") {
				single++
			}
			if strings.HasPrefix(s.OperationName, "promote ") && strings.Contains(s.OperationName, " shards @") {
				groups++
			}
			for _, w := range s.Warnings {
				t.Errorf("Jaeger warns about %q: %s", s.OperationName, w)
			}
		}
		n := len(found.Data[0].Spans)
		t.Logf("%d shards are %d spans: %d targets, %d shards by themselves", led, n, groups, single)
		if roots != 1 || groups == 0 || groups > 2 || single < 20 || n > 250 {
			t.Errorf("%d roots, %d targets, %d shards by themselves, %d spans", roots, groups, single, n)
		}
		return nil
	}))
	if led < 500 {
		t.Errorf("%s led only %d shards", victim.Name, led)
	}
	if began, page := time.Now(), p.troupe("trace", victim.Name); len(strings.Split(page, "\n")) > 250 {
		t.Errorf("troupe trace shows %d lines after %v", len(strings.Split(page, "\n")), time.Since(began))
	}
}
