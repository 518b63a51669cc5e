package virtual

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards"
	rules "github.com/troupe-actors/troupe/shards/activation"
)

// Turn is the handling of one message. It belongs to the handler until that returns: who uses it later, on a goroutine that the handler has left
// behind, has an error, or a line in the log where there is none to return, and nothing is done. What is set, sent and reminded takes effect
// together with the change of the state, or not at all.
//
// One goroutine at a time uses a Turn, a Context or a Reading. Goroutines that a handler starts and waits for hand it what they have found, and it
// sets and sends that: where two of them do so themselves, Go may end the whole process (concurrent map writes).
type Turn struct {
	ctx     context.Context
	m       *message
	self    ID
	shard   shards.ShardID
	term    shards.Term
	now     time.Time
	host    *Host
	kind    *Kind
	numbers rules.Numbers // of messages and reminders
	size    int           // bytes that are kept so far
	passes  []error       // what the handler was told of what may be gone when it runs again, and elsewhere
	exited  *error        // where it is kept what becomes of the message if the handler ends the host's goroutine; nil: the goroutine is the caller's
	excess  string        // which bound a key has passed; empty: none has
	ops     []Op          // data, in the order in which it was changed first
	outbox  []outgoing
	remind  []Op
	marked  []*marked
	timers  map[string]*timerChange // nil: the timer is stopped
	looked  bool                    // at data that others may change
	cleared bool                    // see Context.Clear
	touched map[string]int          // data that the handler has changed: where in ops

	postponed bool // see Postpone

	given context.Context // what Context gave, and what ends it
	end   func()

	abandoned []uint64 // questions that are not waited for any more

	over atomic.Bool // the handler has returned
}

// Bounds of what one message may do.
const (
	MaxOps     = 4096     // changes of data, of reminders, and questions abandoned
	MaxSends   = 1024     // messages to other actors
	MaxPayload = 4 << 20  // bytes of a request, of a reply, of a state
	MaxKept    = 8 << 20  // bytes of data, messages and reminders that one message leaves behind
	MaxKey     = 60 << 10 // bytes of a key of data, and of the names of reminders and markers
)

// Self is the actor's name.
func (t *Turn) Self() ID { return t.self }

// Now is when the handling of the message began, by the clock of the node.
func (t *Turn) Now() time.Time { return t.now }

// Context ends when nobody waits for the reply any more, when the node stops, and when the handler returns. What the handler has
// changed is kept nevertheless, unless it returns an error. If that is because the context has ended, the message has not been refused: of a
// node that stops it is handled by the next, and a caller who waits no more gets the error of its own context.
//
// A Call with this context, or one made from it, is refused. With any other it is not known to come from a handler: one to the actor itself,
// or in a circle, then waits behind the message that makes it, and is refused as busy after 10 to 20 s.
func (t *Turn) Context() context.Context {
	if t.over.Load() {
		return noContext
	}
	if t.given == nil {
		ctx, cancel := context.WithCancel(context.WithValue(t.ctx, turnKey{}, t.self))
		stop := context.AfterFunc(t.host.ctx, cancel)
		t.given, t.end = ctx, func() { stop(); cancel() }
	}
	return t.given
}

// turnKey marks contexts of handlers with the ID of their actor.
type turnKey struct{}

// number gives the next of the numbers by which receivers know messages that they have seen.
func (t *Turn) number() uint64 { return t.numbers.Next(t.now.UnixMicro()) }

func (t *Turn) dataKey(key string) string { return t.self.key("d", "/"+key) }

// Get reads what the actor has set under a key; false if there is nothing.
func (t *Turn) Get(key string) ([]byte, bool, error) {
	if err := t.used(); err != nil {
		return nil, false, err
	}
	if at, touched := t.touched[key]; touched {
		return bytes.Clone(t.ops[at].Value), !t.ops[at].Delete, nil
	}
	if text := tooLong("the key", key); text != "" {
		return nil, false, refuse(CodeTooLarge, "%s", text)
	}
	t.looked = true
	ctx, cancel := t.m.patient(t.ctx)
	defer cancel()
	values, err := t.host.c.Storage.Read(ctx, t.kind.keyspace, []string{t.dataKey(key)})
	if err != nil {
		return nil, false, t.told(err)
	}
	return values[0].Bytes, values[0].Version != 0, nil
}

