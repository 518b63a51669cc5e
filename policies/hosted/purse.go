package hosted

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
)

// What policies may use in one view, which is one plan, or one look of somebody who explains. It is fuel and not time, so that a plan is the
// same wherever it is made again.
//
//	planFuel ──────── of each policy: what it does with the state, with changes, rows and scores
//	houseShardFuel ── of each of the house for each shard, if that is more: with a million copies those that ask about sizes need it
//	a fifth of that ─ for its sentences, beside it: a plan that is explained is the plan that was made
//	usersFuel ─────── of all that are not of the house, in equal shares, if that is less
//	emergency ─────── of these, as long as shards without a primary are promoted, in equal shares as well
//
// A million is some half a millisecond of a loop.
const (
	planFuel       = 500_000_000
	houseShardFuel = 10_000
	usersFuel      = 1_000_000_000

	emergencyFuel      = 700_000 // and for each shard that waits
	emergencyShardFuel = 1_000
	mostEmergencyFuel  = 4_000_000
)

// emergency is what policies may use together while so many shards wait for a primary: a twentieth of the time that their failover takes by
// itself, some 16 ms for a hundred, and longer for more.
func emergency(waiting int) uint64 {
	return min(emergencyFuel+emergencyShardFuel*uint64(max(0, waiting)), mostEmergencyFuel)
}

// purse is what one policy has to spend.
type purse struct {
	view     *policies.View // that the rest is about
	budget   uint64         // for a view
	perShard uint64         // for each of the view's shards, where that is more
	spare    uint64         // what is left of it
	words    uint64         // what is left for sentences
	over     bool           // nothing: it is not asked any more about this view
	overruns int            // views in a row in which that happened
	sharers  uint64         // policies that have a word on promotions, and share what may be used for them
	hurry    uint64         // what is left of its own share
	rushed   bool           // a shard without a primary waits
	inHaste  *bool          // the set's: what a guest does to begin is charged to that share, too
}

// purses are those of users' policies and of the house's.
func purses(of []Policy) (users, house purse) {
	n, promoters := uint64(0), uint64(0)
	for _, p := range of {
		if p.BuiltIn() {
			continue
		}
		n++
		if p.scores || p.answers[policies.Promote] {
			promoters++
		}
	}
	users.budget, users.sharers = min(planFuel, usersFuel/max(1, n)), max(1, promoters)
	return users, purse{budget: planFuel, perShard: houseShardFuel}
}

// allowance is what may be used for a view of so many shards.
func (p *purse) allowance(shards int) uint64 { return max(p.budget, p.perShard*uint64(shards)) }

// fill begins with a view, if it is another than before.
func (p *purse) fill(v *policies.View) {
	if p.view == v {
		return
	}
	p.view = v
	if !p.over {
		p.overruns = 0
	}
	p.spare, p.over, p.hurry, p.words = p.allowance(len(v.State.Shards)), false, 0, max(explainFuel, p.budget/5)
	if p.sharers > 0 {
		p.hurry = emergency(v.Unled) / p.sharers
	}
}

// relax ends a question that could not wait.
func (p *purse) relax() { p.rushed = false }

// talks says whether a sentence can be paid for, however long it is thought about: none is stopped half way for others that were said before.
func (p *purse) talks() bool { return p.words >= explainFuel }

// most is the fuel that a call may use which by itself might use so much. planned says that the plan is charged for it: not for sentences, and
// not for what only a new guest, or one with new settings, has to do, which is bounded by itself; a plan does not depend on whether its guests
// are new, except in haste, where somebody waits: there all counts.
func (p *purse) most(fuel uint64, planned bool) uint64 {
	if planned {
		fuel = min(fuel, p.spare)
	}
	if p.rushed && (planned || *p.inHaste) {
		fuel = min(fuel, p.hurry)
	}
	return fuel
}

// pay takes what a call has used.
func (p *purse) pay(fuel uint64, planned bool) {
	if planned {
		p.spare -= min(p.spare, fuel)
	}
	if p.rushed && (planned || *p.inHaste) {
		p.hurry -= min(p.hurry, fuel)
	}
}

// blame takes a fault down, unless the guest was stopped for what it had used before:
//
//   - of its share for promotions: nobody can wait for it, and what it would have said is not needed;
//   - of what it may use for the view: it is not asked about that any more. This is told, and counts only if it happens in one view after the
//     other, since some plans are larger than others.
func (m *mind) blame(f *Fault) {
	switch {
	case starved(f) && m.rushed && m.hurry == 0:
		m.drop()
	case starved(f) && m.spare == 0:
		m.overrun(f)
	default:
		m.fail(f)
	}
}

func (m *mind) overrun(f *Fault) {
	m.drop()
	if m.over = true; m.ledger.lenient {
		return
	}
	m.overruns++
	f = m.v.faulty(f.Export, f.Kind, "with this call it has used the %d instructions that it may use in one plan, here about %d shards on %d nodes; let it answer per class, or prepare in pol_state what its rows need",
		m.allowance(len(m.view.State.Shards)), len(m.view.State.Shards), len(m.view.Nodes))
	if f.Spared = m.overruns < Strikes; !f.Spared {
		m.strikes = Strikes
	}
	f.Count, f.Out = m.strikes, m.out()
	m.last = f
	m.ledger.fault(*f)
}

// Lenient has nothing held against policies that use up what they may: for whoever asks about a plan what no plan asks. It is in force until
// it is taken back.
func (s *Set) Lenient(on bool) { s.ledger.lenient = on }

// Exhausted says whether a policy has used up what it may use for a view.
func (s *Set) Exhausted(v *policies.View) bool {
	return slices.ContainsFunc(s.minds, func(m *mind) bool { return m.purse.view == v && m.over })
}

// Unbounded lets policies use as much for one view as they like, each call by itself being bounded: for whoever asks and plans nothing.
func (s *Set) Unbounded() {
	for _, m := range s.minds {
		m.budget = 1 << 62
		m.spare, m.words = m.budget, m.budget
	}
}
