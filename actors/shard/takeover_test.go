package shard

import (
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/tracing"
)

// chronicle is what the copies of a town told of their takeovers.
type chronicle struct {
	mu   sync.Mutex
	list []Takeover
}

func (h *house) took(t Takeover) {
	h.takeovers.mu.Lock()
	defer h.takeovers.mu.Unlock()
	h.takeovers.list = append(h.takeovers.list, t)
}

// of lists what was told of a shard's reign.
func (c *chronicle) of(id shards.ShardID, term shards.Term) (list []Takeover) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.list {
		if t.Shard == id && t.Term == term {
			list = append(list, t)
		}
	}
	return list
}

// A copy tells once that it serves, and once more of the first write; times ascend, and lie after the death.
func TestTakeoverIsTold(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 2}, func(w *town) {
		c := w.write(8)
		for range 3 {
			c.more(20)
			died := time.Now().UnixNano()
			id := w.primary(0).link.Node
			fs := w.kill(id)
			c.more(40)
			w.await("a takeover of shard 0", func() bool { return len(w.takeovers.of(w.row(0).ID, w.row(0).Term)) == 2 })
			told := w.takeovers.of(w.row(0).ID, w.row(0).Term)
			first, last := told[0], told[1]
			if first.Written != 0 || first.Heard < died || first.Served < first.Heard || last.Written < last.Served || last.Served != first.Served || last.Heard != first.Heard {
				w.t.Errorf("killed at %d, told %+v, then %+v", died, first, last)
			}
			w.revive(id, fs, false)
			w.await("the copy's return", w.inSync)
		}
		c.finish()
		w.takeovers.mu.Lock()
		defer w.takeovers.mu.Unlock()
		seen := map[[2]uint64]int{}
		for _, told := range w.takeovers.list {
			if seen[[2]uint64{uint64(told.Shard), uint64(told.Term)}]++; told.Served == 0 {
				w.t.Errorf("%+v does not serve", told)
			}
		}
		for reign, n := range seen {
			if n > 2 {
				w.t.Errorf("reign %v was told of %d times", reign, n)
			}
		}
	})
}

// tracedWork is a work that belongs to a trace.
type tracedWork struct {
	*answers
	from tracing.Carrier
}

func (w tracedWork) Trace() tracing.Carrier { return w.from }

// A write that waits with what the predecessor left is committed in one go with that, and is the first that is told of.
func TestFirstWriteWithWhatWasLeft(t *testing.T) {
	inTown(t, 3, 3, shards.Keyspace{Shards: 1}, func(w *town) {
		id := w.primary(0).link.Node
		var ahead, behind *house // the first copy is promoted, and the last is not
		for _, c := range w.row(0).Copies {
			if c.Node != id {
				ahead, behind = behind, w.house(c.Node)
			}
		}
		for !behind.asleep.TryLock() {
			<-time.After(time.Millisecond)
		}
		left := make(chan error, 1)
		go func() { left <- ask(w.house(id).shards[0], set("a", "0")).err }()
		w.await("the heir's having it", func() bool {
			s := ahead.shards[0]
			s.turn.Lock()
			defer s.turn.Unlock()
			return s.part.core.End().Seq > s.part.core.Committed()
		})
		w.kill(id)
		if err := <-left; err == nil {
			t.Error("a write is acknowledged that a copy in sync has not")
		}
		heir := w.primary(0)
		w.await("its leading", heir.leads.Load)
		answered := make(chan error, 1)
		first := tracedWork{&answers{txns: []store.Txn{{Ops: []store.Op{set("a", "1")}}}}, tracing.Carrier{Trace: tracing.TraceID{1}, Span: tracing.SpanID{2}, Flags: 1}}
		go func() {
			b := NewBatch()
			b.Begin()
			heir.Submit(time.Now().UnixMilli(), first, b)
			b.Wait()
			answered <- first.err
		}()
		<-time.After(10 * time.Millisecond)
		if told := w.takeovers.of(w.row(0).ID, w.row(0).Term); len(told) > 0 {
			t.Errorf("it serves before the others have what was left: %+v", told)
		}
		behind.asleep.Unlock()
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		now := time.Now().UnixNano()
		var told []Takeover
		w.await("both words", func() bool { told = w.takeovers.of(w.row(0).ID, w.row(0).Term); return len(told) == 2 }) // without another write
		if told[0].Entries != 1 || told[0].Written != 0 || told[1].Written == 0 || told[1].Written > now || told[1].Served != told[0].Served || told[0].Served > told[1].Written {
			t.Errorf("a client had its answer at %d, and %+v was told", now, told)
		}
		if told[1].Write != first.from {
			t.Errorf("the first write is %+v, which was not traced as %+v", told[1].Write, first.from)
		}
	})
}
