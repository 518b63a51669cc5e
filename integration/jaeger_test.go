package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// jaeger is a running Jaeger, version 1, that keeps everything in memory.
type jaeger struct{ collector, query string }

// startJaeger starts the binary that JAEGER_BIN names; without one the test is skipped. examples/jaeger says how to get it.
func startJaeger(t *testing.T) *jaeger {
	t.Helper()
	binary := os.Getenv("JAEGER_BIN")
	if binary == "" {
		t.Skip("JAEGER_BIN names no Jaeger; examples/jaeger says how to get one")
	}
	address := func() string {
		a, err := harness.FreeAddress()
		must(t, err)
		return a
	}
	j := &jaeger{collector: address(), query: address()}
	args := []string{"--memory.max-traces=1000", "--collector.otlp.http.host-port=" + j.collector, "--query.http-server.host-port=" + j.query}
	for _, flag := range []string{"query.grpc-server", "collector.otlp.grpc", "collector.grpc-server", "collector.http-server", "admin.http"} {
		args = append(args, "--"+flag+".host-port="+address())
	}
	args = append(args, "--processor.jaeger-compact.server-host-port="+address(), "--processor.jaeger-binary.server-host-port="+address(), "--processor.zipkin-compact.server-host-port="+address(), "--http-server.host-port="+address())
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "COLLECTOR_OTLP_ENABLED=true")
	must(t, cmd.Start())
	t.Cleanup(func() {
		must(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed, and says so
	})
	return j
}

// jaegerTraces are traces as Jaeger's own page gets them.
type jaegerTraces struct {
	Data []struct {
		TraceID string
		Spans   []struct {
			OperationName string
			References    []struct{ RefType, SpanID string }
			Warnings      []string
		}
	}
}

// trace finds the traces with a tag.
func (j *jaeger) trace(ctx context.Context, tag, value string) (found jaegerTraces, err error) {
	tags, err := json.Marshal(map[string]string{tag: value})
	if err != nil {
		return found, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.query+"/api/traces?service=troupe&lookback=1h&tags="+url.QueryEscape(string(tags)), nil)
	if err != nil {
		return found, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return found, err
	}
	defer answer.Body.Close()
	return found, json.NewDecoder(answer.Body).Decode(&found)
}

// whole is the names of the spans, a line each, of a trace that is one, with one root, and nothing that Jaeger warns of.
func (f *jaegerTraces) whole() (names string, err error) {
	if len(f.Data) != 1 {
		return "", fmt.Errorf("%d traces", len(f.Data))
	}
	roots := 0
	for _, s := range f.Data[0].Spans {
		names += s.OperationName + "\n"
		if len(s.References) == 0 {
			roots++
		}
		for _, w := range s.Warnings {
			return "", fmt.Errorf("a warning about %q: %s", s.OperationName, w)
		}
	}
	if roots != 1 {
		return "", fmt.Errorf("%d roots among %d spans", roots, len(f.Data[0].Spans))
	}
	return names, nil
}

// Promised: "within 2 s of the recovery the trace is whole in Jaeger: one root, no warning in its JSON, every affected shard".
func TestJaegerShowsAFailover(t *testing.T) {
	j := startJaeger(t)
	p := newTown(t, harness.ClusterConfig{Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + j.collector}})
	lives := map[*harness.Member]int{}
	for _, role := range []string{"a data node", "the leader", "the next leader"} {
		t.Run(role, func(t *testing.T) {
			p := p.in(t)
			victim := p.leader()
			if role == "a data node" {
				victim = p.other(victim)
			}
			lives[victim]++
			led := p.led(victim)
			p.write(2, victim)
			victim.Kill()
			p.writing(time.Now())
			recovered := time.Now()
			must(t, p.Wait(soon(t), func(ctx context.Context) error {
				found, err := j.trace(ctx, "troupe.failover.id", fmt.Sprintf("%s@%d", victim.Name, lives[victim]))
				if err != nil {
					return err
				}
				names, err := found.whole() // Jaeger shows spans while it stores others
				if err != nil {
					return fmt.Errorf("%s: %w", victim.Name, err)
				}
				for _, shard := range led {
					if !strings.Contains(names, "shard "+shard+" "+victim.Name+"→") || !strings.Contains(names, "take over "+shard) {
						return fmt.Errorf("shard %s is not in the trace:\n%s", shard, names)
					}
				}
				return nil
			}))
			t.Logf("the trace was in Jaeger %v after the clients wrote again", round(time.Since(recovered)))
			p.restart(victim)
			p.reckon()
		})
	}
}
