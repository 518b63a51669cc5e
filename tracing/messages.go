package tracing

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Messages makes the spans of messages on one node: of what clients ask, calls between nodes, writes on their way to other
// copies. A nil Messages makes none. Its methods may be called concurrently.
//
//	Enter   where a message comes in: follows its trace, or begins one for a few of them
//	Within  where it comes from another node, that has decided
//	Begin   further inside: goes on with the trace in the context, if it is sampled
//
// Enter and Begin give a nil *Active for a message that is not traced; its methods do nothing then. While it is off both cost one
// look: callers build names and attributes only for an Active that is not nil. So does Begin while nothing is traced on the node: what it
// may be inside of has passed Enter or Within, and has not ended. A context is looked through where a message enters, and again only beside
// one of the few that are traced.
type Messages struct {
	node, id string
	on       bool
	rule     sampler
	out      func(*Span)  // takes what has ended; it does not block
	live     atomic.Int64 // spans that go on, and messages of other nodes that are traced
}

// NewMessages is for nodes without an Exporter: take gets each span as it ends, from many goroutines, and does not block. ratio is
// the part of messages, from 0 to 1, that are traced without their senders having said so.
func NewMessages(nodeID, node string, ratio float64, take func(*Span)) (*Messages, error) {
	if err := checkRatio("the ratio of messages to trace", ratio); err != nil {
		return nil, err
	}
	m := &Messages{node: node, id: nodeID, out: take}
	m.use(ratioSampler(ratio))
	return m, nil
}

// use sets the rule, before anybody asks for a span.
func (m *Messages) use(s sampler) { m.rule, m.on = s, !s.off() }

// On says whether any message may be traced.
func (m *Messages) On() bool { return hooks && m != nil && m.on }

// Enter begins a span for a message that comes in from outside. If ctx has a span its decision is followed, as the sampler
// says; else chance decides. ctx is returned as it was unless the message is traced.
//
// What nearly every message costs that is not traced is a look into its context and one random number. Where even the call of Enter counts,
// On is asked before.
func (m *Messages) Enter(ctx context.Context, kind SpanKind) (context.Context, *Active) {
	if !m.On() {
		return ctx, nil
	}
	if span := spanIn(ctx); span != nil {
		if from := carrierOf(span); from.Valid() {
			if !m.rule.follows(from) {
				return ctx, nil
			}
			return m.begin(ctx, from, kind)
		}
	}
	if m.rule.bound == 0 {
		return ctx, nil
	}
	low := rand.Uint64()
	if low>>1 >= m.rule.bound || ctx.Value(declined{}) != nil {
		return ctx, nil
	}
	return m.begin(ctx, Carrier{Trace: named(low)}, kind)
}

// declined marks contexts of messages about which chance has decided.
type declined struct{}

// Decline is ctx of a message that Enter did not trace, so that no Enter further inside lets chance decide again.
func (m *Messages) Decline(ctx context.Context) context.Context {
	if !m.On() {
		return ctx
	}
	return context.WithValue(ctx, declined{}, true)
}

// Begin begins a span inside of the one in ctx, if that is sampled. ctx is of a message that has passed Enter, Follow or Within: for others
// there is Join.
func (m *Messages) Begin(ctx context.Context, kind SpanKind) (context.Context, *Active) {
	if !m.Busy() {
		return ctx, nil
	}
	return m.Join(ctx, kind)
}

// Busy says that something is traced at this moment: only then may a context have to do with it.
func (m *Messages) Busy() bool { return m.On() && m.live.Load() != 0 }

// Join is Begin for contexts of any origin, such as that of an embedding program which traces what it does.
func (m *Messages) Join(ctx context.Context, kind SpanKind) (context.Context, *Active) {
	if !m.On() {
		return ctx, nil
	}
	return m.Follow(ctx, FromContext(ctx), kind)
}

// Follow begins a span inside of the carrier's, if that is sampled.
func (m *Messages) Follow(ctx context.Context, from Carrier, kind SpanKind) (context.Context, *Active) {
	if !m.On() || !from.Sampled() {
		return ctx, nil
	}
	return m.begin(ctx, from, kind)
}

