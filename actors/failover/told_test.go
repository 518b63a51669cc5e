package failover

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// Whatever is drained is followed by every node; who leads tells of it, and who leads next lists it.
func TestDrainIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 4, 4)
		p := &parliament{state: s.state, leader: "id1", term: 3}
		first := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		second := p.open(t, "id3", "n3", func(shards.NodeID) *office { return nil })
		defer first.close()
		defer second.close()
		step := func() {
			p.mu.Lock()
			p.state = s.state
			p.mu.Unlock()
			first.watch.Applied()
			second.watch.Applied()
			synctest.Wait()
		}
		step()
		yes := true
		s.apply(&cluster.Command{Member: &cluster.MemberChange{Node: "id2", Draining: &yes}})
		step()
		if open := first.watch.Open(); len(open) != 1 || open[0].Kind != tracing.KindDrain || open[0].Outcome != tracing.OutcomeOpen {
			t.Fatalf("open: %v", open)
		}
		for range 10 {
			s.plan()
			step()
			s.settle()
			step()
		}
		if a, b := first.list(), second.list(); len(a) != 1 || len(b) != 0 || a[0].Outcome != tracing.OutcomeDone {
			t.Fatalf("the leader told %v, another node %v", a, b)
		}
		p.elect("id3", 4)
		step()
		if open := second.watch.Open(); len(open) != 1 || open[0].Trace() != first.list()[0].Trace() || len(second.list()) != 0 {
			t.Errorf("who leads next lists %v, and tells %v", open, second.list())
		}
	})
}

// A drain of very many copies is looked at now and then, and told to its end all the same.
func TestLargeDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(version uint64, left int) *cluster.State {
			s := &cluster.State{Cluster: "c", Version: version, Keyspaces: []cluster.Keyspace{{}},
				Members: []cluster.Member{{ID: "id1", Name: "n1", Epoch: 1}, {ID: "id2", Name: "n2", Epoch: 1, Draining: true}}}
			for i := range 2 * largeDrain {
				node := shards.NodeID("id2")
				if i < left {
					node = "id1"
				}
				s.Shards = append(s.Shards, cluster.Shard{ID: shards.NewShardID(0, i), Term: 1, Primary: 1, Copies: []cluster.Copy{{ID: 1, Node: node, InSync: true, Started: true}}})
			}
			return s
		}
		p := &parliament{state: at(1, 0), leader: "id1", term: 3}
		o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		defer o.close()
		step := func(version uint64, left int) {
			p.mu.Lock()
			p.state = at(version, left)
			p.mu.Unlock()
			o.watch.Applied()
			synctest.Wait()
		}
		step(2, 0)
		for i := range 20 {
			step(uint64(3+i), i)
			<-time.After(time.Millisecond)
		}
		if open := o.watch.Open(); len(open) != 1 || len(open[0].Shards) != 2*largeDrain {
			t.Fatalf("open: %d", len(open))
		}
		step(40, 2*largeDrain)
		<-time.After(time.Second)
		synctest.Wait()
		if told := o.list(); len(told) != 1 || told[0].Outcome != tracing.OutcomeDone || len(o.watch.Open()) != 1 {
			t.Errorf("told %d", len(told))
		}
	})
}

// What requests felt reaches the leader summed up, once for many of them, and belongs to the failover of their shard.
func TestClientsWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 3, 3)
		p := &parliament{state: s.state, leader: "id1", term: 3}
		first := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		defer first.close()
		other := p.open(t, "id3", "n3", func(shards.NodeID) *office { return first })
		defer other.close()
		shard := s.state.Shards[s.places("id2")[0]].ID
		var calls int
		tell := other.teller.c.Call
		other.teller.c.Call = func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
			calls++
			return tell(ctx, to, body)
		}
		long := time.Now()
		other.teller.Waited(shard, long.Add(-time.Minute), long.Add(-time.Minute+time.Second)) // of a trouble before
		p.play(s, first)
		died := time.Now()
		for i := range 1000 {
			other.teller.Waited(shard, died, died.Add(time.Duration(i%200)*time.Millisecond))
		}
		other.teller.Waited(shards.NewShardID(7, 7), died, died.Add(time.Hour)) // of no failover
		first.teller.Waited(shard, died.Add(time.Millisecond), died.Add(11*time.Millisecond))
		<-time.After(3 * time.Second)
		synctest.Wait()
		told := first.list()
		if len(told) != 1 || len(told[0].Clients) != 2 {
			t.Fatalf("told %d stories; clients %+v", len(told), told[0].Clients)
		}
		if a, b := told[0].Clients[0], told[0].Clients[1]; a.Node != "n1" || a.Requests != 1 || a.Longest != 10e6 || b.Node != "n3" || b.Requests != 1000 || b.Longest != 199e6 {
			t.Errorf("clients felt %+v", told[0].Clients)
		}
		if calls > 3 {
			t.Errorf("the leader was called %d times about 1000 requests", calls)
		}
	})
}

// The path of a request that was tried again is not the place to allocate.
func TestWaitedAllocatesNothing(t *testing.T) {
	p := &parliament{state: newStage(t, 1, 1).state}
	o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
	defer o.close()
	began := time.Now()
	o.teller.Waited(1, began, began)
	if n := testing.AllocsPerRun(100, func() { o.teller.Waited(1, began, began) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
