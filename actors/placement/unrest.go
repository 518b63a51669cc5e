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
// Moves and slow plans are held against the policy that came last; a famine against each that is on probation.
//
// unrest counts that. It belongs to the goroutine that plans; its arithmetic reads no clock.
type unrest struct {
	probation time.Duration
	mostMoves int
	stall     time.Duration

	about  uint64 // State.PoliciesAt that it counts for
	moves  map[shards.ShardID]int
	worst  shards.ShardID // the shard that was moved most
	slow   int            // plans in a row that took too long
	slowed time.Duration  // the last of them
	hunger hunger
}

// stallTries is how many plans in a row must be slow: one may be for reasons of the machine's.
const stallTries = 3

// note takes a plan that was made, as far as it was committed, and how long making it took.
func (u *unrest) note(s *cluster.State, committed *allocator.Plan, took time.Duration, now time.Time) {
	if u.blamed(s, now) == nil {
		u.about, u.moves = 0, nil
		return
	}
	if u.about != s.PoliciesAt {
		u.about, u.moves, u.worst, u.slow = s.PoliciesAt, map[shards.ShardID]int{}, 0, 0
	}
	u.slow++
	u.slowed = took
	if took < u.stall {
		u.slow = 0
	}
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
	if p.Note != "" || p.Previous == p.Active {
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
	switch {
	case u.moves[u.worst] > u.mostMoves:
		note = fmt.Sprintf("version %d was taken back: shard %s was moved %d times since it was put in force, more than %d within %v",
			blamed.Active.Version, s.ShardName(u.worst), u.moves[u.worst], u.mostMoves, u.probation)
	case u.slow >= stallTries:
		note = fmt.Sprintf("version %d was taken back: %d plans in a row took longer than %v, the last one %v", blamed.Active.Version, u.slow, u.stall, u.slowed.Round(time.Millisecond))
	case u.hunger.about == s.PoliciesAt && u.hunger.cure != nil:
		cure := *u.hunger.cure
		cure.Note = cluster.ShortReason(cure.Note)
		return &cure
	default:
		return nil
	}
	return &cluster.RetirePolicy{Name: blamed.Name, How: retreat(blamed), If: blamed.Active.Version, Note: cluster.ShortReason(note), At: now.Unix()}
}
