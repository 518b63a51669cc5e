package allocator

import (
	"cmp"
	"strconv"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// promoteAll gives every shard that has lost its primary another one, if an in-sync copy is on a living node. Shards that
// have no choice go first, so that the others can even out what that leads to.
func (p *planner) promoteAll() {
	var open []int
	for _, i := range p.view.Unsettled() {
		i := int(i)
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
	n := &p.view.Nodes[p.node(c.Node)]
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
	q := &policies.Question{Capability: policies.Promote, Keyspace: p.keyspace(i), Shard: r, Primary: true, Place: i}
	rated := p.in.Policies.Rate(p.view, q)
	scores := policies.Total(rated)
	best, first, word := -1, rank{}, policies.Answer(0)
	candidates := make([]policies.Explanation, 0, len(r.Copies))
	for at := range r.Copies {
		c := &r.Copies[at]
		if !p.heir(c) {
			continue
		}
		n := p.node(c.Node)
		a := p.in.Policies.On(p.view, q, n)
		if now := p.rankLeader(a, scores, r.ID, n); best < 0 || now.before(first) {
			best, first, word = at, now, a
		}
		asked := *q
		asked.Copy = c
		e := p.explain(&asked, n, a)
		e.Scores = policies.RatingsOf(rated, n)
		candidates = append(candidates, e)
	}
	chosen := r.Copies[best]
	node := &p.view.Nodes[p.node(chosen.Node)]
	if p.warmth != nil {
		p.warmth.lead(p.view, r.ID, p.node(chosen.Node))
	}
	p.do(Emergency, i, cluster.Move{Kind: cluster.MovePromote, Copy: chosen.ID, Reason: p.whyLeads(r, &chosen, node)}, word.Verdict(), candidates)
}

// whyLeads says why a copy is promoted and no other.
func (p *planner) whyLeads(r *cluster.Shard, c *cluster.Copy, node *policies.Node) string {
	heirs, name := p.heirs(r), p.name(r.ID)
	to := append(append(p.sentence[:0], name...), " has no primary; "...)
	if heirs == 1 {
		to = strconv.AppendUint(append(to, "copy c"...), uint64(c.ID), 10)
		to = append(append(append(to, " on node "...), node.Name...), " is the only one in sync on a living node"...)
	} else {
		best, leads := "leads fewest shards: ", ", with "
		switch {
		case len(p.in.Policies.Scorers) > 0:
			best, leads = "is best by what it leads and by soft policies: ", ", which leads "
		case p.warmth != nil:
			best, leads = "stays coolest: ", ", which leads "
		}
		to = strconv.AppendInt(append(to, "of "...), int64(heirs), 10)
		to = strconv.AppendUint(append(to, " copies in sync c"...), uint64(c.ID), 10)
		to = append(append(append(to, " is on the node that "...), best...), node.Name...)
		to = strconv.AppendInt(append(to, leads...), int64(node.Primaries), 10)
	}
	p.sentence = to
	return p.words.keep(to)
}

// explain says what deciders say about a node as a leader. Where none says anything it is put together from what they said last
// time: of a zone that fails, ten thousand shards look for another leader.
func (p *planner) explain(q *policies.Question, n int, a policies.Answer) policies.Explanation {
	if a != 0 {
		return p.in.Policies.Explain(p.view, q, n)
	}
	if p.plain == nil {
		p.plain = p.in.Policies.Explain(p.view, q, n).Words
	}
	return policies.Explanation{Capability: q.Capability, Node: p.view.Nodes[n].Name, Words: p.plain}
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

// rankLeader ranks a node as the leader of a shard: by how many it leads, or where loads have been measured by how hot it would be.
func (p *planner) rankLeader(a policies.Answer, scores []float64, id shards.ShardID, n int) rank {
	r := rank{verdict: a.Verdict(), tie: p.tie(id, n)}
	r.load[0] = float64(p.view.Nodes[n].Primaries)
	scale := 1.0
	if p.warmth == nil && p.measured() {
		p.warmth = p.feel()
	}
	if p.warmth != nil {
		r.load[0], scale = p.warmth.of(p.view, id, n), 1/p.warmth.primaries
	}
	if scores != nil {
		r.load[0] += scores[n] * scale
	}
	return r
}

// warmth is how warm nodes are on the average, and what promotions of this plan have added to them.
type warmth struct {
	use       policies.Load // over capacity, mean of those that take copies
	primaries float64       // mean
	added     []policies.Load
}

// feel takes the means.
func (p *planner) feel() *warmth {
	w := &warmth{added: make([]policies.Load, len(p.view.Nodes))}
	homes := 0.0
	for n := range p.view.Nodes {
		if node := &p.view.Nodes[n]; p.home(n) {
			homes++
			w.use = w.use.Plus(over(node.Used, node.Capacity))
			w.primaries += float64(node.Primaries)
		}
	}
	homes = max(1, homes)
	w.use = policies.Load{CPU: w.use.CPU / homes, Memory: w.use.Memory / homes, Disk: w.use.Disk / homes}
	w.primaries = max(1, w.primaries/homes)
	return w
}

// over divides in each dimension; what is not known is 0.
func over(a, b policies.Load) policies.Load {
	divide := func(x, y float64) float64 {
		if x > 0 && y > 0 {
			return x / y
		}
		return 0
	}
	return policies.Load{CPU: divide(a.CPU, b.CPU), Memory: divide(a.Memory, b.Memory), Disk: divide(a.Disk, b.Disk)}
}

// more is what leading a shard costs beyond holding it.
func more(v *policies.View, id shards.ShardID) (l policies.Load) {
	if m := v.ShardLoad(id); m != nil {
		l = m.Primary.Plus(m.Replica.Times(-1))
	}
	return l
}

// of is how hot a node would be with the lead of one more shard: in the worst dimension, in relation to the mean. The number of
// shards that it leads is one of them, so that what one node led is spread over many.
func (w *warmth) of(v *policies.View, id shards.ShardID, n int) float64 {
	node := &v.Nodes[n]
	heat := float64(node.Primaries+1) / w.primaries
	hot := over(over(node.Used.Plus(w.added[n]).Plus(more(v, id)), node.Capacity), w.use)
	return max(heat, hot.CPU, hot.Memory, hot.Disk)
}

// lead counts the lead of one more shard.
func (w *warmth) lead(v *policies.View, id shards.ShardID, n int) {
	w.added[n] = w.added[n].Plus(more(v, id))
}
