package allocator

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// balancePrimaries evens out how many shards each node leads, by hand-overs to in-sync copies: no data moves. A node that
// leads too many may share no shard with one that leads too few; then the hand-over goes by way of others:
//
//	n1 leads 5 ──orders/3──► n2 leads 4 ──orders/8──► n3 leads 3        4, 4, 4 afterwards
//
// Each chain brings two nodes that differ by band or more closer together and leaves those between as they are.
func (p *planner) balancePrimaries() {
	nodes, total := p.homes(func(n *policies.Node) int { return n.Primaries })
	if len(nodes) < 2 {
		return
	}
	width := band(total, len(nodes))
	if most, least := p.view.Nodes[nodes[0]].Primaries, p.view.Nodes[nodes[len(nodes)-1]].Primaries; most-least < width {
		return
	}
	g := p.handovers()
	for {
		nodes, _ = p.homes(func(n *policies.Node) int { return n.Primaries })
		if !slices.ContainsFunc(nodes, func(from int) bool { return p.handChain(g, from, width) }) {
			return
		}
	}
}

// handover is a shard that could be led by another node.
type handover struct {
	i  int // place of the shard
	to int
}

// handovers lists for each node which of the shards that it leads could go where.
func (p *planner) handovers() [][]handover {
	g := make([][]handover, len(p.view.Nodes))
	for i := range p.in.State.Shards {
		r := p.row(i)
		if r.Primary == 0 || r.HandTo != 0 || len(r.Copies) < 2 {
			continue
		}
		lead := p.node(r.PrimaryCopy().Node)
		if p.view.Nodes[lead].Evidence.State != liveness.Alive || p.mayLeave(i, r.PrimaryCopy(), lead) == policies.No { // throttling is for what has to be copied
			continue
		}
		q := &policies.Question{Capability: policies.Promote, Keyspace: p.keyspace(i), Shard: r, Primary: true, Place: i}
		for at := range r.Copies {
			c := &r.Copies[at]
			if n := p.node(c.Node); n != lead && p.named(c) && p.heir(c) && p.behind(i, n) == "" && p.in.Policies.On(p.view, q, n).Verdict() == policies.Yes {
				g[lead] = append(g[lead], handover{i, n})
			}
		}
	}
	return g
}

// handChain hands over along the shortest way from a node to one that leads width fewer, if there is any.
func (p *planner) handChain(g [][]handover, from, width int) bool {
	came := make([]*step, len(g)) // how each node is reached
	queue := []int{from}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if n != from && p.view.Nodes[from].Primaries-p.view.Nodes[n].Primaries >= width {
			p.follow(g, came, from, n)
			return true
		}
		if p.handing[n] >= p.view.Settings.Recoveries {
			continue
		}
		for _, h := range g[n] {
			if h.to != from && came[h.to] == nil && !p.full(h.i) {
				came[h.to] = &step{from: n, by: h.i}
				queue = append(queue, h.to)
			}
		}
	}
	return false
}

// step says from which node another is reached, and by which shard.
type step struct{ from, by int }

// follow plans the hand-overs of a chain, from its end to its beginning.
func (p *planner) follow(g [][]handover, came []*step, from, to int) {
	for n := to; n != from; n = came[n].from {
		s := came[n]
		r := p.row(s.by)
		a, b := &p.view.Nodes[s.from], &p.view.Nodes[n]
		reason := fmt.Sprintf("node %s leads %d shards and %s %d: it hands over %s", a.Name, a.Primaries, b.Name, b.Primaries, p.name(r.ID))
		p.do(Balance, s.by, cluster.Move{Kind: cluster.MoveHandTo, Copy: r.CopyOn(b.ID).ID, Reason: reason}, policies.Yes, nil)
		g[s.from] = slices.DeleteFunc(g[s.from], func(h handover) bool { return h.i == s.by })
	}
}
