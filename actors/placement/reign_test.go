package placement

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/shards"
)

// ponderous is a decider that takes its time once it is told to, as guests of a large cluster do.
type ponderous struct {
	deciders.SameNode
	times chan time.Duration
}

func (p ponderous) Name() string { return "ponderous" }

func (p ponderous) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	select {
	case d := <-p.times:
		<-time.After(d)
	default:
	}
	p.SameNode.Allocate(v, q, r)
}

// TestSetbacksOfAnEarlierReign: the lead is lost and won again while a plan is made. The ticks of the next reign begin anew, and what
// failed in the one before must not seem to lie in the future.
func TestSetbacksOfAnEarlierReign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := ponderous{times: make(chan time.Duration, 1)}
		w := build(t, 3, func(_ shards.NodeID, c *Config) { c.Deciders = append(deciders.All(), p) })
		w.keyspace("orders", 1, 1)
		w.green(2 * time.Second)
		<-time.After(10 * time.Hour)
		w.mu.Lock()
		r := &w.state.Shards[0]
		var lost cluster.Copy
		for _, c := range r.Copies {
			if c.ID != r.Primary {
				lost = c
			}
		}
		w.mu.Unlock()
		w.must(&cluster.Command{Failed: &cluster.Failed{Node: lost.Node, Epoch: 1, Copies: []cluster.ShardCopy{{Shard: r.ID, Copy: lost.ID}}, Reason: "a bad sector"}})
		<-time.After(900 * time.Millisecond) // it is seen, and waits for its back-off of 1 s
		p.times <- 3 * time.Second           // for the plan that tries it again
		<-time.After(700 * time.Millisecond)
		w.lead("", 8)
		<-time.After(700 * time.Millisecond)
		w.mu.Lock()
		w.begun = time.Now() // a reign's detector counts from 0
		for id := range w.since {
			w.since[id] = 0
		}
		w.mu.Unlock()
		w.lead("n1", 9)
		<-time.After(time.Minute)
		if h := w.health(); h.Status != cluster.Green {
			t.Fatalf("a minute after the lead was won again the health is %v; setbacks %+v", h.Status, w.places["n1"].setbacks.Load().list)
		}
	})
}
