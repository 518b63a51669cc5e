package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// session is a stream that another node opened to this one: what it sends is received or served here.
//
//	hello ─► judged ─┬─ reject
//	                 └─ welcome ─► reading until the stream ends or is cut
//
// A stream of the same peer and class replaces the one before, and reads only when that one's reader has ended: so that
// Receive is never called twice at a time for one class, and in order.
type session struct {
	t      *Transport
	remote string // address of the other end, as far as known
	lane   *lane
	intake *intake // set by read
	stream stream

	peer    Hello // set once, by introduce, which others than the session look at under sessions' lock
	purpose Class

	once   sync.Once
	cause  error
	over   chan struct{} // closed when cut
	reader chan struct{} // closed when nothing is read any more
	ended  chan struct{} // closed when nothing of it runs any more
	before *session      // the one it replaces, until that has ended

	ctx    context.Context // of what is served for it
	cancel context.CancelFunc
	mu     sync.Mutex
	active int
	calls  map[uint64]*request // all that were begun and not answered
	queue  []*request          // those that wait for one of Config.Serving places
	idle   []chan *request     // of workers that have nothing to do, the one that had last at the end
	shut   bool                // no worker waits for more
	served sync.WaitGroup
}

// request is a call that another node made.
type request struct {
	id     uint64
	kind   Kind
	body   []byte
	size   int   // of its frames, to be granted again when it is served
	refuse error // it is not served, and why
	from   tracing.Carrier
	ctx    callContext
	begun  bool // it has a place
	left   bool // nobody waits for it, nor for its worker: its place is another's
}

var (
	errReplaced = errors.New("transport: the peer opened another stream in its place")
	errQuiet    = errors.New("transport: no introduction in time")
	errTooMany  = errors.New("too many calls wait; try again")

	errTooManyStreams = errors.New("transport: too many streams are open; try again")
)

// mostIdle bounds the workers of one session that wait for another call. One that has served has a stack that is large enough, which a new
// goroutine would have to grow.
const mostIdle = 64

// mostRequests bounds the calls of one peer that wait for a place, beside the bytes that their bodies may take.
const mostRequests = 16 << 10

// accept runs a stream that was opened from outside until it ends, and returns why.
func (t *Transport) accept(s stream, remote string) error {
	ctx, cancel := context.WithCancel(context.Background())
	in := &session{
		t: t, remote: remote, stream: s, ctx: ctx, cancel: cancel, calls: map[uint64]*request{},
		over: make(chan struct{}), reader: make(chan struct{}), ended: make(chan struct{}),
	}
	in.lane = newLane(s, leastWindow, in.cut)
	in.lane.silent = func() bool { return t.deafTo(in.peer.Node, true) }
	if !t.sessions.begin(in) {
		return errTooManyStreams
	}
	go func() {
		defer t.sessions.end(in)
		in.run()
	}()
	<-in.over
	return in.cause
}

// cut ends the session, with the first cause that comes.
func (in *session) cut(cause error) {
	in.once.Do(func() {
		in.cause = cause
		in.lane.end() // first: what is served fails now, and the caller shall hear that the peer is gone
		in.cancel()
		close(in.over)
	})
}

func (in *session) run() {
	defer close(in.ended)
	late := time.AfterFunc(in.t.config.Timeout, func() { in.cut(errQuiet) })
	err := in.shake()
	late.Stop()
	if err == nil {
		err = in.read()
	}
	in.cut(err)
	close(in.reader)
	in.dismiss()
	in.served.Wait()
	in.lane.drains.Wait()
}

// shake reads the hello and answers it.
func (in *session) shake() error {
	message, err := in.stream.recv()
	if err != nil {
		return err
	}
	f, err := firstFrame(message)
	if err == nil && f.form != formHello {
		err = fmt.Errorf("%w: a frame of form %d instead of a hello", errMalformed, f.form)
	}
	if err != nil {
		return in.malformed(err)
	}
	self := in.t.self()
	i, err := decodeIntroduction(f.body, self.Format)
	if err != nil {
		return in.malformed(err)
	}
	in.t.sessions.introduce(in, i.hello, i.purpose)
	if err := in.t.silenceOf(in.over, i.hello.Node); err != nil {
		return err
	}
	if reason := in.t.admit(in); reason != "" {
		reject := introduction{window: in.t.config.Window, hello: in.t.self(), reason: reason}
		in.t.noteOnce(slog.LevelWarn, refusedNote, naming(in.peer), reason, in.remote)
		if err := in.stream.send(single(&frame{form: formReject, body: reject.encode()})); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", ErrRejected, reason)
	}
	if before := in.before; before != nil {
		before.cut(errReplaced)
		select {
		case <-before.reader:
		case <-in.over:
			return in.cause
		}
		in.before = nil
	}
	in.lane.open(i.window)
	welcome := introduction{purpose: i.purpose, window: in.t.config.Window, hello: self, features: featureCarriers}
	return in.stream.send(single(&frame{form: formWelcome, body: welcome.encode()}))
}

