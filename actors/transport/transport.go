package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// carrier is what moves bytes between addresses: gRPC over TCP, or memory.
type carrier interface {
	// dial connects. An error that means "nobody listens" wraps ErrRefused or satisfies Config.Refused.
	dial(ctx context.Context, addr string) (conn, error)
	// address is where others find this node.
	address() string
	// stop ends all connections and accepts no more, but keeps the address: who dials it is not refused.
	stop()
	// release gives the address up.
	release() error
}

// Transport is one node's end of the wire. Its methods may be called concurrently, also from Receive, Serve and Changed,
// except for Drain and Close, which wait for those.
//
// Invariants:
//
//  1. A link is in links exactly from before its Changed{Up: true} until before its Changed{Up: false}.
//  2. newest[n] is the highest epoch in which node n was admitted, and no session or link of a lower one lives on.
//  3. Once closing is set no session, link or peer begins.
type Transport struct {
	config  Config
	carrier carrier
	counted counters
	links   atomic.Pointer[map[shards.NodeID]*link] // copied on write, under mu
	cut     atomic.Pointer[isolation]               // nil: none

	sessions sessions

	mu      sync.Mutex
	cluster string
	newest  map[shards.NodeID]shards.Epoch
	homes   map[shards.NodeID]string // where the newest life of each node is, as it has said
	peers   map[shards.NodeID]*peer
	noted   map[note]bool
	closing bool
	running sync.WaitGroup // peers and visits
	ctx     context.Context
	cancel  context.CancelFunc

	drained sync.Once
	closed  sync.Once
	failure error // of release
}

// counters count what the wire threw away.
type counters struct{ unknown, malformed, tooLong, silenced atomic.Uint64 }

// Counts are what arrived and was thrown away since the start.
type Counts struct {
	Unknown   uint64 // messages and calls of kinds or forms that this release does not know
	Malformed uint64 // messages that were not what they should be
	TooLong   uint64 // bodies beyond Config.MaxBody
	Silenced  uint64 // frames dropped by Isolate
}

// Counts reads the counters.
func (t *Transport) Counts() Counts {
	c := &t.counted
	return Counts{c.unknown.Load(), c.malformed.Load(), c.tooLong.Load(), c.silenced.Load()}
}

