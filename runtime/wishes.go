package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Propose takes a copy's wish to the metadata group. A node that stops has no wishes any more: done is not called then.
func (c *copies) Propose(command cluster.Command, done func(refused bool, err error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.proposals.Go(func() {
		ctx := c.proposing
		if command.HandOver == nil {
			limited, cancel := context.WithTimeout(ctx, proposeLimit)
			defer cancel()
			ctx = limited
		}
		refused, err := ruling(ctx, &command, c.node.propose)
		switch {
		case refused:
			c.node.config.Logger.Debug("a change of a shard's row was refused", "err", err)
		case err != nil:
			c.node.config.Logger.Info("a shard has asked for a change of its row and does not know what became of it", "err", err)
		}
		done(refused, err)
	})
}

// ruling is what becomes of a copy's wish: nil if it is applied, else the reason why it is not, or not known to be; refused if it
// never will be.
func ruling(ctx context.Context, command *cluster.Command, propose func(context.Context, *cluster.Command) (cluster.Outcome, error)) (refused bool, err error) {
	for {
		outcome, err := propose(ctx, command)
		switch {
		case err == nil && outcome.Err != nil:
			return true, outcome.Err
		case err == nil:
			return false, nil
		}
		if command.HandOver != nil && errors.Is(err, metadata.ErrForgotten) {
			continue // it says who hands over, and in which term: as a new proposal, too, it is applied once
		}
		var e *shards.Error
		neverTaken := errors.As(err, &e) && (e.Kind == shards.KindUnavailable || e.Kind == shards.KindInvalid)
		return neverTaken, err
	}
}

// proposeLimit is how long a copy waits for the group; then it looks at the table and decides again. It waits for ever to learn what became
// of a hand-over, since it answers no reads before: the same command again, which is applied once.
const proposeLimit = 5 * time.Second
