package shard

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
)

// lonely is the world of a copy whose messages arrive nowhere, and whose wishes are kept.
type lonely struct {
	mu     sync.Mutex
	wished []cluster.Command
	ruled  []func(refused bool, err error)
}

func (*lonely) Valid() bool                                           { return true }
func (*lonely) Send(shards.NodeID, []byte) error                      { return nil }
func (*lonely) SendWait(context.Context, shards.NodeID, []byte) error { return nil }
func (*lonely) SendBulk(context.Context, shards.NodeID, []byte) error { return nil }
func (*lonely) Opened(shards.ShardID, shards.CopyID)                  {}
func (*lonely) Failed(shards.ShardID, shards.CopyID, error)           {}
func (l *lonely) Propose(c cluster.Command, done func(refused bool, err error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wished, l.ruled = append(l.wished, c), append(l.ruled, done)
}

// aloneIn makes the one copy of a world that has a shard in memory, and the node's side of it, which the caller closes.
func aloneIn(t *testing.T, world interface {
	Sender
	Lease
	Events
}) (*Link, *Shard) {
	t.Helper()
	link, err := NewLink(LinkConfig{Node: "n1", Sender: world, Lease: world, Events: world})
	if err != nil {
		t.Fatal(err)
	}
	k := shards.Keyspace{Name: "test", Shards: 1, Durability: shards.DurabilityMemory}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	s := New(Config{ID: shards.NewShardID(k.ID, 0), Space: NewSpace(k), Seed: 1, Link: link})
	if err := s.Recover(nil, nil); err != nil {
		t.Fatal(err)
	}
	return link, s
}

// TestARefusalOfAnEarlierReign: a copy was proposed for the in-sync set, the shard's lead went to another copy and back, and the
// copy is proposed again. That the first proposal is refused now says nothing of the second: it is waited for.
func TestARefusalOfAnEarlierReign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := &lonely{}
		link, s := aloneIn(t, world)
		defer link.Close()
		row := cluster.Shard{ID: s.id, Term: 1, Version: 1, Primary: 1, Copies: []cluster.Copy{
			{ID: 1, Node: "n1", InSync: true, Started: true, Fresh: true}, {ID: 2, Node: "n2", InSync: true, Started: true}, {ID: 3, Node: "n3"}}}
		acked := func(from shards.CopyID, seq shards.SeqNo) {
			s.step("", &replica.Message{Shard: s.id, Kind: replica.KindAck, From: from, To: 1, Term: row.Term, Last: replica.Position{Term: row.Term, Seq: seq}, Commit: seq}, nil)
		}
		s.Configure(&row, 1)
		acked(2, 0)
		acked(3, 0)
		if len(world.wished) != 1 {
			t.Fatalf("proposed %+v", world.wished)
		}
		row.Term, row.Version, row.Primary = 2, 2, 2
		s.Configure(&row, 1)
		row.Term, row.Version, row.Primary = 3, 3, 1
		s.Configure(&row, 1)
		acked(2, 0)
		acked(3, 0)
		if len(world.wished) != 2 || world.wished[1].InSync.Term != 3 {
			t.Fatalf("proposed %+v", world.wished)
		}
		world.ruled[0](true, errors.New("copy c1 does not lead shard test/0 in term 1 any more"))
		answered := make(chan error, 1)
		go func() { answered <- ask(s, set("key", "v")).err }()
		synctest.Wait()
		acked(2, 1) // the table may list copy 3 as in sync by now, and copy 3 has not got it
		synctest.Wait()
		select {
		case err := <-answered:
			t.Fatalf("acknowledged (%v) without a copy that may be promoted", err)
		default:
		}
		acked(3, 1)
		synctest.Wait()
		if err := <-answered; err != nil {
			t.Error(err)
		}
		s.Fail(ErrClosed)
	})
}
