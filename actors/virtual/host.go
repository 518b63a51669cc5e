package virtual

import (
	"cmp"
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
	"github.com/troupe-actors/troupe/tracing"
)

// Config says what a Host leans on. All but Name and Log are required.
type Config struct {
	Self    shards.NodeID
	Name    string // of the node, in errors; default: Self
	Client  uint64 // this life of this node as a caller: chosen at random, never 0
	Storage Storage
	// Call takes a message to the Serve of another node's Host.
	Call func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error)
	// Patience is how long a message is tried again while its shard has no primary that answers, if its context does not end before. What
	// the Storage of its actor's node has tried for as long is not tried again, and that tries for what is left of it.
	Patience time.Duration
	// Memory bounds what the activations on this node need, in bytes, as far as it can be told from their states. Beyond it those that
	// have been idle for longest leave memory. Default 512 MiB.
	Memory int64
	// Coming says that a kind which is not registered here is about to be: messages wait for it instead of being refused. nil: none is.
	Coming func(kind string) bool
	// KeyspaceOf asks the other nodes in which keyspace the actors of a kind live that is not registered here; empty: none that answers knows
	// it. It takes no longer than a caller may wait for it. nil: nobody is asked, and such a kind is taken to live in "actors".
	KeyspaceOf func(ctx context.Context, kind string) string
	Log        *slog.Logger // default: none
	// Messages makes the spans of messages. Default: none.
	Messages *tracing.Messages
	// Figures counts messages by kind. Default: nobody wants to know.
	Figures *tracing.Figures
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
	places  places
	vigil   vigil
	unsure  unsure

	mu     sync.RWMutex
	kinds  map[string]*Kind
	closed bool

	stopping sync.Once
	ended    chan struct{} // closed when nothing runs after Stop

	active sync.Map // ID -> *activation
	count  atomic.Int64
	memory atomic.Int64
	full   chan struct{} // memory is beyond its bound
	tells  atomic.Int64  // under way

	jobs chan job     // for goroutines that have nothing to do
	idle atomic.Int64 // of those
}

const defaultMemory = 512 << 20

