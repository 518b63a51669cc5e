package runtime

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/tracing"
)

// collectors are the metrics of this node beside those that the HTTP server reads itself.
func (n *Node) collectors() []prometheus.Collector {
	return append(n.telling.metrics.Collectors(), n.telling.figures.Collectors()...)
}

// newFigures makes those of a node.
func newFigures() *tracing.Figures {
	f := tracing.NewFigures()
	var outcomes, lanes []string
	for o := liveness.OutcomeRefuted; o <= liveness.OutcomeReplaced; o++ {
		outcomes = append(outcomes, o.String())
	}
	for l := allocator.Emergency; l <= allocator.Surplus; l++ {
		lanes = append(lanes, l.String())
	}
	f.Begin(outcomes, lanes)
	return f
}

// know has the figures of policies that are asked begin at 0: on every node, since any of them may lead by the time of the first fault.
func (t *telling) know(state *cluster.State) {
	known := t.policies
	for i := range state.Policies {
		p := &state.Policies[i]
		if p.Version > known && (p.Active.Version != 0 || p.Shadow.Version != 0) {
			t.figures.KnowPolicy(p.Name, hosted.FaultKinds()...)
		}
		t.policies = max(t.policies, p.Version)
	}
}

// workFacts adds what is read at each scrape.
func (n *Node) workFacts(f *admin.Facts) {
	for _, k := range n.actors.Kinds() {
		f.Actors = append(f.Actors, admin.ActorFacts{Kind: k.Kind, Active: k.Active, Bytes: k.Bytes, Waiting: k.Waiting})
	}
	f.ProposalsPending = n.telling.pending.Load()
	d := n.directory.Figures()
	f.Forwards, f.Retries = uint64(d.Forwards), uint64(d.Retries)
	l := n.life.Load()
	if l == nil {
		return
	}
	if g := l.group.Load(); g != nil {
		f.ApplyLag = g.ApplyLag()
	}
	f.ClockOffset, f.ClockKnown = n.clocks.offset(placing{n})
	if l.transport != nil {
		c := l.transport.Counts()
		f.Thrown = admin.ThrownFacts{Unknown: c.Unknown, Malformed: c.Malformed, TooLong: c.TooLong, Silenced: c.Silenced}
	}
}

// failureOf is what metrics call an error; empty: there is none.
func failureOf(err error) string {
	if err == nil {
		return ""
	}
	var known interface{ ErrorKind() shards.ErrorKind }
	if errors.As(err, &known) {
		return known.ErrorKind().String()
	}
	return shards.KindUnknown.String()
}

// suspected counts a suspicion that has ended.
func (n *Node) suspected(c *liveness.Change) {
	if c.Outcome != liveness.OutcomeNone && c.From == liveness.Suspect {
		n.telling.figures.Suspected(c.Outcome.String())
	}
}

// behind is how many operations the slowest copy that is in sync lacks of what its primary here has ordered; 0 where another leads.
func behind(st *shard.Stats) (most uint64) {
	if st.Replica.Role != replica.RolePrimary {
		return 0
	}
	for i := range st.Replica.Peers {
		if p := &st.Replica.Peers[i]; p.InSync {
			most = max(most, uint64(st.Replica.Last-min(st.Replica.Last, p.Match)))
		}
	}
	return most
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
