package allocator

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// evacuateAll moves copies that may not remain where they are, and primaries from nodes that had better not lead.
func (p *planner) evacuateAll() {
	for i := range p.in.State.Shards {
		if p.row(i).Primary == 0 {
			continue
		}
		p.evacuate(i)
		p.shed(i)
	}
}

// evacuate lets a copy that may not remain recover elsewhere, one at a time; it goes when its successor is in sync. One that
// recovers itself is left until it has: moving it would begin its recovery anew.
func (p *planner) evacuate(i int) {
	r := p.row(i)
	for at := range r.Copies {
		if r.Copies[at].Source != 0 {
			return
		}
	}
	for at := range r.Copies {
		if there := &r.Copies[at]; !there.Started || !p.named(there) || p.down(there) || p.mayRemain(i, there) != policies.No {
			continue
		}
		c := r.Copies[at]
		if p.leadsAlone(i, &c) {
			continue
		}
		if p.full(i) {
			return
		}
		node := p.view.Nodes[p.node(c.Node)].Name
		q := &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: r, Copy: &c, Primary: c.ID == r.Primary}
		n, verdict, candidates := p.choose(i, q)
		if n < 0 {
			p.wait(Evacuate, i, verdict, fmt.Sprintf("copy c%d of %s cannot remain on node %s, and %s", c.ID, p.name(r.ID), node, whyNowhere(verdict)), candidates)
			continue
		}
		q.Capability = policies.Remain
		why := p.in.Policies.Explain(p.view, q, p.node(c.Node))
		reason := fmt.Sprintf("copy c%d of %s moves from node %s to %s: %s", c.ID, p.name(r.ID), node, p.view.Nodes[n].Name, why.Decisive().Reason)
		p.do(Evacuate, i, cluster.Move{Kind: cluster.MoveAllocate, Node: p.view.Nodes[n].ID, Source: c.ID, Reason: reason}, verdict, candidates)
		return
	}
}

// leadsAlone says of a copy that may not remain that it may for all but the lead, which another copy can have: then shed hands that over, and
// nothing is copied.
//
//	N1 leads, and may not ─ hand over ─► N2, in sync        the copy on N1 stays
//
// Its node must be one that rules want no lead on (Promote): balance would else hand it back. And the other must be one that may remain
// as a leader: it would else go on from there.
func (p *planner) leadsAlone(i int, c *cluster.Copy) bool {
	r := p.row(i)
	if c.ID != r.Primary {
		return false
	}
	q := &policies.Question{Capability: policies.Promote, Keyspace: p.keyspace(i), Shard: r, Copy: c, Primary: true, Place: i}
	now := p.in.Policies.On(p.view, q, p.node(c.Node)).Verdict()
	if now == policies.Yes {
		return false
	}
	q.Capability, q.Primary = policies.Remain, false
	if p.in.Policies.On(p.view, q, p.node(c.Node)).Verdict() == policies.No {
		return false
	}
	q.Primary = true
	for at := range r.Copies {
		other := &r.Copies[at]
		if other.ID == r.Primary || !p.named(other) || !p.heir(other) {
			continue
		}
		n := p.node(other.Node)
		q.Capability, q.Copy = policies.Promote, c // as shed asks
		if p.in.Policies.On(p.view, q, n).Verdict() >= now {
			continue
		}
		if q.Capability, q.Copy = policies.Remain, other; p.in.Policies.On(p.view, q, n).Verdict() != policies.No {
			return true
		}
	}
	return false
}

// shed asks a primary to hand over if another in-sync copy is on a node where deciders would rather have it. Of a suspect it
// asks nothing: either the suspicion ends, or the node.
func (p *planner) shed(i int) {
	r := p.row(i)
	if r.HandTo != 0 || successor(r) != nil && successor(r).InSync {
		return
	}
	lead := p.node(r.PrimaryCopy().Node)
	node := &p.view.Nodes[lead]
	if s := node.Evidence.State; s != liveness.Alive && s != liveness.Grey || p.handing[lead] >= p.view.Settings.Recoveries {
		return
	}
	q := &policies.Question{Capability: policies.Promote, Keyspace: p.keyspace(i), Shard: r, Copy: r.PrimaryCopy(), Primary: true, Place: i}
	now := p.in.Policies.On(p.view, q, lead).Verdict()
	if now == policies.Yes {
		return
	}
	scores := p.in.Policies.Scores(p.view, q)
	best, bestRank, late := -1, rank{}, false
	for at := range r.Copies {
		c := &r.Copies[at]
		if c.ID == r.Primary || !p.named(c) || !p.heir(c) {
			continue
		}
		n := p.node(c.Node)
		a := p.in.Policies.On(p.view, q, n)
		if a.Verdict() >= now {
			continue
		}
		candidate, behind := p.rankLeader(a, scores, r.ID, n), p.behind(i, n) != ""
		if best < 0 || late && !behind || late == behind && candidate.before(bestRank) {
			best, bestRank, late = at, candidate, behind
		}
	}
	if best < 0 || p.full(i) {
		return
	}
	to := r.Copies[best]
	why := p.in.Policies.Explain(p.view, q, lead)
	reason := fmt.Sprintf("node %s hands %s over to %s: %s", node.Name, p.name(r.ID), p.view.Nodes[p.node(to.Node)].Name, why.Decisive().Reason)
	p.do(Evacuate, i, cluster.Move{Kind: cluster.MoveHandTo, Copy: to.ID, Reason: reason}, bestRank.verdict, nil)
}
