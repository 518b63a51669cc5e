// Package virtualtest is a small world for tests of virtual actors: a few nodes with one shard between them, in memory. Which node
// leads is the test's to say, and so is what goes wrong. All of it runs in a testing/synctest bubble, so that reminders, leases and
// timeouts pass in no time.
//
//	Host(0)   Host(1)   Host(2)      calls go to the one that leads
//	    \        |        /
//	     World: one map of keys      Lead(1): the others can neither read nor commit any more
//
// A test of a kind begins like this:
//
//	func TestCountsOn(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			w := virtualtest.New(t, 2, func() []*virtual.Kind { return []*virtual.Kind{counters()} })
//			page := virtual.ID{Kind: "counter", Name: "page-7"}
//			before, err := virtual.Call[int, int](t.Context(), w.Host(0), page, "add", 1)
//			w.Lead(1)            // a failover
//			w.Pass(time.Hour)    // and what was to come in this time
//			after, err := virtual.Call[int, int](t.Context(), w.Host(0), page, "add", 1)
//		})
//	}
package virtualtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
)

// World is the shard and its nodes. Its methods may be called concurrently.
type World struct {
	hosts []*virtual.Host

	mu      sync.Mutex
	keys    map[string]item
	version uint64
	leader  int
	term    shards.Term
	changed chan struct{} // closed by the next Lead
	commits int
	fault   func(commit int) Fault
	late    func() // the commit that is under way; nil: none is
}

type item struct {
	value   []byte
	version uint64
	expire  time.Time // zero: never
}

// Fault is what becomes of a commit.
type Fault int

// What may happen.
const (
	Fine    Fault = iota
	Refused       // it does not happen, and says so
	Unknown       // it happens, and nobody learns that it has
	Late          // nobody learns what becomes of it: it happens when World.Land says so, and until then others are refused
)

