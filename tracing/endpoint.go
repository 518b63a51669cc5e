package tracing

import (
	"net/url"
	"path"
	"strings"
)

// endpoint is where the exporter sends traces: the first of the variables that is a URL, or else the port of a collector on this machine, as
// the specification has it. A variable that is none is told to warn; given says that there is one. The exporters of OpenTelemetry
// read the variables, too, and take one that is none for another address than is written there: they are told this one.
func (v environment) endpoint(protocol string) (where *url.URL, given bool) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		text := strings.TrimSpace(v.get(name))
		if text == "" {
			continue
		}
		if u, err := url.Parse(text); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
			where = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
			if name == "OTEL_EXPORTER_OTLP_ENDPOINT" { // the address of a collector, and not of its traces
				where.Path = path.Join("/", u.Path, tracesPath)
			}
			break
		}
		v.ignore(name, text, "a URL with http or https: write "+urlFor(text))
	}
	given = where != nil
	if !given {
		where = &url.URL{Scheme: "https", Host: "localhost:4318", Path: tracesPath}
		if protocol == "grpc" {
			where.Host = "localhost:4317"
		}
	}
	if _, text := v.first("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"); text != "" {
		where.Scheme = "https"
		if strings.EqualFold(strings.TrimSpace(text), "true") {
			where.Scheme = "http"
		}
	}
	if protocol == "grpc" {
		where.Path = "" // calls have their own
	}
	return where, given
}

// tracesPath is where a collector takes traces by HTTP.
const tracesPath = "/v1/traces"

// urlFor guesses which URL was meant.
func urlFor(text string) string {
	_, rest, found := strings.Cut(text, "://")
	if !found {
		rest = text
	}
	host, _, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
	if u, err := url.Parse("http://" + host); err == nil && u.Hostname() != "" && u.Port() != "" {
		return "http://" + u.Host
	}
	return "http://127.0.0.1:4318"
}
