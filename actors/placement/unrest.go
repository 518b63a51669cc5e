package placement

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A policy that has just been put in force is on probation:
//
//	activate ──── Probation ────► trusted
//	      │  one shard is moved more than MaxShardMoves times, for balance or because it may not stay
//	      │  or its copies come back more than mostReturns times to nodes that they had left
//	      │  or StallTries plans in a row take longer than Stall
//	      │  or copies are wanted, and for as long as Famine it lets none find a node, though without it they would
//	      └──► rolled back to what was before, or out of force where that was taken back itself
//
// A large copy takes longer for one move than a probation lasts. So of the policy that came last it goes on while one of the shards that were moved
// within it moves again: until none has for a while (rest). Others are counted no more by then, so that it comes to an end.
//
// Moves are held against the policy that came last; slow plans against the one whose module did most of the work in them, by the fuel that it
// used, and against nobody if that one is on probation no more: without the others plans would be as slow. Where no module of theirs did
// so much, it is the one that came last. A famine is held against each that is on probation.
//
// unrest counts that. It belongs to the goroutine that plans; its arithmetic reads no clock.
type unrest struct {
	probation time.Duration
	mostMoves int
	stall     time.Duration

	about  uint64 // State.PoliciesAt that it counts for
	moves  map[shards.ShardID]int
	worst  shards.ShardID                            // the shard that was moved most
	left   map[shards.ShardID]map[shards.NodeID]bool // the nodes that its copies left
	back   map[shards.ShardID]int                    // how often one came back to such a node
	swings shards.ShardID                            // the shard whose copies did most often
	asked  map[shards.ShardID]int                    // moves of each shard that are taken for answers to an operator's command; nil: all is at rest since the last one
	until  time.Time                                 // the probation goes on so long for what was moved in it
	slow   int                                       // plans in a row that took too long
	slowed time.Duration                             // the last of them
	work   map[string]uint64                         // fuel that each policy used in them
	hunger hunger
}

// stallTries is how many plans in a row must be slow: one may be for reasons of the machine's.
const stallTries = 3

// mostReturns is how often copies of one shard may come back to nodes that they had left: from here to there, back, and there again.
const mostReturns = 2

// mostAnswers is how many moves of one shard are laid to an operator's command: a copy that was put where the rules do not want it goes from there, and so
// does one that had to make room. What moves on and on does so without an operator.
const mostAnswers = 2

// rest is how long all shards that were moved in a probation must stay where they are before it ends for them, as part of it.
func (u *unrest) rest() time.Duration { return u.probation / 5 }

// note takes a plan that was made, as far as it was committed, how long making it took, and the fuel that each policy used for it.
func (u *unrest) note(s *cluster.State, committed *allocator.Plan, took time.Duration, work map[string]uint64, now time.Time) {
	blamed := u.blamed(s, now)
	if blamed == nil {
		u.reset(0)
		return
	}
	if u.about != s.PoliciesAt {
		u.reset(s.PoliciesAt)
	}
	u.stalls(took, work)
	if u.asked != nil && settled(s, committed) {
		u.asked = nil
	}
	kept := map[shards.ShardID]bool{}
	for _, r := range committed.Rows {
		kept[r.Shard] = true
	}
	began := now.Sub(time.Unix(blamed.Since, 0)) < u.probation
	for i := range committed.Decisions {
		d := &committed.Decisions[i]
		if !kept[d.Shard] || d.Lane != allocator.Evacuate && d.Lane != allocator.Balance || !began && u.moves[d.Shard] == 0 {
			continue
		}
		if (d.Move.Kind == cluster.MoveHandTo || d.Move.Kind == cluster.MoveAllocate && d.Move.Source != 0) && !u.answers(d.Shard) {
			u.moved(s, d.Shard, &d.Move)
			u.until = now.Add(u.rest())
		}
	}
	if u.moving(s) {
		u.until = now.Add(u.rest())
	}
}

// reset begins to count anew.
func (u *unrest) reset(about uint64) {
	u.about, u.moves, u.worst, u.slow, u.work = about, map[shards.ShardID]int{}, 0, 0, nil
	u.left, u.back, u.swings, u.until = map[shards.ShardID]map[shards.NodeID]bool{}, map[shards.ShardID]int{}, 0, time.Time{}
}

// commanded notes that an operator moves something: what follows until all is at rest is an answer to that, of this shard or of others.
func (u *unrest) commanded() { u.asked = map[shards.ShardID]int{} }

// answers says whether a move is laid to an operator's command.
func (u *unrest) answers(shard shards.ShardID) bool {
	if u.asked == nil || u.asked[shard] >= mostAnswers {
		return false
	}
	u.asked[shard]++
	return true
}

// settled says that nothing moves, and that the plan moves nothing that need not.
func settled(s *cluster.State, plan *allocator.Plan) bool {
	return !slices.ContainsFunc(s.Shards, func(r cluster.Shard) bool {
		return r.HandTo != 0 || slices.ContainsFunc(r.Copies, func(c cluster.Copy) bool { return c.Source != 0 })
	}) && !slices.ContainsFunc(plan.Decisions, func(d allocator.Decision) bool {
		return (d.Lane == allocator.Evacuate || d.Lane == allocator.Balance) && (d.Move.Kind != 0 || d.Verdict == policies.Throttle)
	})
}

