package allocator

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// balanceCopies relocates copies from full nodes to empty ones, as many as may go on at a time. Each move brings two nodes
// that differ by band or more closer together, so the sum of the squares falls, and there is an end.
func (p *planner) balanceCopies() {
	limit := p.in.State.Number(cluster.SettingConcurrentRebalance)
	for p.view.Relocating < limit {
		if !p.moveOne() {
			return
		}
	}
}

// homes lists the nodes that take copies, with the total that they hold: what others hold is on its way to them, or waits
// for its node, and counts for no mean.
func (p *planner) homes(load func(*policies.Node) int) (nodes []int, total int) {
	for n := range p.view.Nodes {
		node := &p.view.Nodes[n]
		if node.Has(cluster.RoleData) && !node.Down && !node.Draining && !node.Maintained {
			nodes = append(nodes, n)
			total += load(node)
		}
	}
	slices.SortFunc(nodes, func(a, b int) int {
		return cmp.Or(cmp.Compare(load(&p.view.Nodes[b]), load(&p.view.Nodes[a])), cmp.Compare(a, b))
	})
	return nodes, total
}

// moveOne relocates one copy, from the fullest node that has one which may go.
func (p *planner) moveOne() bool {
	nodes, total := p.homes(func(n *policies.Node) int { return n.Copies })
	if len(nodes) < 2 {
		return false
	}
	least := p.view.Nodes[nodes[len(nodes)-1]].Copies
	width := band(total, len(nodes))
	held := p.held()
	for _, from := range nodes {
		if p.view.Nodes[from].Copies-least < width {
			return false
		}
		if p.relieve(from, held[from], width) {
			return true
		}
	}
	return false
}

// held lists by node the rows that have a copy there.
func (p *planner) held() [][]int {
	held := make([][]int, len(p.view.Nodes))
	for i := range p.in.State.Shards {
		r := p.row(i)
		for at := range r.Copies {
			n := p.nodes[r.Copies[at].Node]
			held[n] = append(held[n], i)
		}
	}
	return held
}

// transfer is a copy that could leave its node.
type transfer struct {
	i    int // place of the shard
	copy cluster.Copy
	to   int
	rank rank
}

// relieve moves the copy from a node whose going evens out most: to the emptiest node, then of the keyspace that is most
// uneven between the two, then a replica rather than a primary, which would have to hand over.
func (p *planner) relieve(from int, held []int, width int) bool {
	var best *transfer
	for _, i := range held {
		r := p.row(i)
		c := r.CopyOn(p.view.Nodes[from].ID)
		if c == nil || !c.InSync || !p.named(c) || p.full(i) || p.mayLeave(i, c, from) != policies.Yes {
			continue
		}
		if t := p.target(i, c, from, width); t != nil && (best == nil || t.rank.before(best.rank)) {
			best = t
		}
	}
	if best == nil {
		return false
	}
	a, b := &p.view.Nodes[from], &p.view.Nodes[best.to]
	reason := fmt.Sprintf("node %s has %d copies and %s %d: copy c%d of %s evens them out", a.Name, a.Copies, b.Name, b.Copies, best.copy.ID, p.name(p.row(best.i).ID))
	return p.do(Balance, best.i, cluster.Move{Kind: cluster.MoveAllocate, Node: b.ID, Source: best.copy.ID, Reason: reason}, best.rank.verdict, nil)
}

// mayLeave asks whether a copy may leave its node for balance.
func (p *planner) mayLeave(i int, c *cluster.Copy, from int) policies.Verdict {
	r := p.row(i)
	q := &policies.Question{Capability: policies.Rebalance, Keyspace: p.keyspace(i), Shard: r, Copy: c, Primary: c.ID == r.Primary}
	return p.in.Policies.Ask(p.view, q)[from].Verdict()
}

// target finds the emptiest node that may have a copy now and has at least width copies fewer.
func (p *planner) target(i int, c *cluster.Copy, from, width int) *transfer {
	r, k := p.row(i), p.keyspaceOf[i]
	q := &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: r, Copy: c, Primary: c.ID == r.Primary}
	row := append(policies.Row(nil), p.in.Policies.Ask(p.view, q)...)
	q.Capability = policies.Start
	for n, a := range p.in.Policies.Ask(p.view, q) {
		row.Raise(n, a)
	}
	scores := p.in.Policies.Scores(p.view, q)
	var best *transfer
	for n := range row {
		node := &p.view.Nodes[n]
		if row[n].Verdict() != policies.Yes || p.view.Nodes[from].Copies-node.Copies < width {
			continue
		}
		now := rank{verdict: policies.Yes, load: [4]float64{float64(node.Copies), float64(p.copies[k][n] - p.copies[k][from])}, tie: p.tie(r.ID, n)}
		if q.Primary {
			now.load[2] = 1
		}
		if scores != nil {
			now.load[0] += scores[n] - scores[from]
		}
		if best == nil || now.before(best.rank) {
			best = &transfer{i: i, copy: *c, to: n, rank: now}
		}
	}
	return best
}
