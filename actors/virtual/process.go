package virtual

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/troupe-actors/troupe/shards"
	rules "github.com/troupe-actors/troupe/shards/activation"
)

// replyTTL is how long a reply is kept for a call that may be repeated: longer than any caller is patient.
const replyTTL = 10 * time.Minute

// sentTTL is how long a receiver remembers the last message of an actor that sends it some: while the sender's shard is away it is
// not known there that it has arrived. Whoever was away for longer sends it twice.
const sentTTL = 7 * 24 * time.Hour

// process handles one message, and commits what it has changed.
func (a *activation) process(d *delivery) (body []byte, err error) {
	for range rules.Tries {
		if body, err = a.attempt(d); !errors.Is(err, ErrStale) {
			return body, err
		}
		a.core.Drop()
	}
	return nil, &shards.Error{Kind: shards.KindUnavailable, Err: err}
}

func (a *activation) attempt(d *delivery) ([]byte, error) {
	if known, body, err := a.prepare(d); known || err != nil {
		return body, err
	}
	t := &Turn{ctx: d.ctx, m: d.m, self: a.id, shard: a.shard, term: a.core.Term(), now: time.Now(), host: a.host, kind: a.kind, numbers: a.core.Numbers()}
	state := a.decoded
	a.decoded = nil // until it is known to be good again
	reply, err := a.call(t, state, d.m)
	if t.end != nil {
		t.end()
	}
	var body, value []byte
	if err == nil {
		body, value, err = a.encode(t, d.m, state, reply)
	}
	var refusal *Error
	if err != nil && !errors.As(err, &refusal) {
		return nil, a.confirm(err) // what it leaned on is not there: somebody else may have what is
	}
	before := a.kept
	if a.core.Version() == 0 {
		before = a.kind.zero
	}
	changed := err == nil && (t.leaves() || !bytes.Equal(value, before))
	switch a.core.Ending(d.m.call(), changed, err != nil) {
	case rules.Confirm:
		err = a.confirm(err)
	case rules.Keep:
		if kept := a.keep(d, body, refusal); kept != nil {
			return nil, kept
		}
	case rules.Commit:
		err = a.commit(d, t, value, body)
	}
	if err != nil {
		return nil, err
	}
	a.decoded = state
	return body, nil
}

// encode gives the reply and the state as they are kept, if what the handler leaves behind is within its bounds.
func (a *activation) encode(t *Turn, m *message, state, reply any) (body, value []byte, err error) {
	body, err = json.Marshal(reply)
	if err != nil || len(body) > MaxPayload {
		return nil, nil, &Error{a.id, m.Method, CodeTooLarge, fmt.Sprintf("its reply has %d bytes, or cannot be written as JSON: %v", len(body), err)}
	}
	if much := t.tooMuch(); much != "" {
		return nil, nil, &Error{a.id, m.Method, CodeTooLarge, much}
	}
	value, err = encodeState(t.numbers.Last(), state)
	if err != nil {
		return nil, nil, &Error{a.id, m.Method, CodeTooLarge, err.Error()}
	}
	return body, value, nil
}

// confirm lets err pass, or nil, if what the handler has seen is what the actor was then. Else this node was deposed meanwhile, or
// led in another term when the state was read: what it answers would be old.
func (a *activation) confirm(err error) error {
	term, lost := a.host.c.Storage.Reign(a.shard)
	switch sure := a.core.Confirm(term, lost == nil); {
	case lost != nil:
		return lost
	case !sure:
		return ErrStale
	}
	return err
}

// prepare brings the state into memory, and finds the reply to a message that was handled before.
func (a *activation) prepare(d *delivery) (known bool, body []byte, err error) {
	call := d.m.call()
	state, reply := a.core.Reads(call)
	var keys []string
	var term shards.Term
	if state {
		if term, err = a.host.c.Storage.Reign(a.shard); err != nil {
			return false, nil, err
		}
		keys = append(keys, a.id.key("s", ""))
	}
	switch {
	case d.m.answer != nil:
		keys = append(keys, d.m.answer.key)
	case reply:
		keys = append(keys, a.replyKey(d.m))
	}
	if len(keys) > 0 {
		values, err := a.host.c.Storage.Read(d.ctx, a.kind.keyspace, keys)
		if err != nil {
			return false, nil, err
		}
		if state {
			if err := a.load(term, values[0]); err != nil {
				return false, nil, &Error{a.id, d.m.Method, CodeFailed, err.Error()}
			}
			values = values[1:]
		}
		switch {
		case d.m.answer != nil:
			if values[0].Version == 0 { // the question is gone: its answer was handled
				return true, nil, nil
			}
		case reply:
			if r, known := call.Answered(values[0].Bytes); known {
				return a.known(d.m, r)
			}
		}
	}
	if a.decoded == nil {
		if a.decoded, err = a.decode(); err != nil {
			return false, nil, &Error{a.id, d.m.Method, CodeFailed, err.Error()}
		}
	}
	return false, nil, nil
}

// load takes the state as it was read by a node that led in a term.
func (a *activation) load(term shards.Term, s Stored) error {
	sent := uint64(0)
	if s.Version != 0 {
		var err error
		if sent, _, err = rules.State(s.Bytes); err != nil {
			return err
		}
	}
	a.core.Loaded(term, s.Version, sent)
	a.kept, a.decoded = s.Bytes, nil
	a.host.settle(a.shard)
	return nil
}

