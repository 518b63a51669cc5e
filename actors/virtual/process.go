package virtual

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
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
	if !a.kind.holds { // else it is not known yet
		d.begin()
	}
	for range rules.Tries {
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
	if len(a.open) > 0 && !a.passes(d) {
		return nil, a.confirm(d.ctx, d.m, errHeld)
	}
	if a.kind.holds {
		d.begin()
	}
	if d.m.mend == nil && a.kind.method(d.m.Method).reads {
		if !d.turn && d.from == nil {
			return nil, errBeside
		}
		_, body, err := a.look(d.ctx, d.m, a.snapshot(), &a.exited)
		return body, a.confirm(d.ctx, d.m, err)
	}
	return a.turn(d.ctx, d.m)
}

// turn runs a handler, and commits what it has changed.
func (a *activation) turn(ctx context.Context, m *message) ([]byte, error) {
	state, err := a.state()
	if err != nil {
		return nil, err
	}
	t := &Turn{ctx: ctx, m: m, self: a.id, shard: a.shard, term: a.core.Term(), now: time.Now(), host: a.host, kind: a.kind, numbers: a.core.Numbers(), exited: &a.exited}
	a.decoded = nil // until it is known to be good again
	reply, err := a.call(t, state)
	var body, value []byte
	if err == nil {
		body, value, err = a.encode(t, state, reply)
	}
	refusal, refused := errors.AsType[*Error](err)
	if err != nil && (!refused || unhandled(err) || t.postponed && m.named()) {
		return nil, a.confirm(ctx, m, err) // what it leaned on is not there: somebody else may have what is. No answer is kept: the message may come again
	}
	value, differs := a.amend(t, value)
	changed := err == nil && (t.leaves() || differs || t.cleared && a.stored != nil && !a.expires)
	switch a.core.Ending(m.call(), changed, err != nil) {
	case rules.Confirm:
		err = a.confirm(ctx, m, err)
	case rules.Keep:
		if kept := a.keep(t, body, refusal); kept != nil {
			return nil, kept
		}
	case rules.Commit:
		if err = a.commit(t, value, body); err == nil {
			a.foreign = a.foreign && !differs
		}
	}
	if err != nil {
		return nil, err
	}
	a.decoded = state
	a.setTimers(t)
	return body, nil
}

// before is the state as it is kept; of an actor that keeps none it is the zero state.
func (a *activation) before() []byte {
	if a.stored == nil {
		return a.kind.zero
	}
	return a.stored
}

// amend gives the state as it is to be kept, and says whether the handler has changed it. What another release has written may say the same in other
// words, or more than this one knows: it stays as it is until a handler changes what this one knows of it.
func (a *activation) amend(t *Turn, value []byte) (keep []byte, changed bool) {
	before := a.before()
	if bytes.Equal(value, before) || value == nil || !a.foreign || t.cleared {
		return value, !bytes.Equal(value, before)
	}
	defer func() {
		if recover() != nil { // the state from before can be read, and not written
			keep, changed = value, true
		}
	}()
	state := a.kind.fresh()
	_, text, err := rules.State(a.stored)
	if err = errors.Join(err, decodeState(a.stored, state)); err != nil {
		return value, true
	}
	if known, err := encodeState(t.numbers.Last(), state, value); err != nil || !bytes.Equal(value, known) {
		return value, true
	}
	return append(rules.AppendState(make([]byte, 0, 8+len(text)), t.numbers.Last()), text...), false
}

// encode gives the reply and the state as they are kept, if what the handler leaves behind is within its bounds.
func (a *activation) encode(t *Turn, state, reply any) (body, value []byte, err error) {
	defer a.caught(t.m.Method, &err)
	if body, err = a.encodeReply(t.m, reply); err != nil {
		return nil, nil, err
	}
	if much := t.tooMuch(); much != "" {
		return nil, nil, failed(a.id, t.m.Method, CodeTooLarge, much)
	}
	if n := a.tooManyTimers(t); n > 0 {
		return nil, nil, failed(a.id, t.m.Method, CodeTooLarge, fmt.Sprintf("it has %d timers; at most %d", n, MaxTimers))
	}
	value, err = encodeState(t.numbers.Last(), state, a.before())
	if own, is := errors.AsType[*Error](err); is {
		return nil, nil, failed(a.id, t.m.Method, own.Code, own.Text)
	}
	return body, value, err
}

