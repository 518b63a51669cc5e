package directory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
)

// A stale read goes to the copy in sync that is here; without one to one on another node, to the primary only if there is no
// other. A later try goes to any of them but the last, so that a node that is cut off, or stands still, is not asked twice.

// here is the copy on this node that shall do an attempt; nil: it goes elsewhere.
func (d *Directory) here(a *attempt) *shard.Shard {
	local := d.config.Local(a.task.Shard)
	switch {
	case a.task.Stale && !a.task.Here:
		if a.to = d.choose(a.task.Shard, a.to); a.to != d.config.Self {
			return nil
		}
		return local // nil: forward says why
	case local != nil && (a.task.Stale || local.Leads() || d.ours(a.task.Shard)):
		return local
	}
	return nil
}

// choose is the node of a copy in sync that was not the last that was asked; "" if there is none.
func (d *Directory) choose(id shards.ShardID, last shards.NodeID) (chosen shards.NodeID) {
	row := d.config.State().Shard(id)
	if row == nil {
		return ""
	}
	best, equal := 0, 0
	for i := range row.Copies {
		c, rank := &row.Copies[i], 3
		switch {
		case !c.InSync:
			continue
		case c.Node == last:
			rank = 1
		case last == "" && c.Node == d.config.Self:
			rank = 4
		case last == "" && c.ID == row.Primary:
			rank = 2
		}
		switch {
		case rank > best:
			chosen, best, equal = c.Node, rank, 1
		case rank == best:
			if equal++; rand.IntN(equal) == 0 {
				chosen = c.Node
			}
		}
	}
	return chosen
}

// destination is the node that an attempt is sent to.
func (d *Directory) destination(a *attempt) (shards.NodeID, error) {
	if a.task.Stale {
		return d.reach(d.config.State(), a.task.Shard, a.to)
	}
	return d.whereElse(a.task.Shard)
}

// readStale has a copy here answer, if this node knows the table well enough to say how old the answer may be.
func (d *Directory) readStale(now int64, local *shard.Shard, w shard.Work, within time.Duration) {
	if within > 0 && d.config.Behind != nil {
		if behind := d.config.Behind(); behind > within {
			err := fmt.Errorf("this node has not heard from the placement leader for %v: %w", behind.Round(time.Millisecond), shard.ErrTooOld)
			w.Fail(0, &shards.Error{Kind: shards.KindUnavailable, Shard: local.Name(), Err: err})
			return
		}
	}
	local.ReadStale(now, w, within)
}

// callCopy asks a copy on another node, for no longer than a fifth of what this node is patient: another may answer sooner. A primary
// that is the only one in sync has all the time that it has for other work.
func (d *Directory) callCopy(ctx context.Context, id shards.ShardID, to shards.NodeID, body []byte) ([]byte, error) {
	if leader, _ := primaryOf(d.config.State(), id); leader == to && d.choose(id, to) == to {
		return d.callLeader(ctx, id, to, transport.KindForward, body)
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.Patience/5)
	defer cancel()
	return d.config.Remote.Call(ctx, to, transport.KindForward, body)
}
