package runtime

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/tracing"
)

// collectors are the metrics of this node beside those that the HTTP server reads itself.
func (n *Node) collectors() []prometheus.Collector {
	return append(n.telling.metrics.Collectors(), n.telling.figures.Collectors()...)
}

// workFacts adds what is read at each scrape.
func (n *Node) workFacts(f *admin.Facts) {
	for _, k := range n.actors.Kinds() {
		f.Actors = append(f.Actors, admin.ActorFacts{Kind: k.Kind, Active: k.Active, Bytes: k.Bytes})
	}
	f.ProposalsPending = n.telling.pending.Load()
	if l := n.life.Load(); l != nil && l.transport != nil {
		c := l.transport.Counts()
		f.Thrown = admin.ThrownFacts{Unknown: c.Unknown, Malformed: c.Malformed, TooLong: c.TooLong, Silenced: c.Silenced}
	}
}

// proposed counts a command of the metadata group.
func (n *Node) proposed(propose func() (cluster.Outcome, error)) (cluster.Outcome, error) {
	t := n.telling
	began := time.Now()
	t.pending.Add(1)
	outcome, err := propose()
	t.pending.Add(-1)
	switch {
	case err != nil:
		t.figures.Proposed(time.Since(began), "unknown")
	case outcome.Err != nil:
		t.figures.Proposed(time.Since(began), "refused")
	default:
		t.figures.Proposed(time.Since(began), "committed")
	}
	return outcome, err
}

// count counts what a plan asks for, and what deciders have said.
func (n *Node) count(p *placement.Planned) {
	f := n.telling.figures
	f.Plans.Observe(p.Took, tracing.Carrier{})
	for i := range p.Plan.Decisions {
		d := &p.Plan.Decisions[i]
		f.Moved(d.Lane.String())
		for _, e := range d.Candidates {
			for _, w := range e.Words {
				f.Said(w.Decider, w.Verdict.String())
			}
		}
	}
	if p.Input == nil || p.Input.Policies == nil {
		return
	}
	for _, x := range p.Input.Policies.Deciders {
		if guest, burns := x.(policies.Burner); burns {
			f.Burnt(x.Name(), guest.Burnt())
		}
	}
	for _, x := range p.Input.Policies.Scorers {
		if guest, burns := x.(policies.Burner); burns {
			f.Burnt(x.Name(), guest.Burnt())
		}
	}
}