// Set keeps a value under a key. Keys are ordered: see Scan and Range. With a key of more than MaxKey bytes, or beyond the other bounds of one
// message, the message is refused when its handler returns: CodeTooLarge.
func (t *Turn) Set(key string, value []byte) {
	if t.late("Set") {
		return
	}
	if t.excess == "" {
		t.excess = tooLong("the key", key)
	}
	t.change(key, Op{Key: t.dataKey(key), Value: bytes.Clone(value)})
}

// Delete removes a key; one that is not there is no error.
func (t *Turn) Delete(key string) {
	if tooLong("", key) == "" && !t.late("Delete") { // if it is too long nothing can be there
		t.change(key, Op{Key: t.dataKey(key), Delete: true})
	}
}

// tooLong says that a key is too long for the store, whatever the name of its actor; empty: it is not.
func tooLong(what, key string) string {
	if len(key) <= MaxKey {
		return ""
	}
	return fmt.Sprintf("%s %.32q… has %d bytes; at most %d", what, key, len(key), MaxKey)
}

func (t *Turn) change(key string, op Op) {
	t.size += len(op.Key) + len(op.Value)
	if at, touched := t.touched[key]; touched {
		t.size -= len(t.ops[at].Key) + len(t.ops[at].Value)
		t.ops[at] = op
		return
	}
	if t.touched == nil {
		t.touched = map[string]int{}
	}
	t.touched[key] = len(t.ops)
	t.ops = append(t.ops, op)
}

// leaves says whether the handler leaves anything behind but a changed state.
func (t *Turn) leaves() bool {
	return len(t.ops)+len(t.remind)+len(t.outbox)+len(t.abandoned) > 0 || t.m.answer != nil || slices.ContainsFunc(t.marked, func(m *marked) bool { return m.set })
}

// tooMuch says which bound the handler has passed; empty: none.
func (t *Turn) tooMuch() string {
	switch n := len(t.ops) + len(t.remind) + len(t.abandoned); {
	case t.excess != "":
		return t.excess
	case n > MaxOps:
		return fmt.Sprintf("it changes %d keys, reminders and questions; at most %d in one message", n, MaxOps)
	case t.size > MaxKept:
		return fmt.Sprintf("what it keeps and sends has %d bytes; at most %d in one message", t.size, MaxKept)
	}
	return ""
}

// told notes an error that the handler is given. If it returns that, and the reason may pass, its message has not been refused: it is tried again.
// An error of the same kind that the handler has from elsewhere is a refusal.
func (t *Turn) told(err error) error {
	if (passing(err) || short(err)) && !t.over.Load() {
		t.passes = append(t.passes, err)
	}
	return err
}

// Later makes an error with which a handler puts its message off: what it needs of this node is not there yet. The message is tried again, perhaps
// on another node, for as long as if its shard had no primary.
func (t *Turn) Later(format string, args ...any) error {
	return t.told(&shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf(format, args...)})
}

// Postpone makes an error with which a handler refuses a message that can be handled only once somebody has acted, and then will be: what comes
// again by itself (messages and questions of actors, answers, reminders) is tried again, every 30 s in the end, for as long as it takes, and is never set
// aside. A call, and what is told from outside, is refused at once: CodeFailed.
func (t *Turn) Postpone(format string, args ...any) error {
	if t.m.chore() {
		return refuse(codeUnready, format, args...)
	}
	if !t.over.Load() {
		t.postponed = true
	}
	return refuse(CodeFailed, format, args...)
}

// putOff says whether a handler has returned an error that this turn has told it of.
func (t *Turn) putOff(err error) bool {
	return slices.ContainsFunc(t.passes, func(told error) bool { return errors.Is(err, told) })
}

func (t *Turn) yield(key string, yield func(Entry, error) bool) bool {
	op := &t.ops[t.touched[key]]
	return op.Delete || yield(Entry{key, bytes.Clone(op.Value)}, nil)
}

