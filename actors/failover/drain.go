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
//	leader: that was committed ─────► told, by whoever committed it
//
// The state has an entry of it, opened by the step that asked for it: its version is the drain's name, and so the trace is one whoever
// tells. Releases before had none; their drains are told by who leads when they end.
type drain struct {
	story
	at    map[shards.ShardID]int // places in Shards; asked by key only
	left  int
	lacks []shards.ShardID // of a story of copies: shards of which none has been tried yet
}

// drains are those that go on. Every node follows them by the state, so that whoever leads next knows when they began and what has
// left; only who leads knows of plans, and tells. It is pure, like stories.
type drains struct {
	self, name string
	open       []*drain
	ended      []*drain                    // over, and the state has not yet taken it
	past       map[shards.NodeID]lastDrain // of lives whose drain is over while the state still asks for it; asked by key only
}

type lastDrain struct {
	epoch shards.Epoch
	since uint64
}

// largeDrain is the number of copies from which on a drain is looked at now and then, and not with each version of the state.
const (
	largeDrain = 1024
	drainPause = int64(1e8)
	keepPause  = int64(1e9)
)

// large says that to follow is work.
func (s *drains) large() bool {
	n := 0
	for _, x := range s.open {
		n += len(x.Shards)
	}
	return n >= largeDrain
}

// follow takes a state, and returns the drains that are over with it and that it has no entry of. Those that it has wait in ended.
func (s *drains) follow(state *cluster.State, now int64) (ended []*drain) {
	ended = s.ends(state, now)
	s.beginnings(state, now)
	return append(ended, s.ends(state, now)...) // what has begun may be over
}

// ends follows the copies of each drain, and sets those aside that are over.
func (s *drains) ends(state *cluster.State, now int64) (ended []*drain) {
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
				s.past = map[shards.NodeID]lastDrain{}
			}
			s.past[m.ID] = lastDrain{shards.Epoch(x.Epoch), x.Since}
		}
		s.open = slices.DeleteFunc(s.open, func(y *drain) bool { return y == x })
		switch {
		case x.listed:
			s.ended = append(s.ended, x)
		case len(x.Shards) > 0:
			ended = append(ended, x)
		}
	}
	return ended
}

// beginnings opens the drains that the state asks for and that are not known.
func (s *drains) beginnings(state *cluster.State, now int64) {
	for i := range state.Members {
		m := &state.Members[i]
		if !m.Draining {
			delete(s.past, m.ID)
		} else if !m.Down && !slices.ContainsFunc(s.open, func(x *drain) bool { return x.Node == string(m.ID) }) {
			last, entry := s.past[m.ID], state.OpenDrain(m.ID, m.Epoch)
			if entry != nil && entry.At > last.since && s.find(entry.At) == nil || entry == nil && last.epoch != m.Epoch && !hadDrain(state, m) {
				s.begin(state, m, entry, now)
			}
		}
	}
}

// hadDrain says that the state knows of drains of a life: another begins with an entry of its own.
func hadDrain(state *cluster.State, m *cluster.Member) bool {
	return slices.ContainsFunc(state.Drains, func(x cluster.Drain) bool { return x.Node == m.ID && x.Epoch == m.Epoch })
}

func (s *drains) begin(state *cluster.State, m *cluster.Member, entry *cluster.Drain, now int64) {
	x := &drain{at: map[shards.ShardID]int{}, story: story{began: now, Failover: tracing.Failover{Kind: tracing.KindDrain, Cluster: state.Cluster, Node: string(m.ID), Name: m.Name,
		Epoch: uint64(m.Epoch), Since: state.Version, Declared: now, Detector: s.name, DetectorID: s.self, Reason: "an operator asked for it"}}}
	for i := range state.Shards {
		r := &state.Shards[i]
		if c := copyOn(r, m.ID); c != nil {
			x.at[r.ID] = len(x.Shards)
			x.Shards = append(x.Shards, tracing.Shard{ID: uint32(r.ID), Name: state.ShardName(r.ID), From: m.Name, Led: c.ID == r.Primary, Plan: -1})
		}
	}
	if entry != nil {
		x.Since, x.listed = entry.At, true
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
		last.Failed, tried = gaveUp(last), false
	}
	if i >= 0 && !tried {
		next := &r.Copies[i]
		s.Problem = ""
		s.Attempts = append(s.Attempts, tracing.Attempt{To: state.NodeName(next.Node), ToID: string(next.Node), Term: uint64(r.Term), Told: now})
	}
}