// Within is ctx for a message that another node has sent with a carrier, or that one has kept. left is called, once, when it is handled.
func (m *Messages) Within(ctx context.Context, from Carrier) (inside context.Context, left func()) {
	switch {
	case !from.Valid():
		return ctx, func() {}
	case !m.On(): // lines of the log carry its ids all the same
		return from.Context(ctx), func() {}
	}
	m.live.Add(1)
	return from.Context(ctx), func() { m.live.Add(-1) }
}

// Anew begins a trace of its own, whatever ctx belongs to: for what is traced and comes long after.
func (m *Messages) Anew(ctx context.Context, kind SpanKind) (context.Context, *Active) {
	if !m.On() {
		return ctx, nil
	}
	var from Carrier
	for from.Trace == (TraceID{}) {
		binary.BigEndian.PutUint64(from.Trace[:8], rand.Uint64())
		binary.BigEndian.PutUint64(from.Trace[8:], rand.Uint64())
	}
	return m.begin(ctx, from, kind)
}

// BeginFrom is Begin for those who have no context: the span is inside of the carrier's.
func (m *Messages) BeginFrom(from Carrier, kind SpanKind) *Active {
	if !m.On() || !from.Sampled() {
		return nil
	}
	return m.active(from, kind)
}

// Carried is the carrier to send with a message; the zero value if the message is not traced. ctx is as for Begin.
func (m *Messages) Carried(ctx context.Context) Carrier {
	if !m.Busy() {
		return Carrier{}
	}
	if c := FromContext(ctx); c.Sampled() {
		return c
	}
	return Carrier{}
}

func (m *Messages) begin(ctx context.Context, from Carrier, kind SpanKind) (context.Context, *Active) {
	a := m.active(from, kind)
	return a.Carrier().Context(ctx), a
}

func (m *Messages) active(from Carrier, kind SpanKind) *Active {
	a := &Active{m: m, span: Span{Trace: from.Trace, Parent: from.Span, Kind: kind, NodeID: m.id, Node: m.node, Start: time.Now().UnixNano()}}
	for a.span.ID == (SpanID{}) {
		binary.BigEndian.PutUint64(a.span.ID[:], rand.Uint64())
	}
	m.live.Add(1)
	return a
}

// Active is a span that goes on. It belongs to one goroutine at a time. All methods of a nil Active do nothing.
type Active struct {
	m     *Messages
	span  Span
	ended bool
}

// maxEvents bounds the events of one span.
const maxEvents = 128

// Name says what is done. The node is added to it, since a row of Jaeger's page shows nothing else.
func (a *Active) Name(name string, attributes ...Attribute) {
	if a == nil {
		return
	}
	a.span.Name = name + " @" + a.m.node
	a.Set(attributes...)
}

// Set adds attributes.
func (a *Active) Set(attributes ...Attribute) {
	if a != nil {
		a.span.Attributes = append(a.span.Attributes, attributes...)
	}
}

// Event notes that something has happened now.
func (a *Active) Event(name string, attributes ...Attribute) {
	if a != nil && len(a.span.Events) < maxEvents {
		a.span.Events = append(a.span.Events, Event{At: time.Now().UnixNano(), Name: name, Attributes: slices.Clone(attributes)})
	}
}

// Link points to a span of another trace; one of the same trace is left out.
func (a *Active) Link(to Carrier, why string) {
	if a != nil && to.Valid() && to.Trace != a.span.Trace {
		a.span.Links = append(a.span.Links, Link{Trace: to.Trace, Span: to.Span, Why: why})
	}
}

// Carrier is what messages inside of this span take along. Of a nil Active it is the zero value.
func (a *Active) Carrier() Carrier {
	if a == nil {
		return Carrier{}
	}
	return Carrier{a.span.Trace, a.span.ID, sampledFlag}
}

// End ends the span, with an error if it came to nothing. Only the first End counts.
func (a *Active) End(err error) {
	if a == nil || a.ended {
		return
	}
	a.ended = true
	a.m.live.Add(-1)
	a.span.End = max(a.span.Start, time.Now().UnixNano())
	if err != nil {
		a.span.Error = err.Error()
	}
	a.m.out(&a.span)
}