// moved counts a move that was committed.
func (u *unrest) moved(s *cluster.State, shard shards.ShardID, m *cluster.Move) {
	if u.moves[shard]++; u.moves[shard] > u.moves[u.worst] {
		u.worst = shard
	}
	row := s.Shard(shard)
	if m.Kind != cluster.MoveAllocate || row == nil || row.Copy(m.Source) == nil {
		return
	}
	if u.left[shard][m.Node] {
		if u.back[shard]++; u.back[shard] > u.back[u.swings] {
			u.swings = shard
		}
	}
	if u.left[shard] == nil {
		u.left[shard] = map[shards.NodeID]bool{}
	}
	u.left[shard][row.Copy(m.Source).Node] = true
}

// moving says whether a shard that was moved is still on its way.
func (u *unrest) moving(s *cluster.State) bool {
	for shard := range u.moves {
		if row := s.Shard(shard); row != nil && slices.ContainsFunc(row.Copies, func(c cluster.Copy) bool { return c.Source != 0 }) {
			return true
		}
	}
	return false
}

// stalls counts slow plans in a row.
func (u *unrest) stalls(took time.Duration, work map[string]uint64) {
	if took < u.stall {
		u.slow, u.work = 0, nil
		return
	}
	if u.slow == 0 {
		u.work = map[string]uint64{}
	}
	u.slow++
	u.slowed = took
	for policy, fuel := range work {
		u.work[policy] += fuel
	}
}

// slowest is the policy that was pushed, is in force, and whose module did more than half of the work in slow plans; nil: none did.
func (u *unrest) slowest(s *cluster.State) (most *cluster.Policy) {
	for i := range s.Policies {
		p := &s.Policies[i]
		if fuel := u.work[p.Name]; p.Active.Version != 0 && fuel > 0 && (most == nil || fuel > u.work[most.Name]) {
			most = p
		}
	}
	if most == nil || 2*u.work[most.Name] <= u.allWork() {
		return nil
	}
	return most
}

// allWork is the fuel that all policies used in slow plans, those of the house, too.
func (u *unrest) allWork() (all uint64) {
	for _, fuel := range u.work {
		all += fuel
	}
	return all
}

// share is how much of the work in slow plans was a policy's, in per cent.
func (u *unrest) share(of *cluster.Policy) int {
	return int(100 * float64(u.work[of.Name]) / float64(max(1, u.allWork())))
}

// lingering is the policy that makes plans slow and is on probation no more, or nil: nothing is taken back for that.
func (u *unrest) lingering(s *cluster.State, now time.Time) *cluster.Policy {
	if p := u.slowest(s); u.slow >= stallTries && p != nil && !slices.Contains(u.suspects(s, now), p) {
		return p
	}
	return nil
}

// suspects lists the policies on probation, those that were put in force last first. That of the last goes on while what it moved moves.
func (u *unrest) suspects(s *cluster.State, now time.Time) (list []*cluster.Policy) {
	for i := range s.Policies {
		if p := &s.Policies[i]; p.Active.Version != 0 {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *cluster.Policy) int { return cmp.Compare(b.Since, a.Since) })
	on := slices.IndexFunc(list, func(p *cluster.Policy) bool { return now.Sub(time.Unix(p.Since, 0)) >= u.probation })
	switch {
	case on < 0:
		return list
	case on == 0 && u.about == s.PoliciesAt && now.Before(u.until):
		on = 1
	}
	return list[:on]
}

// blamed is the policy that was put in force last, if it is on probation.
func (u *unrest) blamed(s *cluster.State, now time.Time) *cluster.Policy {
	if list := u.suspects(s, now); len(list) > 0 {
		return list[0]
	}
	return nil
}

// retreat is how a policy is taken back. What was before it comes back, unless that was taken back, too: the note says so, which
// everything that an operator does ends; or unless it is the same: it was out of force in between.
func retreat(p *cluster.Policy) cluster.Retreat {
	if p.TakenBack() || p.Previous == p.Active {
		return cluster.RetreatDeactivate
	}
	return cluster.RetreatRollback
}

// verdict is what to take back, or nil.
func (u *unrest) verdict(s *cluster.State, now time.Time) *cluster.RetirePolicy {
	blamed := u.blamed(s, now)
	if blamed == nil || u.about != s.PoliciesAt {
		return nil
	}
	note := ""
	slow := cmp.Or(u.slowest(s), blamed)
	switch {
	case u.moves[u.worst] > u.mostMoves:
		note = fmt.Sprintf("version %d was taken back: shard %s was moved %d times since it was put in force, more than %d within %v",
			blamed.Active.Version, s.ShardName(u.worst), u.moves[u.worst], u.mostMoves, u.probation)
	case u.back[u.swings] > mostReturns:
		note = fmt.Sprintf("version %d was taken back: shard %s was moved %d times since it was put in force, and came back %d times to nodes that its copies had left",
			blamed.Active.Version, s.ShardName(u.swings), u.moves[u.swings], u.back[u.swings])
	case u.slow >= stallTries && u.lingering(s, now) == nil:
		blamed = slow
		note = fmt.Sprintf("version %d was taken back: %d plans in a row took longer than %v, the last one %v", blamed.Active.Version, u.slow, u.stall, u.slowed.Round(time.Millisecond))
		if blamed == u.slowest(s) {
			note += fmt.Sprintf("; of what modules did in them %d%% was its work", u.share(blamed))
		}
	case u.hunger.about == s.PoliciesAt && u.hunger.cure != nil:
		cure := *u.hunger.cure
		cure.Note = cluster.ShortReason(cure.Note)
		return &cure
	default:
		return nil
	}
	return s.RetireCommand(cluster.RetirePolicy{Name: blamed.Name, How: retreat(blamed), Note: cluster.ShortReason(note), At: now.Unix()}).Retire
}
