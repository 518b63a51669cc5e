package virtual

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// HandleRead adds a method that only reads. It does not wait for its turn: it may run beside others of its sort, and beside a message
// that the actor handles, on what the actor was when that message began. What it sees is whole: state and data of one moment, not
// before the call was made. It holds nobody up, and an actor that hangs still answers it.
//
// It may run on the goroutine that has called (Call), which then comes back when it does, whatever becomes of its context, and ends that if it calls
// runtime.Goexit.
//
// The state is a copy of its own, which costs its decoding. Errors, panics, Req and Resp are as for Handle.
func HandleRead[S, Req, Resp any](k *KindOf[S], name string, f func(c *Reading[S], request Req) (Resp, error)) {
	k.add(name, method{reads: true, run: func(t *Turn, state any, payload []byte) (any, error) {
		request, err := decodeRequest[Req](t, name, payload)
		if err != nil {
			return nil, err
		}
		return f(&Reading[S]{turn: t, State: state.(*S)}, request)
	}})
}

// Reading is what a handler of a method that only reads works with.
type Reading[S any] struct {
	turn  *Turn
	State *S // a copy: what is changed in it is kept nowhere
}

// Self is the actor's name.
func (r *Reading[S]) Self() ID { return r.turn.Self() }

// Sender is the actor that has sent the message; zero if it comes from outside.
func (r *Reading[S]) Sender() ID { return r.turn.Sender() }

// Now is when the handling of the message began, by the clock of the node.
func (r *Reading[S]) Now() time.Time { return r.turn.Now() }

// Context is as Turn.Context.
func (r *Reading[S]) Context() context.Context { return r.turn.Context() }

// Get is as Turn.Get.
func (r *Reading[S]) Get(key string) ([]byte, bool, error) { return r.turn.Get(key) }

// Scan is as Turn.Scan.
func (r *Reading[S]) Scan(prefix string) iter.Seq2[Entry, error] { return r.turn.Scan(prefix) }

// Range is as Turn.Range.
func (r *Reading[S]) Range(s Span) iter.Seq2[Entry, error] { return r.turn.Range(s) }

// Marker is as Turn.Marker.
func (r *Reading[S]) Marker(name string) ([]byte, error) { return r.turn.Marker(name) }

// viewed is what readers see of an activation while it handles messages. They and the activation's goroutine meet here:
//
//	goroutine:  commits++ (odd) │ commit to the shard │ committed = new state │ commits++ (even)
//	reader:     commits, committed ─► handler ─► Reign: is it the term of the state? ─► commits again, if data was read: the same, and even?
//
// A reader whose data may be of another moment than its state runs again, and in the end waits its turn as other messages do.
// One that finds its actor asleep wakes it in its turn, and then reads beside it (errBeside).
type viewed struct {
	committed atomic.Pointer[snapshot] // nil: the state is not known, or was forgotten
	commits   atomic.Uint64
	readers   atomic.Int64
}

// snapshot is a state as it is kept. Nobody changes it.
type snapshot struct {
	term   shards.Term
	stored []byte // nil: there is none yet
}

func (a *activation) snapshot() *snapshot { return &snapshot{a.core.Term(), a.stored} }

// hide ends what readers may see: what they are looking at may change from now on.
func (v *viewed) hide() {
	v.committed.Store(nil)
	v.commits.Add(2)
}

// errBeside says that the actor is in memory by now, so that a method that only reads need not wait, nor hold up those behind it.
var errBeside = errors.New("virtual: the method is to run beside the actor's messages")

// readTries is how often a reader runs again because of commits before it waits its turn.
const readTries = 3

// read has a method that only reads run now; false if it must wait its turn. It runs on the goroutine of its caller, or on one of the host's where
// that is nobody's to end.
func (h *Host) read(ctx context.Context, a *activation, m *message) (body []byte, done bool, err error) {
	if m.here {
		return a.read(ctx, m, nil)
	}
	return h.readBeside(ctx, a, m)
}

// readBeside is read on a goroutine of the host's.
func (h *Host) readBeside(ctx context.Context, a *activation, m *message) (body []byte, done bool, err error) {
	r := &reader{a: a, ctx: ctx, m: m, over: make(chan struct{})}
	if !h.employ(r) {
		return nil, true, errClosed
	}
	select {
	case <-r.over:
		return r.body, r.done, r.err
	case <-ctx.Done():
		return nil, true, ended(ctx, m) // whatever becomes of it, nothing changes
	}
}

// reader is a job: to run a method that only reads.
type reader struct {
	a      *activation
	ctx    context.Context
	m      *message
	over   chan struct{}
	exited error
	body   []byte
	done   bool
	err    error
}

func (r *reader) run() {
	defer close(r.over)
	defer func() {
		if r.exited != nil {
			r.done, r.err = true, r.exited
		}
	}()
	r.body, r.done, r.err = r.a.read(r.ctx, r.m, &r.exited)
}

func (r *reader) cut() {} // run has said so

// read runs a method that only reads, if it need not wait its turn.
func (a *activation) read(ctx context.Context, m *message, exited *error) (body []byte, done bool, err error) {
	if n := a.view.readers.Add(1); n > int64(a.kind.mailbox) {
		a.host.c.Figures.Rejected(a.kind.name, overload)
		err = failed(a.id, m.Method, CodeBusy, fmt.Sprintf("%d messages that only read are being handled; that is its limit", n-1))
	}
	defer a.view.readers.Add(-1)
	if err != nil {
		return nil, true, err
	}
	for range readTries {
		begun := a.view.commits.Load()
		s := a.view.committed.Load()
		if s == nil {
			break
		}
		t, body, err := a.look(ctx, m, s, exited)
		switch term, lost := a.host.c.Storage.Reign(a.shard); {
		case lost != nil:
			return nil, true, lost
		case term != s.term:
			return nil, false, nil
		case t.looked && (begun%2 == 1 || a.view.commits.Load() != begun):
			continue
		}
		a.mu.Lock()
		a.used = time.Now()
		a.mu.Unlock()
		return body, true, err
	}
	return nil, false, nil
}

// look runs a method that only reads on a state as it is kept.
func (a *activation) look(ctx context.Context, m *message, s *snapshot, exited *error) (t *Turn, body []byte, err error) {
	defer a.caught(m.Method, &err)
	t = &Turn{ctx: ctx, m: m, self: a.id, shard: a.shard, term: s.term, now: time.Now(), host: a.host, kind: a.kind, exited: exited}
	state := a.kind.fresh()
	if err := decodeState(s.stored, state); err != nil {
		return t, nil, failed(a.id, m.Method, CodeFailed, err.Error())
	}
	reply, err := a.call(t, state)
	if err != nil {
		return t, nil, err
	}
	body, err = a.encodeReply(m, reply)
	return t, body, err
}
