package virtual

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
	rules "github.com/troupe-actors/troupe/shards/activation"
)

// Call has an actor handle a message, wherever it lives, and gives its reply. What the message changed is durable then. While its
// shard fails over the message is tried again, and handled once; until ctx ends, or the node's patience.
//
// errors.As finds one of two in each error:
//
//	*Error           the actor, or the node where it lives, has answered: nothing has changed, but with CodeBadReply
//	*shards.Error    nobody has. KindUnavailable: it was not handled, and may be called again. KindOutcomeUnknown: it may have been.
//	                 KindInvalid: it can never be. Others, KindFull say, are those of the shard: it was not handled.
//	                 It wraps shards.ErrClosed if this node stops, or has been closed.
//
// If it was the end of ctx that ended the call, errors.Is(err, ctx.Err()) holds as well, also if it was the handler that watched it
// (Turn.Context), and returned its error.
func Call[Req, Resp any](ctx context.Context, h *Host, to ID, method string, request Req) (reply Resp, err error) {
	return ask[Resp](to, method, request, func(payload []byte) ([]byte, error) { return h.Call(ctx, to, method, payload) })
}

// ask writes a request as JSON, has it sent, and reads the reply.
func ask[Resp any](to ID, method string, request any, send func(payload []byte) ([]byte, error)) (reply Resp, err error) {
	payload, err := writeJSON(request)
	if err != nil {
		return reply, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("virtual: a request to %s: %w", to, err)}
	}
	body, err := send(payload)
	if err != nil {
		return reply, err
	}
	if reply, err = readJSON[Resp](body); err != nil {
		return reply, failed(to, method, CodeBadReply, fmt.Sprintf("its reply is no %T: %v", reply, err))
	}
	return reply, nil
}

// message is a request on its way.
type message struct {
	To       ID
	Method   string
	Payload  []byte
	Client   uint64 // who calls, of whom one call at a time is under way in each lane; 0: it is not repeated
	Lane     uint32
	Seq      uint64 // of the call in its lane: they rise
	Repeated bool   // it may have been handled before
	Unsure   bool   // an earlier try was not answered, and may yet arrive
	Event    Event
	From     ID    // the actor that has sent it; zero: none has
	Wait     int64 // of the wire, see codec.go
	answer   *answering
	mend     func(t *Turn) error // of eventMend: what is done in the place of a handler
	here     bool                // its caller waits on the goroutine that brings it
	lends    bool                // that goroutine may run the actor, if it has none: its caller is elsewhere, and need not wait for it to return

	patience time.Duration // what is left of it, if some has been spent; 0: all
}

// call is what the rules of activations look at. What an actor has told, or reminds itself of, comes again when it is refused.
func (m *message) call() rules.Call {
	again := m.Event == EventReminder || m.Event == EventTell && m.From.Kind != ""
	return rules.Call{Client: m.Client, Lane: m.Lane, Seq: m.Seq, Repeated: m.Repeated, Unsure: m.Unsure, Again: again}
}

// chore says that a worker brings the message (chores.go), of which there are few: it does not wait for long, since it comes again.
func (m *message) chore() bool { return m.Event == EventReminder || m.From.Kind != "" }

// answer is what comes back: the reply, or an Error.
type answer struct {
	Body   []byte
	Code   Code
	Text   string
	Actor  ID
	Method string
}

// lanes number the calls of this node, so that a reply can be kept for each that may be repeated. A lane has one call at a time.
type lanes struct {
	mu   sync.Mutex
	free []uint32
	next uint32
	seq  uint64
}

// settled says whether a call is over for certain. The lane of one that is not is never used again: what is left of the call may
// yet be handled, and its reply would take the place of another's.
func settled(err error) bool {
	return err == nil || CodeOf(err) != 0 || kindOf(err) == shards.KindInvalid
}

func (l *lanes) take() (lane uint32, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq = max(l.seq, namedSeq) + 1
	if n := len(l.free); n > 0 {
		lane, l.free = l.free[n-1], l.free[:n-1]
		return lane, l.seq
	}
	l.next++
	return l.next, l.seq
}

func (l *lanes) give(lane uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, lane)
}

// Call is the function Call for payloads that are JSON already.
func (h *Host) Call(ctx context.Context, to ID, method string, payload []byte) ([]byte, error) {
	return h.call(ctx, to, method, payload, EventCall)
}

// call takes a message to its actor, and gives the reply.
func (h *Host) call(ctx context.Context, to ID, method string, payload []byte, event Event) ([]byte, error) {
	if err := h.may(ctx, to, method, payload); err != nil {
		return nil, err
	}
	ctx, span := h.calling(ctx, to, method, event)
	lane, seq := h.lanes.take()
	body, err := h.deliver(ctx, &message{To: to, Method: method, Payload: payload, Event: event, Client: h.c.Client, Lane: lane, Seq: seq})
	if settled(err) {
		h.lanes.give(lane)
	}
	end(span, err)
	return body, err
}

