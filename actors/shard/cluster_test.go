package shard

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// ask runs operations on a shard, now.
func ask(s *Shard, ops ...store.Op) *answers {
	a := &answers{}
	for _, op := range ops {
		a.txns = append(a.txns, store.Txn{Ops: []store.Op{op}})
	}
	b := NewBatch()
	b.Begin()
	s.Submit(time.Now().UnixMilli(), a, b)
	b.Wait()
	return a
}

// clients write without pause, each its own keys in order, and remember what was acknowledged.
type clients struct {
	*town
	over    chan struct{}
	work    sync.WaitGroup
	mu      sync.Mutex
	acked   map[string]bool
	unknown int
	refused int
	longest time.Duration // between two acknowledged writes of one client
	count   atomic.Int64
}

func (w *town) write(n int) *clients {
	c := &clients{town: w, over: make(chan struct{}), acked: map[string]bool{}}
	for i := range n {
		c.work.Go(func() { c.run(i) })
	}
	return c
}

func (c *clients) run(i int) {
	last := time.Now()
	for n := 0; ; {
		select {
		case <-c.over:
			return
		case <-time.After(5 * time.Millisecond):
		}
		s := c.primary(i % c.space.Shards)
		if s == nil {
			continue
		}
		key := fmt.Sprintf("%d/%d", i, n)
		err := ask(s, set(key, key)).err
		var failure *shards.Error
		var moved *shards.NotPrimaryError
		c.mu.Lock()
		switch {
		case err == nil:
			c.acked[fmt.Sprintf("%d:%s", i%c.space.Shards, key)] = true
			c.longest = max(c.longest, time.Since(last))
			last = time.Now()
			c.count.Add(1)
			n++
		case errors.As(err, &failure) && failure.Kind == shards.KindOutcomeUnknown:
			c.unknown++
			n++
		case errors.As(err, &failure) && failure.Kind == shards.KindUnavailable, errors.As(err, &moved):
			c.refused++
		default:
			c.t.Errorf("client %d: %v", i, err)
		}
		c.mu.Unlock()
	}
}

// more waits until so many more writes have been acknowledged.
func (c *clients) more(n int64) {
	c.t.Helper()
	from := c.count.Load()
	c.await(fmt.Sprintf("%d writes", n), func() bool { return c.count.Load() >= from+n })
}

// finish ends the clients, waits for peace and looks for every acknowledged write.
func (c *clients) finish() {
	c.t.Helper()
	close(c.over)
	c.work.Wait()
	c.await("peace", c.whole)
	c.equal()
	lost := 0
	for name := range c.acked {
		var index int
		var key string
		fmt.Sscanf(name, "%d:%s", &index, &key)
		if a := ask(c.primary(index), get(key)); a.err != nil || !a.results[0].Found {
			lost++
		}
	}
	if lost > 0 {
		c.t.Errorf("%d of %d acknowledged writes are lost", lost, len(c.acked))
	}
	if len(c.failed) > 0 {
		c.t.Errorf("copies were given up: %v", c.failed)
	}
}

// inTown plays a test in a bubble, for each durability.
func inTown(t *testing.T, nodes, copies int, k shards.Keyspace, play func(w *town)) {
	eachDurability(t, func(t *testing.T, d shards.Durability) {
		k.Durability = d
		inTownOf(t, nodes, copies, k, play)
	})
}

// inTownOf plays a test in a bubble.
func inTownOf(t *testing.T, nodes, copies int, k shards.Keyspace, play func(w *town)) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nodes, copies, k)
		defer w.close()
		w.await("the first peace", w.whole)
		play(w)
	})
}

// TestEveryCopyHasIt: DESIGN.md section 4, "acknowledges when every in-sync copy has the write", and section 6, a copy that is
// not primary "answers NotPrimary{hint}".
func TestEveryCopyHasIt(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 2}, func(w *town) {
		p := w.primary(0)
		a := ask(p, set("k", "one"), get("k"), set("k", "two"), get("k"))
		if a.err != nil || len(a.results) != 4 || string(a.results[1].Value) != "one" || string(a.results[3].Value) != "two" {
			t.Fatalf("%+v", a)
		}
		w.await("peace", w.whole)
		w.equal()
		for _, h := range w.houses[1:] {
			s := h.shards[0]
			var moved *shards.NotPrimaryError
			if err := ask(s, get("k")).err; !errors.As(err, &moved) || moved.Primary != "n1" || s.Leads() {
				t.Errorf("%s: %v, leads %v", h.id, err, s.Leads())
			}
			if err := s.Inspect(func(*store.Store) {}); !errors.As(err, &moved) || moved.Primary != "n1" {
				t.Errorf("%s: looking inside gives %v", h.id, err)
			}
			stale := &answers{txns: []store.Txn{{Ops: []store.Op{get("k")}}}}
			s.ReadStale(time.Now().UnixMilli(), stale, 0)
			if stale.err != nil || string(stale.results[0].Value) != "two" {
				t.Errorf("%s: a stale read gives %+v", h.id, stale)
			}
		}
	})
}

