package tracing_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// here is where traces would go, if nothing is sent.
const here = "http://127.0.0.1:1"

// Promised by OpenTelemetry's specification: "If the user provides a value the SDK does not recognize, the SDK MUST generate a warning and
// gracefully ignore the setting". The variables may be meant for the program that embeds a node: it must start.
func TestUnknownValuesAreIgnored(t *testing.T) {
	for _, c := range []struct {
		env          string // one variable; the endpoint is set as well
		where, warns string
	}{
		{"", "go to " + here + "/v1/traces by http/protobuf; messages by parentbased_traceidratio 0.5", ""},
		{"OTEL_SDK_DISABLED=true", "stay on the nodes", ""},
		{"OTEL_SDK_DISABLED=yes", "go to " + here, "OTEL_SDK_DISABLED"},
		{"OTEL_TRACES_EXPORTER=none", "stay on the nodes", ""},
		{"OTEL_TRACES_EXPORTER=OTLP", "go to " + here, ""},
		{"OTEL_TRACES_EXPORTER=console", "stay on the nodes: OTEL_TRACES_EXPORTER", `"console"; a node has no such exporter: its traces stay on the nodes`},
		{"OTEL_TRACES_EXPORTER=zipkin, jaeger", "stay on the nodes: OTEL_TRACES_EXPORTER", `"zipkin,jaeger"; a node has no such exporter: its traces stay on the nodes`},
		{"OTEL_TRACES_EXPORTER=otlp, console", "go to " + here, `"console"`},
		{"OTEL_TRACES_EXPORTER=otpl", "go to " + here, `"otpl"`},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "by http/json", ""},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=http/xml", "by http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=GRPC", "by grpc", ""},
		{"OTEL_TRACES_SAMPLER=jaeger_remote", "messages by parentbased_traceidratio 0.5", "OTEL_TRACES_SAMPLER"},
		{"OTEL_TRACES_SAMPLER=parentbased_", "messages by parentbased_traceidratio 0.5", "OTEL_TRACES_SAMPLER"},
		{"OTEL_TRACES_SAMPLER=Always_On", "messages by always_on", ""},
		{"OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=2", "messages by traceidratio 1", "OTEL_TRACES_SAMPLER_ARG"},
		{"OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=NaN", "messages by traceidratio 1", "OTEL_TRACES_SAMPLER_ARG"},
		{"OTEL_TRACES_SAMPLER=always_on OTEL_TRACES_SAMPLER_ARG=endpoint", "messages by always_on", ""},
		{"OTEL_BSP_MAX_QUEUE_SIZE=-1", "messages by", "OTEL_BSP_MAX_QUEUE_SIZE"},
		{"OTEL_BSP_SCHEDULE_DELAY=5s", "messages by", "OTEL_BSP_SCHEDULE_DELAY"},
		{"OTEL_RESOURCE_ATTRIBUTES=a", "messages by", "OTEL_RESOURCE_ATTRIBUTES"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=127.0.0.1:4319", "stay on the nodes", `"127.0.0.1:4319" and is ignored; here it is a URL with http or https: write http://127.0.0.1:4319`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4319", "stay on the nodes", "write http://collector:4319"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=grpc://x:1", "stay on the nodes", "write http://x:1"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=foo", "stay on the nodes", "write http://127.0.0.1:4318"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://", "stay on the nodes", "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=foo OTEL_TRACES_EXPORTER=otlp", "go to https://localhost:4318/v1/traces by http/protobuf", `"foo"`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=foo OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_INSECURE=true", "go to http://localhost:4317 by grpc", `"foo"`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=127.0.0.1:2", "go to " + here + "/v1/traces by http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is \"127.0.0.1:2\""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:2", "go to http://127.0.0.1:2 by http/protobuf", ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=HTTP://127.0.0.1:2/in", "go to http://127.0.0.1:2/in by http/protobuf", ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:b@127.0.0.1:2/in/", "go to http://127.0.0.1:2/in/v1/traces by http/protobuf", ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:2/in OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "go to http://127.0.0.1:2 by grpc", ""},
	} {
		t.Run(c.env, func(t *testing.T) {
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": here}
			for pair := range strings.FieldsSeq(strings.ReplaceAll(c.env, ", ", ",")) {
				name, value, _ := strings.Cut(pair, "=")
				env[name] = value
			}
			var warnings []string
			e := exporter(t, env, func(err error) { warnings = append(warnings, err.Error()) })
			if _, err := e.Messages("id1", "n1", .5); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(e.Where(), c.where) {
				t.Errorf("it says %q, want %q", e.Where(), c.where)
			}
			if n := min(1, len(c.warns)); len(warnings) != n || n == 1 && (!strings.Contains(warnings[0], c.warns) || !strings.Contains(c.warns, "no such exporter") && !strings.Contains(warnings[0], "is ignored; here it is")) {
				t.Errorf("warnings %q, want %d of %s", warnings, n, c.warns)
			}
			if err := e.Close(t.Context()); err != nil { // nothing waits
				t.Error(err)
			}
		})
	}
}

// Promised: traces go where the node says. The exporters of OpenTelemetry read the variables as well, and make something else of one that is no URL.
func TestTracesGoWhereItSays(t *testing.T) {
	for _, c := range []struct{ ignored, path string }{{"127.0.0.1:1", "/v1/traces"}, {"foo", "/v1/traces"}, {"grpc://127.0.0.1:1", "/v1/traces"}} {
		paths := make(chan string, 16)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path }))
		e := exporter(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.ignored, "OTEL_EXPORTER_OTLP_ENDPOINT": server.URL}, nil)
		e.Export(drain())
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		server.Close()
		close(paths)
		if !strings.Contains(e.Where(), server.URL+c.path) || e.Dropped() != 0 || <-paths != c.path {
			t.Errorf("with %q it says %q, and %d traces arrive nowhere", c.ignored, e.Where(), e.Dropped())
		}
	}
}