// NewHost begins without kinds. The owner calls Close.
func NewHost(c Config) (*Host, error) {
	if c.Self == "" || c.Client == 0 || c.Storage == nil || c.Call == nil || c.Patience <= 0 {
		return nil, errors.New("virtual: Self, Client, Storage, Call and Patience are required")
	}
	if c.Name == "" {
		c.Name = string(c.Self)
	}
	if c.Memory <= 0 {
		c.Memory = defaultMemory
	}
	if c.Coming == nil {
		c.Coming = func(string) bool { return false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Host{c: c, kinds: map[string]*Kind{}, places: places{kinds: map[string]*place{}}, jobs: make(chan job), full: make(chan struct{}, 1), ended: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.chores.start()
	h.vigil.posts, h.unsure.writes = map[shards.ShardID]*post{}, map[ID]pending{}
	h.markers = markers{tags: map[shards.ShardID]string{}, known: map[markerID]marker{}, changes: map[shards.ShardID]uint64{}, unsure: map[shards.ShardID]shards.Term{}}
	h.work.Go(h.sweep)
	h.work.Go(h.ring)
	return h, nil
}

// How long handlers have to return when the node stops: before its shards are led elsewhere, before kinds are told of the other actors, and before
// they are left behind.
const (
	stopLimit  = 200 * time.Millisecond
	tellLimit  = 4 * time.Second
	closeLimit = 5 * time.Second
)

// Stop is the first half of Close, for a node that stops: nothing begins any more, and the contexts of handlers end. It returns when all have
// returned and kinds have been told of what leaves memory, or after 200 ms: then the node gives its shards to others, who need not
// wait for the slowest handler to handle the messages of all other actors.
func (h *Host) Stop() {
	h.stopping.Do(func() {
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		h.cancel()
		go func() {
			defer close(h.ended)
			quiet := make(chan struct{})
			go func() {
				h.work.Wait()
				close(quiet)
			}()
			limit := time.NewTimer(tellLimit)
			defer limit.Stop()
			select {
			case <-quiet:
			case <-limit.C: // what runs still is told of when it has returned; nothing else begins any more
				h.tellLeaving()
				<-quiet
			}
			h.tellLeaving()
		}()
	})
	h.awaitEnd(stopLimit)
}

// tellLeaving tells kinds of the actors that are in memory and not running. It is for a host that is closed.
func (h *Host) tellLeaving() {
	h.active.Range(func(_, value any) bool {
		a := value.(*activation)
		a.mu.Lock()
		tell := !a.running && a.awake && a.kind.passivating != nil
		if tell {
			a.awake = false // and not a second time
		}
		a.mu.Unlock()
		if tell {
			a.passivate()
		}
		return true
	})
}

// awaitEnd says whether everything has ended, or does within the limit.
func (h *Host) awaitEnd(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-h.ended:
		return true
	case <-timer.C:
		return false
	}
}

// Close ends what runs here. Calls under way fail; what they have not committed has not happened, and will not. A handler that does
// not return in 5 s, although its context has ended, is left behind: it can do no harm but use the processor. When all have returned, or after
// 4 s, kinds are told of what leaves memory (OnPassivate), in the same 5 s.
func (h *Host) Close() {
	h.Stop()
	if h.awaitEnd(closeLimit) {
		return
	}
	h.c.Log.Warn("the node stops before its actors have", "limit", closeLimit)
	h.each(func(a *activation) {
		if a.running {
			h.c.Log.Error("an actor's handler did not return when the node stopped, and is left behind: have it watch Turn.Context", "actor", a.id.String(), "method", a.method)
		}
	})
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
	if k == nil {
		return errors.New("virtual: the kind is nil")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kinds[k.name] != nil {
		return fmt.Errorf("virtual: kind %s is registered already", k.name)
	}
	h.kinds[k.name] = k
	h.c.Figures.KnowKind(k.name, overload)
	return nil
}

// Unregister makes a kind unknown again, for those who learn of kinds while they run. What its actors keep stays in their shards;
// those that are in memory leave it, and those that are handling messages a little later.
func (h *Host) Unregister(name string) {
	h.mu.Lock()
	delete(h.kinds, name)
	h.mu.Unlock()
	h.each(func(a *activation) {
		if a.id.Kind == name && !a.running { // the sweep sees to the others
			a.leave()
		}
	})
}

// Knows says whether a kind is registered here.
func (h *Host) Knows(name string) bool { return h.kind(name) != nil }

// Keyspace is where the actors of a kind live; empty: it is not registered here.
func (h *Host) Keyspace(kind string) string {
	if k := h.kind(kind); k != nil {
		return k.keyspace
	}
	return ""
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
	Bytes    int64 // that they are taken to need
	Waiting  int   // messages in their mailboxes
}

// Kinds lists the registered kinds by name, with what is in memory on this node. It visits every activation.
func (h *Host) Kinds() []ActiveKind {
	counts, sizes, waiting := map[string]int{}, map[string]int64{}, map[string]int{}
	h.each(func(a *activation) {
		counts[a.id.Kind]++
		sizes[a.id.Kind] += a.size
		waiting[a.id.Kind] += len(a.queue)
	})
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]ActiveKind, 0, len(h.kinds))
	for _, name := range slices.Sorted(maps.Keys(h.kinds)) {
		list = append(list, ActiveKind{name, h.kinds[name].keyspace, counts[name], sizes[name], waiting[name]})
	}
	return list
}

// Keyspaces lists, in order, where actors of the registered kinds live.
func (h *Host) Keyspaces() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	names := make([]string, 0, len(h.kinds))
	for _, k := range h.kinds {
		names = append(names, k.keyspace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (h *Host) errComing(kind string) error {
	return &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("virtual: node %s has not heard of kind %s yet", h.c.Name, kind)}
}

// errClosed answers calls to a host that is closing.
var errClosed = &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("virtual: %w", shards.ErrClosed)}

// handle has a message handled by an actor that lives here.
func (h *Host) handle(ctx context.Context, m *message) ([]byte, error) {
	k := h.kind(m.To.Kind)
	if k == nil {
		if h.c.Coming(m.To.Kind) {
			return nil, h.errComing(m.To.Kind)
		}
		return nil, failed(m.To, m.Method, CodeNoKind, fmt.Sprintf("kind %s is not registered on node %s, where the actor lives", m.To.Kind, h.c.Name))
	}
	method := k.method(m.Method)
	if method.run == nil {
		return nil, failed(m.To, m.Method, CodeUnknown, fmt.Sprintf("kind %s has no such method", m.To.Kind))
	}
	a, shard, err := h.find(m.To, k)
	if err != nil {
		return nil, err
	}
	if !h.c.Storage.Leads(shard) {
		return nil, &shards.NotPrimaryError{Shard: shard}
	}
	ctx, span := h.handling(ctx, m)
	if err := h.untilReady(ctx, k, m, shard, span); err != nil {
		end(span, err)
		return nil, err
	}
	if method.reads && a != nil {
		if body, done, err := h.read(ctx, a, m); done {
			end(span, err)
			return body, err
		}
	}
	for turn := false; ; turn = true {
		d := &delivery{ctx: ctx, m: m, span: span, lends: m.lends && !k.holds, turn: turn}
		for a == nil || !a.enqueue(k, d) { // it sleeps, or has just been put to sleep: wake another
			a = h.activate(m.To, k, shard)
		}
		body, err := h.await(ctx, a, d)
		if err != errBeside {
			return body, err
		}
		if body, done, err := h.readBeside(ctx, a, m); done {
			end(span, err)
			return body, err
		}
	}
}

// await gives the reply to a message in a mailbox.
func (h *Host) await(ctx context.Context, a *activation, d *delivery) ([]byte, error) {
	switch {
	case a.kind.holds:
		return h.awaitHeld(ctx, a, d)
	case d.done == nil:
		a.lend(d)
		return d.body, d.err
	}
	select {
	case <-d.done:
		return d.body, d.err
	case <-ctx.Done():
		return h.giveUp(ctx, a, d)
	}
}

// giveUp waits no more for a message whose caller does not either.
func (h *Host) giveUp(ctx context.Context, a *activation, d *delivery) ([]byte, error) {
	switch {
	case !a.withdraw(d):
		select {
		case <-d.done:
			return d.body, d.err
		default:
		}
		return nil, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: fmt.Errorf("actor %s had begun to handle %s: %w", d.m.To, d.m.Method, cmp.Or(ctx.Err(), h.ctx.Err(), error(errClosed)))}
	case ctx.Err() == nil:
		end(d.span, errClosed)
		return nil, errClosed
	}
	err := ended(ctx, d.m)
	end(d.span, err)
	return nil, err
}
