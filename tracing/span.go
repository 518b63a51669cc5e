package tracing

import (
	"strconv"
	"time"
)

// Span is a step of a trace, with times of the clock of the node that took it. It is data: exporting it is another matter.
type Span struct {
	Trace      TraceID
	ID, Parent SpanID // Parent is zero for the root
	Name       string
	Kind       SpanKind
	NodeID     string // who took the step; the resource is made from it, and from nothing else of the process
	Node       string // its name
	Start, End int64  // nanoseconds since 1970
	Attributes []Attribute
	Events     []Event
	Links      []Link
	Error      string // why the step failed; empty: it did not
}

// SpanKind is the span's side of a call.
type SpanKind uint8

// The kinds of span.
const (
	Internal SpanKind = iota
	Client
	Server
	Producer // sends a message that nobody waits for
	Consumer // handles one
)

// Attribute is a name with a text, a number or a truth.
type Attribute struct {
	Name string
	Text string
	Int  int64
	Type AttributeType
}

// AttributeType says which field of an Attribute holds its value.
type AttributeType uint8

// The types of attributes.
const (
	TypeText AttributeType = iota
	TypeInt
	TypeBool // Int is 0 or 1
)

// Event is something that happened within a span.
type Event struct {
	At         int64
	Name       string
	Attributes []Attribute
}

// Link points to a span of another trace.
type Link struct {
	Trace TraceID
	Span  SpanID
	Why   string
}

// Value is the attribute's value as text.
func (a Attribute) Value() string {
	switch a.Type {
	case TypeInt:
		return strconv.FormatInt(a.Int, 10)
	case TypeBool:
		return strconv.FormatBool(a.Int != 0)
	}
	return a.Text
}

// Attribute finds one of the span's by name.
func (s *Span) Attribute(name string) (Attribute, bool) {
	for _, a := range s.Attributes {
		if a.Name == name {
			return a, true
		}
	}
	return Attribute{}, false
}

// Text makes an attribute.
func Text(name, value string) Attribute { return Attribute{Name: name, Text: value} }

// Number makes an attribute.
func Number[T ~int | ~int64 | ~uint64 | ~uint32](name string, value T) Attribute {
	return Attribute{Name: name, Int: int64(value), Type: TypeInt}
}

// Truth makes an attribute.
func Truth(name string, value bool) Attribute {
	a := Attribute{Name: name, Type: TypeBool}
	if value {
		a.Int = 1
	}
	return a
}

// short prints a duration in nanoseconds for people: three digits are enough.
func short(ns int64) time.Duration {
	d := time.Duration(ns)
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
