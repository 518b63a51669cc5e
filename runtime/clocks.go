package runtime

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A node looks every so often how far its clock is ahead of the placement leader's: no protocol compares clocks, but expiries and
// traces do.
//
//	this node   asked ──┐           ┌── answered        ahead = (asked + answered) / 2 - told
//	the leader          └── told ───┘                   wrong by half of the round trip at most
const (
	clockPeriod = 10 * time.Second // from one look to the next
	clockSoon   = time.Second      // while nobody answers
	clockAsks   = 3                // of which the quickest counts
	clockLimit  = time.Second      // for all of them
)

// clocks is what the last look has shown.
type clocks struct{ seen atomic.Pointer[clockSeen] }

type clockSeen struct {
	leader shards.NodeID
	ahead  time.Duration
	at     time.Time
}

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
	timer := time.NewTimer(clockSoon)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := clockPeriod
		leader, _ := placing{l.node}.Leader()
		switch {
		case leader == "":
			next = clockSoon
		case leader != l.node.id.Node:
			ahead, err := l.node.ahead(ctx, leader)
			if err != nil { // it may be starting, or of a release that does not tell: the figure is missing then
				l.node.config.Logger.Debug("the placement leader's clock is not known", "err", err)
				next = clockSoon
				break
			}
			l.node.clocks.seen.Store(&clockSeen{leader, ahead, time.Now()})
		}
		timer.Reset(next)
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
