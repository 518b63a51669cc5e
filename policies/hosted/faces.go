package hosted

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// as gives the decider the faces that its module has beside those of all: a policies.Set asks differently for each.
func (d *Decider) as() policies.Decider {
	if pairs, ok := d.v.twin.(policies.PairClassifier); ok && d.v.meters {
		d.alike = alike{pairs: pairs, said: make([]word, mostPairs)}
	}
	classifier, classified := d.v.twin.(policies.Classifier)
	switch {
	case classified && d.v.meters:
		return classedMeter{metered{d}, classifier}
	case classified:
		return classed{d, classifier}
	case d.v.meters:
		return metered{d}
	}
	return d
}

// Of finds the decider of a Set behind its faces; nil if its mind is no guest.
func Of(d policies.Decider) *Decider {
	switch d := d.(type) {
	case *Decider:
		return d
	case classed:
		return d.Decider
	case metered:
		return d.Decider
	case classedMeter:
		return d.Decider
	}
	return nil
}

// classed is a decider of the house whose twin puts shards into classes, also while the guest answers: they are one rule.
type classed struct {
	*Decider
	policies.Classifier
}

// metered is a decider that exports meter.
type metered struct{ *Decider }

// classedMeter is both.
type classedMeter struct {
	metered
	policies.Classifier
}

// starved says that a guest was stopped because it had no fuel left.
func starved(f *Fault) bool { return f.Kind == string(wasm.Fuel) }

// Silent says whether the twin of a module of the house has nothing to say: they are one rule.
func (d *Decider) Silent(v *policies.View, c policies.Capability) bool {
	t, ok := d.v.twin.(policies.Silent)
	return ok && t.Silent(v, c)
}

// IsBlind is what the twin of a module of the house says.
func (d *Decider) IsBlind() bool {
	t, ok := d.v.twin.(policies.Blind)
	return ok && t.IsBlind()
}

// KeepsApart is what the twin of a module of the house says.
func (d *Decider) KeepsApart() bool {
	t, ok := d.v.twin.(policies.Spreader)
	return ok && t.KeepsApart()
}

// LooksAtTime says whether a module that is none of the house needs the time: of those of the house the twins know when it changes something.
func (m *mind) LooksAtTime() bool {
	return !m.v.BuiltIn() && (slices.Contains(m.v.needs, abi.Now) || slices.Contains(m.v.needs, abi.Ticks))
}

// Next is when time alone changes an answer of a module of the house: what its twin knows. Others are asked anew at each plan.
func (d *Decider) Next(v *policies.View) int64 {
	if t, ok := d.v.twin.(policies.Timer); ok {
		return t.Next(v)
	}
	return 0
}
