package virtual

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// replyTTL is how long a reply is kept for a call that may be repeated: longer than any caller is patient.
const replyTTL = 10 * time.Minute

// sentTTL is how long a receiver remembers the last message of an actor that sends it some: while the sender's shard is away it is
// not known there that it has arrived. Whoever was away for longer sends it twice.
const sentTTL = 7 * 24 * time.Hour

// staleLimit bounds how often a message is handled anew because its activation knew an old state. Once is what a failover takes.
const staleLimit = 3

// process handles one message, and commits what it has changed.
func (a *activation) process(d *delivery) (body []byte, err error) {
	for range staleLimit {
		if body, err = a.attempt(d); !errors.Is(err, ErrStale) {
			return body, err
		}
		a.loaded = false
	}
	return nil, &shards.Error{Kind: shards.KindUnavailable, Err: err}
}

func (a *activation) attempt(d *delivery) ([]byte, error) {
	if known, body, err := a.prepare(d); known || err != nil {
		return body, err
	}
	t := &Turn{ctx: d.ctx, m: d.m, self: a.id, shard: a.shard, term: a.term, now: time.Now(), host: a.host, kind: a.kind, sent: a.sent}
	state := a.decoded
	a.decoded = nil // until it is known to be good again
	reply, err := a.call(t, state, d.m)
	if t.end != nil {
		t.end()
	}
	if err != nil {
		return nil, a.confirm(err)
	}
	body, err := json.Marshal(reply)
	if err != nil || len(body) > MaxPayload {
		return nil, &Error{a.id, d.m.Method, CodeTooLarge, fmt.Sprintf("its reply has %d bytes, or cannot be written as JSON: %v", len(body), err)}
	}
	value, err := encodeState(max(a.sent, t.last), state)
	if err != nil {
		return nil, &Error{a.id, d.m.Method, CodeTooLarge, err.Error()}
	}
	before := a.stored.Bytes
	if a.stored.Version == 0 {
		before = a.kind.zero
	}
	if !t.leaves() && bytes.Equal(value, before) {
		if err := a.confirm(nil); err != nil {
			return nil, err
		}
		a.decoded = state
		return body, nil
	}
	return body, a.commit(d, t, state, value, body)
}

// confirm lets err pass, or nil, if what the handler has seen is what the actor was then. Else this node was deposed meanwhile, or
// led in another term when the state was read: what it answers would be old.
func (a *activation) confirm(err error) error {
	switch term, lost := a.host.c.Storage.Reign(a.shard); {
	case lost != nil:
		a.loaded = false
		return lost
	case term != a.term:
		return ErrStale
	}
	return err
}

// prepare brings the state into memory, and finds the reply to a message that was handled before.
func (a *activation) prepare(d *delivery) (known bool, body []byte, err error) {
	var keys []string
	if !a.loaded {
		if a.term, err = a.host.c.Storage.Reign(a.shard); err != nil {
			return false, nil, err
		}
		keys = append(keys, a.id.key("s", ""))
	}
	switch {
	case d.m.answer != nil:
		keys = append(keys, d.m.answer.key)
	case d.m.Repeated && d.m.Client != 0:
		keys = append(keys, a.replyKey(d.m))
	}
	if len(keys) > 0 {
		values, err := a.host.c.Storage.Read(d.ctx, a.kind.keyspace, keys)
		if err != nil {
			return false, nil, err
		}
		if !a.loaded {
			a.stored, a.loaded, a.decoded = values[0], true, nil
			a.host.settle(a.shard)
			values = values[1:]
		}
		if len(values) > 0 && d.m.answer != nil {
			if values[0].Version == 0 { // the question is gone: its answer was handled
				return true, nil, nil
			}
		} else if len(values) > 0 {
			if body, known := d.m.answered(values[0].Bytes); known {
				return true, body, nil
			}
		}
	}
	if a.decoded != nil {
		return false, nil, nil
	}
	a.decoded = a.kind.fresh()
	a.sent, err = decodeState(a.stored, a.decoded)
	if err != nil {
		a.decoded = nil
		return false, nil, &Error{a.id, d.m.Method, CodeFailed, err.Error()}
	}
	return false, nil, nil
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
func (a *activation) commit(d *delivery, t *Turn, state any, value, body []byte) error {
	if much := t.tooMuch(); much != "" {
		return &Error{a.id, d.m.Method, CodeTooLarge, much}
	}
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
		ttl := max(replyTTL, 2*a.host.c.Patience)
		if d.m.From.Kind != "" { // an actor may be away for long before it learns that this was handled
			ttl = sentTTL
		}
		ops = append(ops, Op{Key: a.replyKey(d.m), Value: append(binary.LittleEndian.AppendUint64(nil, d.m.Seq), body...), TTL: ttl})
	}
	guards := []Guard{{a.id.key("s", ""), a.stored.Version}}
	set := false
	for _, m := range t.marked {
		guards = append(guards, Guard{m.key, m.Version})
		if m.set {
			ops, set = append(ops, Op{Key: m.key, Value: m.Bytes}), true
		}
	}
	version, err := a.host.c.Storage.Commit(d.ctx, a.kind.keyspace, ops, guards...)
	if set || err != nil {
		a.host.markers.doubt(a.shard, t.marked)
	}
	if err != nil {
		a.loaded = false // whether it was written or not: look again
		if len(t.outbox)+len(t.remind) > 0 {
			a.host.doubted(a.shard)
		}
		return err
	}
	a.stored, a.sent, a.decoded = Stored{value, version}, max(a.sent, t.last), state
	if len(t.outbox)+len(t.remind) > 0 {
		a.host.committed(a.shard, a.id, t.outbox, t.remind)
	}
	return nil
}

func (a *activation) replyKey(m *message) string {
	return a.id.key("r", fmt.Sprintf("/%016x.%d", m.Client, m.Lane))
}

// answered reads a kept reply: it is known if it is to this message, or to a later one of its lane: then nobody waits for this one.
func (m *message) answered(kept []byte) (body []byte, known bool) {
	if len(kept) < 8 {
		return nil, false
	}
	switch seq := binary.LittleEndian.Uint64(kept); {
	case seq == m.Seq:
		return kept[8:], true
	case seq > m.Seq:
		return []byte("null"), true
	}
	return nil, false
}

func encodeState(sent uint64, state any) ([]byte, error) {
	text, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("its state cannot be written as JSON: %w", err)
	}
	if len(text) > MaxPayload {
		return nil, fmt.Errorf("its state has %d bytes; at most %d: keep what is large with Set, key by key", len(text), MaxPayload)
	}
	return append(binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(text)), sent), text...), nil
}

// decodeState reads what encodeState wrote; of an actor that has no state yet it leaves the zero value.
func decodeState(s Stored, state any) (sent uint64, err error) {
	if s.Version == 0 {
		return 0, nil
	}
	if len(s.Bytes) < 8 {
		return 0, fmt.Errorf("its state has %d bytes, which is none", len(s.Bytes))
	}
	if err := json.Unmarshal(s.Bytes[8:], state); err != nil {
		return 0, fmt.Errorf("its state cannot be read as %T: %w", state, err)
	}
	return binary.LittleEndian.Uint64(s.Bytes), nil
}
