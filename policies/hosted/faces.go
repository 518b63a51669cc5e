package hosted

import (
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// as gives the decider the faces that its module has beside those of all: a policies.Set asks differently for each.
func (d *Decider) as() policies.Decider {
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

// Meter is the answer about one node.
func (d metered) Meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	return d.measure(v, q, node)
}

// classedMeter is both.
type classedMeter struct {
	metered
	policies.Classifier
}

// measure asks about one node. Who asks about all of them begins with the first, and has the row made at once.
func (d *Decider) measure(v *policies.View, q *policies.Question, node int) policies.Answer {
	if d.rests(v) || urgent(q) {
		return d.one(v, q, node)
	}
	fault := d.prepare(v, q)
	if fault == nil {
		a := d.asked(q)
		k, fresh := d.keeps(q.Capability, a, uint32(q.Keyspace.ID))
		switch {
		case fresh:
			k.spoke = v
			return k.of(node)
		case node == 0:
			return d.one(v, q, node)
		}
		var answer policies.Answer
		at, timed := d.begin()
		answer, fault = d.guest.measure(abi.Capability(q.Capability), a, node)
		d.end(at, timed)
		if fault == nil {
			d.fuel, k.fuel, k.spoke = d.guest.spent, d.guest.spent, v
			return answer
		}
	}
	d.failed(fault)
	return d.one(v, q, node)
}

// one is the byte of one node of the row.
func (d *Decider) one(v *policies.View, q *policies.Question, node int) policies.Answer {
	r := make(policies.Row, len(v.Nodes))
	d.Answer(v, q, r)
	return r[node]
}

func (g *guest) measure(c abi.Capability, q asked, node int) (policies.Answer, *Fault) {
	s := &g.stack
	s[0], s[1], s[2], s[3], s[4] = uint64(c), uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(node)
	if fault := g.run(g.meter, abi.ExportMeter, g.budget(1)); fault != nil {
		return 0, fault
	}
	if x := uint32(s[0]); x > 255 || !g.v.known[x] {
		return 0, g.v.faulty(abi.ExportMeter, BadByte, "it says %#x of node %d; its manifest has reasons 1 to %d", x, node, len(g.v.Manifest.Reasons)-1)
	}
	return policies.Answer(s[0]), nil
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

// Next is when time alone changes an answer of a module of the house: what its twin knows. Others are asked anew at each plan.
func (d *Decider) Next(v *policies.View) int64 {
	if t, ok := d.v.twin.(policies.Timer); ok {
		return t.Next(v)
	}
	return 0
}
