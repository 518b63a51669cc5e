package shard

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wal"
	"github.com/troupe-actors/troupe/tracing"
)

// Sender carries bodies to the copies on other nodes.
type Sender interface {
	// Send hands over a body of replication messages. It is called in a shard's turn: it must not block. The body is the
	// sender's, unless the answer is ErrBusy: then it comes again by SendWait. After any other error it is lost.
	Send(to shards.NodeID, body []byte) error
	// SendWait is Send that waits until the receiver takes the body, or ctx ends. It is called for one body at a time.
	SendWait(ctx context.Context, to shards.NodeID, body []byte) error
	// SendBulk hands over a recovery message and may wait for its turn until ctx ends. What was lost is sent again.
	SendBulk(ctx context.Context, to shards.NodeID, body []byte) error
}

// Lease is the node's right to serve. Valid is asked for each work, on any goroutine: it is one comparison of times.
type Lease interface{ Valid() bool }

// Events is what a copy has to tell. All methods are called in a shard's turn: they must not block, and must not call the
// shard before they have returned.
type Events interface {
	// Propose asks the metadata group for a change of the shard's row: InSync or HandOver. done is called once, from another
	// goroutine: with nil when the command was applied; refused says that it was refused for good and will never be applied;
	// any other error leaves it open. A HandOver is proposed until it is applied or refused, or the node's life ends.
	Propose(command cluster.Command, done func(refused bool, err error))
	// Opened says that a copy which the row calls Fresh is there, and known to be after a crash. It comes again with each row
	// that says Fresh.
	Opened(id shards.ShardID, copy shards.CopyID)
	// Failed says that a copy cannot go on: its data is damaged, diverged, or not there. It serves no more.
	Failed(id shards.ShardID, copy shards.CopyID, cause error)
}

// LinkConfig is what NewLink needs. Node, Sender, Lease and Events are required.
type LinkConfig struct {
	Node     shards.NodeID
	Sender   Sender
	Lease    Lease
	Events   Events
	Files    *wal.Snapshots  // nil on a node that keeps nothing
	Replica  replica.Config  // windows and patience in ticks; Shard and Memory are filled in for each shard
	Recovery recovery.Config // likewise
	Took     func(Takeover)  // told, in a shard's turn, when a copy that was promoted serves, and of its first write; nil: nobody wants to know
	Arrived  func(Arrival)   // told, in a shard's turn, when another copy has all that this primary has; nil: likewise
	Log      *slog.Logger    // nil: nobody listens

	Messages *tracing.Messages // nil: no write is traced. The Sender is a TracedSender then, or the traces end here
	Commits  *tracing.Latency  // nil: nobody wants to know how long commits take
}

// Link is what the copies on a node share to reach the others: give it to each in Config, and call Deliver with what comes in.
// It owns the goroutines that stream snapshots.
type Link struct {
	LinkConfig
	context context.Context // ends with Close
	stop    context.CancelFunc
	streams sync.WaitGroup
	boxes   sync.Map     // shards.NodeID -> *outbox
	sending atomic.Int32 // snapshots on their way to other nodes
	busy    atomic.Int64 // copies that need ticks
	pace    atomic.Int64 // bytes of them in a tick; 0: as Recovery says
	lag     atomic.Int64 // ticks; 0: as Replica says
	full    atomic.Pointer[map[shards.NodeID]Full]
}

// NewLink makes a link.
func NewLink(c LinkConfig) (*Link, error) {
	if c.Node == "" || c.Sender == nil || c.Lease == nil || c.Events == nil {
		return nil, fmt.Errorf("shard: a link needs a node, a sender, a lease and somebody who listens")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &Link{LinkConfig: c}
	l.context, l.stop = context.WithCancel(context.Background())
	return l, nil
}

// Restless says whether any copy needs ticks; if not, TickReplica would do nothing anywhere.
func (l *Link) Restless() bool { return l.busy.Load() > 0 }

// Close ends the streams and waits for their goroutines. The shards have been told to Fail before.
func (l *Link) Close() {
	l.stop()
	l.streams.Wait()
}

// Deliver hands the messages of a body to the shards that they are for; find gives nil for one that is not here. from is the
// node that sent it. The body is kept. The error says that the body is malformed.
func (l *Link) Deliver(from shards.NodeID, body []byte, find func(shards.ShardID) *Shard) error {
	return l.DeliverTraced(from, body, find, tracing.Carrier{})
}

// DeliverRecovery is Deliver for a body that came through SendBulk.
func (l *Link) DeliverRecovery(from shards.NodeID, body []byte, find func(shards.ShardID) *Shard) error {
	m, err := recovery.Decode(body)
	if err != nil {
		return err
	}
	if s := find(m.Shard); s != nil {
		s.stepRecovery(from, &m)
	}
	return nil
}
