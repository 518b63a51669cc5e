package placement

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A policy that has just been put in force is on probation:
//
//	activate ──── Probation ────► trusted
//	      │  one shard is moved more than MaxShardMoves times, for balance or because it may not stay
//	      │  or StallTries plans in a row take longer than Stall
//	      │  or copies are wanted, and for as long as Famine it lets none find a node, though without it they would
//	      └──► rolled back to what was before, or out of force where that was taken back itself
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
	worst  shards.ShardID    // the shard that was moved most
	slow   int               // plans in a row that took too long
	slowed time.Duration     // the last of them
	work   map[string]uint64 // fuel that each policy used in them
	hunger hunger
}

// stallTries is how many plans in a row must be slow: one may be for reasons of the machine's.
const stallTries = 3

// note takes a plan that was made, as far as it was committed, how long making it took, and the fuel that each policy used for it.
func (u *unrest) note(s *cluster.State, committed *allocator.Plan, took time.Duration, work map[string]uint64, now time.Time) {
	if u.blamed(s, now) == nil {
		u.about, u.moves, u.slow, u.work = 0, nil, 0, nil
		return
	}
	if u.about != s.PoliciesAt {
		u.about, u.moves, u.worst, u.slow = s.PoliciesAt, map[shards.ShardID]int{}, 0, 0
	}
	u.stalls(took, work)
	kept := map[shards.ShardID]bool{}
	for _, r := range committed.Rows {
		kept[r.Shard] = true
	}
	for i := range committed.Decisions {
		d := &committed.Decisions[i]
		if !kept[d.Shard] || d.Lane != allocator.Evacuate && d.Lane != allocator.Balance {
			continue
		}
		if d.Move.Kind == cluster.MoveHandTo || d.Move.Kind == cluster.MoveAllocate && d.Move.Source != 0 {
			if u.moves[d.Shard]++; u.moves[d.Shard] > u.moves[u.worst] {
				u.worst = d.Shard
			}
		}
	}
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

// suspects lists the policies on probation, those that were put in force last first.
func (u *unrest) suspects(s *cluster.State, now time.Time) (list []*cluster.Policy) {
	for i := range s.Policies {
		if p := &s.Policies[i]; p.Active.Version != 0 && now.Sub(time.Unix(p.Since, 0)) < u.probation {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *cluster.Policy) int { return cmp.Compare(b.Since, a.Since) })
	return list
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
	return &cluster.RetirePolicy{Name: blamed.Name, How: retreat(blamed), If: blamed.Active.Version, Note: cluster.ShortReason(note), At: now.Unix()}
}
