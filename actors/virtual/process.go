package virtual

import (
	"bytes"
	"context"
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
		a.unload()
	}
	return nil, &shards.Error{Kind: shards.KindUnavailable, Err: err}
}

func (a *activation) attempt(d *delivery) ([]byte, error) {
	if known, body, err := a.prepare(d); known || err != nil {
		return body, err
	}
	if err := a.wake(d); err != nil {
		return nil, err
	}
	if a.kind.method(d.m.Method).reads {
		_, body, err := a.look(d.ctx, d.m, &snapshot{a.term, a.stored})
		return body, a.confirm(err)
	}
	return a.turn(d.ctx, d.m)
}

// turn runs a handler, and commits what it has changed.
func (a *activation) turn(ctx context.Context, m *message) ([]byte, error) {
	state, err := a.state()
	if err != nil {
		return nil, err
	}
	t := &Turn{ctx: ctx, m: m, self: a.id, shard: a.shard, term: a.term, now: time.Now(), host: a.host, kind: a.kind, sent: a.sent}
	a.decoded = nil // until it is known to be good again
	reply, err := a.call(t, state)
	if err != nil {
		return nil, a.confirm(err)
	}
	body, err := a.encodeReply(m, reply)
	if err != nil {
		return nil, err
	}
	value, err := encodeState(max(a.sent, t.last), state)
	if err != nil {
		return nil, &Error{a.id, m.Method, CodeTooLarge, err.Error()}
	}
	if n := a.tooManyTimers(t); n > 0 {
		return nil, &Error{a.id, m.Method, CodeTooLarge, fmt.Sprintf("it has %d timers; at most %d", n, MaxTimers)}
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
	} else if err := a.commit(t, state, value, body); err != nil {
		return nil, err
	}
	a.setTimers(t)
	return body, nil
}

func (a *activation) encodeReply(m *message, reply any) ([]byte, error) {
	body, err := json.Marshal(reply)
	if err != nil || len(body) > MaxPayload {
		return nil, &Error{a.id, m.Method, CodeTooLarge, fmt.Sprintf("its reply has %d bytes, or cannot be written as JSON: %v", len(body), err)}
	}
	return body, nil
}

// confirm lets err pass, or nil, if what the handler has seen is what the actor was then. Else this node was deposed meanwhile, or
// led in another term when the state was read: what it answers would be old.
func (a *activation) confirm(err error) error {
	switch term, lost := a.host.c.Storage.Reign(a.shard); {
	case lost != nil:
		a.unload()
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
			a.resize()
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
	return false, nil, nil
}

// state is the state as handlers may change it.
func (a *activation) state() (any, error) {
	if a.decoded != nil {
		return a.decoded, nil
	}
	state := a.kind.fresh()
	sent, err := decodeState(a.stored, state)
	if err != nil {
		return nil, &Error{a.id, a.method, CodeFailed, err.Error()}
	}
	a.sent, a.decoded = sent, state
	return state, nil
}

// resize counts what the activation needs now.
func (a *activation) resize() {
	a.mu.Lock()
	defer a.mu.Unlock()
	delta := a.weight() - a.size
	a.size += delta
	a.host.weigh(delta)
}

// publish shows the state to methods that only read.
func (a *activation) publish() {
	if a.kind.reads {
		a.view.committed.Store(&snapshot{a.term, a.stored})
	}
}

// call runs the handler. A panic is an error of this message, and of nothing else.
func (a *activation) call(t *Turn, state any) (reply any, err error) {
	m := t.m
	defer func() {
		if t.end != nil {
			t.end()
		}
		if reason := recover(); reason != nil {
			a.host.c.Log.Error("an actor panicked; nothing of what it did is kept", "actor", a.id.String(), "method", m.Method, "reason", reason, "stack", string(debug.Stack()))
			err = &Error{a.id, m.Method, CodePanicked, fmt.Sprint(reason)}
		}
	}()
	run := a.kind.activated.run
	if m.Event != EventActivate {
		run = a.kind.method(m.Method).run
	}
	reply, err = run(t, state, m.Payload)
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
func (a *activation) commit(t *Turn, state any, value, body []byte) error {
	m := t.m
	if much := t.tooMuch(); much != "" {
		return &Error{a.id, m.Method, CodeTooLarge, much}
	}
	ops := append([]Op{{Key: a.id.key("s", ""), Value: value}}, t.ops...)
	ops = append(ops, t.remind...)
	for _, sent := range t.outbox {
		kept, err := json.Marshal(sent)
		if err != nil {
			return &Error{a.id, m.Method, CodeFailed, err.Error()}
		}
		ops = append(ops, Op{Key: a.id.sentKey("o", sent.number), Value: kept})
	}
	if m.answer != nil {
		ops = append(ops, Op{Key: m.answer.key, Delete: true})
	}
	if m.Client != 0 {
		ttl := max(replyTTL, 2*a.host.c.Patience)
		if m.From.Kind != "" { // an actor may be away for long before it learns that this was handled
			ttl = sentTTL
		}
		ops = append(ops, Op{Key: a.replyKey(m), Value: append(binary.LittleEndian.AppendUint64(nil, m.Seq), body...), TTL: ttl})
	}
	guards := []Guard{{a.id.key("s", ""), a.stored.Version}}
	set := false
	for _, k := range t.marked {
		guards = append(guards, Guard{k.key, k.Version})
		if k.set {
			ops, set = append(ops, Op{Key: k.key, Value: k.Bytes}), true
		}
	}
	a.view.commits.Add(1) // until it is even again readers may see data that the state does not go with
	defer a.view.commits.Add(1)
	version, err := a.host.c.Storage.Commit(t.ctx, a.kind.keyspace, ops, guards...)
	if set || err != nil {
		a.host.markers.doubt(a.shard, t.marked)
	}
	if err != nil {
		a.unload() // whether it was written or not: look again
		if len(t.outbox)+len(t.remind) > 0 {
			a.host.doubted(a.shard)
		}
		return err
	}
	a.stored, a.sent, a.decoded = Stored{value, version}, max(a.sent, t.last), state
	a.resize()
	if a.awake { // else OnActivate has just been told, and a.wake publishes
		a.publish()
	}
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
