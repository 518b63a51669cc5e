package hosted

import (
	"encoding/binary"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// mind is a version in a set: its guest, and what became of it.
type mind struct {
	v     *Version
	board *board
	*ledger
	config    inForce
	guest     *guest
	strikes   int
	last      *Fault
	fuel      uint64 // of the last question
	burnt     uint64 // of guests that were dropped, since somebody asked
	total     uint64 // of guests that were dropped
	questions uint64 // that are counted for the stopwatch

	view   *policies.View // that told is about
	told   int            // changes of the view
	*purse                // the policy's: one that decides and scores has two minds, and one purse
}

// at begins with a view, if it is another than before.
func (m *mind) at(v *policies.View) {
	if m.view != v {
		m.view, m.told = v, 0
	}
	m.fill(v)
}

// rests says that it is not asked about a view: it is quarantined, or has used what it may use for it.
func (m *mind) rests(v *policies.View) bool {
	m.at(v)
	return m.out() || m.over
}

// asked is a question as a guest is asked it.
type asked struct {
	shard int
	copy  int
	flags uint32
}

func (m *mind) asked(q *policies.Question) (a asked) {
	a.shard, a.copy = m.board.place(q), abi.NoCopy
	if q.Copy != nil {
		a.copy = m.board.slot(a.shard, q.Copy.ID)
	}
	a.flags = flagsOf(q)
	return a
}

func flagsOf(q *policies.Question) (flags uint32) {
	if q.Primary {
		flags |= abi.FlagPrimary
	}
	if q.New {
		flags |= abi.FlagNew
	}
	return flags
}

// urgent says that a shard has no primary, and nobody can wait for a policy.
func urgent(q *policies.Question) bool {
	return q.Capability == policies.Promote && q.Shard.Primary == 0
}

// out says that it is quarantined.
func (m *mind) out() bool { return m.strikes >= Strikes }

// fail takes a fault down, and drops the guest: nobody vouches for one that stopped half way.
func (m *mind) fail(f *Fault) {
	m.drop()
	if !m.ledger.patient || m.strikes+1 < Strikes {
		m.strikes++
	}
	f.Count, f.Out = m.strikes, m.out()
	m.last = f
	m.ledger.fault(*f)
}

// hurried says that the mind is asked for a shard without a primary, and whether it can be: some of its share is left, and, in haste, it need not
// begin first, which takes its time.
func (m *mind) hurried() bool {
	m.rushed = true
	return m.hurry > 0 && (m.guest != nil || !m.ledger.haste)
}

func (m *mind) drop() {
	if m.guest != nil {
		m.burnt += m.guest.burnt
		m.total += m.guest.total
		m.guest.close()
		m.guest = nil
	}
}

// all stands for the place of a node where a question is about all of them.
const all = -1

// prepare sees to it that there is a guest which knows the view as it now is, as far as the question, if there is one, has to do with it.
func (m *mind) prepare(v *policies.View, q *policies.Question) *Fault { return m.prepareFor(v, q, all) }

// prepareFor does so for a question about one node.
func (m *mind) prepareFor(v *policies.View, q *policies.Question, node int) *Fault {
	m.at(v)
	err := m.board.look(v)
	if err == nil && q != nil {
		m.board.catchUp(m.board.place(q))
		err = m.board.err
	}
	switch {
	case err != nil || !m.v.sums:
	case node == all:
		m.board.sumUp()
	default:
		m.board.sumAbout(q, node)
	}
	if err != nil {
		return m.v.faulty(abi.ExportState, NoImage, "%v", err)
	}
	if m.guest != nil && m.guest.epoch == m.board.epoch {
		return m.guest.catchUp(m.board)
	}
	settings, fault := m.config.of(m.v, v.State)
	if fault != nil {
		return fault
	}
	if m.guest != nil && m.guest.layout == m.board.layout {
		known := m.guest.settings == string(settings)
		if fault = m.guest.configure(settings); fault != nil {
			return fault
		}
		return m.guest.look(m.board, known && m.v.BuiltIn())
	}
	part, err := m.board.image.Part(m.v.needs)
	if err != nil {
		return m.v.faulty(abi.ExportState, NoImage, "%v", err)
	}
	if m.guest != nil && m.guest.outgrown(part.Size()) {
		m.drop()
	}
	if m.guest == nil {
		speaks := &voice{m.v.Name(), m.ledger}
		if m.guest, fault = m.v.instantiate(wasm.Host{Log: speaks.log}, m.purse); fault != nil {
			return fault
		}
		m.guest.voice = speaks
	}
	if fault = m.guest.configure(settings); fault != nil {
		return fault
	}
	return m.guest.see(m.board, part)
}

// Decider is a decider whose mind is a guest. It belongs to one Set, and with it to one goroutine.
type Decider struct {
	mind
	kept     [abi.Score]kept
	alike    alike // of one that is metered
	failures int   // after which what it said before is not believed any more
}

// kept is the last row of a capability, for who asks of one node after the other.
type kept struct {
	asked
	epoch uint64 // of the board; 0: nothing is kept
	heard int    // changes of the view
	row   []byte // none: it is all YES

	spoke *policies.View // about which the guest has answered such questions; nil: its twin has, or nobody
	fuel  uint64         // of the guest, for the newest of them
}

func (k *kept) of(node int) policies.Answer {
	if len(k.row) == 0 {
		return 0
	}
	return policies.Answer(k.row[node])
}

// keeps finds the row that answers a question, if it is the last that was asked for. A row for a class is that of every shard
// in it, and does not change while a plan is made.
func (d *Decider) keeps(c policies.Capability, a asked, keyspace uint32) (k *kept, fresh bool) {
	k = &d.kept[c]
	heard := d.board.heard
	if !d.PerShard() {
		a.shard, a.copy = int(keyspace), abi.NoCopy
		if c != policies.Start && !d.v.meters {
			heard = 0
		}
	}
	fresh = k.epoch == d.board.epoch && k.asked == a && k.heard == heard && k.epoch != 0
	if !fresh {
		k.asked, k.heard, k.epoch = a, heard, 0
	}
	return k, fresh
}

// PerShard is what its manifest says.
func (d *Decider) PerShard() bool { return d.v.Manifest.Per == abi.PerShard }

// Has says whether it has a word on a kind of question: whether it exports the function. One that is quarantined has no word
// any more, unless its twin speaks for it.
func (d *Decider) Has(c policies.Capability) bool {
	return d.v.answers[c] && (!d.out() || d.v.twin != nil)
}

// Answer raises the row. A module that fails says NO everywhere if its rule is hard, and nothing if it is soft; where shards
// wait for a primary, nothing either way, and of copies that are where they are, neither: they would have to leave. Of a module of the
// house the twin speaks in all cases: they are one rule.
func (d *Decider) Answer(v *policies.View, q *policies.Question, r policies.Row) {
	if d.v.twin != nil && urgent(q) {
		policies.Put(d.v.twin, v, q, r) // a failover does not wait for a board to be drawn
		d.kept[q.Capability].spoke = nil
		return
	}
	row, ok := d.row(v, q)
	switch {
	case !ok:
		d.instead(v, q, r)
	case !urgent(q) || d.ranks(v, q, row):
		raise(r, row)
	}
}

// row asks the guest, unless what it would say is known. It is nil if that is all YES; ok is false if it has no answer.
func (d *Decider) row(v *policies.View, q *policies.Question) (row []byte, ok bool) {
	d.fuel = 0
	if d.rests(v) {
		return nil, false
	}
	if urgent(q) {
		defer d.relax()
		if !d.hurried() {
			return nil, false
		}
	}
	fault := d.prepare(v, q)
	if fault == nil {
		a := d.asked(q)
		k, fresh := d.keeps(q.Capability, a, uint32(q.Keyspace.ID))
		if fresh {
			k.spoke = v
			return k.row, true
		}
		at, timed := d.begin()
		row, fault = d.guest.ask(abi.Capability(q.Capability), a, len(v.Nodes))
		d.end(at, timed)
		if fault == nil && d.ledger.fenced {
			fault = d.guest.beyond(abi.Capability(q.Capability), len(v.Nodes))
		}
		if fault == nil {
			d.fuel, k.fuel, k.spoke = d.guest.spent, d.guest.spent, v
			k.keep(row, d.board.epoch)
			return row, true
		}
	}
	d.failed(fault)
	return nil, false
}

// failed takes a fault down, and forgets what the module said before: it is not believed any more.
func (d *Decider) failed(f *Fault) {
	d.blame(f)
	for c := range d.kept {
		d.kept[c].epoch = 0
	}
	d.failures++
	clear(d.alike.said)
}

func (k *kept) keep(row []byte, epoch uint64) {
	k.row, k.epoch = append(k.row[:0], row...), epoch
}

// ranks says whether the row tells apart the nodes that could lead: of a rule per shard those with a copy in sync, of one per
// class all. A rule that likes none of them, or all, is no help in choosing, and would hide what other rules say.
func (d *Decider) ranks(v *policies.View, q *policies.Question, row []byte) bool {
	if len(row) == 0 {
		return false
	}
	if !d.PerShard() {
		return slices.ContainsFunc(row, func(x byte) bool { return abi.Verdict(x) != abi.Verdict(row[0]) })
	}
	first := -1
	for i := range q.Shard.Copies {
		c := &q.Shard.Copies[i]
		if !c.InSync {
			continue
		}
		verdict := int(abi.Verdict(row[v.Node(c.Node)]))
		if first >= 0 && verdict != first {
			return true
		}
		first = verdict
	}
	return false
}

// instead is the answer when the guest has none.
func (d *Decider) instead(v *policies.View, q *policies.Question, r policies.Row) {
	switch {
	case d.v.twin != nil:
		policies.Put(d.v.twin, v, q, r)
	case d.v.Manifest.Kind == abi.Hard && !d.out() && !urgent(q) && q.Capability != policies.Remain:
		r.RaiseAll(policies.Say(policies.No, faultCode))
	}
}

// raise folds a row into another. Most bytes of most rows are 0, and eight of them are one word.
func raise(r policies.Row, row []byte) {
	at := 0
	for ; at+8 <= len(row); at += 8 {
		if binary.LittleEndian.Uint64(row[at:]) == 0 {
			continue
		}
		for i, x := range row[at : at+8] {
			r[at+i] = max(r[at+i], policies.Answer(x))
		}
	}
	for ; at < len(row); at++ {
		r[at] = max(r[at], policies.Answer(row[at]))
	}
}

// Changed puts a changed row before the guest's eyes; see policies.Observer.
func (m *mind) Changed(v *policies.View, shard int) {
	if m.board.view != v {
		return
	}
	m.at(v)
	if m.told++; m.told > m.board.heard { // the first that tells of it
		m.board.changed(v, shard, m.told)
	}
}

// Digest is the beginning of the module's digest, for names.
func (m *mind) Digest() string { return m.v.digest[:8] }

// Identity is the module's version, its digest, and the settings that it was given; or, if nothing has been asked of it yet, those of its own that it
// will be: a plan that needed no word of it is explained by them later.
func (m *mind) Identity() (version, digest, settings string) {
	text := m.config.text
	if text == nil && len(m.config.own) > 0 {
		text, _ = m.v.Manifest.Configuration(m.config.own, nil) // what it refuses it is not given: that is a fault when it is asked
	}
	return m.v.Manifest.Version, m.v.digest, string(text)
}

// Name is the policy's.
func (m *mind) Name() string { return m.v.Name() }

// Cost is the fuel of the newest row of a kind, if the guest has answered such questions about the newest view.
func (d *Decider) Cost(c policies.Capability) (fuel uint64, spoke bool) {
	if k := &d.kept[c]; k.spoke != nil && k.spoke == d.view {
		return k.fuel, true
	}
	return 0, false
}

// Burnt makes it a policies.Burner: all calls of guests count, also those that failed and those that were no questions.
func (m *mind) Burnt() uint64 {
	burnt := m.burnt
	m.burnt = 0
	if m.guest != nil {
		burnt += m.guest.burnt
		m.guest.burnt = 0
	}
	return burnt
}

// FuelUsed is the fuel of the last question, 0 if the guest was not asked.
func (m *mind) FuelUsed() uint64 { return m.fuel }

// Version is the module that answers.
func (m *mind) Version() *Version { return m.v }

// Out says that it is quarantined in this set, and not asked any more.
func (m *mind) Out() bool { return m.out() }
