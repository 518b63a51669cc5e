package metadata

import (
	"context"
	"slices"
	"time"
)

// A member that has known no leader for long, though others answer it, may be none any more: a later life of it has begun on a copy of its data
// folder, or it was forgotten while nobody heard it. It says so, and goes on: from what others tell it cannot know whether it is to begin
// another life, as one that was declared dead does, or to end.
const (
	lonelyAfter = 30 * time.Second
	lonelyPause = time.Minute // between two lines
)

// wonder asks the others why nobody leads as far as this node knows, and says what that may be and what to do. Where nobody answers it says
// nothing: then this node is cut off, which its health tells.
func (g *Group) wonder(ctx context.Context, since time.Duration) {
	select {
	case <-g.joined:
	default:
		return // who comes back says what it waits for
	}
	var answering []string // each once
	var refusal error
	own := *g.belongs.Load()
	for _, f := range g.askAll(ctx, some(g.known(ctx), g.seeds())) {
		if f.node == g.config.Self.ID || f.err != nil || f.cluster != own {
			continue // who refuses a visit may itself be about to stop
		}
		if !slices.Contains(answering, f.address) {
			answering = append(answering, f.address)
		}
		if err := g.outlived(&f); err != nil {
			refusal = err
		}
	}
	since = since.Round(time.Second)
	switch {
	case ctx.Err() != nil:
	case refusal != nil:
		g.config.Logger.Warn("this node knows no leader, and other members know of another life of it: it seems to run on an old copy of a data folder, whose node has begun a later life elsewhere; if that one runs, stop this one and keep it from being started again",
			"for", since, "reason", refusal)
	case len(answering) > 0:
		g.config.Logger.Warn("this node knows no leader, though other members answer: a majority of the voters does not run or cannot be reached, or the cluster has forgotten this node; if troupe nodes, asked of one of them, does not list it, stop it, and start it with an empty data folder and --join",
			"for", since, "answering", answering)
	}
}
