package allocator

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Explanation is why a shard is where it is, and where it could be.
type Explanation struct {
	Shard     shards.ShardID
	Name      string
	Row       string // the row of the table
	Health    cluster.ShardHealth
	Copies    []CopyExplanation
	Nodes     []policies.Explanation // of each member: may another copy be put there?
	Starts    []policies.Explanation // of each member: and begin there now?
	Scores    []policies.Score       // of each scorer: how good each member is for it, in the order of Nodes
	Decisions []Decision             // what the allocator would do with the shard now; none: nothing
	Conflict  []policies.Rule        // of a copy that no node may have: the fewest rules that together see to that
	Burden    *Burden                // nil: it is not too large for a node's share
}

// CopyExplanation is what deciders say about a copy where it is.
type CopyExplanation struct {
	Copy      shards.CopyID
	Node      string // its name
	Remain    policies.Explanation
	Rebalance policies.Explanation // may it leave for balance alone?
	Promote   policies.Explanation
}

// Explain says what every decider says about one shard, on every node, and what the next plan would do with it: the answer
// comes from that very plan, so that the two cannot disagree.
func Explain(in Input, id shards.ShardID) (*Explanation, error) {
	r := in.State.Shard(id)
	if r == nil {
		return nil, fmt.Errorf("allocator: there is no shard %v", id)
	}
	in.Explain = true
	planning := newPlanner(in)
	planning.only = &id
	plan := planning.run()
	p := newPlanner(in)
	p.look()
	k := in.State.Keyspace(id.Keyspace())
	e := &Explanation{Shard: id, Name: in.State.ShardName(id), Row: in.State.Describe(r), Health: cluster.ShardHealth{Shard: id, Name: in.State.ShardName(id)}}
	for _, h := range cluster.HealthOf(in.State).Reasons {
		if h.Shard == id {
			e.Health = h
		}
	}
	place := p.view.Place(&policies.Question{Shard: r})
	for i := range r.Copies {
		c := &r.Copies[i]
		n := p.node(c.Node)
		q := policies.Question{Keyspace: k, Shard: r, Copy: c, Primary: c.ID == r.Primary}
		x := CopyExplanation{Copy: c.ID, Node: p.view.Nodes[n].Name}
		q.Capability = policies.Remain
		x.Remain = in.Policies.Explain(p.view, &q, n)
		q.Capability = policies.Rebalance
		x.Rebalance = in.Policies.Explain(p.view, &q, n)
		q.Capability, q.Primary = policies.Promote, true
		x.Promote = in.Policies.Explain(p.view, &q, n)
		p.addBehind(&x.Promote, place, n)
		e.Copies = append(e.Copies, x)
	}
	another := &policies.Question{Keyspace: k, Shard: r, New: len(r.Copies) == 0, Primary: len(r.Copies) == 0}
	for n := range p.view.Nodes {
		another.Capability = policies.Allocate
		may := in.Policies.Explain(p.view, another, n)
		p.addPossible(&may, r, n)
		e.Nodes = append(e.Nodes, may)
		another.Capability = policies.Start
		e.Starts = append(e.Starts, in.Policies.Explain(p.view, another, n))
	}
	another.Capability = policies.Allocate
	e.Scores = in.Policies.Rate(p.view, another)
	for _, d := range plan.Decisions {
		if d.Shard == id {
			e.Decisions = append(e.Decisions, d)
		}
	}
	e.Conflict = p.conflict(e, k, r)
	e.Burden = Heaviest(in, &id)
	return e, nil
}

// Place is the stricter of the two things that are said about another copy on a member: that it may be there, and that it may begin now.
func (e *Explanation) Place(n int) *policies.Explanation {
	if e.Starts[n].Verdict > e.Nodes[n].Verdict {
		return &e.Starts[n]
	}
	return &e.Nodes[n]
}

