package shard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wal"
)

// town is some nodes over an in-memory net, with a cluster state that is always right and is heard of a little later. It lives
// in a synctest bubble: its seconds take no time.
type town struct {
	takeovers chronicle
	t         *testing.T
	space     shards.Keyspace
	adopt     bool // of the next node that is built

	mu     sync.Mutex
	state  *cluster.State
	houses []*house
	alone  map[shards.NodeID]bool // cut off from everybody, the placement leader included
	failed []string
	came   []Arrival    // told by primaries
	loss   atomic.Int32 // of a hundred messages, so many do not arrive
}

// house is one life of a node.
type house struct {
	*town
	id     shards.NodeID
	epoch  shards.Epoch
	fs     *vfs.MemFS
	log    *wal.Log
	files  *wal.Snapshots
	commit *Committer
	link   *Link
	shards []*Shard
	lease  atomic.Int64 // until then, in Unix ns
	free   atomic.Int64 // of its disk, in bytes
	buried atomic.Bool  // declared dead, and not yet member again: no lease
	mail   *queue[letter]
	bulk   *queue[letter]
	news   *queue[*cluster.State]
	asleep sync.RWMutex // held by whoever stops the process
	over   context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup
}

type letter struct {
	from shards.NodeID
	body []byte
}

// queue is an endless channel with one reader.
type queue[T any] struct {
	mu    sync.Mutex
	all   []T
	ready chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{ready: make(chan struct{}, 1)} }

func (q *queue[T]) put(v T) {
	q.mu.Lock()
	q.all = append(q.all, v)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue[T]) serve(over context.Context, each func(T)) {
	for {
		select {
		case <-over.Done():
			return
		case <-q.ready:
		}
		q.mu.Lock()
		all := q.all
		q.all = nil
		q.mu.Unlock()
		for _, v := range all {
			if over.Err() != nil {
				return
			}
			each(v)
		}
	}
}

// newTown starts nodes n1, n2, ... with one keyspace; n1 is the primary of all its shards, the next copies-1 nodes hold the rest.
func newTown(t *testing.T, nodes, copies int, k shards.Keyspace) *town {
	k.Name, k.Replicas = "test", max(copies-1, 1)
	if copies == 1 {
		k.Replicas = shards.NoReplicas
	}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	w := &town{t: t, space: k, state: &cluster.State{}, alone: map[shards.NodeID]bool{}}
	for i := range nodes {
		m := w.member(i, 1)
		if i == 0 {
			w.must(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("0", 40), Member: m, Keyspaces: []shards.Keyspace{k}}})
		} else {
			w.must(&cluster.Command{Join: &cluster.Join{Member: m}})
		}
	}
	for i := range nodes {
		w.houses = append(w.houses, w.build(w.name(i), 1, vfs.NewCrashableMem()))
	}
	for i := range w.space.Shards {
		w.move(i, cluster.Move{Kind: cluster.MoveCreate, Node: "n1"})
		for c := 1; c < copies; c++ {
			w.move(i, cluster.Move{Kind: cluster.MoveAllocate, Node: w.name(c)})
		}
	}
	return w
}

func (w *town) name(i int) shards.NodeID { return shards.NodeID(fmt.Sprintf("n%d", i+1)) }

func (w *town) member(i int, epoch shards.Epoch) cluster.Member {
	return cluster.Member{ID: w.name(i), Name: string(w.name(i)), Raft: uint64(i + 1), Epoch: epoch, Roles: cluster.DefaultRoles, Peer: string(w.name(i)), Format: 1}
}

// apply carries out a command, and has all nodes hear of it.
func (w *town) apply(c *cluster.Command) cluster.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	next, outcome := w.state.Apply(c)
	if outcome.Changed {
		w.state = next
		for _, h := range w.houses {
			if !w.alone[h.id] {
				h.news.put(next)
			}
		}
	}
	return outcome
}

