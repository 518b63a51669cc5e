package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/recipes"
	"github.com/troupe-actors/troupe/actors/topics"
	"github.com/troupe-actors/troupe/shards"
)

func coordinated(t *testing.T, nodes ...*Node) {
	t.Helper()
	for _, n := range nodes {
		for _, k := range append(topics.Kinds(), recipes.Kinds()...) {
			if err := n.Register(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// rounds stops and kills nodes, never the first, while progress is made between.
func rounds(t *testing.T, c *troop, more func()) {
	t.Helper()
	more()
	for round := range 2 {
		c.stop(1 + round)
		more()
		c.startAll()
		coordinated(t, c.nodes[1+round])
		more()
	}
	c.kill(1)
	more()
}

// workplace is what producers and members of a group share in a test.
type workplace struct {
	mu        sync.Mutex
	published [3][]string    // acknowledged, by partition, in order
	done      map[string]int // how often it was worked on
	committed map[topics.Position]string
	twice     int
}

// Promised: "publish and subscribe with at-least-once delivery and offsets per subscriber; consumer groups that rebalance".
func TestTopicsSurviveFailovers(t *testing.T) {
	c := newTroop(t, true, volatileSpace("default", 1), volatileSpace("actors", 2))
	coordinated(t, c.nodes...)
	ctx := t.Context()
	client := topics.NewClient(c.nodes[0].Actors())
	if _, err := client.Create(ctx, "orders", topics.Config{Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	place := &workplace{done: map[string]int{}, committed: map[topics.Position]string{}}
	var stop atomic.Bool
	var count atomic.Int64
	var producing, consuming sync.WaitGroup
	for p := range 3 {
		producing.Go(func() { place.produce(t, client, p, &stop, &count) })
	}
	reading, cancel := context.WithCancel(ctx)
	for range 2 {
		consuming.Go(func() { place.consume(t, reading, topics.NewClient(c.nodes[0].Actors())) })
	}
	rounds(t, c, func() {
		from := count.Load()
		eventually(t, "messages go on", func() bool { return count.Load() >= from+60 })
	})
	stop.Store(true)
	producing.Wait()
	eventually(t, "all is done", func() bool {
		place.mu.Lock()
		defer place.mu.Unlock()
		return len(place.done) >= len(place.published[0])+len(place.published[1])+len(place.published[2])
	})
	cancel()
	consuming.Wait()
	for p, list := range place.published {
		var got []string
		for {
			b, err := client.Poll(ctx, "orders", p, uint64(len(got)), topics.MaxBatch, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Messages) == 0 {
				break
			}
			for i := range b.Messages {
				got = append(got, string(b.Messages[i].Value))
			}
		}
		if !slices.Equal(got, list) {
			t.Errorf("partition %d holds %d messages; %d were published", p, len(got), len(list))
		}
	}
	t.Logf("%d messages, %d times one was worked on again", len(place.done), place.twice)
}

// produce publishes to one partition, each message until it is known to be there.
func (w *workplace) produce(t *testing.T, client *topics.Client, p int, stop *atomic.Bool, count *atomic.Int64) {
	for seq := uint64(1); !stop.Load(); seq++ {
		value := fmt.Sprintf("%d/%d", p, seq)
		for {
			at, err := client.PublishTo(t.Context(), "orders", p, []topics.Record{{Value: []byte(value)}}, topics.Once{Producer: fmt.Sprint("p", p), Seq: seq})
			var known *shards.Error
			if errors.As(err, &known) {
				continue
			}
			if err != nil || int(at.Offset) != len(w.published[p]) {
				t.Errorf("%s is at %+v, %v; %d are there", value, at, err, len(w.published[p]))
				return
			}
			break
		}
		w.mu.Lock()
		w.published[p] = append(w.published[p], value)
		w.mu.Unlock()
		count.Add(1)
	}
}

// consume is a member of a group until ctx ends. Each partition is worked on in order, and what was committed does not come again.
func (w *workplace) consume(t *testing.T, ctx context.Context, client *topics.Client) {
	m := client.Join("billing", 5*time.Second, "orders")
	for ctx.Err() == nil {
		r, err := m.Poll(ctx, 20, time.Second)
		if err != nil {
			continue // a failover took longer than a call is patient: go on
		}
		for i := range r.Messages {
			value := string(r.Messages[i].Value)
			if want := fmt.Sprintf("%d/%d", r.Partition, r.Messages[i].Offset+1); value != want {
				t.Errorf("at offset %d of partition %d is %s", r.Messages[i].Offset, r.Partition, value)
			}
			w.mu.Lock()
			if by := w.committed[topics.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Messages[i].Offset}]; by != "" {
				t.Errorf("%s comes again although %s has committed it", value, by)
			}
			if w.done[value]++; w.done[value] > 1 {
				w.twice++
			}
			w.mu.Unlock()
		}
		if err := m.Commit(ctx, r); err != nil {
			continue // it comes again
		}
		w.mu.Lock()
		for i := range r.Messages {
			w.committed[topics.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Messages[i].Offset}] = m.Name()
		}
		w.mu.Unlock()
	}
}

// Tokens of a lock rise, whoever dies, and none has two holders.
func TestLockSurvivesFailovers(t *testing.T) {
	c := newTroop(t, true, volatileSpace("default", 1), volatileSpace("actors", 2))
	coordinated(t, c.nodes...)
	h := c.nodes[0].Actors()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	holders, last := map[uint64]string{}, uint64(0)
	var grants atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for ctx.Err() == nil {
				s, err := recipes.Open(ctx, h, 20*time.Second)
				if err != nil {
					continue
				}
				l := recipes.NewLock(h, "l")
				for range 10 {
					token, err := l.Acquire(ctx, s)
					if err != nil {
						break
					}
					mu.Lock()
					if holders[token] != "" || token <= last && !s.Over() {
						t.Errorf("token %d: given to %q before, the last was %d", token, holders[token], last)
					}
					holders[token], last = s.Name(), max(last, token)
					mu.Unlock()
					grants.Add(1)
					if l.Release(ctx, s) != nil {
						break
					}
				}
				_ = s.Close(ctx)
			}
		})
	}
	rounds(t, c, func() {
		from := grants.Load()
		eventually(t, "the lock goes round", func() bool { return grants.Load() >= from+20 })
	})
	cancel()
	workers.Wait()
	t.Logf("%d grants, last token %d", grants.Load(), last)
}
