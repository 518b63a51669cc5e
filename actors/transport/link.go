package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// conn is a connection that was dialed.
type conn interface {
	// open begins a stream. It fails when the connection is broken.
	open() (stream, error)
	// close ends the connection and all its streams. It may be called again, and while others use them.
	close()
}

// link is a connection that this node dialed, with the streams it sends on: all four to a peer, or one for a visit.
// It works from the handshake until its first failure; then done is closed.
type link struct {
	t     *Transport
	peer  Hello
	conn  conn
	lanes [classes + 1]*lane // by class; nil where a visit has none
	reads uint64             // features of the peer
	calls calls

	once    sync.Once
	cause   error         // why it ended, once done is closed
	done    chan struct{} //
	readers sync.WaitGroup
	stop    func() bool // of a visit: it is not ended any more by the transport's end
}

// errBroke is a connection that was accepted and ended before anybody had said who is there.
var errBroke = errors.New("broken off")

// connect dials and shakes hands. want says who must be there; nil: anyone, for a visit. It ends with ctx at the latest.
func (t *Transport) connect(ctx context.Context, addr string, want *Address) (*link, error) {
	if err := t.silence(ctx, addr); err != nil {
		return nil, err
	}
	c, err := t.carrier.dial(ctx, addr)
	if err != nil {
		return nil, t.dialError(ctx, addr, err)
	}
	l := &link{t: t, conn: c, done: make(chan struct{}), calls: calls{pending: map[uint64]*call{}}}
	stop := context.AfterFunc(ctx, c.close)
	err = l.shake(addr, want)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		l.fail(err)
		l.wait()
		if ctx.Err() != nil && !errors.Is(err, ErrRejected) {
			err = fmt.Errorf("transport: no handshake with %s in time: %w", addr, ctx.Err())
		}
		return l, err
	}
	return l, nil
}

// dialError says whether nobody listens at the address.
func (t *Transport) dialError(ctx context.Context, addr string, err error) error {
	switch {
	case errors.Is(err, ErrRefused):
	case t.config.Refused(err):
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	case ctx.Err() != nil:
		err = ctx.Err()
	case brokenOff(err):
		err = t.broke(err)
	}
	return fmt.Errorf("transport: dial %s: %w", addr, err)
}

// broke wraps the end of a connection on which nobody has said who is there. A node that speaks TLS hangs up on one that does not,
// without a word: what is known here is only that the other side hung up.
func (t *Transport) broke(err error) error {
	if t.config.TLS == nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w (this node has no certificate: if that one speaks TLS it hangs up on whoever does not)", errBroke, err)
	}
	return fmt.Errorf("%w: %w", errBroke, err)
}

// brokenOff says that a connection ended while it was made, and not by what TLS has to say.
func brokenOff(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && !alerted(err) || errors.Is(err, io.EOF)
}

// shake opens the streams and exchanges introductions on each. The first that is refused ends it.
func (l *link) shake(addr string, want *Address) error {
	first, last := Control, classes
	if want == nil {
		first, last = Call, Call
	}
	for class := first; class <= last; class++ {
		purpose := class
		if want == nil {
			purpose = visit
		}
		if err := l.open(class, purpose); err != nil {
			return fmt.Errorf("transport: open a stream to %s: %w", addr, l.t.broke(err))
		}
	}
	for class := first; class <= last; class++ {
		if err := l.welcomed(addr, class, want); err != nil {
			return err
		}
	}
	for class := first; class <= last; class++ {
		l.read(l.lanes[class])
	}
	return nil
}

func (l *link) open(class, purpose Class) error {
	s, err := l.conn.open()
	if err != nil {
		return err
	}
	lane := newLane(s, leastWindow, l.fail)
	lane.silent = func() bool { return l.t.deafTo(l.peer.Node, true) }
	lane.gather.Store(class == Replicate)
	l.lanes[class] = lane
	hello := introduction{purpose: purpose, window: l.t.config.Window, hello: l.t.self(), features: featureCarriers}
	return s.send(single(&frame{form: formHello, body: hello.encode()}))
}

// welcomed reads the answer to a hello.
func (l *link) welcomed(addr string, class Class, want *Address) error {
	s := l.lanes[class].stream
	message, err := s.recv()
	if err != nil {
		return fmt.Errorf("transport: handshake with %s: %w", addr, l.t.broke(err))
	}
	f, err := firstFrame(message)
	if err != nil {
		return fmt.Errorf("transport: handshake with %s: %w", addr, err)
	}
	self := l.t.self()
	i, err := decodeIntroduction(f.body, self.Format)
	if err != nil {
		return fmt.Errorf("transport: handshake with %s: %w", addr, err)
	}
	if f.form == formReject {
		l.peer = i.hello
		if i.hello.Format > self.Format { // its sentence cannot be read, but it is known
			i.reason = objection(self, i.hello, l.t.config.Oldest, 0)
		}
		return &RejectedError{Addr: addr, Peer: i.hello, Reason: i.reason}
	}
	if f.form != formWelcome {
		return fmt.Errorf("transport: handshake with %s: %w: a frame of form %d instead of a welcome", addr, errMalformed, f.form)
	}
	if l.peer.Node != "" && l.peer != i.hello {
		return fmt.Errorf("transport: handshake with %s: %w: two nodes on one connection", addr, errMalformed)
	}
	if reason := l.t.object(i.hello, want); reason != "" {
		return &RejectedError{Addr: addr, Peer: i.hello, Ours: true, Reason: reason}
	}
	l.peer, l.reads = i.hello, i.features
	l.lanes[class].open(i.window)
	return nil
}

// object is why this node will not talk to one that it dialed; empty if it will.
func (t *Transport) object(peer Hello, want *Address) string {
	if want == nil { // a visit is not particular: whoever is there, it is they who decide
		return ""
	}
	if peer.Node != want.Node {
		return fmt.Sprintf("node %s was expected there, node %s answers", want.Node, naming(peer))
	}
	return t.judge(peer, want.Epoch)
}

// read starts the reader of one stream's other direction: answers and grants.
func (l *link) read(lane *lane) {
	in := newIntake(l.t, lane, func() bool { return l.t.deafTo(l.peer.Node, false) })
	in.dispatch = l.answered
	in.tooLong = func(f *frame) { l.calls.answer(f.id, nil, ErrTooLarge) }
	l.readers.Add(1)
	go func() {
		defer l.readers.Done()
		for {
			message, err := lane.stream.recv()
			if err != nil {
				l.fail(err)
				return
			}
			in.take(message)
		}
	}()
}

// answered takes what comes back on a stream that this node opened.
func (l *link) answered(f *frame, _ int) bool {
	switch f.form {
	case formAnswer:
		l.calls.answer(f.id, f.body, nil)
	case formFailure:
		l.calls.answer(f.id, nil, decodeFailure(f.body))
	default:
		l.t.counted.unknown.Add(1)
	}
	return false
}

// fail ends the link, with the first cause that comes.
func (l *link) fail(cause error) {
	l.once.Do(func() {
		l.cause = cause
		l.conn.close()
		for _, lane := range l.lanes {
			if lane != nil {
				lane.end()
			}
		}
		l.calls.end(fmt.Errorf("%w: %w", ErrPeerGone, cause))
		close(l.done)
	})
}

// wait returns when no goroutine of the link runs any more. It must have failed.
func (l *link) wait() {
	l.readers.Wait()
	for _, lane := range l.lanes {
		if lane != nil {
			lane.drains.Wait()
		}
	}
}
