package virtual

import (
	"context"
	"errors"
	"strings"

	"github.com/troupe-actors/troupe/tracing"
)

// What is traced of a message:
//
//	call counter/add @n3             who calls              send counter/add @n1             an actor's message on its way
//	└ counter/add @n1                mailbox and handler    └ process counter/add @n2        mailbox and handler
//	  └ write actors/3 @n1           its commit               └ …          or ask, and process for its answer
//
// An actor's message belongs to the trace of the message that its sender handled. One that a scan has found, since its sender's node
// died or was too busy, begins a trace of its own with a link to that one: much later it would make the first unreadable.

// The names are those of OpenTelemetry's conventions for calls, and for messages that nobody waits for.
const (
	attrSystem     = "rpc.system.name"
	attrMethod     = "rpc.method"
	attrStatus     = "rpc.response.status_code"
	attrMessaging  = "messaging.system"
	attrOperation  = "messaging.operation.type"
	attrType       = "messaging.destination.name"
	attrActorKind  = "troupe.actor.type"
	systemIsTroupe = "troupe"
)

// calling begins the span of a message from outside. Of the name of the actor nothing is said: it may be a person's.
func (h *Host) calling(ctx context.Context, to ID, method string, event Event) (context.Context, *tracing.Active) {
	if !h.c.Messages.On() { // nearly always: the call of Enter would cost as much as all else here
		return ctx, nil
	}
	ctx, span := h.c.Messages.Enter(ctx, sending(event))
	if span != nil {
		describe(span, "call ", "send ", to, method, event)
	}
	return ctx, span
}

func sending(event Event) tracing.SpanKind {
	if event == EventCall {
		return tracing.Client
	}
	return tracing.Producer
}

// handling begins the span of a message that an actor here is to handle. Timers and reminders come from nobody else: of them chance
// chooses some.
func (h *Host) handling(ctx context.Context, m *message) (context.Context, *tracing.Active) {
	traces := h.c.Messages
	var span *tracing.Active
	switch {
	case m.Event == EventTimer || m.Event == EventReminder:
		ctx, span = traces.Enter(ctx, tracing.Consumer)
	case !traces.Busy():
		return ctx, nil
	case m.Event == EventCall:
		ctx, span = traces.Begin(ctx, tracing.Server)
	default:
		ctx, span = traces.Begin(ctx, tracing.Consumer)
	}
	if span != nil {
		describe(span, "", "process ", m.To, m.Method, m.Event)
	}
	return ctx, span
}

// describe names a span by the conventions for calls, or for messages that nobody waits for.
func describe(span *tracing.Active, call, message string, to ID, method string, event Event) {
	name := to.Kind + "/" + method
	if event == EventCall {
		span.Name(call+name, tracing.Text(attrSystem, systemIsTroupe), tracing.Text(attrMethod, name), tracing.Text(attrActorKind, to.Kind))
		return
	}
	span.Name(message+name, tracing.Text(attrMessaging, systemIsTroupe), tracing.Text(attrOperation, strings.TrimSpace(message)),
		tracing.Text(attrType, to.Kind), tracing.Text(attrActorKind, to.Kind))
}

// delivering begins the span of a message between actors, inside of its sender's while that is fresh.
func (h *Host) delivering(ctx context.Context, k *kept) (context.Context, *tracing.Active) {
	from, _, ok := tracing.ReadCarrier(k.Trace)
	if !ok || !from.Sampled() {
		return ctx, nil
	}
	event := EventTell
	if k.Answer != "" {
		event = EventCall
	}
	var span *tracing.Active
	if k.found {
		ctx, span = h.c.Messages.Anew(ctx, sending(event))
		span.Link(from, "the message that sent it")
	} else {
		ctx, span = h.c.Messages.Follow(ctx, from, sending(event))
	}
	if span != nil {
		describe(span, "ask ", "send ", k.To, k.Method, event)
	}
	return ctx, span
}

// within is ctx for the answer to a message: a part of the trace of the question, while that is fresh. left is called when it is handled.
func (h *Host) within(ctx context.Context, m *kept) (inside context.Context, left func()) {
	if from, _, ok := tracing.ReadCarrier(m.Trace); ok && !m.found {
		return h.c.Messages.Within(ctx, from)
	}
	return ctx, func() {}
}

// end ends a span with what came of the message.
func end(span *tracing.Active, err error) {
	if span == nil {
		return
	}
	var own *Error
	if errors.As(err, &own) {
		span.Set(tracing.Text(attrStatus, own.Code.String()))
	}
	span.End(err)
}
