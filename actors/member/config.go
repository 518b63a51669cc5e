package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Wire is what a Member needs of the transport.
type Wire interface {
	// Send posts a one-way message and does not block.
	Send(to shards.NodeID, class transport.Class, kind transport.Kind, body []byte) error
	// Call asks a node that is connected, and fails at once if it is not.
	Call(ctx context.Context, to shards.NodeID, kind transport.Kind, body []byte) ([]byte, error)
	// Probe says who listens at an address; the error is transport.ErrRefused if nobody does.
	Probe(ctx context.Context, addr string) (transport.Hello, error)
}

// Group is what a Member needs of the metadata group. Its methods return at once, but for TransferTo.
type Group interface {
	// State is the newest cluster state that this node has applied.
	State() *cluster.State
	// Leader is who leads, as far as this node knows, and in which term; the empty id if nobody does.
	Leader() (shards.NodeID, uint64)
	// Confirmed is when the newest round was issued by which a quorum has confirmed that this node leads; the zero time
	// if none has. It belongs to the term that Leader says after it was read, or to an earlier one.
	Confirmed() time.Time
	// LeaderGone says that the process of the leader, in that epoch, is dead for certain.
	LeaderGone(node shards.NodeID, epoch shards.Epoch)
	// TransferTo hands the lead to a voter, from the node that has it, and returns once that one leads.
	TransferTo(ctx context.Context, to shards.NodeID) error
}

// Config says who the node is and what it leans on. Self, Epoch, Wire and Group are required.
type Config struct {
	Self  shards.NodeID
	Epoch shards.Epoch
	Wire  Wire
	Group Group
	Log   *slog.Logger // default: none

	// Liveness sets the detector; TickLength, Heartbeat, Lease, DriftPPM, NoProof, RedialEvery and RedialTimeout also hold for
	// nodes that do not lead, and must be the same on all nodes. Self is filled in.
	Liveness liveness.Config

	// Health gives the node's figures, of which Late and RoundTrip are measured here. It is called before each heartbeat, on
	// the Member's goroutine, and must be quick. nil: none.
	Health func() liveness.Health

	// Loads measures the node and its copies. It is called about every LoadPeriod, on a goroutine of its own, one call at a time;
	// what has changed noticeably is told the placement leader, and the node's own figures every LoadRefresh in any case.
	// nil: nothing is measured.
	Loads       func() Sample
	LoadPeriod  time.Duration // default 5 s; at least one tick
	LoadRefresh time.Duration // default 30 s

	// Full decides on the leader whether a member is so full that shards with a copy there shall take no writes that grow. was is
	// what was answered before: it shall not change its mind at every byte. It is called on the Member's goroutine, and must be
	// quick. nil: nobody ever is.
	Full func(s *cluster.State, l *policies.NodeLoad, was Full) Full

	// Flooded is told, on every member, which nodes are full, whenever that changes, and once after the first lease. It is called
	// on the Member's goroutine, and must be quick. nil: nobody wants to know.
	Flooded func(full []Flood)

	// Over is called once when this life was declared dead: the lease has been dropped, no more heartbeats are sent, and the
	// node must begin another epoch, with another Member, to serve again. It is called on the Member's goroutine: it must be
	// quick, and not call Close. nil: nobody wants to know.
	Over func(reason string)

	// Changed tells of each change that the detector makes, on the Member's goroutine while this node leads: it must be
	// quick. Evidence knows of the change already. nil: nobody wants to know.
	Changed func(term uint64, c liveness.Change)

	// Answered tells how long each heartbeat took to the placement leader and back, on the Member's goroutine of every other node: it
	// must be quick. nil: nobody wants to know.
	Answered func(roundTrip time.Duration)

	// Missed tells, on the Member's goroutine, of each heartbeat that the placement leader of that moment had not answered when the next
	// one was sent: it must be quick. nil: nobody wants to know.
	Missed func()
}

func (c Config) validate() (Config, error) {
	switch {
	case c.Self == "" || c.Epoch == 0:
		return c, errors.New("member: Self and Epoch say who the node is, and are required")
	case c.Wire == nil || c.Group == nil:
		return c, errors.New("member: Wire and Group are required")
	}
	c.Liveness.Self = c.Self
	var err error
	if c.Liveness, err = c.Liveness.Validate(); err != nil {
		return c, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Health == nil {
		c.Health = func() liveness.Health { return liveness.Health{} }
	}
	if c.LoadPeriod == 0 {
		c.LoadPeriod = 5 * time.Second
	}
	if c.LoadRefresh == 0 {
		c.LoadRefresh = 30 * time.Second
	}
	if c.LoadPeriod < c.Liveness.TickLength || c.LoadRefresh < 0 {
		return c, fmt.Errorf("member: LoadPeriod is %v and LoadRefresh %v; the one is at least a tick of %v, the other not negative", c.LoadPeriod, c.LoadRefresh, c.Liveness.TickLength)
	}
	if c.Full == nil {
		c.Full = func(*cluster.State, *policies.NodeLoad, Full) Full { return Full{} }
	}
	if c.Flooded == nil {
		c.Flooded = func([]Flood) {}
	}
	if c.Over == nil {
		c.Over = func(string) {}
	}
	if c.Missed == nil {
		c.Missed = func() {}
	}
	if c.Answered == nil {
		c.Answered = func(time.Duration) {}
	}
	if c.Changed == nil {
		c.Changed = func(uint64, liveness.Change) {}
	}
	return c, nil
}