// A copy that is not in sync may lack nearly everything, and one that has come back does not know yet what of its log happened:
// neither answers even those who take what they get.
func TestStaleReadsNeedACopyInSync(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 1}, func(w *town) {
		w.fill(0, 1)
		w.await("peace", w.whole)
		read := func(within time.Duration) *answers {
			stale := &answers{txns: []store.Txn{{Ops: []store.Op{get("filled/000000")}}}}
			w.house("n3").shards[0].ReadStale(time.Now().UnixMilli(), stale, within)
			return stale
		}
		if got := read(time.Millisecond); got.err != nil || !got.results[0].Found {
			t.Errorf("a copy that is level gives %+v", got)
		}
		disk := w.kill("n3")
		w.await("the others to go on", func() bool { s := w.primary(0); return s != nil && s.Leads() })
		w.isolate("n3", true)
		w.revive("n3", disk, false)
		w.await("the copy to know its row", func() bool { return w.house("n3").shards[0].Stats().Available })
		if got := read(0); got.err == nil {
			t.Errorf("a copy that has come back, and has not heard of the others yet, gives %+v", got)
		}
		w.isolate("n3", false)
		w.await("peace", w.whole)
		if got := read(time.Millisecond); got.err != nil || !got.results[0].Found {
			t.Errorf("a copy that is level again gives %+v", got)
		}
	})
}

// What came to a copy while it was not in sync may have been acknowledged without it, long before. Once it is in sync it does not take
// that for as young as it came.
func TestStaleReadsOfACopyThatHasJustComeIntoSync(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 1}, func(w *town) {
		first := w.primary(0)
		var ahead, behind *house
		for _, c := range w.row(0).Copies {
			if c.Node != first.link.Node {
				ahead, behind = behind, w.house(c.Node)
			}
		}
		for !behind.asleep.TryLock() {
			<-time.After(time.Millisecond)
		}
		answered := make(chan error, 1)
		go func() { answered <- ask(first, set("a", "0")).err }()
		s := ahead.shards[0]
		w.await("its having it", func() bool {
			s.turn.Lock()
			defer s.turn.Unlock()
			return s.part.core.End().Seq > s.part.core.Committed()
		})
		read := func(within time.Duration) error {
			got := &answers{txns: []store.Txn{{Ops: []store.Op{get("a")}}}}
			s.ReadStale(time.Now().UnixMilli(), got, within)
			return got.err
		}
		if err := read(time.Hour); err != nil {
			t.Errorf("a copy that was in sync when it came: %v", err)
		}
		s.turn.Lock()
		row := s.part.row
		for _, inSync := range []bool{false, true} {
			row.Copies = slices.Clone(row.Copies)
			row.Version++
			s.copyHere(&row).InSync = inSync
			s.configure(&row)
		}
		s.turn.Unlock()
		if err := read(time.Hour); err == nil {
			t.Error("a copy that was not in sync when it came vouches for how long ago it was acknowledged")
		}
		behind.asleep.Unlock()
		if err := <-answered; err != nil {
			t.Error(err)
		}
		w.await("its knowing", func() bool { return read(time.Millisecond) == nil })
	})
}

// TestKillThePrimary: issue, "Acknowledged writes lost: 0, ever".
func TestKillThePrimary(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 2}, func(w *town) {
		c := w.write(8)
		for range 6 {
			c.more(50)
			row := w.row(0)
			id := w.primary(0).link.Node
			fs := w.kill(id)
			c.more(50)
			w.revive(id, fs, false)
			w.await("the copy's return", w.inSync)
			if w.row(0).Term <= row.Term {
				w.t.Errorf("term %d after %d", w.row(0).Term, row.Term)
			}
		}
		c.finish()
	})
}

// TestCutOff: a primary that nobody reaches stops serving by itself, and harms nothing when it comes back.
func TestCutOff(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 1}, func(w *town) {
		c := w.write(4)
		for range 4 {
			c.more(50)
			old := w.primary(0)
			w.isolate(old.link.Node, true)
			<-time.After(leaseTime + 10*time.Millisecond)
			var failure *shards.Error
			if err := ask(old, get("k")).err; !errors.As(err, &failure) || failure.Kind != shards.KindUnavailable {
				w.t.Fatalf("a read without a lease gives %v", err)
			}
			if _, err := old.View(); !errors.As(err, &failure) || failure.Kind != shards.KindUnavailable {
				w.t.Fatalf("a view without a lease gives %v", err)
			}
			w.bury(w.house(old.link.Node))
			c.more(50)
			w.must(&cluster.Command{Join: &cluster.Join{Member: w.again(old.link.Node), Clean: true}})
			w.isolate(old.link.Node, false)
			w.await("the copy's return", w.inSync)
		}
		c.finish()
	})
}

// again is a member's next life, while its process goes on: it was declared dead by mistake, and joins again.
func (w *town) again(id shards.NodeID) cluster.Member {
	h := w.house(id)
	w.mu.Lock()
	defer w.mu.Unlock()
	h.epoch++
	m := *w.state.Member(id)
	m.Epoch = h.epoch
	return m
}
