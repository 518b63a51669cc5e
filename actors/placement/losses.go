package placement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A leader that has nothing to do asks itself what the death of each node would come to, node by node, on a goroutine of its own:
//
//	plans    nothing to do ────────────────── a move ─── nothing to do ──────────
//	losses        n1 ·· n2 ·· n3                              n1 ·· n2 ·· n3 ······· once a minute, as loads change
//
// It rests fifty times as long as it took: a fiftieth of one processor. In large clusters a round takes hours, and beyond lossCopies
// nobody looks by himself: troupe rehearse does when it is asked.
const (
	lossPeriod = time.Minute
	lossPause  = 100 * time.Millisecond // at least, between two nodes
	lossShare  = 50
	lossCopies = 200_000
)

// Lost is what the death of a node would come to.
type Lost struct {
	Loss allocator.Loss
	At   int64 // Unix milliseconds: when it was looked at
}

// Losses are those that a leader has looked at in its reign.
type Losses struct {
	Lost    []Lost          // by node
	Waiting []shards.NodeID // nodes that it has not come to yet
	Why     string          // why nobody looks; empty: somebody does

	Burden *allocator.Burden // a shard that is too large for any node's share, the worst one; nil: none is known
}

// foreseen is what is known in one reign.
type foreseen struct {
	term uint64
	list []Lost // by node
	why  string // nothing can be; see Losses

	burden *allocator.Burden // as the last look found it
	told   []shards.ShardID  // burdens that were logged
}

// calm is a plan that had nothing to do.
type calm struct {
	in   allocator.Input
	term uint64
}

// rest tells the goroutine that looks at losses. It never blocks: what still waits there is older, and is dropped for it.
func (p *Placement) rest(in *allocator.Input, term uint64) {
	select {
	case <-p.calm:
	default:
	}
	p.calm <- calm{*in, term} // there is room for one, and nobody else sends
}

// foresee looks at losses, and frees what it holds between rounds.
func (p *Placement) foresee() {
	own := &chair{p: p, native: true}
	defer own.leave()
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	var now calm
	var round round
	for {
		select {
		case <-p.ctx.Done():
			return
		case now = <-p.calm:
			if round.begin(&now, time.Now()) {
				pause.Reset(lossPause)
			}
		case <-pause.C:
			if e := p.c.Members.Evidence(); len(round.queue) > 0 && e.Leading && e.Term == now.term {
				began := time.Now()
				p.foresaw(own, &now, round.next())
				pause.Reset(max(lossPause, lossShare*time.Since(began)))
				continue
			}
			own.leave()
			now, round.queue = calm{}, nil
		}
	}
}

// foresaw looks at one loss. Modules that fail at it have failed as in any other plan, but for those that only use up what they may.
func (p *Placement) foresaw(own *chair, now *calm, node shards.NodeID) {
	m := own.sit(now.in.State)
	if m.pending {
		return // a module is being compiled: it is asked the next time
	}
	if deaf := m.deaf(); deaf != "" {
		p.foreseen.Store(&foreseen{term: now.term, why: deaf})
		return
	}
	in := now.in
	in.Policies = &m.set.Set
	m.set.Lenient(true) // a death asks for more than most plans, and this one has not happened
	loss, err := allocator.Lose(in, node, func() bool { return p.ctx.Err() != nil })
	p.drain(m)
	if len(p.docket.due(p.c.Group.State())) > 0 {
		p.wakeLoop() // the goroutine that plans tells the state of them
	}
	if errors.Is(err, allocator.ErrStopped) {
		return
	}
	if err != nil {
		p.c.Log.Warn("what the loss of a node would come to is not known", "node", in.State.NodeName(node), "error", err)
		return
	}
	after := &foreseen{term: now.term, burden: allocator.Heaviest(in, nil)}
	p.tellBurden(after)
	lasting := func(l Lost) bool { return l.Loss.Lasting() }
	was := false
	if before := p.foreseen.Load(); before != nil && before.term == now.term {
		was = slices.ContainsFunc(before.list, lasting)
		for _, l := range before.list {
			if known := in.State.Member(l.Loss.Node); known != nil && !known.Down && l.Loss.Node != node {
				after.list = append(after.list, l)
			}
		}
	}
	after.list = append(after.list, Lost{Loss: loss, At: time.Now().UnixMilli()})
	slices.SortFunc(after.list, func(a, b Lost) int { return strings.Compare(string(a.Loss.Node), string(b.Loss.Node)) })
	p.foreseen.Store(after)
	switch is := slices.ContainsFunc(after.list, lasting); {
	case is && !was && cluster.HealthOf(in.State).Status == cluster.Green: // else all know that another death would be one too many
		p.c.Log.Warn("if a node died the others could not take over all that it has; troupe health --losses says of which", "node", in.State.NodeName(node), "copies", loss.Copies, "then", loss.String())
	case was && !is:
		p.c.Log.Info("if a node died the others could take over all that it has, whichever it is")
	}
}

