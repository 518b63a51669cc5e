package virtual

import (
	"encoding/json"
	"fmt"
)

// Event says how a message has come. It crosses the wire: never reorder, only append.
type Event uint8

// The events.
const (
	EventCall     Event = iota + 1 // a caller, or an actor that has asked, gets the reply
	EventTell                      // nobody gets the reply
	EventReply                     // the answer to a question of the actor (Turn.Ask)
	EventReminder                  // a reminder of the actor's own (Turn.Remind)
	EventActivate                  // no message: the actor has come into memory (OnActivate)
	EventTimer                     // a timer of the actor's own (Turn.SetTimer)

	eventMend // no message: what the actor has sent is sent again, or dropped (Host.Redrive). It does not leave the node
)

// Event says how the message has come.
func (t *Turn) Event() Event { return t.m.Event }

// Sender is the actor that has told or asked; of an answer the one that gives it. Zero if the message comes from outside, or is a
// reminder.
func (t *Turn) Sender() ID { return t.m.From }

// Number is that of the message among those of its sender: from the same actor a later message has a higher one. An answer has that
// of the question, its token.
func (t *Turn) Number() uint64 { return t.m.Seq }

// Message is what a handler of all methods gets.
type Message struct {
	Method  string
	Payload json.RawMessage // the request, or the reply that answers a question; may be empty
	Token   uint64          // of the question that this answers; 0: it answers none
	Refused *Error          // why the question was not answered; nil: it was, or this answers none
}

// HandleAny has f handle messages of methods that have no handler of their own: for kinds that learn their methods while they run.
// What holds for a handler of Handle holds for f. A reply that is empty is null; one that is no JSON is an error. f answers a method
// that it does not know either with an *Error of CodeUnknown; its Actor may be left out.
func HandleAny[S any](k *KindOf[S], f func(c *Context[S], m Message) (json.RawMessage, error)) {
	if k.others.run != nil {
		panic(fmt.Sprintf("virtual: kind %s has a handler of all methods already", k.name))
	}
	k.others = method{answers: true, run: func(t *Turn, state any, payload []byte) (any, error) {
		m := Message{Method: t.m.Method, Payload: payload}
		if a := t.m.answer; a != nil {
			m.Token, m.Refused = t.m.Seq, a.refused
		}
		c := &Context[S]{Turn: t, State: state.(*S)}
		reply, err := f(c, m)
		return reply, c.settle(state.(*S), err)
	}}
}
