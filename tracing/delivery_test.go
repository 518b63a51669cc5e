package tracing_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Promised: "Any other value that a node does not know is warned of in its log, and ignored". That holds for what OpenTelemetry's exporters read as well.
func TestUnknownDeliveryIsWarnedOf(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, value, warns string }{
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "5000", ""},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "5s", "a number of milliseconds"},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "5s", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", ""},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer secret, x-tenant=a%2Cb", ""},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a,authorization: Bearer secret", "part 2 of OTEL_EXPORTER_OTLP_HEADERS"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "authorization: secret=", "part 1 of"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret%zz", "part 1 of"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "no such file"},
		{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", empty, "certificate input"},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", empty, "OTEL_EXPORTER_OTLP_CLIENT_KEY only one is set"},
	} {
		t.Run(c.name+"="+filepath.Base(c.value), func(t *testing.T) {
			var warnings []string
			e := exporter(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": here, c.name: c.value}, func(err error) { warnings = append(warnings, err.Error()) })
			if n := min(1, len(c.warns)); len(warnings) != n || n == 1 && !strings.Contains(warnings[0], c.warns) || strings.Contains(strings.Join(warnings, ""), "secret%") || strings.Contains(strings.Join(warnings, ""), "Bearer") {
				t.Errorf("warnings %q, want %d of %q", warnings, n, c.warns)
			}
			if !strings.Contains(e.Where(), "go to "+here) {
				t.Errorf("it says %q", e.Where())
			}
			if err := e.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a node says of the protocol is what it speaks.
func TestProtocolIsWhatItSays(t *testing.T) {
	for protocol, want := range map[string]string{"": "application/x-protobuf", "http/protobuf": "application/x-protobuf", "http/json": "application/json", "HTTP/JSON": "application/json", "http/xml": "application/x-protobuf"} {
		came := make(chan *http.Request, 1)
		body := make(chan []byte, 1)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			came <- r
			body <- text
		}))
		e := exporter(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}, nil)
		e.Export(drain())
		if err := e.Close(t.Context()); err != nil || e.Dropped() != 0 {
			t.Fatal(err)
		}
		server.Close()
		r, text := <-came, <-body
		if got := r.Header.Get("Content-Type"); got != want || json.Valid(text) != (want == "application/json") || strings.Contains(e.Where(), "json") != json.Valid(text) {
			t.Errorf("protocol %q: sends %s, and says %q", protocol, got, e.Where())
		}
		if json.Valid(text) && !strings.Contains(string(text), strings.ToUpper(drain().Trace().String())) {
			t.Errorf("the trace is not in the %d bytes of JSON", len(text))
		}
	}
}

// A file with the authority of a collector is no reason to warn, though it has no key: traces get there.
func TestAuthorityOfTheCollector(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	e := exporter(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE": file}, func(err error) { t.Error(err) })
	e.Export(drain())
	if err := e.Close(t.Context()); err != nil || e.Dropped() != 0 {
		t.Errorf("%v, %d dropped", err, e.Dropped())
	}
}
