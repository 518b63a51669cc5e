package hosted

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// gauge is what a metered module of the house has said to the shards of one class: a row, and for each of its bytes when it was said. Where the
// sums of a node that the module needs have been written since, its byte is of no use any more, and the module is asked about that node. Once it
// has been asked so often that a row costs no more, it is asked for the row again:
//
//	row    00 00 83 00 00 00        node 2 was asked about at moment 40, the others at 12
//	said   12 12 40 12 12 12
//	sums   11 12 40 12 57 03        node 4: since then something has been written that is needed
//
// No answer is older than what it is about.
type gauge struct {
	capability policies.Capability
	flags      uint32
	class      uint64
	epoch      uint64 // of the board
	row        []policies.Answer
	said       []int
	misses     int // questions about one node, since the row was asked for
}

// How many questions about one node cost as much as a row, and how many classes are kept in mind.
const (
	rowWorth   = 32
	mostGauges = 16
)

// gauge finds the one for a class, which may be new.
func (d *Decider) gauge(c policies.Capability, flags uint32, class uint64) *gauge {
	for i := range d.gauges {
		if g := &d.gauges[i]; g.class == class && g.capability == c && g.flags == flags {
			return g
		}
	}
	if len(d.gauges) >= mostGauges {
		d.gauges = d.gauges[:0]
	}
	d.gauges = append(d.gauges, gauge{capability: c, flags: flags, class: class})
	return &d.gauges[len(d.gauges)-1]
}

// read is the answer about one node to a shard of a class. Its twin puts shards into classes: they are one rule.
func (d *Decider) read(v *policies.View, q *policies.Question, class uint64, node int) policies.Answer {
	if d.board.look(v) != nil {
		return d.measure(v, q, node) // which tells of it
	}
	g := d.gauge(q.Capability, flagsOf(q), class)
	d.board.sumOf(node)
	if g.epoch == d.board.epoch && d.holds(node, g.said[node]) {
		d.fuel, d.kept[q.Capability].spoke = 0, v
		return g.row[node]
	}
	if g.epoch != d.board.epoch || g.misses >= rowWorth {
		row, ok := d.row(v, q)
		if !ok {
			return d.one(v, q, node)
		}
		g.take(row, len(v.Nodes), d.board)
		return g.row[node]
	}
	a := d.measure(v, q, node)
	if len(d.gauges) > 0 && g.epoch == d.board.epoch { // it has not failed
		g.row[node], g.said[node] = a, d.board.noted
		g.misses++
	}
	return a
}

// take keeps a row that has just been asked for.
func (g *gauge) take(row []byte, nodes int, b *board) {
	g.epoch, g.misses = b.epoch, 0
	g.row, g.said = slices.Grow(g.row[:0], nodes)[:nodes], slices.Grow(g.said[:0], nodes)[:nodes]
	clear(g.row)
	for n, x := range row {
		g.row[n] = policies.Answer(x)
	}
	for n := range g.said {
		g.said[n] = b.noted
	}
}

// holds says whether no sum of a node that the module needs has been written since a moment.
func (d *Decider) holds(node, since int) bool {
	when := &d.board.when[node]
	for _, i := range d.v.dials {
		if when[i] > since {
			return false
		}
	}
	return true
}

// adds finds out which sums a version needs: of a node, and whether there are any, of a node or of one keyspace there.
func (v *Version) adds() {
	for i, c := range summed {
		if slices.Contains(v.needs, c) {
			v.dials = append(v.dials, i)
		}
	}
	v.sums = len(v.dials) > 0 || slices.Contains(v.needs, abi.KeyspaceNodeCopies) || slices.Contains(v.needs, abi.KeyspaceNodePrimaries)
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
		return 0, g.v.faulty(abi.ExportMeter, BadByte, "it says %#x of node %d; its manifest has reasons 1 to %d", x, node, len(g.v.Manifest.Reasons)-1)
	}
	return policies.Answer(s[0]), nil
}
