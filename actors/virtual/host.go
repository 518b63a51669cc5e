package virtual

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Config says what a Host leans on. All but Log are required.
type Config struct {
	Self    shards.NodeID
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

	mu     sync.RWMutex
	kinds  map[string]*Kind
	closed bool

	active sync.Map // ID -> *activation
	count  atomic.Int64
}

// NewHost begins without kinds. The owner calls Close.
func NewHost(c Config) (*Host, error) {
	if c.Self == "" || c.Client == 0 || c.Storage == nil || c.Call == nil || c.Patience <= 0 {
		return nil, errors.New("virtual: Self, Client, Storage, Call and Patience are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Host{c: c, kinds: map[string]*Kind{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.chores.wake = make(chan struct{}, 1)
	h.work.Go(h.sweep)
	h.work.Go(h.doChores)
	return h, nil
}

// Close ends what runs here. Calls under way fail; what they have not committed has not happened.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.work.Wait()
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

// Active is the number of actors in memory on this node.
func (h *Host) Active() int { return int(h.count.Load()) }

// activation is an actor in memory. Its goroutine runs while there are messages.
type activation struct {
	host  *Host
	id    ID
	kind  *Kind
	shard shards.ShardID

	mu      sync.Mutex
	queue   []*delivery
	running bool
	gone    bool // it is not in Host.active any more
	used    time.Time

	// The goroutine's own.
	loaded  bool
	stored  Stored // of the state
	sent    uint64
	decoded any // the state, if no handler that failed has touched it; nil: decode again
}

// delivery is a message that waits for its reply.
type delivery struct {
	ctx  context.Context
	m    *message
	done chan struct{}
	body []byte // the reply
	err  error
}

// errClosed answers calls to a host that is closing.
var errClosed = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("virtual: the node is stopping")}

// handle has a message handled by an actor that lives here.
func (h *Host) handle(ctx context.Context, m *message) ([]byte, error) {
	k := h.kind(m.To.Kind)
	if k == nil {
		return nil, &Error{m.To, m.Method, CodeNoKind, fmt.Sprintf("kind %s is not registered on node %s, where the actor lives", m.To.Kind, h.c.Self)}
	}
	if k.methods[m.Method] == nil {
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
	for !h.enqueue(m.To, k, shard, d) { // it has just been put to sleep: wake another
	}
	select {
	case <-d.done:
		return d.body, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enqueue puts a message into an actor's mailbox; false if the activation that was found is gone.
func (h *Host) enqueue(id ID, k *Kind, shard shards.ShardID, d *delivery) bool {
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
		return false
	}
	if len(a.queue) >= k.mailbox {
		d.err = &Error{id, d.m.Method, CodeBusy, fmt.Sprintf("%d messages wait for it; that is its limit", len(a.queue))}
		close(d.done)
		return true
	}
	a.queue = append(a.queue, d)
	if a.running {
		return true
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		a.queue, d.err = nil, errClosed
		close(d.done)
		return true
	}
	a.running = true
	h.work.Go(a.run)
	return true
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
		a.queue = a.queue[1:]
		a.mu.Unlock()
		if d.err = d.ctx.Err(); d.err == nil { // else nobody waits for it any more, and it has not begun
			d.body, d.err = a.process(d)
		}
		close(d.done)
	}
}

// sweepPause is how often idle activations are looked for.
const sweepPause = 10 * time.Second

// sweep puts activations to sleep that have been idle, or whose shard has gone elsewhere.
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
				if !a.running && (now.Sub(a.used) > a.kind.idle || !h.c.Storage.Leads(a.shard)) {
					a.gone = true
					h.active.Delete(key)
					h.count.Add(-1)
				}
				return true
			})
		}
	}
}
