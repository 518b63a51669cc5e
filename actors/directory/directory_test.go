package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// town is a cluster in one process: nodes with shards, a table that the test writes, and calls that it may spoil.
type town struct {
	t     *testing.T
	nodes map[shards.NodeID]*house

	mu      sync.Mutex
	state   *cluster.State
	changed chan struct{}
	fallen  []cluster.Failover // that the next table has
	spoil   func(to shards.NodeID, kind transport.Kind, serve func() ([]byte, error)) ([]byte, error)
}

type house struct {
	*Directory
	town    *town
	shards  map[shards.ShardID]*shard.Shard
	views   *Views
	watches *Watches
}

const shardsInTown = 4

// newTown builds nodes that each have a store of their own for every shard; the table says whose counts.
func newTown(t *testing.T, names ...shards.NodeID) *town {
	w := &town{t: t, nodes: map[shards.NodeID]*house{}, changed: make(chan struct{})}
	k := shards.Keyspace{Name: "k", Shards: shardsInTown, Durability: shards.DurabilityMemory}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		h := &house{town: w, shards: map[shards.ShardID]*shard.Shard{}}
		space := shard.NewSpace(k)
		for index := range shardsInTown {
			s := shard.New(shard.Config{ID: shards.NewShardID(0, index), Space: space, Seed: 1})
			if err := s.Recover(nil, nil); err != nil {
				t.Fatal(err)
			}
			h.shards[s.ID()] = s
		}
		h.Directory = New(Config{
			Self: name, Client: uint64(i + 1), State: w.table, Await: w.await, Local: h.local, Remote: remote{w}, Patience: 2 * time.Second,
		})
		h.views, h.watches = NewViews(h.Directory), NewWatches(h.Directory)
		w.nodes[name] = h
		t.Cleanup(h.views.Close)
		t.Cleanup(h.watches.Close)
	}
	w.lead(make([]shards.NodeID, shardsInTown)...)
	return w
}

// lead makes these nodes the primaries of the shards, in order; "" for none.
func (w *town) lead(nodes ...shards.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := &cluster.State{Cluster: "c", Version: 1, Keyspaces: []cluster.Keyspace{{Keyspace: shards.Keyspace{Name: "k", Shards: shardsInTown}}}, Failovers: w.fallen}
	if w.state != nil {
		next.Version = w.state.Version + 1
	}
	for index, node := range nodes {
		row := cluster.Shard{ID: shards.NewShardID(0, index), Term: shards.Term(next.Version)}
		if node != "" {
			row.Primary = shards.CopyID(index + 1)
			row.Copies = []cluster.Copy{{ID: row.Primary, Node: node, InSync: true, Started: true}}
		}
		next.Shards = append(next.Shards, row)
	}
	w.state = next
	close(w.changed)
	w.changed = make(chan struct{})
	for _, h := range w.nodes {
		go h.Changed() // as a node is told: after the table has changed, from elsewhere
	}
}

func (w *town) table() *cluster.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