func (in *session) malformed(err error) error {
	in.t.counted.malformed.Add(1)
	in.t.noteOnce(slog.LevelWarn, refusedNote, host(in.remote), "it does not introduce itself as a node does", in.remote)
	return err
}

// read takes what arrives until the stream ends.
func (in *session) read() error {
	in.intake = newIntake(in.t, in.lane, func() bool { return in.t.deafTo(in.peer.Node, false) })
	in.intake.tooLong = func(f *frame) {
		if f.form == formRequest && in.calling() {
			text := fmt.Sprintf("the request is larger than the %d bytes that node %s takes", in.t.config.MaxBody, naming(in.t.self()))
			in.begin(f, 0, tracing.Carrier{}, failed(shards.KindInvalid, text))
		}
	}
	in.intake.dispatch = func(f *frame, size int) bool { return in.dispatch(f, size) }
	for {
		message, err := in.stream.recv()
		if err != nil {
			return err
		}
		select {
		case <-in.over: // nothing is received after the cut
			message.Free()
			return in.cause
		default:
			in.intake.take(message)
		}
	}
}

func (in *session) calling() bool { return in.purpose == Call || in.purpose == visit }

func (in *session) dispatch(f *frame, size int) (kept bool) {
	calling := in.calling()
	from, ok := f.uncarry()
	switch {
	case !ok:
		in.t.counted.malformed.Add(1)
	case f.form == formMessage && !calling && f.kind.Known() && f.traced && in.t.config.ReceiveTraced != nil:
		in.t.config.ReceiveTraced(in.peer, in.purpose, f.kind, f.body, from)
	case f.form == formMessage && !calling && f.kind.Known():
		in.t.config.Receive(in.peer, in.purpose, f.kind, f.body)
	case f.form == formRequest && calling && f.kind.Known():
		return in.begin(f, size, from, nil)
	case f.form == formRequest && calling:
		in.t.counted.unknown.Add(1)
		text := fmt.Sprintf("node %s does not know calls of %s; it may be of an older release", naming(in.t.self()), f.kind)
		return in.begin(f, size, from, failed(shards.KindInvalid, text))
	case f.form == formCancel && calling:
		in.abandon(f.id)
	default:
		in.t.counted.unknown.Add(1)
	}
	return false
}

// begin serves a call, or refuses it: now, or as soon as there is a place.
func (in *session) begin(f *frame, size int, from tracing.Carrier, refuse error) (kept bool) {
	r := &request{id: f.id, kind: f.kind, body: f.body, size: size, refuse: refuse, from: from}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch _, twice := in.calls[r.id]; {
	case twice:
		in.t.counted.malformed.Add(1)
		return false
	case len(in.queue) >= mostRequests: // the reader must not wait, so the caller is told only if there is credit
		in.lane.post(&frame{form: formFailure, id: r.id, body: encodeFailure(&shards.Error{Kind: shards.KindUnavailable, Err: errTooMany})})
		return false
	}
	r.ctx.session = in.ctx
	if f.budget > 0 {
		r.ctx.deadline = time.Now().Add(time.Duration(f.budget) * time.Millisecond)
	}
	in.calls[r.id] = r
	if in.active >= in.t.config.Serving {
		in.queue = append(in.queue, r)
		return true
	}
	in.active++
	in.lane.share(in.active)
	r.begun = true
	if last := len(in.idle) - 1; last >= 0 {
		in.idle[last] <- r
		in.idle = in.idle[:last]
		return true
	}
	in.hire(r)
	return true
}

// hire begins a worker with its first call.
func (in *session) hire(r *request) {
	in.served.Add(1)
	go in.work(r)
}

// work serves one call after another, and waits for more of them if few others do.
func (in *session) work(r *request) {
	defer func() {
		if r != nil { // what was called has ended the goroutine
			in.forsake(r)
		}
	}()
	for more := make(chan *request, 1); r != nil; {
		in.intake.consumed(r.size)
		in.answer(r)
		if r = in.next(r, more); r == nil {
			r = <-more // nil once it is closed
		}
	}
}

