package placement

import (
	"context"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Question asks the placement leader for what it keeps about policies: comparisons, or the lines of one policy.
type Question struct {
	Lines string // the policy; empty: comparisons
	After uint64 // only what has a higher number
	Wait  bool   // if there is none, wait a while for one
	Of    shards.NodeID
	Reign uint64 // After counts in the reign of node Of in this term; in another, it is 0
}

// News is the answer. Numbers count in the reign of a leader: After, Of and Reign of the next question come from it.
type News struct {
	Of          shards.NodeID
	Reign       uint64
	Last        uint64
	Comparisons []Comparison
	Lines       []Line
}

// newsWait is how long an answer is waited for: less than a call may take.
const newsWait = 500 * time.Millisecond

// News has the placement leader, whichever node that is, say what is new about policies.
func (p *Placement) News(ctx context.Context, q Question) (*News, error) {
	if p.c.Members.Evidence().Leading {
		return p.news(ctx, &q)
	}
	a := &answer{}
	if err := p.forward(ctx, &question{News: &q}, a); err != nil {
		return nil, err
	}
	return a.News, nil
}

func (p *Placement) news(ctx context.Context, q *Question) (*News, error) {
	e := p.c.Members.Evidence()
	if !e.Leading {
		return nil, errNotHere
	}
	after := q.After
	if q.Of != p.c.Self || q.Reign != e.Term {
		after = 0
	}
	timer := time.NewTimer(newsWait)
	defer timer.Stop()
	for waiting := q.Wait; ; {
		n := &News{Of: p.c.Self, Reign: e.Term}
		var more <-chan struct{}
		if q.Lines != "" {
			n.Lines, n.Last, more = p.tails.of(q.Lines).after(after)
		} else {
			n.Comparisons, n.Last, more = p.compared.after(after)
		}
		if len(n.Comparisons)+len(n.Lines) > 0 || !waiting {
			return n, nil
		}
		select {
		case <-more:
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.ctx.Done():
			return nil, errNotHere
		}
	}
}

// Ready says whether this node has compiled a module, or why it cannot run it.
func (p *Placement) Ready(digest cluster.Digest) (problem string, known bool) {
	return p.shelf.tried(digest)
}