func (w *town) must(c *cluster.Command) {
	w.t.Helper()
	if o := w.apply(c); o.Err != nil || len(o.Rows) > 0 {
		w.t.Fatalf("%+v: %v %v", c, o.Err, o.Rows)
	}
}

// move changes the row of a shard by one move.
func (w *town) move(index int, m cluster.Move) {
	w.t.Helper()
	m.Reason = "the test wants it"
	var o cluster.Outcome
	for range 100 {
		row := w.row(index)
		o = w.apply(&cluster.Command{Reroute: &cluster.Reroute{Rows: []cluster.RowChange{{Shard: row.ID, Base: row.Version, Moves: []cluster.Move{m}}}}})
		if o.Changed {
			return
		}
	}
	w.t.Fatalf("%+v: %v %v", m, o.Err, o.Rows)
}

// depose has another copy lead a shard, and its primary not know yet: as if that had proposed to hand over, and heard nothing more.
func (w *town) depose(index int, to shards.CopyID) {
	w.t.Helper()
	row := w.row(index)
	w.must(&cluster.Command{HandOver: &cluster.HandOver{Shard: row.ID, Term: row.Term, From: row.Primary, To: to}})
}

func (w *town) row(index int) cluster.Shard {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Shards[index]
}

func (w *town) house(id shards.NodeID) *house {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.houses, func(h *house) bool { return h.id == id })
	return w.houses[i]
}

// primary is the shard on the node that the state calls its primary; nil if there is none.
func (w *town) primary(index int) *Shard {
	row := w.row(index)
	i := slices.IndexFunc(row.Copies, func(c cluster.Copy) bool { return c.ID == row.Primary })
	if i < 0 {
		return nil
	}
	h := w.house(row.Copies[i].Node)
	if h.over.Err() != nil {
		return nil
	}
	return h.shards[index]
}

func (w *town) arrived(a Arrival) {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := slices.ContainsFunc(w.came, func(b Arrival) bool { return b.Shard == a.Shard && b.Copy == a.Copy && b.Began == a.Began })
	if told != a.Again {
		w.t.Errorf("of copy %d, told before: %v, it says %+v", a.Copy, told, a)
	}
	w.came = append(w.came, a)
}

// arrivalsOn are those that were told of a node's copies, newest last.
func (w *town) arrivalsOn(id shards.NodeID) (list []Arrival) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.came {
		if a.Node == id {
			list = append(list, a)
		}
	}
	return list
}

// build begins a life of a node on a disk.
func (w *town) build(id shards.NodeID, epoch shards.Epoch, fs *vfs.MemFS) *house {
	h := &house{town: w, id: id, epoch: epoch, fs: fs, mail: newQueue[letter](), bulk: newQueue[letter](), news: newQueue[*cluster.State]()}
	h.over, h.stop = context.WithCancel(context.Background())
	h.renew()
	var err error
	h.free.Store(plenty)
	space := func() (int64, error) { return h.free.Load(), nil }
	if h.log, err = wal.Open("data", wal.Options{FS: fs, MemTableBytes: 256 << 10, Reserve: 1 << 20, FreeBytes: space}); err != nil {
		w.t.Fatal(err)
	}
	if h.files, err = wal.OpenSnapshots("data", fs); err != nil {
		w.t.Fatal(err)
	}
	h.commit = NewCommitter(h.log, time.Second, func(err error) { w.t.Errorf("%s: %v", id, err) })
	if h.link, err = NewLink(LinkConfig{
		Node: id, Sender: h, Lease: h, Events: h, Files: h.files, Took: h.took, Arrived: h.arrived,
		Replica: replica.Config{LagTicks: 20}, Recovery: recovery.Config{SilenceTicks: 40},
	}); err != nil {
		w.t.Fatal(err)
	}
	keyspace := NewSpace(w.space)
	for i := range w.space.Shards {
		c := Config{ID: shards.NewShardID(w.space.ID, i), Space: keyspace, Seed: 1, Link: h.link, Adopt: w.adopt}
		if w.space.Durability != shards.DurabilityMemory {
			c.Committer, c.Log = h.commit, h.log
		}
		s := New(c)
		if err := s.Recover(h.files, nil); err != nil {
			w.t.Fatal(err)
		}
		h.shards = append(h.shards, s)
	}
	h.work.Go(func() {
		h.mail.serve(h.over, func(l letter) { h.awake(func() { h.check(h.link.Deliver(l.from, l.body, h.find)) }) })
	})
	h.work.Go(func() {
		h.bulk.serve(h.over, func(l letter) { h.awake(func() { h.check(h.link.DeliverRecovery(l.from, l.body, h.find)) }) })
	})
	h.work.Go(func() { h.news.serve(h.over, func(state *cluster.State) { h.awake(func() { h.hear(state) }) }) })
	h.work.Go(h.tick)
	return h
}