// decode reads the state; of an actor that has none yet it is the zero value.
func (a *activation) decode() (any, error) {
	state := a.kind.fresh()
	if a.core.Version() == 0 {
		return state, nil
	}
	return state, decodeState(a.kept, state)
}

// known answers a message that was handled before as it was answered then.
func (a *activation) known(m *message, r rules.Reply) (bool, []byte, error) {
	switch {
	case r.Code != 0:
		return true, nil, &Error{a.id, m.Method, Code(r.Code), r.Text}
	case r.Body == nil:
		return true, []byte("null"), nil // a later call of the lane has been answered: nobody waits for this one
	}
	return true, r.Body, nil
}

// call runs the handler. A panic is an error of this message, and of nothing else.
func (a *activation) call(t *Turn, state any, m *message) (reply any, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			a.host.c.Log.Error("an actor panicked; nothing of what it did is kept", "actor", a.id.String(), "method", m.Method, "reason", reason, "stack", string(debug.Stack()))
			err = &Error{a.id, m.Method, CodePanicked, fmt.Sprint(reason)}
		}
	}()
	reply, err = a.kind.method(m.Method).run(t, state, m.Payload)
	var own *Error
	switch {
	case err == nil, passing(err):
	case errors.As(err, &own) && own.Actor == ID{}:
		err = &Error{a.id, m.Method, own.Code, own.Text}
	default:
		err = &Error{a.id, m.Method, CodeFailed, err.Error()}
	}
	return reply, err
}

// commit writes state, data, reply, messages and reminders in one step.
func (a *activation) commit(d *delivery, t *Turn, value, body []byte) error {
	ops := append([]Op{{Key: a.id.key("s", ""), Value: value}}, t.ops...)
	ops = append(ops, t.remind...)
	for _, m := range t.outbox {
		kept, err := json.Marshal(m)
		if err != nil {
			return &Error{a.id, d.m.Method, CodeFailed, err.Error()}
		}
		ops = append(ops, Op{Key: a.id.sentKey("o", m.number), Value: kept})
	}
	if d.m.answer != nil {
		ops = append(ops, Op{Key: d.m.answer.key, Delete: true})
	}
	if d.m.Client != 0 {
		ops = append(ops, a.replyOp(d.m, rules.Reply{Body: body}))
	}
	var guards []Guard
	set := false
	for _, m := range t.marked {
		guards = append(guards, Guard{m.key, m.Version})
		if m.set {
			ops, set = append(ops, Op{Key: m.key, Value: m.Bytes}), true
		}
	}
	err := a.write(d, ops, t.numbers.Last(), guards...)
	if set || err != nil {
		a.host.markers.doubt(a.shard, t.marked)
	}
	if err != nil {
		if len(t.outbox)+len(t.remind) > 0 {
			a.host.doubted(a.shard)
		}
		return err
	}
	a.kept = value
	if len(t.outbox)+len(t.remind) > 0 {
		a.host.committed(a.shard, a.id, t.outbox, t.remind)
	}
	return nil
}

// keep writes an answer that leaves nothing else behind, for the earlier try of its message that may be on its way.
func (a *activation) keep(d *delivery, body []byte, refusal *Error) error {
	r := rules.Reply{Body: body}
	if refusal != nil {
		r = rules.Reply{Code: uint8(refusal.Code), Text: refusal.Text}
	}
	return a.write(d, []Op{a.replyOp(d.m, r)}, a.core.Sent())
}

// write commits under the guard of the state, and of others.
func (a *activation) write(d *delivery, ops []Op, sent uint64, others ...Guard) error {
	guards := append([]Guard{{a.id.key("s", ""), a.core.Version()}}, others...)
	version, err := a.host.c.Storage.Commit(d.ctx, a.kind.keyspace, ops, guards...)
	if err != nil {
		a.core.Drop() // whether it was written or not: look again
		return err
	}
	a.core.Committed(version, sent)
	return nil
}

func (a *activation) replyKey(m *message) string {
	return a.id.key("r", fmt.Sprintf("/%016x.%d", m.Client, m.Lane))
}

// replyOp keeps a reply for as long as its call may be repeated.
func (a *activation) replyOp(m *message, r rules.Reply) Op {
	ttl := max(replyTTL, 2*a.host.c.Patience)
	if m.From.Kind != "" { // an actor may be away for long before it learns that this was handled
		ttl = sentTTL
	}
	return Op{Key: a.replyKey(m), Value: rules.AppendReply(nil, m.Seq, r), TTL: ttl}
}

func encodeState(sent uint64, state any) ([]byte, error) {
	text, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("its state cannot be written as JSON: %w", err)
	}
	if len(text) > MaxPayload {
		return nil, fmt.Errorf("its state has %d bytes; at most %d: keep what is large with Set, key by key", len(text), MaxPayload)
	}
	return append(rules.AppendState(make([]byte, 0, 8+len(text)), sent), text...), nil
}

// decodeState reads what encodeState wrote.
func decodeState(kept []byte, state any) error {
	_, text, err := rules.State(kept)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, state); err != nil {
		return fmt.Errorf("its state cannot be read as %T: %w", state, err)
	}
	return nil
}