// outgoing is a message to another actor, as it is kept until that has handled it.
type outgoing struct {
	number  uint64
	To      ID
	Method  string
	Payload json.RawMessage
	Answer  string `json:",omitempty"` // the method of the sender that takes the reply; empty: none does
	Trace   []byte `json:",omitempty"` // a tracing.Carrier, if the message that its sender handled is traced
}

// Tell sends a message to another actor, or to this one. It is delivered after this message has been committed, in the order of
// the sends to that actor, and handled once even if nodes die. Nobody waits for it: its reply goes nowhere. One that is refused is
// tried a few times and then set aside (Host.Aside, Host.Redrive), so that those behind it come: in 1.5 s if its handler fails, in some 6 min if the
// receiver is busy, or knows no such kind or method yet (MOVING.md has them all). An ID that is none, and a name or method that is no UTF-8, are errors.
func (t *Turn) Tell(to ID, method string, request any) error {
	_, err := t.send(to, method, request, "")
	return err
}

// send notes a message that is sent with the commit, and gives its number.
func (t *Turn) send(to ID, method string, request any, replyMethod string) (uint64, error) {
	if err := t.used(); err != nil {
		return 0, err
	}
	if err := cmp.Or(to.validate(), notText("the name of actor", to.String()), notText("the method", method)); err != nil {
		return 0, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	if len(t.outbox) >= MaxSends {
		return 0, refuse(CodeTooLarge, "it sends more than %d messages while it handles one", MaxSends)
	}
	payload, err := payloadOf(request)
	if err != nil {
		return 0, fmt.Errorf("virtual: a message to %s: %w", to, err)
	}
	if len(payload) > MaxPayload {
		return 0, refuse(CodeTooLarge, "a message to %s has %d bytes; at most %d", to, len(payload), MaxPayload)
	}
	t.size += len(payload) + len(method)
	m := outgoing{number: t.number(), To: to, Method: method, Payload: payload, Answer: replyMethod}
	if traces := t.host.c.Messages; traces.Busy() {
		if c := traces.Carried(t.ctx); c.Valid() {
			m.Trace = c.Append(nil)
		}
	}
	t.outbox = append(t.outbox, m)
	return m.number, nil
}

// reminder is a message of an actor to itself that is to come.
type reminder struct {
	rules.Reminder
	Method  string
	Payload json.RawMessage
}

// Remind has the actor get a message after a while, at once if after is 0 or less, and then again and again if every is above 0: every
// second at most, more often is refused (a timer can, see SetTimer). Reminders survive failovers and restarts; those that came due meanwhile
// come as one. The same name, of at most MaxKey bytes, replaces a reminder. A method that the kind has not, or that takes answers, is refused.
func (t *Turn) Remind(name string, after, every time.Duration, method string, request any) error {
	if err := t.used(); err != nil {
		return err
	}
	switch m := t.kind.methods[method]; {
	case t.kind.method(method).run == nil:
		return fmt.Errorf("virtual: reminder %s: kind %s has no method %q", name, t.kind.name, method)
	case m.answers:
		return fmt.Errorf("virtual: reminder %s: method %q of kind %s takes answers only", name, method, t.kind.name)
	}
	if text := tooLong("the name of reminder", name); text != "" {
		return refuse(CodeTooLarge, "%s", text)
	}
	payload, err := payloadOf(request)
	if err != nil {
		return fmt.Errorf("virtual: reminder %s of %s: %w", name, t.self, err)
	}
	if every != 0 && every < time.Second {
		return fmt.Errorf("virtual: reminder %s of %s comes every %v; once a second is the most", name, t.self, every)
	}
	value, err := withPayloads(reminder{rules.Reminder{Number: t.number(), Due: t.now.Add(max(after, 0)).UnixMilli(), Every: every.Milliseconds()}, method, payload})
	if err != nil {
		return err
	}
	t.reminding(Op{Key: t.self.key("m", "/"+name), Value: value})
	return nil
}

// Forget takes a reminder back; one that is not there is no error.
func (t *Turn) Forget(name string) {
	if tooLong("", name) == "" && !t.late("Forget") {
		t.reminding(Op{Key: t.self.key("m", "/"+name), Delete: true})
	}
}

func (t *Turn) reminding(op Op) {
	t.size += len(op.Key) + len(op.Value)
	t.remind = append(t.remind, op)
}
