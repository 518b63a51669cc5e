package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/tracing"
)

// deathOf is the record of a node's end: another leads its shard on.
func deathOf(name string) (*tracing.Failover, admin.FailoverSummary) {
	const began = 1_700_000_000_000 * 1e6
	f := &tracing.Failover{
		Kind: tracing.KindFailover, Cluster: "c", Node: "id-" + name, Name: name, Epoch: 1, Outcome: tracing.OutcomeRecovered, Heard: began, Declared: began + 50e6, Detector: "n1", DetectorID: "id-n1",
		Done:  began + 90e6,
		Plans: []tracing.Plan{{Version: 7, Term: 3, By: "n1", ByID: "id-n1", Began: began + 51e6, Took: 1e6, Committed: began + 53e6}},
		Shards: []tracing.Shard{{ID: 17, Name: "orders/17", From: name, Decided: began + 52e6, Reason: "its node is down",
			Attempts: []tracing.Attempt{{To: "n3", ToID: "id-n3", Told: began + 53e6, Heard: began + 54e6, Served: began + 60e6, Written: began + 70e6}}}},
	}
	return f, admin.FailoverSummary{ID: f.ID(), Trace: f.Trace().String(), Kind: f.Kind.String(), Node: name, Outcome: f.Outcome.String(), Shards: 1}
}

// The files of one failover are one trace, the same in both forms; what contradicts itself is refused.
func TestTraceFiles(t *testing.T) {
	f, _ := deathOf("n2")
	addr, _ := record(t, map[string][]any{"GET /": {admin.Banner{Cluster: "berlin"}}, "GET /_cluster/failovers/n2": {tracing.NewAnswer(f)}})
	dir := t.TempDir()
	otlp, jaeger := filepath.Join(dir, "otlp.json"), filepath.Join(dir, "jaeger.json")
	out, errs, code := invoke(t, nil, "", "trace", "n2", "--addr", addr, "--otlp", otlp, "--jaeger", jaeger)
	if code != 0 || out != "" || errs != "written to "+otlp+"\nwritten to "+jaeger+"\n" {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	a, b := readOTLP(t, otlp), readJaeger(t, jaeger)
	if len(a) != len(f.Spans()) || len(b) != len(a) || len(a) < 7 {
		t.Fatalf("%d and %d spans of %d", len(a), len(b), len(f.Spans()))
	}
	for id, name := range a {
		if b[id] != name {
			t.Errorf("span %s is %q in the one file and %q in the other", id, name, b[id])
		}
	}
	if out, _, code := invoke(t, nil, "", "trace", "n2", "--addr", addr, "--jaeger", "-"); code != 0 || !strings.Contains(out, `"traceID": "`+f.Trace().String()+`"`) || !strings.Contains(out, "berlin") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"trace --otlp x", exitUsage, "name it"},
		{"trace n2 --otlp - --jaeger -", exitUsage, "cannot both"},
		{"trace n2 --otlp x --jaeger x", exitUsage, "cannot both go to x"},
		{"trace n2 --why orders/17 --jaeger x", exitUsage, "ask for one of them"},
		{"trace n2 --watch", exitUsage, "leave n2 out"},
		{"trace n2 --jaeger " + filepath.Join(dir, "none", "x"), exitFailed, "no such file"},
	} {
		if _, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": addr}, "", strings.Fields(c.line)...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit code %d: %s", c.line, code, errs)
		}
	}
}

// readOTLP gives the names of the spans of a file by their ids.
func readOTLP(t *testing.T, path string) map[string]string {
	t.Helper()
	var file struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct{ SpanID, Name string }
			}
		}
	}
	read(t, path, &file)
	names := map[string]string{}
	for _, r := range file.ResourceSpans {
		for _, s := range r.ScopeSpans {
			for _, x := range s.Spans {
				names[x.SpanID] = x.Name
			}
		}
	}
	return names
}

