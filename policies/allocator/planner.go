package allocator

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// planner is one plan in the making.
type planner struct {
	in     Input
	memory *Memory // nil: none
	trial  *cluster.Trial
	view   *policies.View
	plan   *Plan

	only    *shards.ShardID  // the shard that candidates are wanted of; nil: all, if any
	moves   [][]cluster.Move // by place of the shard in the table
	planned int              // rows with moves

	keyspaceOf []int // by place of the shard: the place of its keyspace

	copies    [][]int // by place of the keyspace, then of the node: its copies there
	primaries [][]int // the same of its primaries
	pairs     []int   // where nodes are few: primary's node · nodes + replica's node: shards that both have
	handing   []int   // by node: shards that it is to hand over
	shut      []int32 // nodes that can take no copy at all: see possible.go
	delay     int64   // ticks that a dead node's copies are waited for
	budgeted  bool    // relocations for balance are counted

	placing *solver         // made when the first copy is placed, if it is needed
	filling bool            // lanes 1 and 2 are being planned
	tally   *tally          // made when it is asked for
	asked   policies.Row    // the answers about the copy at hand
	used    *fit.Vector     // utilization, once it has been asked for
	warmth  *warmth         // of nodes as leaders, where loads have been measured
	plain   []policies.Word // of deciders who have nothing to say against a leader

	question policies.Question // about one node, while that is asked about
	wanted   policies.Question // about the copy that is missing
	sentence []byte            // room for a reason
	words    words             // that have been said
	pieces   []cluster.Move    // room for rows with one move, as most have

	labelled shards.ShardID // the shard whose name was asked for last
	label    string
}

func newPlanner(in Input) *planner {
	in.TickLength = cmp.Or(in.TickLength, 100*time.Millisecond)
	return &planner{in: in, trial: in.State.Try(), plan: &Plan{Version: in.State.Version}, moves: make([][]cluster.Move, len(in.State.Shards)),
		delay: ticks(in.State.Duration(cluster.SettingNodeLeftDelay), in.TickLength), budgeted: in.State.Budgeted()}
}

// ticks rounds a duration up.
func ticks(d, length time.Duration) int64 { return int64((d + length - 1) / length) }

// declare takes down members that are dead by the evidence.
func (p *planner) declare() {
	for _, e := range p.in.Evidence {
		m := p.in.State.Member(e.Node)
		if e.State == liveness.Dead && m != nil && !m.Down && m.Epoch == e.Epoch {
			reason := cluster.ShortReason(e.Reason)
			p.plan.Down = append(p.plan.Down, cluster.Death{Node: e.Node, Epoch: e.Epoch, Reason: reason})
		}
	}
	if err := p.trial.Declare(p.plan.Down); err != nil {
		panic("allocator: the death of a present member was refused: " + err.Error())
	}
}

// look takes the state as it is after the deaths.
func (p *planner) look() {
	s := p.trial.State()
	p.in.Policies.Forget()
	facts := p.in.facts()
	if m := p.memory; m != nil && m.view != nil {
		p.view, m.view = m.view.Renew(s, facts), nil
	} else {
		p.view = policies.NewView(s, facts)
	}
	p.lookBarred()
	p.plan.Decisions = make([]Decision, 0, min(len(p.view.Unsettled()), MaxRows))
	if next := p.in.Policies.Next(p.view); next > 0 {
		p.lookAgain(next)
	}
	p.copies, p.primaries = make([][]int, len(s.Keyspaces)), make([][]int, len(s.Keyspaces))
	for k := range s.Keyspaces {
		p.copies[k], p.primaries[k] = p.view.Spread[k].Copies, p.view.Spread[k].Primaries
	}
	p.keyspaceOf = make([]int, len(s.Shards))
	p.handing = make([]int, len(s.Members))
	if len(s.Members) <= few {
		p.pairs = make([]int, len(s.Members)*len(s.Members))
	}
	i := 0
	for k := range s.Keyspaces {
		for range s.Keyspaces[k].Shards {
			p.keyspaceOf[i] = k
			i++
		}
	}
	if p.pairs != nil {
		for i := range s.Shards {
			p.count(&s.Shards[i], 1)
		}
		return
	}
	for _, i := range p.view.Unsettled() {
		p.count(&s.Shards[i], 1) // who hands over is not settled
	}
}

// count adds a row to the planner's own sums, or with -1 takes it out.
func (p *planner) count(r *cluster.Shard, by int) {
	if p.pairs == nil && r.HandTo == 0 {
		return
	}
	lead := p.leader(r)
	if lead < 0 {
		return
	}
	for i := 0; i < len(r.Copies) && p.pairs != nil; i++ {
		if n := p.node(r.Copies[i].Node); n != lead && !replaced(r, r.Copies[i].ID) {
			p.pairs[lead*len(p.view.Nodes)+n] += by
		}
	}
	if r.HandTo != 0 {
		p.handing[p.node(r.PrimaryCopy().Node)] += by
	}
}

// node is the place of a member in the view.
func (p *planner) node(id shards.NodeID) int { return p.view.Node(id) }

// leader is the node that leads the shard, or will when the hand-over that is under way has ended; -1 if none does.
func (p *planner) leader(r *cluster.Shard) int { return p.view.Leader(r) }

// successor is the copy that is to take the primary's place, or nil.
func successor(r *cluster.Shard) *cluster.Copy { return policies.Successor(r) }