func (w *town) await(ctx context.Context, version uint64) error {
	for {
		w.mu.Lock()
		state, changed := w.state, w.changed
		w.mu.Unlock()
		if state.Version > version {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// local is the copy on this node: in this town, the one that the table has here.
func (h *house) local(id shards.ShardID) *shard.Shard {
	if node, _ := primaryOf(h.town.table(), id); h.Directory != nil && node == h.config.Self {
		return h.shards[id]
	}
	return nil
}

type remote struct{ *town }

func (r remote) Call(ctx context.Context, to shards.NodeID, kind transport.Kind, body []byte) ([]byte, error) {
	r.mu.Lock()
	spoil := r.spoil
	r.mu.Unlock()
	h := r.nodes[to]
	serve := func() ([]byte, error) {
		switch kind {
		case transport.KindForward:
			return h.Serve(ctx, body)
		case transport.KindRead:
			return h.views.Serve(ctx, body)
		default:
			return h.watches.Serve(ctx, body)
		}
	}
	if spoil == nil {
		return serve()
	}
	type answer struct {
		body []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		body, err := spoil(to, kind, serve)
		answered <- answer{body, err}
	}()
	select {
	case a := <-answered:
		return a.body, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// onlyAsk is a task's work with one transaction, and what came of it.
type onlyAsk struct {
	txn     store.Txn
	results []store.Result
	values  []string
	err     error
}

func (a *onlyAsk) Len() int              { return 1 }
func (a *onlyAsk) Txn(int) *store.Txn    { return &a.txn }
func (a *onlyAsk) Fail(_ int, err error) { a.err = err }
func (a *onlyAsk) Result(_, _ int, r *store.Result) {
	a.values = append(a.values, string(r.Value))
	a.results = append(a.results, *r)
}

func (h *house) do(index int, op store.Op) *onlyAsk {
	a := &onlyAsk{txn: store.Txn{Ops: []store.Op{op}}}
	h.Do(context.Background(), []Task{{Shard: shards.NewShardID(0, index), Work: a}}, shard.NewBatch())
	return a
}

func increment(key string) store.Op {
	return store.Op{Kind: store.OpIncrement, Key: []byte(key), Int: 1}
}
func set(key, value string) store.Op {
	return store.Op{Kind: store.OpSet, Key: []byte(key), Value: []byte(value)}
}
func get(key string) store.Op { return store.Op{Kind: store.OpGet, Key: []byte(key)} }

func TestWorkFindsItsPrimary(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("a", "b", "b", "a")
	var asks [shardsInTown]onlyAsk
	var tasks []Task
	for i := range asks {
		asks[i].txn.Ops = []store.Op{set("key", fmt.Sprint("of ", i))}
		tasks = append(tasks, Task{Shard: shards.NewShardID(0, i), Work: &asks[i]})
	}
	w.nodes["a"].Do(t.Context(), tasks, shard.NewBatch())
	for i := range asks {
		if asks[i].err != nil || len(asks[i].results) != 1 || asks[i].results[0].Version != 1 {
			t.Errorf("shard %d: %v, %+v", i, asks[i].err, asks[i].results)
		}
		for _, from := range []shards.NodeID{"a", "b"} {
			if got := w.nodes[from].do(i, get("key")); got.err != nil || got.values[0] != fmt.Sprint("of ", i) {
				t.Errorf("shard %d read from %s: %v, %q", i, from, got.err, got.values)
			}
		}
	}
	if f := w.nodes["a"].Figures(); f.Forwards != 4 || f.Retries != 0 {
		t.Errorf("%+v, want two writes and two reads forwarded", f)
	}
}

// DESIGN.md section 4: "Writes carry (client, sequence) so that a retry across a failover is applied once."
func TestLostAnswerIsAskedForAgainAndAppliedOnce(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	lost := 0
	w.spoil = func(_ shards.NodeID, _ transport.Kind, serve func() ([]byte, error)) ([]byte, error) {
		answer, err := serve()
		if lost++; lost%2 == 1 {
			return nil, transport.ErrPeerGone
		}
		return answer, err
	}
	for i := range 20 {
		if got := w.nodes["a"].do(0, increment("n")); got.err != nil || got.results[0].Int != int64(i+1) {
			t.Fatalf("increment %d: %v, %+v", i, got.err, got.results)
		}
	}
	if lost != 40 {
		t.Errorf("%d calls, want each increment sent twice", lost)
	}
}

func TestWorkFollowsThePrimary(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.lead("b", "", "", "")
	moved := false
	w.spoil = func(to shards.NodeID, _ transport.Kind, serve func() ([]byte, error)) ([]byte, error) {
		if to == "b" {
			if !moved {
				moved = true
				go w.lead("c", "", "", "")
			}
			return nil, transport.ErrNoPeer
		}
		return serve()
	}
	if got := w.nodes["a"].do(0, increment("n")); got.err != nil || got.results[0].Int != 1 {
		t.Fatalf("%v, %+v", got.err, got.results)
	}
	if w.nodes["a"].Figures().Retries == 0 {
		t.Error("nothing was tried again")
	}
}

// A node that stands still keeps its connections. Who waits for its answer goes to the successor as soon as there is one.
func TestNobodyWaitsForANodeThatWasReplaced(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.lead("b", "b", "b", "b")
	asked := make(chan struct{}, 2)
	w.spoil = func(to shards.NodeID, _ transport.Kind, serve func() ([]byte, error)) ([]byte, error) {
		if to != "b" {
			return serve()
		}
		asked <- struct{}{}
		<-t.Context().Done() // the real one ends with its context, too: see remote.Call below
		return nil, t.Context().Err()
	}
	for name, ask := range map[string]func() error{
		"a write": func() error { return w.nodes["a"].do(0, increment("n")).err },
		"a read":  func() error { _, err := w.nodes["a"].Count(t.Context(), shards.NewShardID(0, 1), 0, 0); return err },
	} {
		w.lead("b", "b", "b", "b")
		done := make(chan error, 1)
		go func() { done <- ask() }()
		<-asked
		w.lead("c", "c", "c", "c")
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHereDoesNotForward(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	a := &onlyAsk{txn: store.Txn{Ops: []store.Op{set("k", "v")}}}
	w.nodes["a"].Do(t.Context(), []Task{{Shard: shards.NewShardID(0, 2), Work: a, Here: true}}, shard.NewBatch())
	var moved *shards.NotPrimaryError
	if !errors.As(a.err, &moved) || moved.Primary != "b" || moved.Shard != shards.NewShardID(0, 2) {
		t.Errorf("got %v", a.err)
	}
	if w.nodes["a"].Figures().Forwards != 0 {
		t.Error("it was forwarded")
	}
}

func TestRefusalsArriveWithTheirKind(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	got := w.nodes["a"].do(0, store.Op{Kind: store.OpSet, Key: []byte("k"), Value: []byte("v"), If: store.IfPresent})
	if got.err != nil || !errors.Is(got.results[0].Err, store.ErrConflict) {
		t.Errorf("a condition that does not hold: %v, %+v", got.err, got.results)
	}
	w.nodes["b"].shards[shards.NewShardID(0, 0)].Fail(errors.New("out of order"))
	w.nodes["a"].config.Patience = 10 * time.Millisecond
	if got := w.nodes["a"].do(0, get("k")); kindOf(got.err) != shards.KindUnavailable {
		t.Errorf("a shard out of service: %v", got.err)
	}
}

func TestReadsOfOtherNodes(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "a", "b", "b")
	id := shards.NewShardID(0, 0)
	b := w.nodes["b"].shards[id]
	var want []string
	for i := range 3 * pageKeys / 2 {
		key := fmt.Sprintf("key %06d", i)
		want = append(want, key)
		submit(t, b, set(key, strconv.Itoa(i)))
	}
	a := w.nodes["a"]
	var got []string
	for e, err := range a.Reader().View(t.Context(), id, nil, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.Key))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d keys forward, want %d", len(got), len(want))
	}
	got = got[:0]
	for e := range a.Reader().View(t.Context(), id, []byte("key 000100"), []byte("key 005000"), true) {
		got = append(got, string(e.Key))
		if len(got) == pageKeys+1 { // the second page has been asked for, and the view is left half-way
			break
		}
	}
	if got[0] != "key 004999" || got[pageKeys] != fmt.Sprintf("key %06d", 4999-pageKeys) {
		t.Errorf("backwards from %s to %s", got[0], got[pageKeys])
	}
	if open := len(w.nodes["b"].views.open); open != 0 {
		t.Errorf("%d views are still held", open)
	}
	if n, err := a.Count(t.Context(), id, 0, shards.Slots-1); err != nil || int(n) != len(want) {
		t.Errorf("count %d, %v", n, err)
	}
	key, found, err := a.RandomKey(t.Context(), id, nil, 7)
	if err != nil || !found || len(key) != len(want[0]) {
		t.Errorf("some key: %q, %v, %v", key, found, err)
	}
	got = got[:0]
	next, err := a.Scan(t.Context(), id, []byte("key 000041"), []byte("key 00004"), 100, func(key []byte) { got = append(got, string(key)) })
	if err != nil || next != nil || len(got) != 8 || got[0] != "key 000042" {
		t.Errorf("scan: %q, next %q, %v", got, next, err)
	}
}

// A step of a scan ends early where keys are long, here and at another node, so that neither a message nor a turn is too long for its shard.
func TestScanOfLongKeysIsInSteps(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	id := shards.NewShardID(0, 0)
	const keys, size = 40, store.MaxKey
	for i := range keys {
		submit(t, w.nodes["b"].shards[0], set(fmt.Sprintf("%0*d", size, i), ""))
	}
	for _, name := range []shards.NodeID{"a", "b"} {
		steps, seen := 0, 0
		for after := []byte(nil); ; {
			got := 0
			next, err := w.nodes[name].Scan(t.Context(), id, after, nil, 1000, func([]byte) { got++ })
			if err != nil || got > scanBytes/size+1 {
				t.Fatalf("from %s: %d keys of %d bytes in one step, %v", name, got, size, err)
			}
			seen, steps = seen+got, steps+1
			if after = next; next == nil {
				break
			}
		}
		if seen != keys || steps != 3 {
			t.Errorf("from %s: %d keys in %d steps", name, seen, steps)
		}
	}
}

// The keys of a slot are visited until visit wants no more, and another node gathers no more of them than a message takes.
func TestLongKeysOfASlotAreBounded(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	const size = store.MaxKey
	slot := shards.SlotOf([]byte("{tag}"))
	id := shards.NewShardID(0, w.nodes["a"].config.State().Keyspaces[0].ShardOf(slot))
	keys := slotBytes/size + 2
	for i := range keys {
		submit(t, w.nodes["b"].shards[id], set(fmt.Sprintf("{tag}%0*d", size-5, i), ""))
	}
	for name, want := range map[shards.NodeID]error{"a": errLongSlot, "b": nil} {
		seen := 0
		err := w.nodes[name].KeysInSlot(t.Context(), id, slot, 10, func([]byte) bool { seen++; return seen < 3 })
		if err != nil || seen != 3 {
			t.Errorf("from %s: %d keys of 3, %v", name, seen, err)
		}
		seen = 0
		err = w.nodes[name].KeysInSlot(t.Context(), id, slot, 1000, func([]byte) bool { seen++; return true })
		if (err == nil) != (want == nil) || want != nil && !strings.Contains(err.Error(), want.Error()) || want == nil && seen != keys {
			t.Errorf("from %s: %d keys of %d, %v", name, seen, keys, err)
		}
	}
}

func TestViewsThatNobodyAsksForEnd(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	for i := range pageKeys + 1 {
		submit(t, w.nodes["b"].shards[0], set(fmt.Sprint(i), ""))
	}
	q := query{op: opOpen}
	first, err := w.nodes["a"].call(t.Context(), "b", &q)
	if err != nil || first.view == 0 || len(first.entries) != pageKeys {
		t.Fatalf("%v, view %d with %d entries", err, first.view, len(first.entries))
	}
	w.nodes["b"].views.Expire(time.Now().Add(2 * viewLife))
	if _, err := w.nodes["a"].call(t.Context(), "b", &query{op: opNext, view: first.view}); kindOf(err) != shards.KindUnavailable {
		t.Errorf("a view that has ended: %v", err)
	}
}

func submit(t *testing.T, s *shard.Shard, op store.Op) {
	t.Helper()
	a, b := &onlyAsk{txn: store.Txn{Ops: []store.Op{op}}}, shard.NewBatch()
	b.Begin()
	s.Submit(time.Now().UnixMilli(), a, b)
	b.Wait()
	if a.err != nil || a.results[0].Err != nil {
		t.Fatal(a.err, a.results)
	}
}

func FuzzServe(f *testing.F) {
	a := &attempt{task: &Task{Shard: 3, Work: &onlyAsk{txn: store.Txn{Ops: []store.Op{set("k", "v")}}}}}
	f.Add(request(a))
	f.Add((&query{op: opOpen, low: []byte("a"), high: []byte("b")}).encode())
	f.Add((&watchQuery{op: watchOpen, shards: []shards.ShardID{1}, from: []shards.SeqNo{0}}).encode())
	f.Add((&answer{entries: []Entry{{Key: []byte("k")}}}).encode())
	f.Add((&watchAnswer{began: []shards.SeqNo{1}, changes: []shard.Change{{Shard: 1}}}).encode())
	f.Fuzz(func(t *testing.T, body []byte) {
		w := newTown(t, "a")
		w.lead("a", "a", "a", "")
		h := w.nodes["a"]
		if _, err := h.Serve(t.Context(), body); err != nil && kindOf(err) == shards.KindUnknown {
			t.Errorf("forward: %v has no kind", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, serve := range []func(context.Context, []byte) ([]byte, error){h.views.Serve, h.watches.Serve} {
			if _, err := serve(ctx, body); err != nil && kindOf(err) == shards.KindUnknown {
				t.Errorf("%v has no kind", err)
			}
		}
		if err := new(answer).decode(body); err == nil {
			roundTrip(t, body, new(answer))
		}
		if err := new(watchAnswer).decode(body); err == nil {
			roundTrip(t, body, new(watchAnswer))
		}
	})
}

// roundTrip checks that what was decoded means the same when it is encoded and decoded again.
func roundTrip(t *testing.T, body []byte, v interface {
	decode([]byte) error
	encode() []byte
}) {
	if err := v.decode(body); err != nil {
		t.Fatal(err)
	}
	if err := v.decode(v.encode()); err != nil {
		t.Errorf("what was encoded is refused: %v", err)
	}
}

// A read that no node of this release sends is called by what all reads are.
func TestVerbsOfReads(t *testing.T) {
	for o, want := range map[op]string{opScan: "scan", opCount: "count", opRandom: "sample", 0: "read", opNext: "read", opClose: "read", 200: "read"} {
		if got := o.verb(); got != want {
			t.Errorf("%d is called %q, want %q", o, got, want)
		}
	}
}
