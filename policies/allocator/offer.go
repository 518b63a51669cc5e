package allocator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Offer is what an operator can have whose move is refused.
type Offer struct {
	Rules []policies.Word // those that refuse it: each of them would have to give way
	Nodes []string        // other nodes that may have the copy, the coolest first; a few
	First *Step           // a move after which the wish is allowed, if one is enough
}

// Step is a move of a copy from one node to another.
type Step struct {
	Shard    string
	Copy     shards.CopyID
	From, To string
}

// How many alternatives are named, and how many copies of the node are tried as the one whose move helps: each try asks everybody
// anew, about a cluster that has not been seen before.
const (
	offered     = 3
	helpers     = 16
	helpersMany = 4 // where nodes are many
)

// String is a sentence, or empty if there is nothing to offer.
func (o *Offer) String() string {
	var parts []string
	if o.First != nil {
		parts = append(parts, fmt.Sprintf("it is allowed once copy c%d of %s has moved from node %s to %s", o.First.Copy, o.First.Shard, o.First.From, o.First.To))
	}
	if len(o.Nodes) > 0 {
		parts = append(parts, "as things are it may go to "+strings.Join(o.Nodes, ", "))
	}
	if len(parts) == 0 && len(o.Rules) > 1 {
		var names []string
		for _, w := range o.Rules {
			names = append(names, w.Decider)
		}
		parts = append(parts, "these would all have to give way: "+strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}

// Counter looks for what comes near an allocation or relocation that deciders refuse: another node, or one move that makes room for
// it. It is nil if the move is allowed, or is no allocation.
//
//	wish: orders/1 to n6, which is on host h beside n5        offer: orders/1's copy on n5 first to n2, or this one to n3
func Counter(in Input, id shards.ShardID, m *cluster.Move) (*Offer, error) {
	e, err := Permit(in, id, m)
	if err != nil || e.Verdict != policies.No || m.Kind != cluster.MoveAllocate {
		return nil, err
	}
	o := &Offer{}
	for _, w := range e.Words {
		if w.Verdict == policies.No {
			o.Rules = append(o.Rules, w)
		}
	}
	p := newPlanner(in)
	p.look()
	r := in.State.Shard(id)
	q := &policies.Question{Capability: policies.Allocate, Keyspace: in.State.Keyspace(id.Keyspace()), Shard: r, Copy: r.Copy(m.Source)}
	q.Primary = q.Copy != nil && q.Copy.ID == r.Primary
	s := p.solver(false)
	for _, n := range s.coolest(q, offered) {
		o.Nodes = append(o.Nodes, p.view.Nodes[n].Name)
	}
	o.First = s.help(q, p.node(m.Node))
	return o, nil
}

// coolest lists some of the nodes that may have a copy, the coolest first.
func (s *solver) coolest(q *policies.Question, most int) (nodes []int) {
	for n, a := range s.p.in.Policies.Ask(s.p.view, q) {
		if a.Verdict() == policies.Yes {
			nodes = append(nodes, n)
		}
	}
	slices.SortStableFunc(nodes, func(a, b int) int {
		x, _ := s.Heat(a)
		y, _ := s.Heat(b)
		return cmp.Compare(x, y)
	})
	return nodes[:min(most, len(nodes))]
}

// help finds one move of another copy that lets a node have the copy of a question: of the shard's own copies first, then of what
// the node holds, the biggest first.
func (s *solver) help(q *policies.Question, node int) *Step {
	p := s.p
	type candidate struct {
		i    int
		copy cluster.Copy
		size float64
	}
	var own, there []candidate
	for i := range p.in.State.Shards {
		r := &p.in.State.Shards[i]
		for _, c := range r.Copies {
			x := candidate{i, c, s.Shards[i].Bytes}
			switch {
			case !c.Started || c.Source != 0 || replaced(r, c.ID) || p.down(&c) || q.Copy != nil && c.ID == q.Copy.ID:
			case r.ID == q.Shard.ID:
				own = append(own, x)
			case p.node(c.Node) == node:
				there = append(there, x)
			}
		}
	}
	slices.SortStableFunc(there, func(a, b candidate) int { return cmp.Compare(b.size, a.size) })
	most := helpers
	if len(p.view.Nodes) > few {
		most = helpersMany
	}
	for _, c := range append(own, there[:min(most, len(there))]...) {
		r := &p.in.State.Shards[c.i]
		moved := &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(c.i), Shard: r, Copy: r.Copy(c.copy.ID), Primary: c.copy.ID == r.Primary, Place: c.i}
		for _, to := range s.coolest(moved, offered) {
			if to != node && p.helps(q, node, c.i, c.copy.ID, to) {
				return &Step{Shard: p.name(r.ID), Copy: c.copy.ID, From: p.in.State.NodeName(c.copy.Node), To: p.view.Nodes[to].Name}
			}
		}
	}
	return nil
}

// helps asks again in a cluster in which one copy is elsewhere.
func (p *planner) helps(q *policies.Question, node, i int, id shards.CopyID, to int) bool {
	state := *p.in.State
	state.Shards = slices.Clone(state.Shards)
	r := &state.Shards[i]
	r.Copies = slices.Clone(r.Copies)
	r.Copy(id).Node = p.view.Nodes[to].ID
	in := p.in
	in.State = &state
	other := newPlanner(in)
	other.look()
	asked := *q
	asked.Shard = state.Shard(q.Shard.ID)
	if q.Copy != nil {
		asked.Copy = asked.Shard.Copy(q.Copy.ID)
	}
	return in.Policies.On(other.view, &asked, node).Verdict() != policies.No
}
