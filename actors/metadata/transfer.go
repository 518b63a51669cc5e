package metadata

import (
	"context"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// ErrNotVoter is why a member cannot be handed the lead.
var ErrNotVoter = errors.New("metadata: the member does not vote at present, and only voters lead")

// ErrBehind is why a voter cannot be handed the lead now.
var ErrBehind = errors.New("metadata: the voter lacks too much of the metadata group's log to lead")

// ErrNotTaken is why a voter that was handed the lead does not lead.
var ErrNotTaken = errors.New("metadata: the voter has not taken the lead in time")

// TransferTo hands the lead to one voter, from the node that has it, and returns once that one leads, or with the reason why it
// does not: ErrNotLeader, ErrNotVoter, ErrBehind, ErrNotTaken (after twice Config.Patience: an election timeout after it was handed over the leader
// calls that off, and leads on), or ctx's error.
func (g *Group) TransferTo(ctx context.Context, to shards.NodeID) error {
	m := g.State().Member(to)
	if m == nil {
		return fmt.Errorf("metadata: %s is no member", to)
	}
	var problem error
	err := g.ask(ctx, func(c *Core) { problem = c.TransferTo(m.Raft) })
	if err = errors.Join(err, problem); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 2*g.config.Patience)
	defer cancel()
	if err = g.Wait(limited, func(_ *cluster.State, s Status) bool { return s.Leader == to }); err != nil && limited.Err() != nil && ctx.Err() == nil {
		return ErrNotTaken
	}
	return err
}
