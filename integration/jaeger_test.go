package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

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
		Spans   []jaegerSpan
	}
}

type jaegerSpan struct {
	SpanID, OperationName string
	StartTime, Duration   uint64 // microseconds
	References            []struct{ RefType, SpanID string }
	Tags                  []jaegerTag
	Logs                  []struct {
		Timestamp uint64
		Fields    []jaegerTag
	}
	Warnings []string
}

type jaegerTag struct {
	Key   string
	Value any
}

// find finds the traces with a tag.
func (j *jaeger) find(ctx context.Context, tag, value string) (found jaegerTraces, err error) {
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

// spans are those of a trace that is one, and of which Jaeger warns of nothing, as OTLP has them.
func (f *jaegerTraces) spans() (list []*trace.Span, err error) {
	if len(f.Data) != 1 {
		return nil, fmt.Errorf("%d traces", len(f.Data))
	}
	for i := range f.Data[0].Spans {
		s := &f.Data[0].Spans[i]
		if len(s.Warnings) > 0 {
			return nil, fmt.Errorf("warnings about %q: %q", s.OperationName, s.Warnings)
		}
		x := &trace.Span{Name: s.OperationName, TraceId: []byte(f.Data[0].TraceID), SpanId: []byte(s.SpanID), StartTimeUnixNano: s.StartTime * 1000, EndTimeUnixNano: (s.StartTime + s.Duration) * 1000}
		for _, r := range s.References {
			if r.RefType == "CHILD_OF" {
				x.ParentSpanId = []byte(r.SpanID)
			} else {
				x.Links = append(x.Links, &trace.Span_Link{SpanId: []byte(r.SpanID)})
			}
		}
		x.Attributes = attributes(s.Tags)
		for _, l := range s.Logs {
			e := &trace.Span_Event{TimeUnixNano: l.Timestamp * 1000, Attributes: attributes(l.Fields)}
			e.Name = harness.EventText(e, "event")
			x.Events = append(x.Events, e)
		}
		list = append(list, x)
	}
	return list, nil
}

func attributes(tags []jaegerTag) (list []*common.KeyValue) {
	for _, t := range tags {
		list = append(list, &common.KeyValue{Key: t.Key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: fmt.Sprint(t.Value)}}})
	}
	return list
}

// calm is for how many looks in a row Jaeger must show the same number of spans. It stores them in any order, shows those that it has, and does not
// know how many there are: a trace with a root and all parents may still lack leaves.
const calm = 5

// Trace waits for a failover's trace until it has a root, all parents, and no more spans come.
func (j *jaeger) Trace(ctx context.Context, root string) ([]*trace.Span, error) {
	life := strings.TrimPrefix(root, "failover ")
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for before, looks := 0, 0; ; {
		spans, err := j.whole(ctx, life)
		if looks++; err != nil || len(spans) != before {
			before, looks = len(spans), 1
		}
		if err == nil && looks == calm {
			return spans, nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("the trace of %s, of %d spans now, is not whole in Jaeger: %w", life, before, errors.Join(err, ctx.Err()))
		}
	}
}

// whole is what Jaeger has of a failover's trace, unless a root or a parent is not there.
func (j *jaeger) whole(ctx context.Context, life string) ([]*trace.Span, error) {
	found, err := j.find(ctx, "troupe.failover.id", life)
	if err != nil {
		return nil, err
	}
	spans, err := found.spans()
	if err != nil {
		return nil, err
	}
	return spans, closed(spans)
}

// closed is nil if there is a root, and the parent of each span.
func closed(spans []*trace.Span) error {
	there := map[string]bool{"": true}
	rooted := false
	for _, s := range spans {
		there[string(s.SpanId)] = true
		rooted = rooted || len(s.ParentSpanId) == 0
	}
	for _, s := range spans {
		if !there[string(s.ParentSpanId)] {
			return fmt.Errorf("the parent of %q is missing", s.Name)
		}
	}
	if !rooted {
		return fmt.Errorf("no root among %d spans", len(spans))
	}
	return nil
}

// gatherer is where the traces of a town go.
type gatherer interface {
	Trace(ctx context.Context, root string) ([]*trace.Span, error)
}

