package failover

import (
	"cmp"
	"slices"
	"time"

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
// Only who leads knows plans, so he gives the cluster an entry of the story when it begins, and what later plans say, at most once a second. Its
// version is the story's name. Whoever leads next goes on with the entry by the rows of its shards, and with what moves that no entry tells
// of, whose plan was committed and not told. It is pure, like stories.
type moves struct {
	self, name string
	open       *drain                           // of which the rows and the outcome of a drain are not used
	from       map[shards.ShardID]shards.NodeID // whose copy leaves; asked by key only
	since      uint64                           // version of the state that has the last plan
	until      int64                            // when a story that is over otherwise waits no more for primaries to tell of its copies
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
		switch {
		case s.open == nil:
			s.begin(state, d, decision, now)
		case s.open.Reason == unknownMoves && len(s.open.Plans) == 0: // it was found in the rows a moment ago
			s.open.Name, s.open.Reason = kindOfMove(decision), decision.Reason
			s.open.Declared = min(s.open.Declared, plan.Began)
		}
		if s.take(state, decision, own, plan.Began+plan.Took, told, now) {
			part = true
		}
	}
	if part {
		s.since = d.Outcome.Version
		s.open.Plans = append(s.open.Plans, plan)
	}
}

func (s *moves) begin(state *cluster.State, d *placement.Planned, first *allocator.Decision, now int64) {
	s.open = newMoves(state, tracing.Failover{Name: kindOfMove(first), Epoch: d.Plan.Version, Declared: now - int64(d.Took) - int64(d.Commit), Detector: s.name, DetectorID: s.self, Reason: first.Reason}, now)
	s.from = map[shards.ShardID]shards.NodeID{}
}

func kindOfMove(d *allocator.Decision) string {
	if d.Lane == allocator.Balance {
		return "rebalance"
	}
	return "relocation"
}

// newMoves is a story of moves, with what is known of it.
func newMoves(state *cluster.State, f tracing.Failover, now int64) *drain {
	f.Kind, f.Cluster, f.Node = tracing.KindMoves, state.Cluster, "moves"
	return &drain{story: story{Failover: f, began: now}}
}

// take adds a move. Of a shard that has moved in this story, or is moving, it is another try if the last has failed.
func (s *moves) take(state *cluster.State, decision *allocator.Decision, own *cluster.Copy, at int64, told *telltale, now int64) bool {
	x := s.open
	if _, known := s.from[decision.Shard]; known {
		shard := x.Shard(state.ShardName(decision.Shard))
		switch {
		case shard == nil:
			return false
		case shard.Last().Failed != "":
			shard.Attempts = append(shard.Attempts, attempted(state, decision.Shard, decision.Move.Node, now))
			s.leaves(state, shard, own)
		case shard.Plan >= 0 || shard.Last().ToID != string(decision.Move.Node):
			return false
		}
		x.decide(state, shard, decision, len(x.Plans), at, told)
		return true
	}
	if len(x.Shards) == maxMoves {
		x.Omitted++
		return true
	}
	shard := s.add(state, decision.Shard, own, decision.Move.Node, now)
	x.decide(state, shard, decision, len(x.Plans), at, told)
	return true
}

// add notes that a copy is to take the place of another.
func (s *moves) add(state *cluster.State, id shards.ShardID, own *cluster.Copy, to shards.NodeID, now int64) *tracing.Shard {
	x := s.open
	x.Shards = append(x.Shards, tracing.Shard{ID: uint32(id), Name: state.ShardName(id), Plan: -1, Attempts: []tracing.Attempt{attempted(state, id, to, now)}})
	shard := &x.Shards[len(x.Shards)-1]
	s.leaves(state, shard, own)
	return shard
}

// leaves notes which copy is to go: another try may be of another one. Whoever leads next has it from the record.
func (s *moves) leaves(state *cluster.State, shard *tracing.Shard, own *cluster.Copy) {
	id := shards.ShardID(shard.ID)
	shard.From, shard.Led = state.NodeName(own.Node), own.ID == state.Shard(id).Primary
	s.from[id] = own.Node
}

func attempted(state *cluster.State, id shards.ShardID, to shards.NodeID, now int64) tracing.Attempt {
	return tracing.Attempt{To: state.NodeName(to), ToID: string(to), Term: uint64(state.Shard(id).Term), Told: now}
}

// gaveUp is why a try failed whose node lives.
func gaveUp(a *tracing.Attempt) string {
	return "the copy on node " + a.To + " failed, or was given up"
}

// follow takes a state, and returns the story if it is over with it.
func (s *moves) follow(state *cluster.State, now int64) *drain {
	x := s.open
	if x == nil || state.Version < s.since {
		return nil
	}
	going, failed := 0, 0
	var untold, last int64
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
		default:
			last = max(last, a.Served)
			if a.Source == "" {
				untold = max(untold, a.Served)
			}
		}
	}
	s.until = untold + int64(arrivalWait)
	if going > 0 || untold > 0 && now < s.until {
		return nil
	}
	x.Done, x.Outcome, s.open = cmp.Or(last, now), tracing.OutcomeDone, nil
	if failed > 0 {
		x.Done, x.Outcome = now, tracing.OutcomeGivenUp
	}
	return x
}

