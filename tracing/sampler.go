package tracing

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// sampler decides which messages are traced. It is asked once for each, where the message enters.
type sampler struct {
	name    string // as in OTEL_TRACES_SAMPLER
	parents bool   // whoever sent the message has decided, if it carries a trace
	bound   uint64 // a trace is chosen if the last 64 bits of its id without the lowest are below, as OpenTelemetry's own samplers do it
}

const always = 1 << 63

// ratioSampler takes a ratio of messages, and those whose senders trace them.
func ratioSampler(ratio float64) sampler {
	return sampler{name: fmt.Sprintf("parentbased_traceidratio %v", ratio), parents: true, bound: boundOf(ratio)}
}

// namedSampler is one of those that OpenTelemetry's variables name; arg is the ratio of traceidratio.
func namedSampler(kind string, arg float64) (s sampler, known bool) {
	base, parents := strings.CutPrefix(kind, "parentbased_")
	s = sampler{name: kind, parents: parents}
	switch base {
	case "always_on":
		s.bound = always
	case "always_off":
	case "traceidratio":
		s.name, s.bound = fmt.Sprintf("%s %v", kind, arg), boundOf(arg)
	default:
		return s, false
	}
	return s, true
}

func checkRatio(what string, ratio float64) error {
	if ratio >= 0 && ratio <= 1 {
		return nil
	}
	return fmt.Errorf("tracing: %s is %v; it is a number from 0 to 1", what, ratio)
}

func boundOf(ratio float64) uint64 { return uint64(ratio * always) }

// off says that no message is ever chosen.
func (s *sampler) off() bool { return s.bound == 0 && !s.parents }

// named is a trace that chance has chosen.
func named(low uint64) (id TraceID) {
	binary.BigEndian.PutUint64(id[8:], low)
	for binary.BigEndian.Uint64(id[:8]) == 0 {
		binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	}
	return id
}

// follows decides about a message that carries one.
func (s *sampler) follows(c Carrier) bool {
	if s.parents {
		return c.Sampled()
	}
	return binary.BigEndian.Uint64(c.Trace[8:])>>1 < s.bound
}
