package tracing

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// environment reads the standard variables of OpenTelemetry. They may be meant for somebody else in the process: what is not understood is
// told to warn and ignored, as if it were not set, "Warn and gracefully ignore" in the words of the specification.
type environment struct {
	get  func(string) string
	warn func(error)
}

func (v environment) ignore(name, value, want string) {
	v.warn(fmt.Errorf("tracing: %s is %q and is ignored; here it is %s", name, value, want))
}

// first is the first of some variables that is set.
func (v environment) first(names ...string) (name, value string) {
	for _, name = range names {
		if value = v.get(name); value != "" {
			return name, value
		}
	}
	return name, ""
}

// destination says where traces go, or else why they go nowhere.
func (v environment) destination(protocol string) (where *url.URL, off string) {
	if text := v.get("OTEL_SDK_DISABLED"); strings.EqualFold(text, "true") {
		return nil, "OTEL_SDK_DISABLED says so"
	} else if text != "" && !strings.EqualFold(text, "false") {
		v.ignore("OTEL_SDK_DISABLED", text, "true or false")
	}
	asked, off := v.asked()
	if off != "" {
		return nil, off
	}
	where, given := v.endpoint(protocol)
	if !given && !asked {
		return nil, "set OTEL_EXPORTER_OTLP_ENDPOINT to the URL of a collector to send them there"
	}
	return where, ""
}

// foreign are exporters of OpenTelemetry that a node does not have: who names them, and not otlp, does not want traces to go by otlp.
var foreign = []string{"console", "logging", "zipkin", "jaeger"}

// asked says whether OTEL_TRACES_EXPORTER, a list, asks for otlp, or else what it says against it.
func (v environment) asked() (otlp bool, off string) {
	const name = "OTEL_TRACES_EXPORTER"
	text := v.get(name)
	var alien []string
	for word := range strings.SplitSeq(text, ",") {
		switch word = strings.ToLower(strings.TrimSpace(word)); {
		case word == "none":
			return false, name + " says so"
		case word == "otlp":
			otlp = true
		case slices.Contains(foreign, word):
			alien = append(alien, word)
		case word != "":
			v.ignore(name, word, "otlp or none")
		}
	}
	if otlp || len(alien) == 0 {
		for _, word := range alien {
			v.ignore(name, word, "otlp or none")
		}
		return otlp, ""
	}
	v.warn(fmt.Errorf("tracing: %s is %q; a node has no such exporter: its traces stay on the nodes", name, text))
	return false, fmt.Sprintf("%s is %q, and a node sends them by otlp alone", name, text)
}

func (v environment) protocol() string {
	name, protocol := v.first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	switch known := strings.ToLower(strings.TrimSpace(protocol)); known {
	case "grpc", "http/json":
		return known
	case "", "http/protobuf":
	default:
		v.ignore(name, protocol, "grpc, http/json or http/protobuf, which is taken")
	}
	return "http/protobuf"
}

// sampler is what OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG say, or without them a ratio of messages.
func (v environment) sampler(ratio float64) sampler {
	const name, argument = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
	kind := v.get(name)
	if kind == "" {
		return ratioSampler(ratio)
	}
	arg := 1.0
	if text := v.get(argument); text != "" && strings.HasSuffix(strings.ToLower(kind), "traceidratio") {
		x, err := strconv.ParseFloat(text, 64)
		if err == nil {
			err = checkRatio(argument, x)
		}
		if err == nil {
			arg = x
		} else {
			v.ignore(argument, text, "a number from 0 to 1; 1 is taken")
		}
	}
	s, known := namedSampler(strings.ToLower(kind), arg)
	if !known {
		v.ignore(name, kind, "one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio")
		return ratioSampler(ratio)
	}
	return s
}

// count is a variable that is a number above 0.
func (v environment) count(name string, otherwise int) int {
	text := v.get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1<<20 {
		v.ignore(name, text, fmt.Sprintf("a number from 1 to %d; %d is taken", 1<<20, otherwise))
		return otherwise
	}
	return n
}

// origin is what the variables say of where spans come from.
func (v environment) origin(cluster string) Origin {
	const name = "OTEL_RESOURCE_ATTRIBUTES"
	text := v.get(name)
	more, err := parseAttributes(text)
	if err != nil { // all of it, says the specification: half of a resource would mislead
		v.ignore(name, text, fmt.Sprintf("a list as in deployment.environment.name=production,service.namespace=shop: %v", err))
		more = nil
	}
	o := Origin{Service: "troupe", Namespace: cluster}
	for _, a := range more {
		switch a.Name {
		case "service.name":
			o.Service = a.Text
		case "service.namespace":
			o.Namespace = a.Text
		case "service.instance.id", "troupe.node.name": // of each span these are those of the node that took the step
		default:
			o.more = append(o.more, a)
		}
	}
	if service := v.get("OTEL_SERVICE_NAME"); service != "" {
		o.Service = service
	}
	return o
}

// parseAttributes reads a list of key=value, in which values may have bytes as %2C. Of one that is there twice the last counts.
func parseAttributes(text string) (list []Attribute, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, cut := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		if !cut || name == "" {
			return nil, fmt.Errorf("%q is no key=value", pair)
		}
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", pair, err)
		}
		list = slices.DeleteFunc(list, func(a Attribute) bool { return a.Name == name })
		list = append(list, Text(name, value))
	}
	return list, nil
}
