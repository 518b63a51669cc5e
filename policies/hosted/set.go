package hosted

import (
	"context"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// background is the context of calls into guests: they end when their fuel does, and not before.
var background = context.Background()

// Policy is a version with the settings that it was activated with, and its past.
type Policy struct {
	*Version
	Settings map[string]string // its own, by name, as people set them
	Strikes  int               // faults so far; from Strikes on it is not asked
}

// Set is what a plan is made with: policies that look at one board. It belongs to one goroutine, and is used for one plan
// after the other as long as the policies are the same.
type Set struct {
	policies.Set
	board  board
	ledger ledger
	minds  []*mind
}

// NewSet makes a set of policies, in their order, behind deciders that are no guests.
func NewSet(native []policies.Decider, of []Policy) *Set {
	s := &Set{}
	s.Deciders = append(s.Deciders, native...)
	for _, p := range of {
		for _, c := range p.needs {
			s.board.need(c)
		}
	}
	s.board.shy.on = !slices.ContainsFunc(of, func(p Policy) bool { return !p.BuiltIn() })
	users, house := purses(of)
	for _, p := range of {
		m := mind{v: p.Version, board: &s.board, ledger: &s.ledger, config: inForce{own: p.Settings}, strikes: p.Strikes}
		own := users
		if p.BuiltIn() {
			own = house
		}
		own.inHaste = &s.ledger.haste
		m.purse = &own
		if p.decides() {
			d := &Decider{mind: m}
			s.Deciders = append(s.Deciders, d.as())
			s.minds = append(s.minds, &d.mind)
		}
		if p.scores {
			x := &Scorer{mind: m}
			s.Scorers = append(s.Scorers, x)
			s.minds = append(s.minds, &x.mind)
		}
	}
	return s
}

// Haste is for who plans for a cluster that lives: a shard without a primary does not wait for a guest to begin, and its policy is passed
// over. Who plans again what has been planned, or what might be, has guests begin where they are needed: it is taken for granted that they had.
func (s *Set) Haste() { s.ledger.haste = true }

// Ready has the guests of users' policies begin that have not, and the board look at a view, for who has time: so that in a failover those that have
// a word on it can be asked. What goes wrong in that is a fault like others. Nothing is asked of them, so that it ends no row of plans in which a
// policy has used more than it may.
func (s *Set) Ready(v *policies.View) {
	for _, m := range s.minds {
		if m.v.BuiltIn() || m.out() {
			continue
		}
		over := m.over
		var fault *Fault
		if m.guest == nil {
			fault = m.prepare(v, nil)
		} else if err := m.board.look(v); err != nil {
			fault = m.v.faulty(abi.ExportState, NoImage, "%v", err)
		}
		if fault != nil {
			m.blame(fault)
		}
		m.over = m.over || over
	}
}

// Faults gives what went wrong since it was asked last, and how many more there were.
func (s *Set) Faults() (faults []Fault, more int) {
	faults, more = s.ledger.faults, s.ledger.dropped
	s.ledger.faults, s.ledger.dropped = nil, 0
	return faults, more
}

// Lines gives what policies logged since it was asked last, and how many lines more there were.
func (s *Set) Lines() (lines []Line, more int) {
	lines, more = s.ledger.lines, s.ledger.muted
	s.ledger.lines, s.ledger.muted, s.ledger.logged = nil, 0, 0
	return lines, more
}

// Strikes is how often the module with this digest has failed in this set.
func (s *Set) Strikes(digest string) (n int) {
	for _, m := range s.minds {
		if m.v.digest == digest {
			n = max(n, m.strikes)
		}
	}
	return n
}

// Fuel is how much each policy's guests have used of it, by the name in its manifest, all calls counted. It never falls while the set is asked:
// two looks tell what was used in between.
func (s *Set) Fuel() map[string]uint64 {
	used := make(map[string]uint64, len(s.minds))
	for _, m := range s.minds {
		used[m.v.Name()] += m.total
		if m.guest != nil {
			used[m.v.Name()] += m.guest.total
		}
	}
	return used
}

// Patient has policies asked again however often they fail: for whoever asks one thing after the other, plans nothing, and wants an answer, or the
// fault, to each.
func (s *Set) Patient() { s.ledger.patient = true }

// Fence has a row that is written beyond its last node be a fault, as far as memory of the host's lies there: for whoever tries modules. In a plan it
// is none, since it harms the module's own memory alone.
func (s *Set) Fence() { s.ledger.fenced = true }

// Close frees the guests.
func (s *Set) Close() {
	for _, m := range s.minds {
		m.drop()
	}
}