// next ends a call that has been answered, and gives one that waits for its place. If there is none the worker waits at more, or ends.
func (in *session) next(served *request, more chan *request) *request {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.calls, served.id)
	if served.left { // another has the worker's place
		close(more)
		return nil
	}
	if r := in.waits(); r != nil {
		return r
	}
	in.active--
	if in.shut || len(in.idle) >= mostIdle {
		close(more)
		in.served.Done()
	} else {
		in.idle = append(in.idle, more)
	}
	return nil
}

// waits takes the call that has waited for a place for longest. The caller holds the lock, and has a place.
func (in *session) waits() *request {
	if len(in.queue) == 0 {
		return nil
	}
	r := in.queue[0]
	in.queue[0] = nil
	in.queue = in.queue[1:]
	r.begun = true
	return r
}

// vacate gives a place to a call that waits. The caller holds the lock; the worker that had the place ends.
func (in *session) vacate() {
	if r := in.waits(); r != nil {
		in.hire(r)
	} else {
		in.active--
	}
	in.served.Done()
}

// forsake answers a call that was being served when its goroutine was ended.
func (in *session) forsake(r *request) {
	text := fmt.Sprintf("what served %s on node %s has ended its goroutine (runtime.Goexit)", r.kind, naming(in.t.self()))
	in.reply(r, nil, failed(shards.KindOutcomeUnknown, text))
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.calls, r.id)
	if !r.left {
		in.vacate()
	}
}

// dismiss ends the workers that have nothing to do, and the others when they have; it does not wait for those whose calls may go on for ever.
func (in *session) dismiss() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.shut = true
	for _, more := range in.idle {
		close(more)
		in.served.Done()
	}
	in.idle = nil
	for _, r := range in.calls {
		in.leave(r)
	}
}

// leave gives the place of a call that may go on for ever to another. The caller holds the lock, and nobody waits for the call.
func (in *session) leave(r *request) {
	if r.begun && !r.left && r.kind.lasts() {
		r.left = true
		in.vacate()
	}
}

// answer serves a call and sends what came of it, unless nobody waits for it any more.
func (in *session) answer(r *request) {
	defer r.ctx.end()
	body, err := in.serve(r)
	in.reply(r, body, err)
}

func (in *session) reply(r *request, body []byte, err error) {
	answer := frame{form: formAnswer, id: r.id, body: body}
	if err == nil && len(body) > in.t.config.MaxBody {
		err = failed(shards.KindInvalid, fmt.Sprintf("the answer has %d bytes, more than the %d that may be sent", len(body), in.t.config.MaxBody))
	}
	if err != nil {
		answer = frame{form: formFailure, id: r.id, body: encodeFailure(err)}
	}
	in.lane.await(in.ctx, &answer) // it fails when the session has ended: then there is nobody to answer
}

// serve calls Serve, unless nobody waits any more, and makes a panic an error.
func (in *session) serve(r *request) (body []byte, err error) {
	if r.refuse != nil {
		return nil, r.refuse
	}
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	defer func() {
		if reason := recover(); reason != nil {
			in.t.noteOnce(slog.LevelError, "serving a call panicked", r.kind.String(), fmt.Sprint(reason), string(debug.Stack()))
			body, err = nil, failed(shards.KindUnknown, fmt.Sprintf("node %s failed while it served %s: %v", naming(in.t.self()), r.kind, reason))
		}
	}()
	ctx := context.Context(&r.ctx)
	if r.from.Valid() {
		inside, left := in.t.config.Messages.Within(ctx, r.from)
		defer left()
		ctx = inside
	}
	return in.t.config.Serve(ctx, in.peer, r.kind, r.body)
}

// abandon ends what is done for a call that nobody waits for.
func (in *session) abandon(id uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if r := in.calls[id]; r != nil {
		r.ctx.end()
		in.leave(r)
	}
}

// firstFrame is the one frame of a message, which it frees.
func firstFrame(message mem.BufferSlice) (first *frame, err error) {
	defer message.Free()
	if message.Len() > flatBytes {
		return nil, fmt.Errorf("%w: an introduction of %d bytes", errMalformed, message.Len())
	}
	_, err = unpack(message, func(f *frame, _ int) {
		if first == nil {
			copied := *f
			first = &copied
		}
	})
	if err == nil && first == nil {
		err = fmt.Errorf("%w: an empty message", errMalformed)
	}
	return first, err
}

// single is a message of one frame.
func single(f *frame) mem.BufferSlice {
	return mem.BufferSlice{mem.SliceBuffer(append(f.appendHead(nil, len(f.body)), f.body...))}
}
