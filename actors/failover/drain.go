package failover

import (
	"slices"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// drain is the story of a node that is emptied: each copy that it held when that was asked for, and where it went.
//
//	state: the member is draining ──► begun, with every copy that it holds
//	plan:  a copy shall go ─────────► decided, and why
//	state: its successor is there ──► tried; again if that failed
//	state: the copy is gone ────────► left
//	state: none is left ────────────► done; or the drain is taken back; or the node dies, which is a story of its own
type drain struct {
	story
	at   map[shards.ShardID]int // places in Shards; asked by key only
	left int
}

// drains are those that go on. Every node follows them by the state, so that whoever leads next knows when they began and what has
// left; only who leads knows of plans, and tells. It is pure, like stories.
type drains struct {
	self, name string
	open       []*drain
	past       map[shards.NodeID]shards.Epoch // lives whose drain is over while the state still asks for it; asked by key only
}

// largeDrain is the number of copies from which on a drain is looked at now and then, and not with each version of the state.
const (
	largeDrain = 1024
	drainPause = int64(1e8)
)

// large says that to follow is work.
func (s *drains) large() bool {
	n := 0
	for _, x := range s.open {
		n += len(x.Shards)
	}
	return n >= largeDrain
}

// follow takes a state, and returns the drains that are over with it.
func (s *drains) follow(state *cluster.State, now int64) (ended []*drain) {
	for i := range state.Members {
		m := &state.Members[i]
		switch {
		case !m.Draining:
			delete(s.past, m.ID)
		case !m.Down && s.past[m.ID] != m.Epoch && !slices.ContainsFunc(s.open, func(x *drain) bool { return x.Node == string(m.ID) }):
			s.begin(state, m, now)
		}
	}
	for _, x := range slices.Clone(s.open) {
		for i := range x.Shards {
			x.follow(state, &x.Shards[i], now)
		}
		outcome := x.outcome(state)
		if outcome == tracing.OutcomeOpen {
			continue
		}
		x.Done, x.Outcome = now, outcome
		if m := state.Member(shards.NodeID(x.Node)); m != nil && m.Draining {
			if s.past == nil {
				s.past = map[shards.NodeID]shards.Epoch{}
			}
			s.past[m.ID] = shards.Epoch(x.Epoch)
		}
		s.open = slices.DeleteFunc(s.open, func(y *drain) bool { return y == x })
		if len(x.Shards) > 0 {
			ended = append(ended, x)
		}
	}
	return ended
}

func (s *drains) begin(state *cluster.State, m *cluster.Member, now int64) {
	x := &drain{at: map[shards.ShardID]int{}, story: story{began: now, Failover: tracing.Failover{Kind: tracing.KindDrain, Cluster: state.Cluster, Node: string(m.ID), Name: m.Name,
		Epoch: uint64(m.Epoch), Since: state.Version, Declared: now, Detector: s.name, Reason: "an operator asked for it"}}}
	for i := range state.Shards {
		r := &state.Shards[i]
		if c := copyOn(r, m.ID); c != nil {
			x.at[r.ID] = len(x.Shards)
			x.Shards = append(x.Shards, tracing.Shard{ID: uint32(r.ID), Name: state.ShardName(r.ID), From: m.Name, Led: c.ID == r.Primary, Plan: -1})
		}
	}
	s.open = append(s.open, x)
}

func copyOn(r *cluster.Shard, node shards.NodeID) *cluster.Copy {
	if r == nil {
		return nil
	}
	if i := slices.IndexFunc(r.Copies, func(c cluster.Copy) bool { return c.Node == node }); i >= 0 {
		return &r.Copies[i]
	}
	return nil
}

// follow compares what is written of a copy with its row: each successor that recovers is an attempt.
func (x *drain) follow(state *cluster.State, s *tracing.Shard, now int64) {
	if s.Serving() {
		return
	}
	r := state.Shard(shards.ShardID(s.ID))
	own, last := copyOn(r, shards.NodeID(x.Node)), s.Last()
	tried := last != nil && last.Failed == ""
	if own == nil {
		if !tried { // it was one too many, or nobody waited for it
			s.Attempts = append(s.Attempts, tracing.Attempt{To: "the others", Told: now})
		}
		s.Last().Served, s.Problem = now, ""
		x.left++
		return
	}
	i := slices.IndexFunc(r.Copies, func(c cluster.Copy) bool { return c.Source == own.ID })
	if tried && (i < 0 || string(r.Copies[i].Node) != last.ToID) {
		last.Failed, tried = "the copy on node "+last.To+" failed, or was given up", false
	}
	if i >= 0 && !tried {
		next := &r.Copies[i]
		s.Problem = ""
		s.Attempts = append(s.Attempts, tracing.Attempt{To: state.NodeName(next.Node), ToID: string(next.Node), Term: uint64(r.Term), Told: now})
	}
}

func (x *drain) outcome(state *cluster.State) tracing.Outcome {
	m := state.Member(shards.NodeID(x.Node))
	switch {
	case x.left == len(x.Shards):
		return tracing.OutcomeDone
	case m == nil || m.Down || uint64(m.Epoch) != x.Epoch:
		return tracing.OutcomeDied
	case !m.Draining:
		return tracing.OutcomeTakenBack
	}
	return tracing.OutcomeOpen
}

// lead notes in the drains that go on that this node leads from now on, if they began under another.
func (s *drains) lead(term uint64, now int64) {
	for _, x := range s.open {
		if x.Declared < now {
			x.Elections = append(x.Elections, tracing.Election{Term: term, By: s.name, ByID: s.self, Began: now, Won: now, Resume: true})
		}
	}
}

// planned takes a plan that was proposed: what it says of copies that are to leave belongs to their drains. It is called with the
// state of before the plan or after it.
func (s *drains) planned(state *cluster.State, d *placement.Planned, told *telltale, now int64) {
	for _, x := range s.open {
		plan := planOf(s.self, s.name, d, now)
		part := false
		for i := range d.Plan.Decisions {
			decision := &d.Plan.Decisions[i]
			at, known := x.at[decision.Shard]
			if !known || decision.Lane != allocator.Evacuate || x.Shards[at].Serving() {
				continue
			}
			shard := &x.Shards[at]
			switch decision.Move.Kind {
			case cluster.MoveAllocate:
				shard.Decided = 0 // each plan that tries it decides anew
				x.decide(state, shard, decision, len(x.Plans), plan.Began+plan.Took, told)
				part = true
			case cluster.MoveHandTo:
				x.check(now, decision.Reason)
				part = true
			case 0:
				shard.Problem = decision.Reason
			}
		}
		if part {
			x.Plans = append(x.Plans, plan)
		}
	}
}
