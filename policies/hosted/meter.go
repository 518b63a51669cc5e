package hosted

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// alike is what a metered module of the house has said of pairs of a shard and a node, by the class that its twin puts the pair into: they are one
// rule. Placing asks about one node after the other, and every answer changes the sums of one; most pairs are of a class that was asked about before:
//
//	same_node     no copy there ─► 00    a copy there ─► 83
//	throttling    fed, one comes in ─► 00    fed, two come in ─► 41    …
//	disk          room for the largest ─► 00    else: asked about this pair
//
// Each answer was said by the module, in this epoch of the board. There is room for one class of those that share a place: it is cheaper to ask again now
// and then than to look for more.
type alike struct {
	pairs policies.PairClassifier // the twin; nil: it is none, and each pair is asked about
	said  []word                  // by place: mostPairs
}

// word is what was said of a class of pairs.
type word struct {
	pair
	epoch  uint64 // of the board; 0: nothing was
	answer policies.Answer
}

// pair is the class of one, for one kind of question.
type pair struct {
	class      uint64
	flags      uint32
	capability policies.Capability
}

// mostPairs bounds the classes that are kept in mind: 1 << placeBits.
const (
	placeBits = 8
	mostPairs = 1 << placeBits
)

// place is by the product with the golden ratio, whose upper bits depend on all of the class (Knuth, The Art of Computer Programming 3, 6.4).
func (p *pair) place() uint64 {
	const golden = 0x9e3779b97f4a7c15
	return (p.class ^ uint64(p.flags)<<8 ^ uint64(p.capability)<<16) * golden >> (64 - placeBits)
}

// Meter is the answer about one node: what has been said of another pair of its class, or else what the module says.
func (d metered) Meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	if d.alike.pairs == nil || urgent(q) || d.rests(v) || d.board.look(v) != nil {
		return d.measure(v, q, node)
	}
	class, ok := d.alike.pairs.PairClass(v, q, node)
	if !ok {
		return d.measure(v, q, node)
	}
	is := pair{class, flagsOf(q), q.Capability}
	w, epoch := &d.alike.said[is.place()], d.board.epoch
	if w.epoch == epoch && w.pair == is {
		d.fuel, d.kept[q.Capability].spoke = 0, v
		return w.answer
	}
	failed := d.failures
	answer := d.measure(v, q, node)
	if d.failures == failed && d.board.epoch == epoch {
		*w = word{is, epoch, answer}
	}
	return answer
}

// adds finds out whether a version needs sums, of a node or of one keyspace there.
func (v *Version) adds() {
	v.sums = slices.ContainsFunc(summed[:], func(c abi.Column) bool { return slices.Contains(v.needs, c) }) ||
		slices.Contains(v.needs, abi.KeyspaceNodeCopies) || slices.Contains(v.needs, abi.KeyspaceNodePrimaries)
}

// measure asks about one node. Who asks about all of them begins with the first, and has the row made at once.
func (d *Decider) measure(v *policies.View, q *policies.Question, node int) policies.Answer {
	if d.rests(v) || urgent(q) {
		return d.one(v, q, node)
	}
	fault := d.prepareFor(v, q, node)
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
		return 0, g.v.faulty(abi.ExportMeter, BadByte, "it says %#x of node %d; its manifest has %s", x, node, g.v.codes())
	}
	return policies.Answer(s[0]), nil
}