func (h *house) check(err error) {
	if err != nil {
		h.t.Error(err)
	}
}

func (h *house) find(id shards.ShardID) *Shard { return h.shards[id.Index()] }

func (h *house) hear(state *cluster.State) {
	for i := range state.Shards {
		h.shards[i].Configure(&state.Shards[i], h.space.MinInSync)
	}
}

func (h *house) tick() {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-h.over.Done():
			return
		case <-ticker.C:
		}
		h.awake(func() {
			if !h.cut(h.id) && !h.buried.Load() {
				h.renew()
			}
			for _, s := range h.shards {
				s.TickReplica()
			}
		})
	}
}

// awake runs f while the process is not stopped.
func (h *house) awake(f func()) {
	for !h.asleep.TryRLock() { // a mutex would hold the bubble's clock
		<-time.After(time.Millisecond)
	}
	defer h.asleep.RUnlock()
	f()
}

// stopFor is SIGSTOP, and SIGCONT after a while: messages wait in their queues. A node that is gone longer than its lease is declared
// dead, and joins again when it wakes.
func (w *town) stopFor(h *house, d time.Duration) {
	for !h.asleep.TryLock() {
		<-time.After(time.Millisecond)
	}
	<-time.After(min(d, leaseTime+10*time.Millisecond))
	dead := d > leaseTime
	if dead {
		h.buried.Store(true)
		w.bury(h)
		<-time.After(d - leaseTime)
	}
	h.asleep.Unlock()
	if dead {
		w.must(&cluster.Command{Join: &cluster.Join{Member: w.again(h.id), Clean: true}})
		h.buried.Store(false)
		w.promoteAll()
	}
}

func (h *house) renew()      { h.lease.Store(time.Now().Add(leaseTime).UnixNano()) }
func (h *house) Valid() bool { return time.Now().UnixNano() < h.lease.Load() }

const leaseTime = 1500 * time.Millisecond

func (w *town) cut(id shards.NodeID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alone[id]
}

func (h *house) reach(to shards.NodeID) *house {
	other := h.house(to)
	if loss := h.loss.Load(); loss > 0 && rand.Int32N(100) < loss {
		return nil
	}
	if h.cut(h.id) || h.cut(to) || h.over.Err() != nil || other.over.Err() != nil {
		return nil
	}
	return other
}

// Send is now and then busy, as a transport with credits is.
func (h *house) Send(to shards.NodeID, body []byte) error {
	if rand.Int32N(50) == 0 {
		return ErrBusy
	}
	return h.SendWait(h.over, to, body)
}

func (h *house) SendWait(_ context.Context, to shards.NodeID, body []byte) error {
	other := h.reach(to)
	if other == nil {
		return errors.New("no connection")
	}
	other.mail.put(letter{h.id, body})
	return nil
}

func (h *house) SendBulk(_ context.Context, to shards.NodeID, body []byte) error {
	other := h.reach(to)
	if other == nil {
		return errors.New("no connection")
	}
	other.bulk.put(letter{h.id, body})
	return nil
}

