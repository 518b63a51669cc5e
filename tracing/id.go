package tracing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// TraceID names a trace. The zero value names none.
type TraceID [16]byte

// SpanID names a span within a trace. The zero value names none.
type SpanID [8]byte

// String is the id in hexadecimal, as Jaeger shows it.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// String is the id in hexadecimal, as Jaeger shows it.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// ParseTraceID reads what TraceID.String wrote.
func ParseTraceID(text string) (TraceID, error) {
	var id TraceID
	if len(text) != 2*len(id) {
		return id, fmt.Errorf("tracing: %q is no trace id: 32 hexadecimal digits are", text)
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return id, fmt.Errorf("tracing: %q is no trace id: %w", text, err)
	}
	return id, nil
}

// ParseSpanID reads what SpanID.String wrote.
func ParseSpanID(text string) (SpanID, error) {
	var id SpanID
	if len(text) != 2*len(id) {
		return id, fmt.Errorf("tracing: %q is no span id: 16 hexadecimal digits are", text)
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return id, fmt.Errorf("tracing: %q is no span id: %w", text, err)
	}
	return id, nil
}

// Trace is the id of what happened to a node in one of its lives. The kind is part of it: a crash in the middle of a drain is
// a trace of its own.
func (k Kind) Trace(cluster, node string, epoch uint64) TraceID {
	h := sha256.New()
	for _, part := range []string{k.String(), cluster, node, strconv.FormatUint(epoch, 10)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	var id TraceID
	copy(id[:], h.Sum(nil))
	if id == (TraceID{}) {
		id[0] = 1 // it would name no trace
	}
	return id
}

// Span is the id of a step within the trace.
func (id TraceID) Span(step string) SpanID {
	h := sha256.New()
	h.Write(id[:])
	h.Write([]byte(step))
	var s SpanID
	copy(s[:], h.Sum(nil))
	if s == (SpanID{}) {
		s[0] = 1
	}
	return s
}
