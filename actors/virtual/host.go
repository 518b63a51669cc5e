package virtual

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Config says what a Host leans on. All but Name and Log are required.
type Config struct {
	Self    shards.NodeID
	Name    string // of the node, in errors; default: Self
	Client  uint64 // this life of this node as a caller: chosen at random, never 0
	Storage Storage
	// Call takes a message to the Serve of another node's Host.
	Call func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error)
	// Patience is how long a message is tried again while its shard has no primary that answers, if its context does not end before.
	Patience time.Duration
	Log      *slog.Logger // default: none
}

// Host is a node's part of the virtual actors: it calls those that live elsewhere, and runs those that live here. Its methods may
// be called concurrently.
type Host struct {
	c      Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	lanes  lanes
	chores chores

	markers markers

	mu     sync.RWMutex
	kinds  map[string]*Kind
	closed bool

	active sync.Map // ID -> *activation
	count  atomic.Int64
	tells  atomic.Int64 // under way

	jobs chan *activation // for goroutines that have nothing to do
	idle atomic.Int64     // of those
}

// NewHost begins without kinds. The owner calls Close.
func NewHost(c Config) (*Host, error) {
	if c.Self == "" || c.Client == 0 || c.Storage == nil || c.Call == nil || c.Patience <= 0 {
		return nil, errors.New("virtual: Self, Client, Storage, Call and Patience are required")
	}
	if c.Name == "" {
		c.Name = string(c.Self)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Host{c: c, kinds: map[string]*Kind{}, jobs: make(chan *activation)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.chores.start()
	h.markers = markers{tags: map[shards.ShardID]string{}, known: map[markerID]marker{}, changes: map[shards.ShardID]uint64{}}
	h.work.Go(h.sweep)
	h.work.Go(h.ring)
	return h, nil
}

// closeLimit is how long handlers have to return when the node stops.
const closeLimit = 5 * time.Second

// Close ends what runs here. Calls under way fail; what they have not committed has not happened, and will not. A handler that does
// not return in 5 s, although its context has ended, is left behind: it can do no harm but use the processor.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	ended := make(chan struct{})
	go func() { h.work.Wait(); close(ended) }()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
		h.active.Range(func(key, value any) bool {
			a := value.(*activation)
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.running {
				h.c.Log.Error("an actor's handler did not return when the node stopped, and is left behind: have it watch Turn.Context", "actor", a.id.String(), "method", a.method)
			}
			return true
		})
	}
}

// start begins a goroutine that Close waits for; false if the host is closed.
func (h *Host) start(f func()) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !h.closed {
		h.work.Go(f)
	}
	return !h.closed
}

// Register makes a kind known on this node. A kind should be registered on every node that holds copies of its keyspace: an actor
// lives where its shard is led.
func (h *Host) Register(k *Kind) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kinds[k.name] != nil {
		return fmt.Errorf("virtual: kind %s is registered already", k.name)
	}
	h.kinds[k.name] = k
	return nil
}

func (h *Host) kind(name string) *Kind {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.kinds[name]
}

// Uses says whether actors live in a keyspace, as far as their kinds are registered here.
func (h *Host) Uses(keyspace string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, k := range h.kinds {
		if k.keyspace == keyspace {
			return true
		}
	}
	return false
}

// Active is the number of actors in memory on this node.
func (h *Host) Active() int { return int(h.count.Load()) }

// ActiveKind is how many actors of a kind are in memory.
type ActiveKind struct {
	Kind     string
	Keyspace string
	Active   int
}

// Kinds lists the registered kinds by name, with what is in memory on this node. It visits every activation.
func (h *Host) Kinds() []ActiveKind {
	counts := map[string]int{}
	h.active.Range(func(key, _ any) bool {
		counts[key.(ID).Kind]++
		return true
	})
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]ActiveKind, 0, len(h.kinds))
	for _, name := range slices.Sorted(maps.Keys(h.kinds)) {
		list = append(list, ActiveKind{name, h.kinds[name].keyspace, counts[name]})
	}
	return list
}

// activation is an actor in memory. Its goroutine runs while there are messages.
type activation struct {
	host  *Host
	id    ID
	kind  *Kind
	shard shards.ShardID

	mu      sync.Mutex
	queue   []*delivery
	running bool
	method  string // that is being handled, if running
	gone    bool   // it is not in Host.active any more
	used    time.Time

	// The goroutine's own.
	loaded  bool
	term    shards.Term // in which the state was read: in another one it may be old
	stored  Stored      // of the state
	sent    uint64      // number of the last message that it has sent
	decoded any         // the state, if no handler that failed has touched it; nil: decode again
}

// delivery is a message that waits for its reply.
type delivery struct {
	ctx  context.Context
	m    *message
	done chan struct{}
	seen bool   // by the sweep, which refuses it when it comes again
	body []byte // the reply
	err  error
}

// errClosed answers calls to a host that is closing.
var errClosed = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("virtual: the node is stopping")}

