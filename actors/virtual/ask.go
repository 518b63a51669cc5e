package virtual

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Ask sends a message to another actor, or to this one, as Tell does, and has its reply come back later as a message to this actor's
// method replyMethod: one of HandleAnswer, or of HandleAny. The token tells the answers apart. Nobody waits: actors may ask each other in a
// circle. The question is handled once, and so is its answer, even if nodes die.
//
//	asker ── commit: o/{asker}/TOKEN ──► link ──► receiver handles it, and keeps its reply
//	  ▲                                   │
//	  └── commit: replyMethod's changes, and o/{asker}/TOKEN is deleted ◄── reply, or why not
//
// A question that its receiver refuses is answered with the refusal: at once, but for CodeBusy, CodeNoKind and CodeUnable, which may
// pass and are tried for some minutes, and CodeAsking, which is tried for as long as the node is patient. While the receiver's shard has
// no primary the question waits. Who cannot wait sets a reminder, and abandons the question when that comes (Abandon). Meanwhile other
// messages are handled, unless the kind holds them off (HoldWhileAsking). An answer that replyMethod refuses is tried a few times and
// then set aside.
func (t *Turn) Ask(to ID, method string, request any, replyMethod string) (token uint64, err error) {
	switch m := t.kind.method(replyMethod); {
	case m.run == nil:
		return 0, fmt.Errorf("virtual: kind %s has no method %q that could take the answer", t.kind.name, replyMethod)
	case !m.answers:
		return 0, fmt.Errorf("virtual: method %q of kind %s takes requests; make one for the answer with HandleAnswer", replyMethod, t.kind.name)
	}
	return t.send(to, method, request, replyMethod)
}

// Answer is what became of a question.
type Answer[Resp any] struct {
	Token   uint64 // that Ask gave
	Reply   Resp   // zero if it was refused
	Refused *Error // nil: it was handled
}

// HandleAnswer adds a method that takes the answers to questions of this kind's actors (Turn.Ask). Nobody can call it. What Handle says
// of handlers holds for f.
func HandleAnswer[S, Resp any](k *KindOf[S], name string, f func(c *Context[S], a Answer[Resp]) error) {
	k.add(name, method{answers: true, run: func(t *Turn, state any, payload []byte) (any, error) {
		got := t.m.answer
		if got == nil {
			return nil, refuse(CodeBadRequest, "%s takes the answers to questions of the actor's own, and no requests", name)
		}
		a := Answer[Resp]{Token: t.m.Seq, Refused: got.refused}
		if a.Refused == nil {
			if err := json.Unmarshal(payload, &a.Reply); err != nil {
				return nil, refuse(CodeBadRequest, "%s of %s takes the reply %T: %v", name, t.self, a.Reply, err)
			}
		}
		c := &Context[S]{Turn: t, State: state.(*S)}
		return nil, c.settle(state.(*S), f(c, a))
	}})
}

// answering marks a message that answers a question. It does not leave the node: the question lies in the asker's shard.
type answering struct {
	key     string // where the question is kept, until its answer is handled
	refused *Error
}

// reply is what came of the first question in a link, until its asker has handled that.
type reply struct {
	body    []byte
	refused *Error
}

// triesCrossing is how often a question is tried that crosses one of its receiver: that has been answered perhaps, and the answer is on its way.
const triesCrossing = 4

// refused says whether an error of the receiver answers the first question of the link.
func (k *link) refused(h *Host, m *kept, err error) *Error {
	var own *Error
	if !errors.As(err, &own) {
		if err == nil || h.ctx.Err() != nil || k.tries+1 < triesFor(err) {
			return nil
		}
		return failed(k.to, m.Method, CodeFailed, err.Error())
	}
	switch own.Code {
	case CodeBusy, CodeNoKind, CodeUnable:
		if k.tries+1 < triesFor(err) {
			return nil
		}
	case CodeAsking:
		if time.Since(k.since) < h.c.Patience {
			return nil
		}
	case codeCrossing:
		if k.tries+1 < triesCrossing || time.Now().Before(k.since) {
			return nil
		}
		return failed(own.Actor, own.Method, CodeAsking, own.Text)
	case codeUnready:
		return nil
	}
	return own
}

// giveBack has the asker handle the answer to its question; an error says that it is to be tried again.
func (k *link) giveBack(h *Host, m *kept) error {
	ctx, cancel := context.WithTimeout(h.ctx, 2*h.c.Patience)
	defer cancel()
	key := k.from.sentKey("o", m.number)
	back := &message{To: k.from, From: k.to, Method: m.Answer, Payload: k.reply.body, Event: EventReply, Seq: m.number, answer: &answering{key, k.reply.refused}}
	inside, left := h.within(ctx, m)
	_, err := h.handle(inside, back)
	left()
	if err == nil || h.ctx.Err() != nil || k.tries+1 < triesFor(err) {
		return err
	}
	aside := &Aside{Event: EventReply, From: k.to, To: k.from, Method: m.Answer, Payload: k.reply.body, Reason: err.Error(), Tries: k.tries + 1, Refused: k.reply.refused}
	if refused := k.reply.refused; refused != nil {
		if aside.Payload, err = json.Marshal(refused.Error()); err != nil {
			return err
		}
	}
	if err = h.setAside(k.from, key, aside); err == nil {
		h.free(k.from, m.number)
	}
	return err
}