// gathered is a real Jaeger where JAEGER_BIN names one, else a collector in the test's own process, and what a town needs to send its
// traces there.
func gathered(t *testing.T) (gatherer, string) {
	t.Helper()
	if os.Getenv("JAEGER_BIN") != "" {
		j := startJaeger(t)
		return j, "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + j.collector
	}
	c, err := harness.StartCollector()
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c, "OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL
}

// shown is how long after the recovery a trace may come, and lates how often it may come later than that, since the machine had something else
// to do. The search for races makes everything some ten times as long.
const lates = 2

func shown() time.Duration {
	if raceDetector {
		return 10 * time.Second
	}
	return 2 * time.Second
}

// Promised: "within 2 s of the recovery the trace is whole in Jaeger: one root, no warning in its JSON, every affected shard, every decider's
// verdict, first write of each", and "leader killed …: still one trace id", which whoever leads next tells, with the election. With
// JAEGER_BIN this is said of a real Jaeger.
func TestFailoverIsWholeInACollector(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	g, env := gathered(t)
	p := newTown(t, harness.ClusterConfig{Env: []string{env}, Keyspaces: []string{"default:shards=12"}})
	lives := map[*harness.Member]int{}
	for _, role := range []string{"a data node", "the leader", "the next leader"} {
		t.Run(role, func(t *testing.T) {
			p := p.in(t)
			for late := 0; ; late++ {
				var victim *harness.Member
				p.rests()                                      // else leads may move between the look at them and the death
				p.waitFor(role+" leads a shard", func() bool { // who came back leads none at first
					leader := p.leader()
					i := slices.IndexFunc(p.Members, func(m *harness.Member) bool { return (m == leader) == (role != "a data node") && p.leads(m) })
					if i >= 0 {
						victim = p.Members[i]
					}
					return i >= 0
				})
				lives[victim]++
				took := p.told(g, victim, lives[victim], role != "a data node")
				p.restart(victim)
				p.reckon()
				if took <= shown() {
					break
				}
				if late == lates {
					t.Fatalf("the trace came %v after the clients wrote again, want %v at most", took, shown())
				}
			}
		})
	}
}

// leads says whether a member leads a shard.
func (p *town) leads(m *harness.Member) bool {
	p.t.Helper()
	rows, err := p.Shards(soon(p.t))
	must(p.t, err)
	return slices.ContainsFunc(rows, func(r harness.ShardRow) bool { return r.Role == "p" && r.Node == m.Name })
}

// told kills a member in one of its lives, under a client for each of its shards, and checks the trace. It says how long after the clients had
// written again that was whole.
func (p *town) told(g gatherer, victim *harness.Member, life int, led bool) (took time.Duration) {
	p.t.Helper()
	shards := p.led(victim)
	p.writeEach(shards)
	victim.Kill()
	p.writing(time.Now())
	recovered := time.Now()
	spans, err := g.Trace(soon(p.t), fmt.Sprintf("failover %s@%d", victim.Name, life))
	must(p.t, err)
	took = time.Since(recovered)
	p.t.Logf("the trace of %d shards was whole %v after the clients wrote again", len(shards), round(took))
	x := wholeTree(p.t, spans)
	x.tells(victim.Name, shards)
	if !led {
		return took
	}
	if elect, leader := x.below(x.root, "elect term "), p.leader(); !strings.HasSuffix(elect.Name, "@"+leader.Name) {
		p.t.Errorf("%s leads, and the trace has %q", leader.Name, elect.Name)
	}
	return took
}

// writeEach starts a client for each of some shards of the keyspace default, and waits until each has written.
func (p *town) writeEach(names []string) {
	p.t.Helper()
	rows, err := p.Shards(soon(p.t))
	must(p.t, err)
	for _, name := range names {
		tag := ""
		for range 100 * len(rows) { // by chance each is found long before
			p.tags++
			if tag = fmt.Sprintf("%s-%d", p.t.Name(), p.tags); shardOf(rows, tag) == name {
				break
			}
			tag = ""
		}
		if tag == "" {
			p.t.Fatalf("no key was found of shard %s", name)
		}
		p.client(tag)
	}
	p.writing(time.Time{})
}