// arrivalWait is how long a story of moves stays open for what primaries tell of copies that are in sync already: they say it before, on
// another way.
const arrivalWait = 200 * time.Millisecond

func (s *moves) compare(state *cluster.State, shard *tracing.Shard, a *tracing.Attempt, now int64) {
	r := state.Shard(shards.ShardID(shard.ID))
	if r == nil {
		a.Failed = "the keyspace is gone"
		return
	}
	own, next := copyOn(r, s.from[r.ID]), copyOn(r, shards.NodeID(a.ToID))
	switch {
	case next != nil && next.InSync && own == nil:
		a.Served = now
	case next == nil || next.Failed:
		a.Failed = gaveUp(a)
	case own == nil:
		a.Failed = "the copy on node " + shard.From + " went before the other was in sync"
	}
	if a.Failed != "" {
		shard.Problem = a.Failed
	}
}

// lead takes up what another leader has left, or this one in a term before, but for what this node has seen the end of. What the state has
// open of stories before the newest was begun twice by one that did not know what had become of his first try: of that nobody need hear.
func (s *moves) lead(state *cluster.State, ended []*drain, term uint64, now int64) {
	before, from := s.open, s.from
	s.open, s.from, s.since = nil, map[shards.ShardID]shards.NodeID{}, state.Version
	for i := range state.Drains {
		entry := &state.Drains[i]
		over := slices.ContainsFunc(ended, func(x *drain) bool { return x.Since == entry.At })
		if entry.Open && entry.Node == "" && !over && switchOf(entry) == nil && recordOf(entry, tracing.KindCopies) == nil {
			s.resume(state, entry, before, now)
		}
	}
	if s.open == nil && before != nil && !before.listed {
		s.open, s.from = before, from
	}
	s.found(state, now)
	if s.open != nil && s.open.Declared < now {
		s.open.Elections = append(s.open.Elections, tracing.Election{Term: term, By: s.name, ByID: s.self, Began: now, Won: now, Resume: true})
	}
}

// unknownMoves is the reason of moves whose plans nobody knows any more.
const unknownMoves = "another leader began it, and what he said of it is not known"

// resume goes on with what the state has of a story, unless it is one of this node's own, who led before and knows more.
func (s *moves) resume(state *cluster.State, entry *cluster.Drain, before *drain, now int64) {
	record, err := tracing.DecodeFailover(entry.Record)
	if err != nil { // a release wrote it that knows more
		record = &tracing.Failover{Name: "relocation", Declared: now, Detector: s.name, DetectorID: s.self, Reason: unknownMoves}
	}
	own := before != nil && (before.Since == entry.At || before.proposed(entry.Record))
	if s.open = before; !own {
		s.open = newMoves(state, *record, now)
		s.open.kept = len(record.Plans)
	}
	s.open.Since, s.open.listed = entry.At, true
	clear(s.from)
	for i := range s.open.Shards {
		if m := state.MemberByName(s.open.Shards[i].From); m != nil {
			s.from[shards.ShardID(s.open.Shards[i].ID)] = m.ID
		}
	}
}

// found adds what moves, as the rows say, and belongs to no drain, and what is told of otherwise or not at all. Copies that a record only counts are among them.
func (s *moves) found(state *cluster.State, now int64) {
	counted := 0
	if s.open != nil {
		counted = s.open.Omitted
	}
	for i := range state.Shards {
		r := &state.Shards[i]
		for j := range r.Copies {
			next := &r.Copies[j]
			own := r.Copy(next.Source)
			if next.Source == 0 || own == nil {
				continue
			}
			if m := state.Member(own.Node); m == nil || m.Draining {
				continue
			}
			if s.open != nil {
				if shard := s.open.Shard(state.ShardName(r.ID)); shard != nil {
					s.retried(state, shard, own, next, now)
					continue
				}
			}
			if s.open == nil {
				s.open = newMoves(state, tracing.Failover{Name: "relocation", Epoch: state.Version, Declared: now, Detector: s.name, DetectorID: s.self, Reason: unknownMoves}, now)
			}
			if counted > 0 {
				counted--
				s.open.Omitted--
			}
			if len(s.open.Shards) == maxMoves {
				s.open.Omitted++
				continue
			}
			s.add(state, r.ID, own, next.Node, now)
		}
	}
}

// retried adds another try that the rows have of a move, and what was written of it not.
func (s *moves) retried(state *cluster.State, shard *tracing.Shard, own, next *cluster.Copy, now int64) {
	id, last := shards.ShardID(shard.ID), shard.Last()
	r := state.Shard(id)
	if last.Served == 0 && last.Failed == "" {
		s.compare(state, shard, last, now) // its end may not have been written either
	}
	if last.Served != 0 {
		return
	}
	if goes, comes := copyOn(r, s.from[id]), copyOn(r, shards.NodeID(last.ToID)); goes != nil && comes != nil && comes.Source == goes.ID {
		return // it is this one, or this one goes on beside another
	}
	if last.Failed == "" {
		last.Failed = gaveUp(last)
	}
	shard.Attempts = append(shard.Attempts, attempted(state, id, next.Node, now))
	s.open.Decide(shard, tracing.Decision{Shard: shard.ID, Plan: -1}, 0)
	shard.Problem = ""
	s.leaves(state, shard, own)
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