func (a *activation) encodeReply(m *message, reply any) ([]byte, error) {
	body, err := writeJSON(reply)
	if err != nil {
		return nil, failed(a.id, m.Method, CodeFailed, fmt.Sprintf("its reply cannot be written as JSON: %v", err))
	}
	if len(body) > MaxPayload {
		return nil, failed(a.id, m.Method, CodeTooLarge, fmt.Sprintf("its reply has %d bytes; at most %d", len(body), MaxPayload))
	}
	return body, nil
}

// confirm lets err pass, or nil, if what the handler has seen is what the actor was then. Else this node was deposed meanwhile, or
// led in another term when the state was read, or a write of which it knew nothing has come to be: what it answers would be old.
func (a *activation) confirm(ctx context.Context, m *message, err error) error {
	patient, cancel := m.patient(ctx)
	defer cancel()
	if old := a.unchanged(patient); old != nil {
		return old
	}
	term, lost := a.host.c.Storage.Reign(a.shard)
	switch sure := a.core.Confirm(term, lost == nil); {
	case lost != nil:
		a.unload()
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
	keys := d.keys[:0]
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
		keys = append(keys, a.id.replyKey(d.m.Client, d.m.Lane))
	}
	if len(keys) > 0 {
		ctx, cancel := d.m.patient(d.ctx)
		values, err := a.host.c.Storage.Read(ctx, a.kind.keyspace, keys)
		cancel()
		if err != nil {
			return false, nil, err
		}
		if state {
			if err := a.load(term, values[0]); err != nil {
				return false, nil, failed(a.id, d.m.Method, CodeFailed, err.Error())
			}
			if a.kind.holds {
				if err := a.loadQuestions(d.ctx); err != nil {
					a.unload()
					return false, nil, err
				}
			}
			values = values[1:]
		}
		switch {
		case d.m.answer != nil:
			if values[0].Version == 0 { // the question is gone: its answer was handled, or set aside
				delete(a.open, d.m.Seq)
				if strings.HasPrefix(d.m.answer.key, "a/") { // another has sent it again, or dropped it
					return false, nil, ErrNotAside
				}
				return true, nil, nil
			}
		case reply:
			if r, known := call.Answered(values[0].Bytes); known {
				return a.known(d.m, r)
			}
		}
	}
	return false, nil, nil
}

// state is the state as handlers may change it; of an actor that has none yet it is the zero value.
func (a *activation) state() (_ any, err error) {
	defer a.caught(a.method, &err)
	if a.decoded == nil {
		state := a.kind.fresh()
		if err := decodeState(a.stored, state); err != nil {
			return nil, failed(a.id, a.method, CodeFailed, err.Error())
		}
		a.decoded = state
	}
	return a.decoded, nil
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
	if a.kind.reads && !a.unsure { // else readers wait for their turn
		a.view.committed.Store(a.snapshot())
	}
}

// load takes the state as it was read by a node that led in a term.
func (a *activation) load(term shards.Term, s Stored) error {
	sent := uint64(0)
	a.stored, a.decoded, a.expires, a.foreign = nil, nil, s.Expires, s.Version != 0
	if s.Version != 0 {
		var err error
		if sent, _, err = rules.State(s.Bytes); err != nil {
			return err
		}
		a.stored = s.Bytes
	}
	a.core.Loaded(term, s.Version, sent)
	a.unsure = a.host.unsure.awaits(a.id, term, s.Version)
	a.resize()
	a.host.settle(a.shard, a.id)
	return nil
}

