package shard

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards/replica"
)

// leased is lonely with a lease that may end.
type leased struct {
	lonely
	over atomic.Bool
}

func (l *leased) Valid() bool { return !l.over.Load() }

// TestReadsThatWaitForAHandOverEndWithTheLease: nobody knows what became of a hand-over, and the row has none any more. All copies have all,
// so that the protocol needs no ticks; whoever reads waits all the same, and no longer than the lease holds.
func TestReadsThatWaitForAHandOverEndWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := &leased{}
		link, s := aloneIn(t, world)
		defer link.Close()
		row := cluster.Shard{ID: s.id, Term: 1, Version: 1, Primary: 1, Copies: []cluster.Copy{
			{ID: 1, Node: "n1", InSync: true, Started: true, Fresh: true}, {ID: 2, Node: "n2", InSync: true, Started: true}}}
		acked := func() {
			s.step("", &replica.Message{Shard: s.id, Kind: replica.KindAck, From: 2, To: 1, Term: row.Term, Last: replica.Position{Term: row.Term, Seq: 0}, Commit: 0}, nil)
		}
		s.Configure(&row, 1)
		acked()
		row.Version, row.HandTo = 2, 2
		s.Configure(&row, 1)
		for range 100 {
			s.TickReplica()
		}
		if len(world.wished) == 0 || world.wished[len(world.wished)-1].HandOver == nil {
			t.Fatalf("proposed %+v", world.wished)
		}
		row.Version, row.HandTo = 3, 0
		s.Configure(&row, 1)
		acked()
		for range 100 {
			s.TickReplica()
		}
		read, over := works(s, get("k"))
		synctest.Wait()
		select {
		case <-over:
			t.Fatalf("a read that may be of the past gives %+v", read)
		default:
		}
		world.over.Store(true)
		if link.Restless() {
			s.TickReplica()
		}
		synctest.Wait()
		select {
		case <-over:
		default:
			t.Fatal("a read waits though the lease is over")
		}
		if !errors.Is(read.err, ErrNoLease) {
			t.Errorf("it gives %v", read.err)
		}
	})
}