func (x *drain) outcome(state *cluster.State) tracing.Outcome {
	m := state.Member(shards.NodeID(x.Node))
	switch newest := state.OpenDrain(shards.NodeID(x.Node), shards.Epoch(x.Epoch)); {
	case x.left == len(x.Shards):
		return tracing.OutcomeDone
	case m == nil || m.Down || uint64(m.Epoch) != x.Epoch:
		return tracing.OutcomeDied
	case !m.Draining, x.listed && newest != nil && newest.At > x.Since: // or asked for again meanwhile
		return tracing.OutcomeTakenBack
	}
	return tracing.OutcomeOpen
}

// lead notes in the drains that go on that this node leads from now on, if they began under another, and takes over what that one knew.
// One that ended while this node did not run is as its leader left it.
func (s *drains) lead(state *cluster.State, term uint64, now int64) {
	for i := range state.Drains {
		entry := &state.Drains[i]
		if !entry.Open || entry.Node == "" {
			continue
		}
		record, err := tracing.DecodeFailover(entry.Record)
		if err != nil { // nothing was written yet, or by a release that knows more
			record = nil
		}
		x := s.find(entry.At)
		if x == nil {
			s.missed(state, entry, record, now)
		} else if record != nil {
			x.inherit(record)
		}
	}
	for _, x := range s.open {
		if x.Declared < now {
			x.Elections = append(x.Elections, tracing.Election{Term: term, By: s.name, ByID: s.self, Began: now, Won: now, Resume: true})
		}
	}
	s.ends(state, now) // nothing may be left of what was inherited
}

// find is the drain that began at a version, or nil.
func (s *drains) find(at uint64) *drain {
	for _, list := range [][]*drain{s.open, s.ended} {
		for _, x := range list {
			if x.Since == at {
				return x
			}
		}
	}
	return nil
}

// missed ends a drain that the state has open and that does not go on.
func (s *drains) missed(state *cluster.State, entry *cluster.Drain, record *tracing.Failover, now int64) {
	if record == nil {
		record = &tracing.Failover{Kind: tracing.KindDrain, Cluster: state.Cluster, Node: string(entry.Node), Name: state.NodeName(entry.Node), Epoch: uint64(entry.Epoch), Since: entry.At,
			Declared: now, Detector: s.name, DetectorID: s.self, Reason: "an operator asked for it"}
	}
	x := &drain{story: story{Failover: *record, began: now, listed: true}}
	for i := range x.Shards {
		x.follow(state, &x.Shards[i], now)
		if x.Shards[i].Serving() {
			x.left++
		}
	}
	if len(x.Shards) == 0 {
		x.left = -1 // nobody knows
	}
	if x.Outcome = x.outcome(state); x.Outcome == tracing.OutcomeOpen {
		x.Outcome = tracing.OutcomeGivenUp
	}
	x.Done = now
	s.ended = append(s.ended, x)
}

// inherit takes what another leader wrote of plans and of its beginning; how far copies are this node has seen by itself.
func (x *drain) inherit(from *tracing.Failover) {
	x.Declared, x.Detector, x.DetectorID = from.Declared, from.Detector, from.DetectorID
	if len(from.Plans) < len(x.Plans) {
		return // this node led before, and knows more
	}
	x.Plans, x.Words, x.Earlier, x.Checks, x.Elections, x.kept = from.Plans, from.Words, from.Earlier, from.Checks, from.Elections, len(from.Plans)
	for i := range x.Shards {
		s := &x.Shards[i]
		s.Plan, s.To, s.Decided, s.Reason, s.Candidates = -1, "", 0, "", nil
		if told := from.Shard(s.Name); told != nil {
			s.Plan, s.To, s.Decided, s.Reason, s.Candidates = told.Plan, told.To, told.Decided, told.Reason, told.Candidates
			for j := range min(len(s.Attempts), len(told.Attempts)) { // the leader's clock
				if s.Attempts[j].ToID == told.Attempts[j].ToID {
					s.Attempts[j].Told = told.Attempts[j].Told
				}
			}
		}
	}
	for i := range from.Shards {
		if s := &from.Shards[i]; x.Shard(s.Name) == nil && s.Serving() { // it left before this node ran
			x.at[shards.ShardID(s.ID)] = len(x.Shards)
			x.Shards = append(x.Shards, *s)
			x.left++
		}
	}
}

// unsaved is a drain, or others that go on, whose entry lacks plans, or when one may be given some: at most once a second, since a record may be large. Who
// gives them says in kept that the entry has them.
func (s *drains) unsaved(now int64, others []*drain) (x *drain, again int64) {
	for _, x := range slices.Concat(s.open, others) {
		if x == nil || !x.listed || len(x.Plans) <= x.kept {
			continue
		}
		if at := x.keeps + keepPause; at <= now {
			x.keeps = now
			return x, 0
		} else if again == 0 || at < again {
			again = at
		}
	}
	return nil, again
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