// known answers a message that was handled before as it was answered then.
func (a *activation) known(m *message, r rules.Reply) (bool, []byte, error) {
	switch {
	case r.Code != 0:
		return true, nil, failed(a.id, m.Method, Code(r.Code), "").heard(r.Text)
	case r.Body == nil:
		return true, []byte("null"), nil // a later call of the lane has been answered: nobody waits for this one
	}
	return true, r.Body, nil
}

// call runs the handler. A panic is an error of this message, and of nothing else. So is the end of the goroutine, if it is the host's own: its
// next comes here again.
func (a *activation) call(t *Turn, state any) (reply any, err error) {
	m := t.m
	if t.exited != nil && *t.exited != nil {
		err, *t.exited = *t.exited, nil
		return nil, err
	}
	returned := false
	defer func() {
		t.over.Store(true)
		if t.end != nil {
			t.end()
		}
		reason := recover()
		left := reason == nil && !returned
		if left {
			reason = "it has ended its goroutine (runtime.Goexit, which t.FailNow and t.SkipNow call): return an error instead"
		}
		if reason == nil {
			return
		}
		a.host.c.Log.ErrorContext(t.ctx, "an actor panicked; nothing of what it did is kept", "actor", a.id.String(), "method", m.Method, "reason", reason, "stack", string(debug.Stack()))
		err = failed(a.id, m.Method, CodePanicked, fmt.Sprint(reason))
		if left && t.exited != nil {
			*t.exited = err
		}
	}()
	run := a.kind.activated.run
	switch m.Event {
	case EventActivate:
	case eventMend:
		run = func(t *Turn, _ any, _ []byte) (any, error) { return nil, m.mend(t) }
	default:
		run = a.kind.method(m.Method).run
	}
	reply, err = run(t, state, m.Payload)
	returned = true
	if err == nil || t.putOff(err) {
		return reply, err
	}
	switch own, is := errors.AsType[*Error](err); {
	case t.stopped():
		err = errClosed
	case t.abandonedBy(err):
		err = ended(t.ctx, m)
	case is && own.Actor == ID{}:
		err = &Error{a.id, m.Method, own.Code, own.around(err), own.Reason}
	default:
		err = failed(a.id, m.Method, CodeFailed, err.Error())
	}
	return reply, err
}

// stopped says whether the handler may have failed since it was told that the node stops: it has changed nothing, and the actor's next node can
// handle the message.
func (t *Turn) stopped() bool { return t.given != nil && t.host.ctx.Err() != nil }

// abandonedBy says whether the handler has failed since nobody waits for the message any more: it has watched Context, say. What actors have
// sent, and reminders, come again: to them a handler that takes too long has failed.
func (t *Turn) abandonedBy(err error) bool {
	over := t.ctx.Err()
	return over != nil && errors.Is(err, over) && !(t.m.chore() && (over == context.DeadlineExceeded || t.due()))
}

// due says that the time of the message is up: its sender may be the first to notice, and then its node ends the context here.
func (t *Turn) due() bool {
	deadline, has := t.ctx.Deadline()
	return has && time.Until(deadline) < aMoment
}

