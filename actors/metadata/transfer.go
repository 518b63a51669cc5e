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

// TransferTo hands the lead to one voter, from the node that has it, and returns once that one leads, or with the reason why it
// does not: ErrNotLeader, ErrNotVoter, or ctx's error.
func (g *Group) TransferTo(ctx context.Context, to shards.NodeID) error {
	m := g.State().Member(to)
	if m == nil {
		return fmt.Errorf("metadata: %s is no member", to)
	}
	var problem error
	err := g.ask(ctx, func(c *Core) {
		switch {
		case c.Lead().Number != g.config.Self.Raft:
			problem = ErrNotLeader
		case !contains(c.Voters().GetVoters(), m.Raft):
			problem = ErrNotVoter
		default:
			c.idle()
			c.node.TransferLeader(m.Raft)
		}
	})
	if err = errors.Join(err, problem); err != nil {
		return err
	}
	return g.Wait(ctx, func(_ *cluster.State, s Status) bool { return s.Leader == to })
}