// handle has a message handled by an actor that lives here.
func (h *Host) handle(ctx context.Context, m *message) ([]byte, error) {
	k := h.kind(m.To.Kind)
	if k == nil {
		return nil, &Error{m.To, m.Method, CodeNoKind, fmt.Sprintf("kind %s is not registered on node %s, where the actor lives", m.To.Kind, h.c.Name)}
	}
	if k.method(m.Method).run == nil {
		return nil, &Error{m.To, m.Method, CodeUnknown, fmt.Sprintf("kind %s has no such method", m.To.Kind)}
	}
	shard, _, err := h.c.Storage.Locate(k.keyspace, m.To.key("s", ""))
	if err != nil {
		return nil, err
	}
	if !h.c.Storage.Leads(shard) {
		return nil, &shards.NotPrimaryError{Shard: shard}
	}
	d := &delivery{ctx: ctx, m: m, done: make(chan struct{})}
	a := h.enqueue(m.To, k, shard, d)
	for a == nil { // it has just been put to sleep: wake another
		a = h.enqueue(m.To, k, shard, d)
	}
	select {
	case <-d.done:
		return d.body, d.err
	case <-ctx.Done():
		if a.withdraw(d) {
			return nil, ctx.Err()
		}
		return nil, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: fmt.Errorf("actor %s had begun to handle %s: %w", m.To, m.Method, ctx.Err())}
	}
}

// enqueue puts a message into an actor's mailbox; nil if the activation that was found is gone.
func (h *Host) enqueue(id ID, k *Kind, shard shards.ShardID, d *delivery) *activation {
	found, there := h.active.Load(id)
	if !there {
		fresh := &activation{host: h, id: id, kind: k, shard: shard, used: time.Now()}
		if found, there = h.active.LoadOrStore(id, fresh); !there {
			h.count.Add(1)
		}
	}
	a := found.(*activation)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return nil
	}
	if len(a.queue) >= k.mailbox {
		d.refuse(&Error{id, d.m.Method, CodeBusy, fmt.Sprintf("%d messages wait for it; that is its limit", len(a.queue))})
		return a
	}
	a.queue = append(a.queue, d)
	if a.running {
		return a
	}
	a.running = h.employ(a)
	if !a.running {
		a.queue = nil
		d.refuse(errClosed)
	}
	return a
}

// refuse answers a message that is not handled.
func (d *delivery) refuse(err error) {
	d.err = err
	close(d.done)
}

// withdraw takes a message back that nobody waits for any more; false if it is being handled, or was.
func (a *activation) withdraw(d *delivery) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := slices.Index(a.queue, d)
	if at >= 0 {
		a.queue = slices.Delete(a.queue, at, at+1)
	}
	return at >= 0
}

// mostIdle bounds the goroutines that wait for an actor. One that has run has a stack that is large enough, which a new one would
// have to grow: that is a quarter of what a call costs.
const mostIdle = 64

// employ has an actor's messages handled, by a goroutine that has nothing to do or by a new one; false if the host is closed.
func (h *Host) employ(a *activation) bool {
	select {
	case h.jobs <- a:
		return true
	default:
	}
	return h.start(func() {
		for {
			a.run()
			if h.idle.Add(1) > mostIdle {
				h.idle.Add(-1)
				return
			}
			select {
			case a = <-h.jobs:
				h.idle.Add(-1)
			case <-h.ctx.Done():
				return
			}
		}
	})
}

// run handles messages until none waits.
func (a *activation) run() {
	for {
		a.mu.Lock()
		if len(a.queue) == 0 {
			a.queue, a.running, a.used = nil, false, time.Now()
			a.mu.Unlock()
			return
		}
		d := a.queue[0]
		a.queue[0] = nil
		a.queue = a.queue[1:]
		a.method = d.m.Method
		a.mu.Unlock()
		if d.err = d.ctx.Err(); d.err == nil { // else nobody waits for it any more, and it has not begun
			d.body, d.err = a.process(d)
		}
		close(d.done)
	}
}

// sweepPause is how often idle activations are looked for.
const sweepPause = 10 * time.Second

// sweep puts activations to sleep that have been idle, or whose shard has gone elsewhere, and tells those who wait for one that
// does not get on.
func (h *Host) sweep() {
	tick := time.NewTicker(sweepPause)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case now := <-tick.C:
			h.active.Range(func(key, value any) bool {
				a := value.(*activation)
				a.mu.Lock()
				defer a.mu.Unlock()
				switch {
				case a.running:
					a.hurry()
				case now.Sub(a.used) > a.kind.idle || !h.c.Storage.Leads(a.shard):
					a.gone = true
					h.active.Delete(key)
					h.count.Add(-1)
				}
				return true
			})
		}
	}
}

// hurry refuses messages that a sweep has seen in the mailbox before: an actor that hangs, in a call to itself perhaps, holds
// nobody up for longer than two sweeps.
func (a *activation) hurry() {
	a.queue = slices.DeleteFunc(a.queue, func(d *delivery) bool {
		if d.seen {
			d.refuse(&Error{a.id, d.m.Method, CodeBusy, fmt.Sprintf("it waited %v behind others; now the actor handles %s", sweepPause, a.method)})
		}
		seen := d.seen
		d.seen = true
		return seen
	})
}
