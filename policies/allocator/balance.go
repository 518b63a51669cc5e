package allocator

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// Heats between which balancing begins and ends, where loads have been measured. While relocations go on it has begun.
const (
	startHeat = 1.10
	stopHeat  = 1.05
	freshHeat = 1.03 // of copies that nothing has been carried for yet
)

// balance works out an assignment that is better, from what is and what has been planned so far, and begins with the moves that
// lead there: as many as may go on at a time. What is left follows when these are done: it is worked out anew from what has been
// committed by then, by whoever leads then.
func (p *planner) balance() {
	limits, worth := p.limits()
	if !worth && len(p.in.Policies.Scorers) == 0 {
		return
	}
	s := p.solver(false)
	s.Leave, s.Enter, s.Lead = s.mayLeave, s.mayEnter, s.mayLead
	limits.Moves = 8 + 4*max(0, p.in.State.Number(cluster.SettingConcurrentRebalance)-p.view.Relocating)
	if worth {
		s.Settle(limits)
	}
	s.Attract(limits)
	p.reconcile(s)
}

// limits says from when to when balancing goes on, and whether it is worth to look at all.
func (p *planner) limits() (l fit.Limits, worth bool) {
	l = fit.Limits{Start: startHeat, Stop: stopHeat}
	if !p.measured() {
		l.Start, l.Stop, l.Width = 1, 1, p.width()
		return l, l.Width > 0
	}
	if p.view.Relocating > 0 {
		l.Start = stopHeat
	}
	return l, true
}

// width is the difference in copies that is worth a move, or 0 if no two nodes differ by as much.
func (p *planner) width() float64 {
	nodes, total := p.homes(func(n *policies.Node) int { return n.Copies })
	if len(nodes) < 2 {
		return 0
	}
	width := band(total, len(nodes))
	if p.utilization() >= worthCounting {
		width = max(width, total/len(nodes)/4)
	}
	if p.view.Nodes[nodes[0]].Copies-p.view.Nodes[nodes[len(nodes)-1]].Copies < width {
		return 0
	}
	return float64(width)
}

// homes lists the nodes that take copies, with the total that they hold: what others hold is on its way to them, or waits
// for its node, and counts for no mean.
func (p *planner) homes(load func(*policies.Node) int) (nodes []int, total int) {
	for n := range p.view.Nodes {
		if p.home(n) {
			nodes = append(nodes, n)
			total += load(&p.view.Nodes[n])
		}
	}
	slices.SortFunc(nodes, func(a, b int) int {
		return cmp.Or(cmp.Compare(load(&p.view.Nodes[b]), load(&p.view.Nodes[a])), cmp.Compare(a, b))
	})
	return nodes, total
}

// mayLeave says whether a copy may be moved for balance: it is whole, the plan has room for its row, and deciders let it go.
func (s *solver) mayLeave(i, slot int) bool {
	c := s.copyIn(i, slot)
	return c != nil && c.InSync && c.Source == 0 && s.p.named(c) && !s.p.full(i) && s.p.mayLeave(i, c, s.p.node(c.Node)) == policies.Yes
}

// mayEnter says whether a node may have a copy; whether it may start now is asked when its turn comes.
func (s *solver) mayEnter(i, slot, node int) bool {
	r, c := s.p.row(i), s.copyIn(i, slot)
	q := &policies.Question{Capability: policies.Allocate, Keyspace: s.p.keyspace(i), Shard: r, Copy: c, Primary: c.ID == r.Primary, Place: i}
	if !s.p.possible(r, node) || q.Primary && s.p.behind(i, node) != "" { // its lead would go along
		return false
	}
	return s.p.in.Policies.On(s.p.view, q, node).Verdict() == policies.Yes
}

// mayLead says whether a shard may be handed over to a copy for balance.
func (s *solver) mayLead(i, slot int) bool {
	p := s.p
	r, c := p.row(i), s.copyIn(i, slot)
	if r.Primary == 0 || r.HandTo != 0 || successor(r) != nil || c == nil || !p.named(c) || !p.heir(c) || c.ID == r.Primary {
		return false
	}
	lead := p.node(r.PrimaryCopy().Node)
	if p.view.Nodes[lead].Evidence.State != liveness.Alive || p.mayLeave(i, r.PrimaryCopy(), lead) == policies.No || // throttling is for what has to be copied
		p.behind(i, p.node(c.Node)) != "" {
		return false
	}
	q := &policies.Question{Capability: policies.Promote, Keyspace: p.keyspace(i), Shard: r, Primary: true, Place: i}
	return p.in.Policies.On(p.view, q, p.node(c.Node)).Verdict() == policies.Yes
}

