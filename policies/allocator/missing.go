package allocator

import (
	"fmt"
	"strconv"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// fillAll gives every shard the number of copies that it should have. First copies go before all others: once these are
// spread evenly the others can be, and nothing has to be moved afterwards.
func (p *planner) fillAll() {
	for _, i := range p.view.Unsettled() {
		if len(p.row(int(i)).Copies) == 0 {
			p.create(int(i))
		}
	}
	for _, i := range p.view.Unsettled() {
		if p.row(int(i)).Primary != 0 && !p.full(int(i)) {
			p.fill(int(i))
			p.trim(int(i))
		}
	}
}

// create begins a shard on the node that leads the fewest of its keyspace.
func (p *planner) create(i int) {
	if p.full(i) {
		return
	}
	q := &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: p.row(i), Primary: true, New: true}
	n, verdict, candidates := p.choose(i, q)
	if n < 0 {
		p.wait(Create, i, verdict, fmt.Sprintf("%s has never been allocated, and %s", p.name(q.Shard.ID), whyNowhere(verdict)), candidates)
		return
	}
	node := &p.view.Nodes[n]
	reason := fmt.Sprintf("%s begins on node %s, which leads %d of its keyspace and %d shards in all", p.name(q.Shard.ID), node.Name, p.primaries[p.keyspaceOf[i]][n], node.Primaries)
	p.do(Create, i, cluster.Move{Kind: cluster.MoveCreate, Node: node.ID, Reason: reason}, verdict, candidates)
}

func whyNowhere(v policies.Verdict) string {
	if v == policies.Throttle {
		return "every node that may have it is throttled"
	}
	return "no node may have it"
}

// fill allocates the copies that are missing. Those of a node that is down are waited for, unless writes are refused
// meanwhile: they may come back with it, and then need only what they missed.
func (p *planner) fill(i int) {
	k := p.keyspace(i)
	lacks, known := p.placing.wants(i)
	if !known {
		lacks = k.Copies() - p.present(i)
	}
	for have := k.Copies() - lacks; have < k.Copies(); have++ {
		if p.full(i) {
			return
		}
		q := &p.wanted
		*q = policies.Question{Capability: policies.Allocate, Keyspace: k, Shard: p.row(i)}
		n, verdict, candidates := p.choose(i, q)
		if n < 0 {
			name := p.name(q.Shard.ID)
			for range k.Copies() - have {
				p.wait(Missing, i, verdict, fmt.Sprintf("%s has %d of %d copies, and %s", name, have, k.Copies(), whyNowhere(verdict)), candidates)
			}
			return
		}
		node := &p.view.Nodes[n]
		if !p.do(Missing, i, cluster.Move{Kind: cluster.MoveAllocate, Node: node.ID, Reason: p.whyHere(i, n, have)}, verdict, candidates) {
			return
		}
	}
}

// whyHere is the sentence for a copy that is missing, and comes to a node. It is made in one place that is used again: there are many of them.
func (p *planner) whyHere(i, n, have int) string {
	node, name := &p.view.Nodes[n], p.name(p.row(i).ID)
	to := append(p.sentence[:0], name...)
	to = strconv.AppendInt(append(to, " has "...), int64(have), 10)
	to = strconv.AppendInt(append(to, " of "...), int64(p.keyspace(i).Copies()), 10)
	to = append(append(append(to, " copies; node "...), node.Name...), " has fewest of those that may have another ("...)
	to = strconv.AppendInt(to, int64(p.copies[p.keyspaceOf[i]][n]), 10)
	to = strconv.AppendInt(append(to, " of its keyspace, "...), int64(node.Copies), 10)
	p.sentence = append(to, " in all)"...)
	return p.words.keep(p.sentence)
}

// present counts the copies that a shard has or will have: those that are to be replaced are not counted, and those of dead
// nodes only while they are waited for.
func (p *planner) present(i int) int {
	if p.view.Complete(i) {
		return p.keyspace(i).Copies()
	}
	r := p.row(i)
	moving := false
	for at := range r.Copies {
		moving = moving || r.Copies[at].Source != 0
	}
	present, writable := 0, 0
	var places [cluster.MaxCopies]int32
	dead := places[:0] // the nodes of copies that stay
	for at := range r.Copies {
		c := &r.Copies[at]
		n, stays := p.view.Home(i, at), !moving || !replaced(r, c.ID)
		switch down := p.view.Nodes[n].Down; {
		case down && stays:
			dead = append(dead, int32(n))
		case down:
		case stays:
			present++
			fallthrough
		default:
			writable++
		}
	}
	for _, n := range dead {
		if p.awaited(n, writable < p.keyspace(i).MinInSync) {
			present++
		}
	}
	return present
}

func (p *planner) down(c *cluster.Copy) bool { return p.view.Nodes[p.node(c.Node)].Down }

// awaited says whether a copy on a node that is down is still waited for, and asks for a look at the end of the wait, which begins
// anew with a new leader: it knows of the death, and not since when. For a node in maintenance there is no end.
func (p *planner) awaited(place int32, urgent bool) bool {
	n := &p.view.Nodes[place]
	switch {
	case n.Maintained:
		return true
	case urgent:
		return false
	}
	since := p.in.Ticks
	if n.Evidence.State == liveness.Dead {
		since = n.Evidence.Since
	}
	if end := since + p.delay; p.in.Ticks < end {
		p.lookAgain(end)
		return true
	}
	return false
}