// may refuses a call that cannot be made.
func (h *Host) may(ctx context.Context, to ID, method string, payload []byte) error {
	if err := takes(to, method, payload); err != nil {
		return err
	}
	if from, handling := ctx.Value(turnKey{}).(ID); handling {
		return failed(to, method, CodeHandling, fmt.Sprintf("actor %s calls while it handles a message; two that call each other would wait for ever: use Ask, and have the answer come as a message", from))
	}
	if h.ctx.Err() != nil {
		return errClosed
	}
	return nil
}

// takes refuses a message that no actor can take.
func takes(to ID, method string, payload []byte) error {
	if err := to.validate(); err != nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	if len(payload) > MaxPayload {
		return failed(to, method, CodeTooLarge, fmt.Sprintf("the request has %d bytes; at most %d", len(payload), MaxPayload))
	}
	return nil
}

// maxTells bounds what Tell has under way.
const maxTells = 1024

// Tell sends a message from outside and waits for nothing: not even for the message to be kept. If this node dies it may be lost, and
// what comes of it is told in the log only (Config.Log). What must not be lost is sent by an actor (Turn.Tell), or with Call.
//
// The error says that it was not taken: of what can never be handled, a name that is none or a payload that is no JSON, a *shards.Error of
// KindInvalid; an *Error of CodeTooLarge, or of CodeBusy if too many are under way; one that wraps shards.ErrClosed. An empty payload is no request.
func (h *Host) Tell(to ID, method string, payload []byte) error {
	if err := takes(to, method, payload); err != nil {
		return err
	}
	if len(payload) > 0 && !json.Valid(payload) {
		return &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("virtual: a message to %s is no JSON: %.64q", to, payload)}
	}
	if h.tells.Add(1) > maxTells {
		h.tells.Add(-1)
		return failed(to, method, CodeBusy, fmt.Sprintf("%d messages are under way from node %s; that is its limit", maxTells, h.c.Name))
	}
	started := h.start(func() {
		defer h.tells.Add(-1)
		if _, err := h.call(h.ctx, to, method, payload, EventTell); err != nil {
			h.c.Log.Warn("a message that nobody waits for was not handled", "actor", to.String(), "method", method, "error", err)
		}
	})
	if !started {
		h.tells.Add(-1)
		return errClosed
	}
	return nil
}

// The pauses between tries. A newer cluster state ends one at once, and after it they are short again: perhaps it named a primary, which
// is about to serve. The longest bounds how much later than that a call is answered.
const (
	firstPause   = 2 * time.Millisecond
	longestPause = 40 * time.Millisecond
)

// deliver tries until the message is answered, cannot be, or patience ends.
func (h *Host) deliver(ctx context.Context, m *message) ([]byte, error) {
	var patient context.Context // from the first try that failed: most calls are answered at once, and some wait long before they are
	unknown := false            // a try was not answered: it may have been handled, so that a refusal of the next says nothing
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		body, err := h.try(ctx, m)
		if err == nil {
			return body, nil
		}
		unknown = unknown || kindOf(err) == shards.KindOutcomeUnknown
		again := h.starting(m, err) || unknown && unhandled(err)
		switch {
		case CodeOf(err) != 0 && !again:
			return nil, err
		case h.ctx.Err() != nil:
			if !errors.Is(err, shards.ErrClosed) {
				err = fmt.Errorf("%w: %w", shards.ErrClosed, err)
			}
			return nil, unanswered(ctx, m, err, unknown)
		case ctx.Err() != nil || !again && !passing(err) || errors.Is(err, ErrGivenUp):
			return nil, unanswered(ctx, m, err, unknown)
		}
		if patient == nil {
			var cancel context.CancelFunc
			patient, cancel = context.WithTimeout(ctx, h.c.Patience)
			defer cancel()
		}
		m.Repeated, m.Unsure = true, m.Unsure || unknown
		if patient.Err() != nil {
			return nil, unanswered(ctx, m, fmt.Errorf("given up after trying again: %w", err), unknown)
		}
		wait, done := context.WithTimeout(patient, pause)
		h.c.Storage.Await(wait)
		if wait.Err() == nil {
			pause = firstPause / 2 // which is doubled
		}
		done()
		m.patience = left(patient)
	}
}

// left is what is left of a patience, and never 0.
func left(patient context.Context) time.Duration {
	until, _ := patient.Deadline()
	return max(1, time.Until(until))
}

// patient is ctx for what the storage tries for a message: no longer than is left of the patience of its caller's node, however long it has
// waited here, or been handled.
func (m *message) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, m.patience)
}

