package metadata

import (
	"context"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// ProposeIn is Propose for what a leader decides in its reign: the command is proposed only if this node leads in that term
// and its word counts, and never by way of another leader. What a deposed leader has concluded, such as that a member is dead,
// its successor may know better: that member may hold a new lease by now.
//
// The error is a *shards.Error: KindUnavailable, which wraps ErrNotLeader or ErrBusy, if the command is in nobody's log;
// KindOutcomeUnknown if it may be, since the lead was lost or ctx ended meanwhile. A successor has applied it before its own
// reign begins, or never will.
func (g *Group) ProposeIn(ctx context.Context, term uint64, command *cluster.Command) (cluster.Outcome, error) {
	p := Proposal{ID: ProposalID{Proposer: g.config.Self.Raft, Epoch: g.config.Self.Epoch, Sequence: g.sequence.Add(1)}, Command: command}
	w := &waiter{heard: make(chan answer, 1)}
	known := answer{verdict: verdictElsewhere}
	err := g.ask(ctx, func(c *Core) {
		if lead := c.Lead(); lead.Won && lead.Term == term {
			known = g.loop.propose(c, &p, w)
		}
	})
	if err != nil {
		return cluster.Outcome{}, unavailable(err)
	}
	switch known.verdict {
	case 0:
	case verdictBusy:
		return cluster.Outcome{}, unavailable(ErrBusy)
	case verdictRefused:
		return cluster.Outcome{}, &shards.Error{Kind: shards.KindInvalid, Err: errors.New(known.text)}
	default:
		return cluster.Outcome{}, unavailable(fmt.Errorf("%w in term %d", ErrNotLeader, term))
	}
	select {
	case a := <-w.heard:
		if a.verdict == verdictApplied {
			return settle(a.applied)
		}
		err = errors.New("metadata: the lead was lost meanwhile")
	case <-ctx.Done():
		g.leave(p.ID)
		err = ctx.Err()
	case <-g.done:
		err = ErrClosed
	}
	return cluster.Outcome{}, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: err}
}
