package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/tracing"
)

// exporter makes an exporter from variables, as a node does.
func exporter(t *testing.T, env map[string]string, warn func(error)) *tracing.Exporter {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value) // exporters of OpenTelemetry look for themselves
	}
	return tracing.NewExporter(context.Background(), "berlin", func(name string) string { return env[name] }, warn)
}

func TestExport(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, body...)
	}))
	defer server.Close()
	e := exporter(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL}, func(err error) { t.Error(err) })
	e.Export(drain())
	e.Export(death())
	if err := e.Close(context.Background()); err != nil || e.Dropped() != 0 {
		t.Fatalf("%v, %d dropped", err, e.Dropped())
	}
	for _, f := range []*tracing.Failover{drain(), death()} {
		for _, name := range append(names(f), f.ID(), f.Node) { // texts are in the message as they are
			if !bytes.Contains(got, []byte(name)) {
				t.Errorf("the collector has %d bytes without %q", len(got), name)
			}
		}
		if id := f.Trace(); !bytes.Contains(got, id[:]) {
			t.Errorf("the collector has no trace %v", id)
		}
	}
	if !strings.Contains(e.Where(), server.URL) {
		t.Errorf("it says %q", e.Where())
	}
}

// Promised: "A dead or slow collector changes … memory by at most 16 MB": one that takes connections and answers nothing has traces of a
// thousand shards wait until there are too many; the rest is dropped, and nobody waits. Close ends, whatever waits then.
func TestSilentCollector(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var connections atomic.Int64
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					connections.Add(1)
					defer c.Close()
				}
			}()
			e := exporter(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + l.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_TIMEOUT": "600000"}, nil)
			packed := thousand().Encode()
			before := heap()
			const traces = 200
			for range traces {
				f, err := tracing.DecodeFailover(packed)
				if err != nil {
					t.Fatal(err)
				}
				e.Export(f)
			}
			if grown := int64(heap()) - int64(before); grown > 16<<20 {
				t.Errorf("%d traces that nobody takes cost %d bytes", traces, grown)
			}
			if d := e.Dropped(); d < traces/2 || d >= traces {
				t.Errorf("%d of %d traces were dropped while nobody took any", d, traces)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v", err)
			}
			if d := e.Dropped(); d != traces {
				t.Errorf("%d of %d traces were dropped in the end", d, traces)
			}
			if n := connections.Load(); n > 3 {
				t.Errorf("the collector was tried %d times", n)
			}
		})
	}
}

func heap() uint64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An exporter that is off costs nothing, and closes.
func TestExporterOff(t *testing.T) {
	for _, env := range []map[string]string{{}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}} {
		e := exporter(t, env, nil)
		e.Export(drain())
		if err := e.Close(context.Background()); err != nil || e.Dropped() != 0 || !strings.Contains(e.Where(), "stay on the nodes") {
			t.Errorf("%v: %v, %d dropped, %s", env, err, e.Dropped(), e.Where())
		}
	}
}