// choose finds the node for a new copy: the mildest verdict, the fewest copies (for a shard's first: primaries) of the
// keyspace, then of the node, then the fewest that share its leader, so that what one node leads is spread over many. It
// returns -1 and the mildest verdict if none may have it now.
//
// Where nodes are many, or loads have been measured, the solver looks for it.
func (p *planner) choose(i int, q *policies.Question) (int, policies.Verdict, []policies.Explanation) {
	q.Place = i
	var candidates []policies.Explanation
	if p.in.Explain && (p.only == nil || *p.only == q.Shard.ID) {
		for n := range p.view.Nodes {
			asked := *q
			candidates = append(candidates, p.mayTake(&asked, n))
		}
	}
	s := p.solving(i)
	if s == nil {
		p.asked = p.now(q, p.asked)
		n, verdict := p.scan(i, q, p.asked, nil, -1)
		return n, verdict, candidates
	}
	slot := s.of(i, q)
	n, verdict := s.find(i, q), policies.Yes
	if n < 0 {
		if n, verdict = p.scan(i, q, p.asked, s, slot); n >= 0 {
			s.follow(slot, n)
		}
	}
	return n, verdict, candidates
}

// scan ranks all nodes for a copy: as the solver does, where it has a slot for it, or by counting.
func (p *planner) scan(i int, q *policies.Question, row policies.Row, s *solver, slot int) (int, policies.Verdict) {
	var scores []float64
	if s == nil {
		scores = p.in.Policies.Scores(p.view, q)
	}
	best, bestRank, mildest := -1, rank{}, policies.No
	lead := p.leader(q.Shard)
	for n := range row {
		verdict := row[n].Verdict()
		mildest = min(mildest, verdict)
		if verdict > policies.NotPreferred {
			continue
		}
		now := rank{verdict: verdict, tie: p.tie(q.Shard.ID, n)}
		if s == nil {
			now = p.rankHolder(i, q, scores, n, lead, verdict)
		} else {
			now.load[0] = s.cost(i, slot, n)
		}
		if best < 0 || now.before(bestRank) {
			best, bestRank = n, now
		}
	}
	return best, mildest
}

func (p *planner) rankHolder(i int, q *policies.Question, scores []float64, n, lead int, verdict policies.Verdict) rank {
	k, node := p.keyspaceOf[i], &p.view.Nodes[n]
	r := rank{verdict: verdict, tie: p.tie(q.Shard.ID, n)}
	if q.New {
		r.load = [4]float64{float64(p.primaries[k][n]), float64(node.Primaries), float64(node.Copies)}
	} else {
		r.load = [4]float64{float64(p.copies[k][n]), float64(node.Copies), 0}
		if lead >= 0 {
			r.load[2] = float64(p.pairs[lead*len(p.view.Nodes)+n])
		}
	}
	if scores != nil {
		r.load[0] += scores[n]
	}
	return r
}

// trim drops copies that are too many: those not in sync once enough are, then in-sync ones, from where a copy may not
// remain, or else from the fullest node. The primary stays, and so does what takes another's place.
func (p *planner) trim(i int) {
	wanted := p.keyspace(i).Copies()
	for len(p.row(i).Copies) > wanted {
		r := p.row(i)
		if inSync(r) < wanted {
			return
		}
		good := 0
		for at := range r.Copies {
			if c := &r.Copies[at]; c.InSync && !replaced(r, c.ID) && !p.down(c) {
				good++
			}
		}
		if good < wanted {
			return
		}
		at := p.needless(i, good > wanted, good >= wanted)
		if at < 0 || p.full(i) {
			return
		}
		c := r.Copies[at]
		reason := fmt.Sprintf("%s has %d copies in sync, and %d are wanted; copy c%d on node %s is needless", p.name(r.ID), good, wanted, c.ID, p.view.Nodes[p.node(c.Node)].Name)
		if !p.do(Surplus, i, cluster.Move{Kind: cluster.MoveDrop, Copy: c.ID, Reason: reason}, policies.Yes, nil) {
			return
		}
	}
}

// inSync counts copies in sync, wherever they are.
func inSync(r *cluster.Shard) (n int) {
	for at := range r.Copies {
		if r.Copies[at].InSync {
			n++
		}
	}
	return n
}

// needless is the place of a copy that can go, or -1.
func (p *planner) needless(i int, good, recovering bool) int {
	r := p.row(i)
	best, bestRank := -1, rank{}
	for at := range r.Copies {
		c := &r.Copies[at]
		n := p.node(c.Node)
		switch {
		case c.ID == r.Primary || c.ID == r.HandTo || !p.named(c) || c.Source != 0 || replaced(r, c.ID):
			continue
		case !c.InSync && recovering:
		case c.InSync && good:
		default:
			continue
		}
		now := rank{load: [4]float64{-float64(p.view.Nodes[n].Copies)}, tie: p.tie(r.ID, n)}
		if c.InSync {
			now.verdict = policies.No
		}
		if p.mayRemain(i, c) == policies.No {
			now.load[0] -= 1e9
		}
		if best < 0 || now.before(bestRank) {
			best, bestRank = at, now
		}
	}
	return best
}

// mayRemain asks whether a copy may stay where it is.
func (p *planner) mayRemain(i int, c *cluster.Copy) policies.Verdict {
	r := p.row(i)
	p.question = policies.Question{Capability: policies.Remain, Keyspace: p.keyspace(i), Shard: r, Copy: c, Primary: c.ID == r.Primary, Place: i}
	return p.in.Policies.On(p.view, &p.question, p.node(c.Node)).Verdict()
}
