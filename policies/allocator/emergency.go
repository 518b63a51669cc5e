package allocator

import (
	"cmp"
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// promoteAll gives every shard that has lost its primary another one, if an in-sync copy is on a living node. Shards that
// have no choice go first, so that the others can even out what that leads to.
func (p *planner) promoteAll() {
	var open []int
	for i := range p.in.State.Shards {
		if r := p.row(i); r.Primary == 0 && len(r.Copies) > 0 {
			switch p.heirs(r) {
			case 0:
				p.wait(Emergency, i, policies.No, p.name(r.ID)+" has no primary, and no in-sync copy that a living node can open", nil)
			case 1:
				p.promote(i)
			default:
				open = append(open, i)
			}
		}
	}
	for _, i := range open {
		p.promote(i)
	}
}

// heir says whether a copy may be promoted as far as data and life go.
func (p *planner) heir(c *cluster.Copy) bool {
	n := &p.view.Nodes[p.nodes[c.Node]]
	return c.InSync && !c.Failed && !n.Down && n.Evidence.State != liveness.Dead
}

func (p *planner) heirs(r *cluster.Shard) (n int) {
	for i := range r.Copies {
		if p.heir(&r.Copies[i]) {
			n++
		}
	}
	return n
}

// promote chooses among the heirs of the shard at i the one that deciders like best, and of these the one whose node leads
// the fewest shards. Deciders rank here and cannot veto: a shard that could serve does not wait for a policy.
func (p *planner) promote(i int) {
	if p.full(i) {
		return
	}
	r := p.row(i)
	q := &policies.Question{Capability: policies.Promote, Keyspace: p.keyspace(i), Shard: r, Primary: true}
	row, scores := p.in.Policies.Ask(p.view, q), p.in.Policies.Scores(p.view, q)
	best, rank := -1, rank{}
	for at := range r.Copies {
		c := &r.Copies[at]
		if !p.heir(c) {
			continue
		}
		n := p.nodes[c.Node]
		if now := p.rankLeader(row, scores, r.ID, n); best < 0 || now.before(rank) {
			best, rank = at, now
		}
	}
	chosen := r.Copies[best]
	node := &p.view.Nodes[p.nodes[chosen.Node]]
	reason := fmt.Sprintf("%s has no primary; copy c%d on node %s is the only one in sync on a living node", p.name(r.ID), chosen.ID, node.Name)
	if heirs := p.heirs(r); heirs > 1 {
		reason = fmt.Sprintf("%s has no primary; of %d copies in sync c%d is on the node that leads fewest shards: %s, with %d", p.name(r.ID), heirs, chosen.ID, node.Name, node.Primaries)
	}
	verdict := row[p.nodes[chosen.Node]].Verdict()
	var candidates []policies.Explanation
	for at := range r.Copies {
		c := &r.Copies[at]
		q.Copy = c
		if p.heir(c) {
			candidates = append(candidates, p.in.Policies.Explain(p.view, q, p.nodes[c.Node]))
		}
	}
	p.do(Emergency, i, cluster.Move{Kind: cluster.MovePromote, Copy: chosen.ID, Reason: reason}, verdict, candidates)
}

// rank orders candidates: the mildest verdict, then the least load, then what only tells equals apart.
type rank struct {
	verdict policies.Verdict
	load    [4]float64
	tie     uint64
}

func (a rank) before(b rank) bool {
	if a.verdict != b.verdict {
		return a.verdict < b.verdict
	}
	for i := range a.load {
		if a.load[i] != b.load[i] {
			return a.load[i] < b.load[i]
		}
	}
	return cmp.Less(a.tie, b.tie)
}

// rankLeader ranks a node as the leader of a shard.
func (p *planner) rankLeader(row policies.Row, scores []float64, id shards.ShardID, n int) rank {
	r := rank{verdict: row[n].Verdict(), tie: p.tie(id, n)}
	r.load[0] = float64(p.view.Nodes[n].Primaries)
	if scores != nil {
		r.load[0] += scores[n]
	}
	return r
}