// readJaeger gives the names of the spans of a file by their ids, and checks what the upload of Jaeger's page needs: one trace, for each span its
// process, its own trace and lists where there may be none, one root without references, and no parent that is missing.
func readJaeger(t *testing.T, path string) map[string]string {
	t.Helper()
	type reference struct{ RefType, TraceID, SpanID string }
	var file struct {
		Data []struct {
			TraceID string
			Spans   []struct {
				TraceID, SpanID, OperationName, ProcessID string
				StartTime, Duration                       int64
				References                                []reference
				Tags, Logs                                []any
			}
			Processes map[string]struct{ ServiceName string }
		}
	}
	read(t, path, &file)
	if len(file.Data) != 1 {
		t.Fatalf("%d traces", len(file.Data))
	}
	trace, names, roots := file.Data[0], map[string]string{}, 0
	for _, s := range trace.Spans {
		if names[s.SpanID] != "" {
			t.Errorf("span %s is there twice", s.SpanID)
		}
		names[s.SpanID] = s.OperationName
	}
	for _, s := range trace.Spans {
		if s.TraceID != trace.TraceID || trace.Processes[s.ProcessID].ServiceName != "troupe" || s.StartTime <= 0 || s.Duration < 0 || s.References == nil || s.Tags == nil || s.Logs == nil {
			t.Errorf("Jaeger does not take %+v", s)
		}
		if len(s.References) == 0 {
			roots++
		}
		for _, r := range s.References {
			if r.TraceID == trace.TraceID && names[r.SpanID] == "" {
				t.Errorf("%q refers to a span that is not there", s.OperationName)
			}
		}
	}
	if roots != 1 {
		t.Errorf("%d roots", roots)
	}
	return names
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A watch shows what ends from now on, once; it outlives its nodes, says once that none answers, and shows what ended meanwhile.
func TestTraceWatch(t *testing.T) {
	list := func(rows ...admin.FailoverSummary) admin.FailoverList { return admin.FailoverList{Failovers: rows} }
	old, oldRow := deathOf("n7")
	f2, row2 := deathOf("n2")
	f3, row3 := deathOf("n3")
	open := row2
	open.Outcome = "open"
	answers := map[string][]any{"GET /_cluster/failovers": {list(oldRow), list(open, oldRow), list(row2, oldRow)}}
	for _, f := range []*tracing.Failover{old, f2, f3} {
		answers["GET /_cluster/failovers/"+f.Trace().String()] = []any{tracing.NewAnswer(f)}
	}
	nodes := &recorded{answers: answers}
	serve := func(at string) (*http.Server, string) {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: nodes}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
		return s, l.Addr().String()
	}
	node, addr := serve("127.0.0.1:0")
	out, errs := &outLines{more: make(chan struct{}, 1)}, &outLines{more: make(chan struct{}, 1)}
	c := &console{in: strings.NewReader(""), out: out, err: errs, env: func(string) (string, bool) { return "", false }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { ended <- run(ctx, c, []string{"trace", "--watch", "--addr", addr}) }()
	out.await(t, "first write orders/17 @n3", 1)
	node.Close()
	errs.await(t, "no node answers; waiting until one does (", 1)
	nodes.mu.Lock()
	answers["GET /_cluster/failovers"] = []any{list(row3, row2, oldRow)}
	nodes.mu.Unlock()
	serve(addr)
	errs.await(t, "a node answers again\n", 1)
	out.await(t, "n3@1 recovered: 1 shard, ", 1)
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("Ctrl-C ends it with exit code %d", code)
	}
	page, said := out.text.String(), errs.text.String()
	if strings.Count(page, "n2@1 recovered") != 1 || strings.Count(page, "n3@1 recovered") != 1 || strings.Contains(page, "n7") {
		t.Errorf("it showed\n%s", page)
	}
	if strings.Count(said, "\n") != 2 {
		t.Errorf("it said\n%s", said)
	}
	if _, errs, code := invoke(t, nil, "", "trace", "--watch", "--addr", "127.0.0.1:1"); code != exitFailed || !strings.Contains(errs, "is a node running?") {
		t.Errorf("nobody was ever there: exit code %d: %s", code, errs)
	}
}