// unanswered is the error of a message to which no actor has said anything: err is what became of the last try. If an earlier one may have
// been handled, what err is says nothing of the message, and only its text is kept.
func unanswered(ctx context.Context, m *message, err error, unknown bool) error {
	kind, ended := kindOf(err), ctx.Err()
	switch {
	case unknown:
		kind = shards.KindOutcomeUnknown
	case CodeOf(err) != 0:
		return err
	case kind == shards.KindNotPrimary || ended != nil && (kind == shards.KindUnknown || errors.Is(err, ended)):
		kind = shards.KindUnavailable
	}
	if unknown {
		stopped := errors.Is(err, shards.ErrClosed)
		if err = errors.New(err.Error()); stopped {
			err = fmt.Errorf("%w; %w", shards.ErrClosed, err)
		}
	}
	if ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w; %w", ended, err)
	}
	return &shards.Error{Kind: kind, Err: fmt.Errorf("actor %s: %w", m.To, err)}
}

// named says whether the message has an id of its caller's own (CallOnce): others may come with it later.
func (m *message) named() bool { return m.Event == EventCall && m.From.Kind == "" && m.Seq == namedSeq }

// namedSeq is the Seq of calls with an id, of which each is the first of its lane; those of lanes begin behind it.
const namedSeq = 1

// unhandled says that a message was refused before it came to its actor, or to the code that would handle it: which says nothing of an earlier try.
func unhandled(err error) bool {
	switch CodeOf(err) {
	case CodeBusy, CodeNoKind, CodeUnknown, CodeUnable, CodeAsking, codeCrossing, codeUnready:
		return true
	}
	return false
}

// starting says that the node of an actor has perhaps just begun to live, and does not know its kinds yet: this one does.
func (h *Host) starting(m *message, err error) bool {
	return CodeOf(err) == CodeNoKind && h.kind(m.To.Kind) != nil
}

// try takes a message to where its actor lives.
func (h *Host) try(ctx context.Context, m *message) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx, m)
	}
	if h.kind(m.To.Kind) == nil && h.c.Coming(m.To.Kind) {
		return nil, h.errComing(m.To.Kind)
	}
	shard, node, err := h.c.Storage.Locate(h.findKeyspace(ctx, m.To.Kind), m.To.key("s", ""))
	switch {
	case err != nil && h.kind(m.To.Kind) == nil && kindOf(err) == shards.KindInvalid: // nobody has made a keyspace for actors
		return nil, failed(m.To, m.Method, CodeNoKind, fmt.Sprintf("kind %s is not registered on node %s, and perhaps on none: %v", m.To.Kind, h.c.Name, err))
	case err != nil:
		return nil, err
	case node == "":
		return nil, &shards.NotPrimaryError{Shard: shard}
	case node == h.c.Self:
		own := *m // a handler that is left behind has it still
		own.here = m.Event == EventCall && !m.chore()
		return h.handle(ctx, &own)
	}
	m.Wait = -int64(cmp.Or(m.patience, h.c.Patience))
	body, err := h.c.Call(ctx, node, m.encode())
	if err != nil {
		return nil, lost(err)
	}
	a, err := decodeAnswer(body)
	if err != nil {
		return nil, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: fmt.Errorf("virtual: the answer of node %s: %w", node, err)}
	}
	switch a.Code {
	case 0:
		return a.Body, nil
	case codeGivenUp:
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: givenUp(a.Text)}
	case codeUnsure:
		return nil, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: givenUp(a.Text)}
	}
	return nil, failed(a.Actor, a.Method, a.Code, "").heard(a.Text)
}

// ended says that a message was not handled since its caller waits no more.
func ended(ctx context.Context, m *message) error {
	return &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("%s was not handled: %w", m.Method, ctx.Err())}
}

// lost marks a call that a node did not answer as one that may have been handled.
func lost(err error) error {
	if kindOf(err) != shards.KindUnknown {
		return err
	}
	return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: err}
}

// Serve handles a message that another node has sent. The actor may run on the goroutine of the caller, who must be able to do without it: a handler
// may take for ever, whatever becomes of ctx, and one that calls runtime.Goexit ends it.
func (h *Host) Serve(ctx context.Context, body []byte) ([]byte, error) {
	m, err := decodeMessage(body)
	if err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	switch patience := time.Duration(-m.Wait); {
	case m.Wait > 0:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(m.Wait))
		defer cancel()
	case patience > 0 && patience < h.c.Patience:
		m.patience = patience
	}
	m.lends = m.Event == EventCall && !m.Unsure // after a handler that has ended the goroutine another try finds one of the host's
	reply, err := h.handle(ctx, m)
	if err == nil {
		return (&answer{Body: reply}).encode(), nil
	}
	if own := (*Error)(nil); errors.As(err, &own) {
		return (&answer{Code: own.Code, Text: own.said(), Actor: own.Actor, Method: own.Method}).encode(), nil
	}
	if m.Wait < 0 && errors.Is(err, ErrGivenUp) {
		code := codeGivenUp
		if kindOf(err) == shards.KindOutcomeUnknown {
			code = codeUnsure
		}
		return (&answer{Code: code, Text: err.Error()}).encode(), nil
	}
	return nil, err
}