// New begins a world whose nodes know the kinds; they are made anew for each node, as processes do: in their order, so that one may have
// another release of them than the next. Node 0 leads. It ends with the test.
func New(t *testing.T, nodes int, kinds func() []*virtual.Kind) *World {
	t.Helper()
	w := &World{keys: map[string]item{}, changed: make(chan struct{}), fault: func(int) Fault { return Fine }}
	for i := range nodes {
		h, err := virtual.NewHost(virtual.Config{
			Self: name(i), Client: uint64(i) + 1, Storage: view{w, i}, Patience: time.Minute,
			Call: func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) { return w.call(ctx, to, body) },
		})
		if err != nil {
			t.Fatal(err)
		}
		w.hosts = append(w.hosts, h)
		t.Cleanup(h.Close)
		for _, k := range kinds() {
			if err := h.Register(k); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func name(i int) shards.NodeID { return shards.NodeID(fmt.Sprint("n", i)) }

// Host is a node's part.
func (w *World) Host(i int) *virtual.Host { return w.hosts[i] }

// Lead has another node lead; -1: none does.
func (w *World) Lead(i int) {
	w.mu.Lock()
	w.leader = i
	w.term++
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	if i >= 0 {
		w.hosts[i].Led(Shard)
	}
}

// Faults says what becomes of each commit from now on. f gets their number in order, and must not call the world.
func (w *World) Faults(f func(commit int) Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// Land has a commit happen that was Late, as when there are copies enough again.
func (w *World) Land() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.late != nil {
		w.late()
		w.late = nil
	}
}

// Pass lets time pass, and then what it has brought come to rest.
func (w *World) Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Keys counts the keys with a prefix: what actors have left behind.
func (w *World) Keys(prefix string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.keys {
		if _, there := w.get(key); there && strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

func (w *World) call(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
	for i, h := range w.hosts {
		if name(i) == to {
			return serve(ctx, h, body)
		}
	}
	return nil, fmt.Errorf("virtualtest: no node %s", to)
}

// serve has a host serve a message as the network has it: on a goroutine of its own, which a handler may end, and for which the caller waits as
// long as ctx allows.
func serve(ctx context.Context, h *virtual.Host, body []byte) ([]byte, error) {
	type answer struct {
		body []byte
		err  error
	}
	over := make(chan answer, 1)
	go func() {
		a := answer{err: &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("what served it has ended its goroutine")}}
		defer func() { over <- a }()
		a.body, a.err = h.Serve(ctx, body)
	}()
	select {
	case a := <-over:
		return a.body, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Shard is the one that there is.
var Shard = shards.NewShardID(1, 0)

// view is the world as one node sees it.
type view struct {
	w    *World
	self int
}

// Locate finds the one shard.
func (v view) Locate(string, string) (shards.ShardID, shards.NodeID, error) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	if v.w.leader < 0 {
		return Shard, "", nil
	}
	return Shard, name(v.w.leader), nil
}

// Leads says whether this node leads it.
func (v view) Leads(shards.ShardID) bool {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	return v.leads() == nil
}

func (v view) leads() error {
	if v.w.leader != v.self {
		return &shards.NotPrimaryError{Shard: Shard}
	}
	return nil
}

// Reign gives the term in which this node leads it.
func (v view) Reign(shards.ShardID) (shards.Term, error) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	return v.w.term, v.leads()
}

// Await returns when another node leads, or with ctx.
func (v view) Await(ctx context.Context) {
	v.w.mu.Lock()
	changed := v.w.changed
	v.w.mu.Unlock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
}

func (w *World) get(key string) (item, bool) {
	i, found := w.keys[key]
	if found && !i.expire.IsZero() && !i.expire.After(time.Now()) {
		delete(w.keys, key)
		return item{}, false
	}
	return i, found
}

// Read gives values.
func (v view) Read(_ context.Context, _ string, keys []string) ([]virtual.Stored, error) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	if err := v.leads(); err != nil {
		return nil, err
	}
	list := make([]virtual.Stored, len(keys))
	for i, key := range keys {
		if at, found := v.w.get(key); found {
			list[i] = virtual.Stored{Bytes: slices.Clone(at.value), Version: at.version, Expires: !at.expire.IsZero()}
		}
	}
	return list, nil
}

// Scan visits keys in order.
func (v view) Scan(ctx context.Context, _ string, s virtual.Span) iter.Seq2[virtual.Entry, error] {
	return v.ScanShard(ctx, Shard, s)
}

// ScanShard visits the keys of the one shard in order.
func (v view) ScanShard(_ context.Context, _ shards.ShardID, s virtual.Span) iter.Seq2[virtual.Entry, error] {
	return func(yield func(virtual.Entry, error) bool) {
		v.w.mu.Lock()
		err := v.leads()
		var list []virtual.Entry
		for key := range v.w.keys {
			if !s.Holds(key) {
				continue
			}
			if at, found := v.w.get(key); found {
				list = append(list, virtual.Entry{Key: key, Value: slices.Clone(at.value)})
			}
		}
		slices.SortFunc(list, func(a, b virtual.Entry) int { return strings.Compare(a.Key, b.Key) })
		v.w.mu.Unlock()
		if err != nil {
			yield(virtual.Entry{}, err)
			return
		}
		if s.Last {
			slices.Reverse(list)
		}
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Commit changes keys if the guards hold.
func (v view) Commit(_ context.Context, _ string, ops []virtual.Op, guards ...virtual.Guard) (uint64, error) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	if err := v.leads(); err != nil {
		return 0, err
	}
	v.w.commits++
	fault := v.w.fault(v.w.commits)
	if fault == Refused || v.w.late != nil {
		return 0, &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("virtualtest: refused by the test")}
	}
	for _, guard := range guards {
		if at, _ := v.w.get(guard.Key); at.version != guard.Version {
			return 0, virtual.ErrStale
		}
	}
	if fault == Late {
		v.w.late = func() { v.w.carryOut(ops) }
	} else {
		v.w.carryOut(ops)
	}
	if fault == Unknown || fault == Late {
		return 0, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("virtualtest: nobody is told, by the test")}
	}
	if len(guards) == 0 {
		return 0, nil
	}
	at, _ := v.w.get(guards[0].Key)
	return at.version, nil
}

// carryOut changes keys.
func (w *World) carryOut(ops []virtual.Op) {
	w.version++
	for _, op := range ops {
		if op.Delete {
			delete(w.keys, op.Key)
			continue
		}
		at := item{value: slices.Clone(op.Value), version: w.version}
		if op.TTL > 0 {
			at.expire = time.Now().Add(op.TTL)
		}
		w.keys[op.Key] = at
	}
}
