package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A copy goes on under another number while its node is away. The table may count on it only once the node has seen that, and has noted
// it: a copy in sync that a node does not know by its number is one that is lost.
//
//	n2 is back     the table: c5@n2   n2's record: c2   ◄── allocate_stale: n2 gives the copy up, and the shard stays red
//	a moment later            c5@n2                c5   ◄── allocate_stale: c5 leads
const (
	takeUpLimit = 2 * time.Second // a node that still reads its log needs longer, and is to be asked again
	takeUpPause = 20 * time.Millisecond
)

// takenUp waits until each copy that a shard is to go on with has been taken up by its node. What the leader refuses in any case is left to it.
func takenUp(ctx context.Context, c Cluster, r *Reroute) error {
	if r.DryRun {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, takeUpLimit)
	defer cancel()
	pause := time.NewTicker(takeUpPause)
	defer pause.Stop()
	for {
		problem := untaken(limited, c, r)
		if problem == "" {
			return nil
		}
		select {
		case <-limited.Done():
			return unavailable("%s; nothing was done, ask again in a moment", problem)
		case <-pause.C:
		}
	}
}

// untaken names the first copy to go on with that its node has not taken up; empty if there is none. A node is asked once.
func untaken(ctx context.Context, c Cluster, r *Reroute) string {
	state, _ := c.State()
	views, errs := map[shards.NodeID]map[shards.CopyID]bool{}, map[shards.NodeID]error{}
	for i := range r.Commands {
		w := &r.Commands[i]
		wanted := stale(state, w)
		if wanted == nil {
			continue
		}
		if views[w.To] == nil {
			views[w.To] = map[shards.CopyID]bool{}
			v, err := c.View(ctx, w.To, true)
			errs[w.To] = err
			for k := range v.Copies {
				views[w.To][v.Copies[k].Copy] = !v.Copies[k].Unnoted
			}
		}
		what := fmt.Sprintf("command %d: node %s has not taken up copy %s of shard %s yet", i, state.NodeName(w.To), copyName(wanted.ID), state.ShardName(w.Shard))
		switch {
		case errs[w.To] != nil:
			return fmt.Sprintf("%s, as far as is known: %v", what, errs[w.To])
		case !views[w.To][wanted.ID]:
			return what
		}
	}
	return ""
}

// stale is the copy that a command has its shard go on with; nil if it is of another kind, or is refused.
func stale(state *cluster.State, w *RerouteCommand) *cluster.Copy {
	if w.Kind != CommandAllocateStale {
		return nil
	}
	row, m := state.Shard(w.Shard), state.Member(w.To)
	if row == nil || m == nil || m.Down {
		return nil
	}
	if c := row.CopyOn(w.To); c != nil && !c.InSync {
		return c
	}
	return nil
}
