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

// Change is settings of the cluster that are about to be set.
type Change struct{ Set []cluster.Setting }

// Found is what an audition came to.
type Found struct {
	Problem string // a sentence: how it failed; empty: it did not, or the leader cannot run it, which the state knows
	Refused bool   // it does not take the settings, or the state with them
}

// Audition has the placement leader, whichever node that is, give a module its settings and the state as it is, and ask it about some shards, before
// anybody relies on it. Nothing is committed, and nothing is held against it. A leader of a release that has no auditions finds nothing.
//
// A Candidate travels alone, and so does a Change, not in a question: such a leader goes on reading those. The number of its fields tells one from another.
func (p *Placement) Audition(ctx context.Context, c Candidate) (*Found, error) {
	if p.c.Members.Evidence().Leading {
		return p.audition(&c)
	}
	return p.tried(ctx, wire.Marshal(c))
}

// AuditionChange does the same with settings of the cluster: what is in force is given them, and the state as it would be.
func (p *Placement) AuditionChange(ctx context.Context, c Change) (*Found, error) {
	if p.c.Members.Evidence().Leading {
		return p.auditionAll(c.Set)
	}
	return p.tried(ctx, wire.Marshal(c))
}

// tried has the leader try something.
func (p *Placement) tried(ctx context.Context, body []byte) (*Found, error) {
	found := &Found{}
	body, err := p.ask(ctx, body)
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

// serveAudition answers another node that wants something tried; neither a Found nor an error says that it wants something else.
func (p *Placement) serveAudition(body []byte) (*Found, error) {
	if c := (Candidate{}); wire.Unmarshal(body, limits, &c) == nil {
		return p.audition(&c)
	}
	if c := (Change{}); wire.Unmarshal(body, limits, &c) == nil {
		return p.auditionAll(c.Set)
	}
	return nil, nil
}

// auditionAll tries what is in force, of users and of the house, on the state as it would be with settings of the cluster. What fails without them as
// well says nothing against them.
func (p *Placement) auditionAll(set []cluster.Setting) (*Found, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	e, now := p.c.Members.Evidence(), p.c.Group.State()
	if p.ctx.Err() != nil || !e.Leading {
		return nil, errNotHere
	}
	then, o := now.Apply(&cluster.Command{Settings: &cluster.SettingsChange{Set: set}})
	if o.Err != nil || !o.Changed {
		return &Found{}, nil
	}
	view := func(s *cluster.State) *policies.View {
		in := p.input(s, e, nil)
		return policies.NewView(s, facts(&in))
	}
	m := p.compose(now, false, false)
	defer m.close()
	for _, x := range m.of {
		if !x.Version.Told(x.Settings, now, then) {
			continue
		}
		if f := x.Version.Audition(view(then), x.Settings); f != nil && x.Version.Audition(view(now), x.Settings) == nil {
			p.c.Log.Info("a policy would have failed with settings of the cluster", "policy", m.called(f.Policy), "reason", f.Text)
			return &Found{Problem: cluster.ShortReason(f.Text), Refused: f.Kind == hosted.Refused}, nil
		}
	}
	return &Found{}, nil
}