// commit writes state, data, reply, messages and reminders in one step.
func (a *activation) commit(t *Turn, value, body []byte) error {
	m := t.m
	kept := a.stateOp(value, t.clears())
	ops := append([]Op{kept}, t.ops...)
	ops = append(ops, t.remind...)
	for _, sent := range t.outbox {
		text, err := withPayloads(sent)
		if err != nil {
			return failed(a.id, m.Method, CodeFailed, err.Error())
		}
		ops = append(ops, Op{Key: a.id.sentKey("o", sent.number), Value: text})
	}
	if m.answer != nil {
		ops = append(ops, Op{Key: m.answer.key, Delete: true})
	}
	for _, token := range t.abandoned {
		ops = append(ops, Op{Key: a.id.sentKey("o", token), Delete: true})
	}
	if m.Client != 0 {
		ops = append(ops, a.replyOp(m, rules.Reply{Body: body}))
	}
	var guards []Guard
	set := false
	for _, k := range t.marked {
		guards = append(guards, Guard{k.key, k.Version})
		if k.set {
			ops, set = append(ops, Op{Key: k.key, Value: k.Bytes}), true
		}
	}
	a.view.commits.Add(1) // until it is even again readers may see data that the state does not go with
	defer a.view.commits.Add(1)
	err := a.write(t, ops, t.numbers.Last(), guards...)
	if set || err != nil {
		a.host.markers.doubt(a.shard, t.term, t.marked, set && err != nil && CodeOf(err) == 0 && perhaps(err))
	}
	if err != nil {
		if len(t.outbox)+len(t.remind) > 0 {
			a.host.doubted(a.shard, a.id)
		}
		return err
	}
	a.stored, a.expires = value, kept.TTL > 0
	if a.open != nil {
		a.asked(t)
	}
	a.resize()
	if a.awake { // else OnActivate has just been told, and a.wake publishes
		a.publish()
	}
	if len(t.outbox)+len(t.remind) > 0 {
		a.host.committed(a.shard, a.id, t.outbox, t.remind)
	}
	return nil
}

// keep writes an answer that leaves nothing else behind, for the earlier try of its message that may be on its way. The state is written as it
// is, so that its version rises: one that is to go still goes, and so does that of an actor that had none.
func (a *activation) keep(t *Turn, body []byte, refusal *Error) error {
	r := rules.Reply{Body: body}
	if refusal != nil {
		r = rules.Reply{Code: uint8(refusal.Code), Text: refusal.said()}
	}
	value := a.before()
	ops := []Op{a.replyOp(t.m, r)}
	if value != nil { // else no state of this kind can be written, and none ever is
		ops = append([]Op{a.stateOp(value, a.stored == nil || a.expires)}, ops...)
	}
	err := a.write(t, ops, a.core.Sent())
	if err == nil && value != nil {
		a.stored, a.expires = value, ops[0].TTL > 0
		if a.awake {
			a.publish()
		}
	}
	return err
}

// write commits under the guard of the state, and of others. What the shard can never take is an error of the message.
func (a *activation) write(t *Turn, ops []Op, sent uint64, others ...Guard) error {
	guards := append([]Guard{{a.id.key("s", ""), a.core.Version()}}, others...)
	ctx, cancel := t.m.patient(t.ctx)
	defer cancel()
	version, err := a.host.c.Storage.Commit(ctx, a.kind.keyspace, ops, guards...)
	if err != nil {
		never := final(t.ctx, err)
		if !never && perhaps(err) {
			a.host.unsure.note(a.id, pending{a.shard, a.core.Term(), a.core.Version()})
		}
		a.unload() // whether it was written or not: look again
		if never {
			return failed(a.id, t.m.Method, CodeFailed, fmt.Sprintf("what it keeps, its shard cannot: %v", err))
		}
		return err
	}
	a.core.Committed(version, sent)
	if a.unsure {
		a.unsure = false
		a.host.unsure.settled(a.id)
	}
	return nil
}

// replyOp keeps a reply for as long as its call may be repeated.
func (a *activation) replyOp(m *message, r rules.Reply) Op {
	ttl := max(replyTTL, 2*a.host.c.Patience)
	if m.From.Kind != "" { // an actor may be away for long before it learns that this was handled
		ttl = sentTTL
	}
	return Op{Key: a.id.replyKey(m.Client, m.Lane), Value: rules.AppendReply(nil, m.Seq, r), TTL: ttl}
}

// decodeState reads what encodeState wrote; of an actor that has no state yet, nil, it leaves the zero value.
func decodeState(kept []byte, state any) error {
	if kept == nil {
		return nil
	}
	_, text, err := rules.State(kept)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, state); err != nil {
		return fmt.Errorf("its state cannot be read as %T: %w", state, err)
	}
	return nil
}