// prefer tells copies apart that are counted alike: that of the keyspace goes first which is most uneven between the two nodes,
// then a replica rather than a primary, which would have to hand over.
func (s *solver) prefer(i, slot, to int) float64 {
	p := s.p
	k := p.keyspaceOf[i]
	sh := &s.Shards[i]
	from := s.Slots[sh.First+int32(slot)]
	x := 4 * float64(p.copies[k][to]-p.copies[k][from])
	if int32(slot) == sh.Lead {
		x += 2
	}
	return x + float64(p.tie(p.row(i).ID, to)>>11)/(1<<53)
}

// mayLeave asks whether a copy may leave its node for balance.
func (p *planner) mayLeave(i int, c *cluster.Copy, from int) policies.Verdict {
	r := p.row(i)
	q := &policies.Question{Capability: policies.Rebalance, Keyspace: p.keyspace(i), Shard: r, Copy: c, Primary: c.ID == r.Primary, Place: i}
	return p.in.Policies.On(p.view, q, from).Verdict()
}

// reconcile plans the moves of a search, in its order, as far as they may start now.
func (p *planner) reconcile(s *solver) {
	limit := p.in.State.Number(cluster.SettingConcurrentRebalance)
	for _, m := range s.Moves() {
		i := int(m.Shard)
		r := p.row(i)
		c := r.CopyOn(p.view.Nodes[m.From].ID)
		switch {
		case p.full(i):
		case m.Kind == fit.Hand:
			p.handFor(s, &m)
		case p.view.Relocating < limit && p.mayLeave(i, c, int(m.From)) == policies.Yes:
			q := &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: r, Copy: c, Primary: c.ID == r.Primary, Place: i}
			if p.mayStart(q, int(m.To)) {
				p.do(Balance, i, cluster.Move{Kind: cluster.MoveAllocate, Node: p.view.Nodes[m.To].ID, Source: c.ID, Reason: s.why(&m, c)}, policies.Yes, nil)
			}
		}
	}
}

// why says what a relocation is good for.
func (s *solver) why(m *fit.Move, c *cluster.Copy) string {
	a, b, name := &s.p.view.Nodes[m.From], &s.p.view.Nodes[m.To], s.p.name(s.p.row(int(m.Shard)).ID)
	if m.Drawn > 0 {
		return fmt.Sprintf("%s node %s to %s for copy c%d of %s, by what %.3g copies are worth", s.p.preferring(), b.Name, a.Name, c.ID, name, m.Drawn)
	}
	if !s.measured {
		return fmt.Sprintf("node %s has %d copies and %s %d: copy c%d of %s evens them out", a.Name, a.Copies, b.Name, b.Copies, c.ID, name)
	}
	return fmt.Sprintf("node %s is at %.0f%% of its share of %s: copy c%d of %s moves to node %s", a.Name, 100*m.Heat, dimNames[m.Dim], c.ID, name, b.Name)
}

// handFor asks for a hand-over that evens out loads.
func (p *planner) handFor(s *solver, m *fit.Move) {
	i := int(m.Shard)
	from := &p.view.Nodes[m.From]
	to := p.row(i).CopyOn(p.view.Nodes[m.To].ID)
	if to == nil || p.handing[m.From] >= p.view.Settings.Recoveries || p.row(i).HandTo != 0 {
		return
	}
	reason := fmt.Sprintf("node %s is at %.0f%% of its share of %s: it hands %s over to %s", from.Name, 100*m.Heat, dimNames[m.Dim],
		p.name(p.row(i).ID), p.view.Nodes[m.To].Name)
	p.do(Balance, i, cluster.Move{Kind: cluster.MoveHandTo, Copy: to.ID, Reason: reason}, policies.Yes, nil)
}