func (h *house) Propose(c cluster.Command, done func(bool, error)) {
	h.work.Go(func() {
		if h.cut(h.id) || h.over.Err() != nil {
			done(false, errors.New("no leader"))
			return
		}
		o := h.apply(&c)
		done(o.Err != nil, o.Error())
	})
}

func (h *house) Opened(id shards.ShardID, copy shards.CopyID) {
	h.work.Go(func() {
		h.apply(&cluster.Command{Opened: &cluster.Opened{Node: h.id, Epoch: h.epoch, Copies: []cluster.ShardCopy{{Shard: id, Copy: copy}}}})
	})
}

func (h *house) Failed(id shards.ShardID, copy shards.CopyID, cause error) {
	h.mu.Lock()
	h.failed = append(h.failed, fmt.Sprintf("%s: copy %d: %v", h.id, copy, cause))
	h.mu.Unlock()
	h.work.Go(func() {
		h.apply(&cluster.Command{Failed: &cluster.Failed{Node: h.id, Epoch: h.epoch, Copies: []cluster.ShardCopy{{Shard: id, Copy: copy}}, Reason: cause.Error()}})
	})
}

// end ends a life: with a crash the disk forgets what was not synced.
func (h *house) end(crash bool) (fs *vfs.MemFS) {
	h.stop()
	for _, s := range h.shards {
		s.Fail(ErrClosed)
	}
	fs = h.fs
	if crash { // not earlier: what is acknowledged after the picture of the disk is taken is not in it
		fs = h.fs.CrashClone(vfs.CrashCloneCfg{})
	}
	h.link.Close()
	h.work.Wait()
	if err := errors.Join(h.commit.Close(), h.log.Close()); err != nil {
		h.t.Error(err)
	}
	return fs
}

func (w *town) close() {
	for _, h := range w.houses {
		if h.over.Err() == nil {
			h.end(false)
		}
	}
}

// kill crashes a node; the placement leader has proof of it, and promotes.
func (w *town) kill(id shards.NodeID) *vfs.MemFS {
	h := w.house(id)
	fs := h.end(true)
	w.bury(h)
	return fs
}

// bury declares a node dead and promotes other copies in place of its primaries.
func (w *town) bury(h *house) {
	w.must(&cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: h.id, Epoch: h.epoch, Reason: "the test says so"}}}})
	w.promoteAll()
}

// promoteAll gives each shard without a primary one.
func (w *town) promoteAll() {
	for i := range w.space.Shards {
		row := w.row(i)
		for _, c := range row.Copies {
			alive := !w.cut(c.Node) && w.house(c.Node).over.Err() == nil
			if w.row(i).Primary == 0 && c.InSync && alive {
				w.move(i, cluster.Move{Kind: cluster.MovePromote, Copy: c.ID})
			}
		}
	}
}

// revive begins the next life of a node.
func (w *town) revive(id shards.NodeID, fs *vfs.MemFS, clean bool) {
	i := slices.IndexFunc(w.houses, func(h *house) bool { return h.id == id })
	old := w.house(id)
	w.must(&cluster.Command{Join: &cluster.Join{Member: w.member(i, old.epoch+1), Clean: clean}})
	h := w.build(id, old.epoch+1, fs)
	w.mu.Lock()
	w.houses[i] = h
	h.news.put(w.state)
	w.mu.Unlock()
	w.promoteAll()
}

// isolate cuts a node off, or lets it back.
func (w *town) isolate(id shards.NodeID, cut bool) {
	w.mu.Lock()
	w.alone[id] = cut
	state := w.state
	w.mu.Unlock()
	if cut {
		return
	}
	w.house(id).news.put(state)
	for _, h := range w.houses {
		h.link.Up(id, h.shards)
		w.house(id).link.Up(h.id, w.house(id).shards)
	}
}
