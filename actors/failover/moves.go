package failover

import (
	"slices"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// moves is the story of copies that change places though their node is not drained: a rebalance, or what an operator or a filter asked for.
// What is planned while others are still under way belongs to the same story; it ends when none is.
//
//	plan:  a copy shall take another's place ─► begun, with what was said of each candidate
//	state: the other is gone, this is in sync ─► moved
//	state: this one is gone, the other stays ──► failed: another plan may try again, in another story
//
// Only who leads knows plans, so only he tells; a story that goes on when he loses office is not told. It is pure, like stories.
type moves struct {
	self, name string
	open       *story
	from       map[shards.ShardID]cluster.Copy // what leaves; asked by key only
	since      uint64                          // version of the state that has the last plan
}

// maxMoves bounds the shards of a story one by one; the others are counted.
const maxMoves = 256

// planned takes a plan that was proposed, with the state of before or after it.
func (s *moves) planned(state *cluster.State, d *placement.Planned, told *telltale, now int64) {
	if d.Commit == 0 || d.Err != nil || d.Outcome.Err != nil {
		return
	}
	plan, part := planOf(s.self, s.name, d, now), false
	for i := range d.Plan.Decisions {
		decision := &d.Plan.Decisions[i]
		r := state.Shard(decision.Shard)
		late := func(o cluster.RowOutcome) bool { return o.Shard == decision.Shard } // its row had changed: nothing was done
		if decision.Move.Kind != cluster.MoveAllocate || decision.Move.Source == 0 || r == nil || slices.ContainsFunc(d.Outcome.Rows, late) {
			continue
		}
		own := r.Copy(decision.Move.Source)
		if own == nil {
			continue
		}
		if m := state.Member(own.Node); m == nil || m.Draining {
			continue // it belongs to a drain
		}
		if s.open == nil {
			s.begin(state, d, decision, now)
		}
		if s.take(state, decision, *own, plan.Began+plan.Took, told, now) {
			part = true
		}
	}
	if part {
		s.since = d.Outcome.Version
		s.open.Plans = append(s.open.Plans, plan)
	}
}

func (s *moves) begin(state *cluster.State, d *placement.Planned, first *allocator.Decision, now int64) {
	what := "relocation"
	if first.Lane == allocator.Balance {
		what = "rebalance"
	}
	s.open = &story{began: now, Failover: tracing.Failover{Kind: tracing.KindMoves, Cluster: state.Cluster, Node: "moves", Name: what, Epoch: d.Plan.Version,
		Declared: now - int64(d.Took) - int64(d.Commit), Detector: s.name, Reason: first.Reason}}
	s.from = map[shards.ShardID]cluster.Copy{}
}

// take adds a move, unless its shard has moved in this story.
func (s *moves) take(state *cluster.State, decision *allocator.Decision, own cluster.Copy, at int64, told *telltale, now int64) bool {
	x := s.open
	if _, known := s.from[decision.Shard]; known {
		return false
	}
	if len(x.Shards) == maxMoves {
		x.Omitted++
		return true
	}
	row := state.Shard(decision.Shard)
	shard := tracing.Shard{ID: uint32(decision.Shard), Name: decision.Name, From: state.NodeName(own.Node), Led: own.ID == row.Primary, Plan: -1}
	x.decide(state, &shard, decision, len(x.Plans), at, told)
	shard.Attempts = []tracing.Attempt{{To: state.NodeName(decision.Move.Node), ToID: string(decision.Move.Node), Term: uint64(row.Term), Told: now}}
	x.Shards = append(x.Shards, shard)
	s.from[decision.Shard] = own
	return true
}

// follow takes a state, and returns the story if it is over with it.
func (s *moves) follow(state *cluster.State, now int64) *story {
	x := s.open
	if x == nil || state.Version < s.since {
		return nil
	}
	going, failed := 0, 0
	for i := range x.Shards {
		shard := &x.Shards[i]
		a := shard.Last()
		if a.Served == 0 && a.Failed == "" {
			s.compare(state, shard, a, now)
		}
		switch {
		case a.Failed != "":
			failed++
		case a.Served == 0:
			going++
		}
	}
	if going > 0 {
		return nil
	}
	x.Done, x.Outcome, s.open = now, tracing.OutcomeDone, nil
	if failed > 0 {
		x.Outcome = tracing.OutcomeGivenUp
	}
	return x
}

func (s *moves) compare(state *cluster.State, shard *tracing.Shard, a *tracing.Attempt, now int64) {
	r := state.Shard(shards.ShardID(shard.ID))
	if r == nil {
		a.Failed = "the keyspace is gone"
		return
	}
	own, next := r.Copy(s.from[r.ID].ID), copyOn(r, shards.NodeID(a.ToID))
	switch {
	case next != nil && next.InSync && own == nil:
		a.Served = now
	case next == nil || next.Failed:
		a.Failed = "the copy on node " + a.To + " failed, or was given up"
	case own == nil:
		a.Failed = "the copy on node " + shard.From + " went before the other was in sync"
	}
	if a.Failed != "" {
		shard.Problem = a.Failed
	}
}

// arrived takes what a primary tells of a copy that has come.
func (s *moves) arrived(state *cluster.State, a *Arrival) {
	if s.open == nil {
		return
	}
	i := slices.IndexFunc(s.open.Shards, func(x tracing.Shard) bool { return x.ID == uint32(a.Shard) })
	if i < 0 {
		return
	}
	if last := s.open.Shards[i].Last(); last.ToID == string(a.Node) {
		last.Source, last.Bytes, last.Operations = state.NodeName(a.By), a.Bytes, a.Operations
	}
}

// Asked takes moves that an operator asked for and that were committed.
func (w *Watch) Asked(p placement.Planned) {
	now, state := nanos(), w.c.Group.State()
	w.put(func() {
		if w.leading {
			w.moves.planned(state, &p, nil, now)
		}
	})
}