// conflict looks for what keeps a wanted copy from every node, as the decisions say.
func (p *planner) conflict(e *Explanation, k *cluster.Keyspace, r *cluster.Shard) []policies.Rule {
	q := &policies.Question{Capability: policies.Allocate, Keyspace: k, Shard: r}
	for i := range e.Decisions {
		d := &e.Decisions[i]
		if d.Move.Kind != 0 || d.Verdict != policies.No {
			continue
		}
		switch d.Lane {
		case Create:
			q.New, q.Primary = true, true
			return p.in.Policies.Conflict(p.view, q, (*whatever)(p))
		case Missing:
			return p.in.Policies.Conflict(p.view, q, (*whatever)(p))
		case Evacuate:
			for at := range e.Copies {
				if e.Copies[at].Remain.Verdict == policies.No {
					q.Copy = r.Copy(e.Copies[at].Copy)
					q.Primary = q.Copy.ID == r.Primary
					return p.in.Policies.Conflict(p.view, q, (*whatever)(p))
				}
			}
		}
	}
	return nil
}

// mayTake asks whether a copy may be put on a node, and may start now.
func (p *planner) mayTake(q *policies.Question, n int) policies.Explanation {
	q.Capability = policies.Allocate
	e := p.in.Policies.Explain(p.view, q, n)
	q.Capability = policies.Start
	s := p.in.Policies.Explain(p.view, q, n)
	e.Verdict, e.Words = max(e.Verdict, s.Verdict), append(e.Words, s.Words...)
	p.addPossible(&e, q.Shard, n)
	return e
}

// Permit says what deciders say about a move that an operator asks for: an allocation or relocation to a node, or a
// promotion. Throttling does not count: an operator does not wait for it. Other moves are for the state alone to judge.
func Permit(in Input, id shards.ShardID, m *cluster.Move) (policies.Explanation, error) {
	r := in.State.Shard(id)
	if r == nil {
		return policies.Explanation{}, fmt.Errorf("allocator: there is no shard %v", id)
	}
	p := newPlanner(in)
	p.look()
	q := &policies.Question{Capability: policies.Allocate, Keyspace: in.State.Keyspace(id.Keyspace()), Shard: r}
	node := m.Node
	switch m.Kind {
	case cluster.MoveAllocate: // of a copy that leads the lead goes along
		q.Copy = r.Copy(m.Source)
		q.Primary = q.Copy != nil && q.Copy.ID == r.Primary
	case cluster.MoveCreate, cluster.MoveEmpty:
		q.New, q.Primary = true, true
	case cluster.MovePromote, cluster.MoveHandTo:
		c := r.Copy(m.Copy)
		if c == nil {
			return policies.Explanation{}, fmt.Errorf("allocator: shard %s has no copy c%d", in.State.ShardName(id), m.Copy)
		}
		q.Capability, q.Copy, q.Primary, node = policies.Promote, c, true, c.Node
	default:
		return policies.Explanation{}, nil
	}
	n := p.node(node)
	if n < 0 {
		return policies.Explanation{}, fmt.Errorf("allocator: node %s is not a member", node)
	}
	return in.Policies.Explain(p.view, q, n), nil
}

// Weigh says what every decider and every scorer says about each node as a place for a copy that is to leave its own: what Explain fills in while
// a plan is made, for one of its moves afterwards.
func Weigh(in Input, moves []Decision) [][]policies.Explanation {
	p := newPlanner(in)
	p.look()
	out := make([][]policies.Explanation, len(moves))
	for i := range moves {
		r := in.State.Shard(moves[i].Shard)
		if r == nil {
			continue
		}
		c := r.Copy(moves[i].Move.Source)
		q := policies.Question{Keyspace: in.State.Keyspace(moves[i].Shard.Keyspace()), Shard: r, Copy: c, Primary: c != nil && c.ID == r.Primary}
		q.Capability = policies.Allocate
		rated := in.Policies.Rate(p.view, &q)
		for n := range p.view.Nodes {
			e := p.mayTake(&q, n)
			e.Scores = policies.RatingsOf(rated, n)
			out[i] = append(out[i], e)
		}
	}
	return out
}