func newTransport(c Config) *Transport {
	t := &Transport{
		config: c, cluster: c.Self.Cluster,
		newest: map[shards.NodeID]shards.Epoch{}, homes: map[shards.NodeID]string{}, peers: map[shards.NodeID]*peer{}, noted: map[note]bool{},
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.links.Store(&map[shards.NodeID]*link{})
	t.sessions.init()
	return t
}

// Address is where this node listens.
func (t *Transport) Address() string { return t.carrier.address() }

// SetCluster changes the cluster that this node says it belongs to: once it has formed or joined one.
func (t *Transport) SetCluster(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cluster = id
}

// self is how this node introduces itself now.
func (t *Transport) self() Hello {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.config.Self
	h.Cluster = t.cluster
	return h
}

// Send posts a one-way message and never blocks; it takes body over. ErrNoPeer, ErrFull and ErrTooLarge mean that nothing
// was sent; nil means that it is on its way, and no more than that.
func (t *Transport) Send(to shards.NodeID, class Class, kind Kind, body []byte) error {
	l, err := t.reach(to, class, body)
	if err != nil {
		return err
	}
	return l.lanes[class].post(&frame{form: formMessage, kind: kind, body: body})
}

// SendTraced is Send of a message that belongs to a trace: a peer that can reads it by ReceiveTraced.
func (t *Transport) SendTraced(to shards.NodeID, class Class, kind Kind, body []byte, from tracing.Carrier) error {
	l, err := t.reach(to, class, body)
	if err != nil {
		return err
	}
	message := frame{form: formMessage, kind: kind, body: body}
	l.carry(&message, from)
	return l.lanes[class].post(&message)
}

// SendWait is Send that waits for credit where Send gives ErrFull, until ctx ends.
func (t *Transport) SendWait(ctx context.Context, to shards.NodeID, class Class, kind Kind, body []byte) error {
	l, err := t.reach(to, class, body)
	if err != nil {
		return err
	}
	return l.lanes[class].await(ctx, &frame{form: formMessage, kind: kind, body: body})
}

func (t *Transport) reach(to shards.NodeID, class Class, body []byte) (*link, error) {
	if class < Control || class > classes || class == Call {
		panic(fmt.Sprintf("transport: a one-way message of %s", class))
	}
	if len(body) > t.config.MaxBody {
		return nil, ErrTooLarge
	}
	l := (*t.links.Load())[to]
	if l == nil {
		return nil, ErrNoPeer
	}
	return l, nil
}

// Call asks a peer and waits for its answer, for credit first. When ctx ends the peer is told, and ctx's error returned.
// ErrNoPeer: nothing was sent. ErrPeerGone: the connection broke while the call was on its way. Any other error is what
// Serve answered, as *shards.Error or *shards.NotPrimaryError. body is taken over.
func (t *Transport) Call(ctx context.Context, to shards.NodeID, kind Kind, body []byte) ([]byte, error) {
	l := (*t.links.Load())[to]
	if l == nil {
		return nil, ErrNoPeer
	}
	return l.call(ctx, kind, body)
}

// CallAddress makes one call to whoever listens at an address, over a connection of its own, and says who that is.
func (t *Transport) CallAddress(ctx context.Context, addr string, kind Kind, body []byte) (Hello, []byte, error) {
	l, err := t.visit(ctx, addr)
	if err != nil {
		return peerOf(l), nil, err
	}
	defer t.leave(l)
	answer, err := l.call(ctx, kind, body)
	return l.peer, answer, err
}

// Probe says who listens at an address. errors.Is(err, ErrRefused): nobody does. errors.Is(err, ErrRejected): the node in
// the Hello is there, and does not admit us. Any other error proves nothing.
//
// The system of a killed process may close its connections a moment before its listener (measured: in 8 of 10 kills whoever
// redials at once is still accepted, and then reset). So a connection that breaks before the hello is answered is dialed again,
// for 30 ms.
func (t *Transport) Probe(ctx context.Context, addr string) (Hello, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		l, err := t.visit(ctx, addr)
		if err == nil {
			t.leave(l)
			return l.peer, nil
		}
		if pause > lastPause || ctx.Err() != nil || !errors.Is(err, errBroke) || errors.Is(err, context.DeadlineExceeded) {
			return peerOf(l), err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// lastPause is the longest pause of a probe between two dials.
const lastPause = 16 * time.Millisecond

func peerOf(l *link) Hello {
	if l == nil {
		return Hello{}
	}
	return l.peer
}

func (t *Transport) visit(ctx context.Context, addr string) (*link, error) {
	if !t.enter() {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	stop := context.AfterFunc(t.ctx, cancel)
	defer stop()
	l, err := t.connect(ctx, addr, nil)
	if err != nil {
		t.running.Done()
		return l, err
	}
	l.stop = context.AfterFunc(t.ctx, func() { l.fail(ErrClosed) })
	return l, nil
}

func (t *Transport) leave(l *link) {
	l.stop()
	l.fail(ErrClosed)
	l.wait()
	t.running.Done()
}

// enter counts a goroutine's work that Drain waits for; false once it is too late.
func (t *Transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closing {
		t.running.Add(1)
	}
	return !t.closing
}

// publish makes a link reachable, or with nil unreachable.
func (t *Transport) publish(node shards.NodeID, l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	links := maps.Clone(*t.links.Load())
	if l == nil {
		delete(links, node)
	} else {
		links[node] = l
	}
	t.links.Store(&links)
}

// Drain stops all service and hangs up on everyone, and keeps the port: who dials it is told that the node stops, and not
// refused, since a refusal is taken as proof that this life has ended. A node drains, fences itself, and then closes.
// Drain returns when no Receive, Serve or Changed runs any more.
func (t *Transport) Drain() {
	t.drained.Do(func() {
		t.mu.Lock()
		t.closing = true
		t.mu.Unlock()
		t.cancel()
		t.sessions.stop()
		t.running.Wait()
	})
}

// Close drains and gives the port up. Call it last.
func (t *Transport) Close() error {
	t.closed.Do(func() {
		t.Drain()
		t.carrier.stop()
		t.sessions.running.Wait()
		t.failure = t.carrier.release()
	})
	return t.failure
}

// note is something worth one line in the log.
type note struct{ what, who, cause string }

const refusedNote = "refused a node"

// mostNotes bounds what is remembered about strangers.
const mostNotes = 1024

// noteOnce logs a cause once for each peer, until forget.
func (t *Transport) noteOnce(level slog.Level, what, who, cause, detail string) {
	t.noteAs(note{what, who, cause}, level, cause, detail)
}

// noteError is noteOnce for an error, without what differs in it at each try.
func (t *Transport) noteError(level slog.Level, what, who string, err error, detail string) {
	t.noteAs(note{what, who, timeless(err)}, level, err.Error(), detail)
}

func (t *Transport) noteAs(n note, level slog.Level, cause, detail string) {
	t.mu.Lock()
	known := t.noted[n]
	if !known && len(t.noted) >= mostNotes {
		clear(t.noted)
	}
	t.noted[n] = true
	t.mu.Unlock()
	if !known {
		t.config.Log.Log(context.Background(), level, n.what, "peer", n.who, "cause", cause, "detail", detail)
	}
}

// timeless is the text of an error without the time that x509 names in it, of a certificate that has ended or is not valid yet.
func timeless(err error) string {
	text := err.Error()
	if invalid := (x509.CertificateInvalidError{}); errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Detail != "" {
		text = strings.Replace(text, invalid.Detail, "", 1)
	}
	return text
}

// forget lets causes of a peer be logged again: it was well in between.
func (t *Transport) forget(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.noted, func(n note, _ bool) bool { return n.who == who })
}

// host is an address without its port, which differs for each attempt.
func host(remote string) string {
	if h, _, err := net.SplitHostPort(remote); err == nil {
		return h
	}
	return remote
}
