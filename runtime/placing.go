package runtime

import (
	"context"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/modules"
	"github.com/troupe-actors/troupe/shards"
)

// placing is what placement leans on: the group and the member of the present life, whichever that is.
type placing struct{ node *Node }

func (n *Node) newPlacement() (_ *placement.Placement, err error) {
	if n.plans, err = openPlans(n.config.Data, Software(), n.config.Logger); err != nil {
		return nil, err
	}
	n.plans.present = n.present
	return placement.Start(placement.Config{
		House: func(ctx context.Context, e *hosted.Engine) ([]*hosted.Version, error) {
			return hosted.LoadBuiltIns(ctx, e, modules.All())
		},
		Recorded: n.plans.names, Engine: n.engine, Closed: func() error {
			n.plans.close()
			return nil
		},
		Self: n.id.Node, Group: placing{n}, Members: placing{n}, Calendar: n.now, Log: n.config.Logger, Planned: n.planned, Idle: n.idle, Asked: n.telling.watch.Asked,
		Faulted: func(f hosted.Fault) { n.telling.figures.Faulted(f.Policy, f.Kind) }, Answered: n.telling.figures.Answered,
		Call: func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
			return remote{n}.Call(ctx, to, transport.KindPlacement, body)
		},
	})
}

func (p placing) group() *metadata.Group {
	if l := p.node.life.Load(); l != nil {
		return l.group.Load()
	}
	return nil
}

// State is the newest cluster state that this node has applied.
func (p placing) State() *cluster.State { return p.node.state() }

// Leader is who leads, as far as this node knows.
func (p placing) Leader() (shards.NodeID, uint64) {
	if g := p.group(); g != nil {
		return g.Leader()
	}
	return "", 0
}

// ProposeIn has a command ordered if this node leads in that term.
func (p placing) ProposeIn(ctx context.Context, term uint64, c *cluster.Command) (cluster.Outcome, error) {
	if g := p.group(); g != nil {
		return p.node.proposed(func() (cluster.Outcome, error) { return g.ProposeIn(ctx, term, c) })
	}
	return cluster.Outcome{}, metadata.ErrClosed
}

// Evidence is what is known of the members.
func (p placing) Evidence() *member.Evidence {
	if l := p.node.life.Load(); l != nil {
		if m := l.member.Load(); m != nil {
			return m.Evidence()
		}
	}
	return &member.Evidence{}
}
