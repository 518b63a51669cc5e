package placement

import (
	"context"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Candidate is a module with settings that is about to be put in force, or in the shadow.
type Candidate struct {
	Digest   cluster.Digest
	Settings string // as cluster.PolicyUse has them
}

// Found is what an audition came to.
type Found struct {
	Problem string // a sentence: how it failed; empty: it did not, or the leader cannot run it, which the state knows
	Refused bool   // it does not take the settings, or the state with them
}

// Audition has the placement leader, whichever node that is, give a module its settings and the state as it is, and ask it about some shards, before
// anybody relies on it. Nothing is committed, and nothing is held against it. A leader of a release that has no auditions finds nothing.
//
// A Candidate travels alone, and not in a question: such a leader goes on reading those.
func (p *Placement) Audition(ctx context.Context, c Candidate) (*Found, error) {
	if p.c.Members.Evidence().Leading {
		return p.audition(&c)
	}
	found := &Found{}
	body, err := p.ask(ctx, wire.Marshal(c))
	var refused interface{ ErrorKind() shards.ErrorKind }
	switch {
	case errors.As(err, &refused) && refused.ErrorKind() == shards.KindInvalid:
		return found, nil
	case err != nil:
		return nil, err
	}
	if err := wire.Unmarshal(body, limits, found); err != nil {
		return nil, fmt.Errorf("placement: what the leader found: %w", err)
	}
	return found, nil
}

func (p *Placement) audition(c *Candidate) (*Found, error) {
	e := p.c.Members.Evidence()
	if !e.Leading {
		return nil, errNotHere
	}
	v := p.shelf.take(c.Digest)
	if v == nil {
		return &Found{}, nil
	}
	defer p.shelf.giveBack(v)
	if v.version == nil {
		return &Found{}, nil
	}
	p.asking.Lock() // one after the other, and none when the engine has been closed
	defer p.asking.Unlock()
	if p.ctx.Err() != nil {
		return nil, errNotHere
	}
	in := p.input(p.c.Group.State(), e, nil)
	f := v.version.Audition(policies.NewView(in.State, facts(&in)), Settings(c.Settings))
	if f == nil {
		return &Found{}, nil
	}
	p.c.Log.Info("a policy failed before it was in force", "policy", f.Policy, "module", c.Digest.Short(), "reason", f.Text)
	return &Found{Problem: cluster.ShortReason(f.Text), Refused: f.Kind == hosted.Refused}, nil
}