// replaced says whether another copy is to take this one's place.
func replaced(r *cluster.Shard, id shards.CopyID) bool { return policies.Replaced(r, id) }

// named says whether a move may name a copy: one that this plan makes gets its id only when the plan is carried out, row by
// row, and not in the order in which it was planned.
func (p *planner) named(c *cluster.Copy) bool { return c.ID < p.in.State.NextCopy }

// row is the shard at a place of the table, as it is by now. It is valid until the next move.
func (p *planner) row(i int) *cluster.Shard { return &p.trial.State().Shards[i] }

// keyspace is the keyspace of the row at i.
func (p *planner) keyspace(i int) *cluster.Keyspace {
	return &p.trial.State().Keyspaces[p.keyspaceOf[i]]
}

// full says whether the plan has as many rows as it may; a row that it has may get more moves.
func (p *planner) full(i int) bool {
	if p.planned < MaxRows || len(p.moves[i]) > 0 {
		return false
	}
	p.plan.Again = true
	return true
}

// do plans a move of the shard at i, and says whether the state itself allows it. It does if the deciders are as careful as
// the built-in ones; a set without them must not stop the planning of everything else.
func (p *planner) do(lane Lane, i int, m cluster.Move, verdict policies.Verdict, candidates []policies.Explanation) bool {
	r := p.row(i)
	id := r.ID
	m.Reason = cluster.ShortReason(m.Reason)
	p.count(r, -1)
	p.view.Count(r, -1)
	err := p.trial.MoveAt(i, &m)
	if err == nil && lane == Balance && m.Kind == cluster.MoveAllocate {
		p.spend(id)
	}
	p.view.Count(p.row(i), 1)
	p.count(p.row(i), 1)
	p.in.Policies.Changed(p.view, i)
	if err != nil {
		p.wait(lane, i, policies.No, fmt.Sprintf("%s; deciders allowed it, and the state does not: %v", m.Reason, err), candidates)
		return false
	}
	p.list(i, &m)
	p.plan.Decisions = append(p.plan.Decisions, Decision{Lane: lane, Shard: id, Name: p.name(id), Verdict: verdict, Move: m, Reason: m.Reason, Candidates: candidates})
	return true
}

// list adds a move to those of a row. The first lies beside those of other rows.
func (p *planner) list(i int, m *cluster.Move) {
	if len(p.moves[i]) > 0 {
		p.moves[i] = append(p.moves[i], *m)
		return
	}
	p.planned++
	if len(p.pieces) == cap(p.pieces) {
		p.pieces = make([]cluster.Move, 0, 256)
	}
	p.pieces = append(p.pieces, *m)
	p.moves[i] = p.pieces[len(p.pieces)-1 : len(p.pieces) : len(p.pieces)]
}

// spend counts a relocation for balance against the budgets, if there are any.
func (p *planner) spend(id shards.ShardID) {
	if !p.budgeted || p.in.Now.IsZero() {
		return
	}
	x := cluster.Rebalance{Shard: id, At: p.in.Now.UnixMilli(), Bytes: uint64(p.view.Weight(id))}
	p.trial.Rebalance(x)
	p.plan.Rebalances = append(p.plan.Rebalances, x)
}

// wait records what is wanted and cannot be done now.
func (p *planner) wait(lane Lane, i int, verdict policies.Verdict, reason string, candidates []policies.Explanation) {
	id := p.row(i).ID
	p.plan.Waiting++
	p.plan.Decisions = append(p.plan.Decisions, Decision{Lane: lane, Shard: id, Name: p.name(id), Verdict: verdict, Reason: reason, Candidates: candidates})
}

// lookAgain asks for a run at a tick.
func (p *planner) lookAgain(tick int64) {
	if p.plan.Next == 0 || tick < p.plan.Next {
		p.plan.Next = tick
	}
}

// name is the shard's, as in "orders/17". One decision asks for it more than once.
func (p *planner) name(id shards.ShardID) string {
	if p.label == "" || p.labelled != id {
		p.sentence = p.trial.State().AppendShardName(p.sentence[:0], id)
		p.labelled, p.label = id, p.words.keep(p.sentence)
	}
	return p.label
}

func (p *planner) finish() *Plan {
	p.plan.Rows = make([]cluster.RowChange, 0, p.planned)
	for i, moves := range p.moves {
		if len(moves) > 0 {
			r := &p.in.State.Shards[i]
			p.plan.Rows = append(p.plan.Rows, cluster.RowChange{Shard: r.ID, Base: r.Version, Moves: moves})
		}
	}
	slices.SortFunc(p.plan.Rebalances, func(a, b cluster.Rebalance) int { return cmp.Compare(a.Shard, b.Shard) })
	if m := p.memory; m != nil {
		m.view = p.view
	}
	return p.plan
}

// tie orders nodes that are equal for a shard, differently for each shard, by a hash of seed, shard and node.
func (p *planner) tie(id shards.ShardID, node int) uint64 {
	x := p.in.Seed ^ uint64(id)<<20 ^ uint64(node)
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// band is the difference between two nodes from which it is worth to even out: at least 2, since 1 is as even as it gets,
// and a twentieth of the mean, so that large numbers are not evened out to the last copy.
func band(total, nodes int) int {
	return max(2, int(math.Ceil(float64(total)/float64(max(1, nodes))/20)))
}