// tellBurden logs a shard that no node can bear, once in a reign: loads change, and with them which shard is the worst, and whether it is too large.
func (p *Placement) tellBurden(after *foreseen) {
	if before := p.foreseen.Load(); before != nil && before.term == after.term {
		after.told = before.told
	}
	if b := after.burden; b != nil && !slices.Contains(after.told, b.Shard) {
		after.told = append(slices.Clip(after.told), b.Shard)
		p.c.Log.Warn("a shard is too large for any node's share", "shard", b.Name, "dimension", b.Dimension, "heat", b.Heat, "reason", b.String())
	}
}

// round is which nodes are still to be looked at. It reads no clock.
type round struct {
	version uint64 // of the state that it began with
	term    uint64
	began   time.Time
	last    shards.NodeID // that was looked at
	queue   []shards.NodeID
}

// begin begins another round if something has changed, or the last began long ago: with the node after the one that was looked at last,
// since a cluster that changes all the time would never come to others. It says whether somebody has to wake up for it.
func (r *round) begin(c *calm, now time.Time) (wake bool) {
	s := c.in.State
	if c.term == r.term && s.Version == r.version && now.Sub(r.began) < lossPeriod {
		return false
	}
	wake = len(r.queue) == 0
	r.version, r.term, r.began, r.queue = s.Version, c.term, now, nil
	if tooMany(s) {
		return false
	}
	nodes := losable(s)
	at, found := slices.BinarySearch(nodes, r.last)
	if found {
		at++
	}
	r.queue = append(append(r.queue, nodes[at:]...), nodes[:at]...)
	return wake && len(r.queue) > 0
}

// next is the node to look at now.
func (r *round) next() shards.NodeID {
	r.last, r.queue = r.queue[0], r.queue[1:]
	return r.last
}

// losable lists the nodes that hold copies, or may, if there are several.
func losable(s *cluster.State) (nodes []shards.NodeID) {
	for i := range s.Members {
		if m := &s.Members[i]; m.Has(cluster.RoleData) && !m.Down {
			nodes = append(nodes, m.ID)
		}
	}
	if len(nodes) < 2 {
		return nil
	}
	return nodes
}

// tooMany says that a cluster is too large to look at without being asked.
func tooMany(s *cluster.State) bool {
	copies := 0
	for i := range s.Shards {
		copies += len(s.Shards[i].Copies)
	}
	return copies > lossCopies
}

// Losses has the placement leader, whichever node that is, say what the death of each node would come to, as it last looked at that.
func (p *Placement) Losses(ctx context.Context) (*Losses, error) {
	if p.c.Members.Evidence().Leading {
		return p.losses()
	}
	a := &answer{}
	if err := p.forward(ctx, &question{Losses: true}, a); err != nil {
		return nil, err
	}
	return a.Losses, nil
}

func (p *Placement) losses() (*Losses, error) {
	e := p.c.Members.Evidence()
	if !e.Leading {
		return nil, errNotHere
	}
	s, l := p.c.Group.State(), &Losses{}
	nodes := losable(s)
	switch {
	case len(nodes) == 0:
		l.Why = "there are no two nodes that hold copies: nobody could take over from the other"
		return l, nil
	case tooMany(s):
		l.Why = fmt.Sprintf("the cluster has more than %d copies; ask for one node with troupe rehearse --lose node=NAME", lossCopies)
		return l, nil
	}
	known := &foreseen{}
	if f := p.foreseen.Load(); f != nil && f.term == e.Term {
		known = f
	}
	if l.Why = known.why; l.Why != "" {
		return l, nil
	}
	l.Burden = known.burden
	for _, node := range nodes {
		if at := slices.IndexFunc(known.list, func(x Lost) bool { return x.Loss.Node == node }); at >= 0 {
			l.Lost = append(l.Lost, known.list[at])
		} else {
			l.Waiting = append(l.Waiting, node)
		}
	}
	return l, nil
}
