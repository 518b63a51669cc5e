package runtime

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// A node looks every so often how far its clock is ahead of the voters', the placement leader's among them: no protocol compares
// clocks, but expiries and traces do.
//
//	this node   asked ──┐           ┌── answered        ahead = (asked + answered) / 2 - told
//	a voter             └── told ───┘                   wrong by half of the round trip at most
//
// One write that is ordered by a clock which is an hour ahead makes its shard's time an hour late for as long, for all copies: keys
// that are set to live for less are gone at once. So a node that is far ahead of the middle one of the voters' clocks orders by that
// one. One that is behind does no such harm, and goes by its own.
const (
	clockPeriod = 10 * time.Second // from one look to the next
	clockSoon   = time.Second      // while no voter answers
	clockAsks   = 3                // of which the quickest counts
	clockLimit  = time.Second      // for all of them
	clockSlack  = admin.ClockSlack // by so much a clock may be ahead
)

// clocks is what the last look has shown.
type clocks struct {
	seen  atomic.Pointer[clockSeen]
	ahead atomic.Int64 // what is taken off this node's clock, as a time.Duration
}

type clockSeen struct {
	leader shards.NodeID
	ahead  time.Duration
	at     time.Time
}

// now is the time by which this node orders work and lets keys expire.
func (n *Node) now() time.Time { return time.Now().Add(-time.Duration(n.clocks.ahead.Load())) }

// offset is how far this node's clock is ahead of the leader's; false: it is not known, or not lately.
func (c *clocks) offset(p placing) (ahead time.Duration, known bool) {
	leader, _ := p.Leader()
	if leader == p.node.id.Node {
		return 0, true
	}
	s := c.seen.Load()
	if s == nil || s.leader != leader || time.Since(s.at) > 3*clockPeriod {
		return 0, false
	}
	return s.ahead, true
}

// compareClocks looks again and again, until ctx ends.
func (l *life) compareClocks(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := clockSoon
		if l.lookAtClocks(ctx) {
			next = clockPeriod
		}
		timer.Reset(next)
	}
}

// lookAtClocks looks once; false: too few voters have answered.
func (l *life) lookAtClocks(ctx context.Context) bool {
	n, state := l.node, l.node.state()
	leader, _ := placing{n}.Leader()
	var offsets []time.Duration
	for i := range state.Members {
		m := &state.Members[i]
		switch {
		case !slices.Contains(state.Voters, m.Raft) || m.Down:
			continue
		case m.ID == n.id.Node:
			offsets = append(offsets, 0)
			continue
		}
		ahead, err := n.ahead(ctx, m.ID)
		if err != nil { // it may be starting, or of a release that does not tell
			n.config.Logger.Debug("a voter's clock is not known", "voter", m.Name, "err", err)
			continue
		}
		if m.ID == leader {
			n.clocks.seen.Store(&clockSeen{leader, ahead, time.Now()})
		}
		offsets = append(offsets, ahead)
	}
	ahead, known := middle(offsets, len(state.Voters))
	if known {
		n.setAhead(state, ahead)
	}
	return known
}

// middle is how far a clock is ahead of the middle one of those of a majority; of two middle ones that of the earlier clock.
func middle(offsets []time.Duration, voters int) (ahead time.Duration, known bool) {
	if 2*len(offsets) <= voters {
		return 0, false
	}
	slices.Sort(offsets)
	return offsets[len(offsets)/2], true
}

func (n *Node) setAhead(state *cluster.State, ahead time.Duration) {
	if ahead <= clockSlack {
		ahead = 0
	}
	was := time.Duration(n.clocks.ahead.Swap(int64(ahead)))
	switch {
	case ahead != 0 && was == 0:
		n.config.Logger.Warn("this node's clock is ahead of most voters': it orders writes by theirs; set it right", "ahead", ahead.Round(time.Millisecond), "voters", len(state.Voters))
	case ahead == 0 && was != 0:
		n.config.Logger.Info("this node's clock is no longer ahead of most voters'")
	}
}

// ahead asks a node for its time.
func (n *Node) ahead(ctx context.Context, of shards.NodeID) (ahead time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, clockLimit)
	defer cancel()
	best := time.Duration(-1)
	for range clockAsks {
		var told int64
		asked := time.Now()
		if err = n.ask(ctx, of, inquiry{Clock: true}, &told); err != nil {
			break
		}
		took := time.Since(asked)
		if best < 0 || took < best {
			best, ahead = took, time.Duration(asked.Add(took/2).UnixNano()-told)
		}
	}
	if best >= 0 {
		err = nil
	}
	return ahead, err
}
