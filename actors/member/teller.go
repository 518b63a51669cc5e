package member

import (
	"context"
	"math"
	"slices"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/shards"
)

// teller knows what the placement leader has been told of this node's loads, and what is worth telling it next. It has no clock:
// a round is one measurement.
//
//	measured ──► differs from what was told? ──► report n+1 ──► told
//	a new term, or a reply that names an older report ──► forget what was told; the next report is the first again
//
// A copy that has not changed noticeably is not told of again, so a thousand idle shards cost nothing but the looking.
type teller struct {
	sample *Sample // the newest; nil before the first
	term   uint64  // of the leader that was told
	number uint64  // of the newest report; never goes back, so that a lost one is not mistaken for a later one
	begun  bool    // the leader has been told all, and now hears of changes
	sentAt int64   // when that left, on the lease's clock
	node   policies.NodeLoad
	silent int // rounds in which the node's figures were not worth telling
	copies map[shards.ShardID]CopyLoad
}

// begin forgets what was told: somebody else leads, or something was lost.
func (t *teller) begin(term uint64) { *t = teller{sample: t.sample, term: term, number: t.number} }

// next is what is worth telling of the newest sample; refresh is after how many rounds a node's figures are told though they
// have hardly changed. What it gives counts as told.
func (t *teller) next(refresh int) (list []*report) {
	s := t.sample
	r := &report{first: !t.begun}
	t.begun = true
	if t.silent++; r.first || t.silent >= refresh || nodeChanged(&t.node, &s.Node) {
		t.node, t.silent, r.node = s.Node, 0, &s.Node
	}
	if t.copies == nil {
		t.copies = map[shards.ShardID]CopyLoad{}
	}
	listed := 0
	for _, c := range s.Copies {
		told, known := t.copies[c.Shard]
		if known {
			listed++
		}
		if known && !copyChanged(&told, &c) {
			continue
		}
		if !known {
			listed++
		}
		t.copies[c.Shard] = c
		r.copies = append(r.copies, c)
		if len(r.copies) == reportCopies {
			list, r = append(list, r), &report{}
		}
	}
	if listed < len(t.copies) {
		r.gone = t.forget()
	}
	if r.first || r.node != nil || len(r.copies) > 0 || len(r.gone) > 0 {
		list = append(list, r)
	}
	for i := range list {
		t.number++
		list[i].number = t.number
	}
	return list
}

// forget drops the copies that the newest sample does not have.
func (t *teller) forget() (gone []shards.ShardID) {
	for id := range t.copies {
		_, there := slices.BinarySearchFunc(t.sample.Copies, id, func(c CopyLoad, id shards.ShardID) int { return int(c.Shard) - int(id) })
		if !there {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	gone = gone[:min(len(gone), maxCopies)] // the others with the next sample
	for _, id := range gone {
		delete(t.copies, id)
	}
	return gone
}

// What is noticeable: a tenth of what was told, and more than what is noise in any case; for a node, a two-hundredth of what it
// may use, since watermarks are about what is left.
const (
	copyShare   = 0.1
	nodeShare   = 0.005
	cpuNoise    = 0.005    // cores
	memoryNoise = 64 << 10 // bytes
	diskNoise   = 256 << 10
	nodeNoise   = 0.02 // cores
)

func copyChanged(told, now *CopyLoad) bool {
	return told.Primary != now.Primary || differs(told.Cost.CPU, now.Cost.CPU, cpuNoise) || differs(told.Apply, now.Apply, cpuNoise) ||
		differs(told.Cost.Memory, now.Cost.Memory, memoryNoise) || differs(told.Cost.Disk, now.Cost.Disk, diskNoise)
}

func differs(told, now, noise float64) bool {
	return math.Abs(now-told) > max(noise, copyShare*told)
}

func nodeChanged(told, now *policies.NodeLoad) bool {
	if told.Capacity != now.Capacity {
		return true
	}
	return math.Abs(now.Used.CPU-told.Used.CPU) > max(nodeNoise, nodeShare*now.Capacity.CPU) ||
		math.Abs(now.Used.Memory-told.Used.Memory) > max(memoryNoise, nodeShare*now.Capacity.Memory) ||
		math.Abs(now.Used.Disk-told.Used.Disk) > max(diskNoise, nodeShare*now.Capacity.Disk)
}

// measure has the loads measured, on a goroutine of its own, and told. One measurement at a time.
func (m *Member) measure() {
	if m.c.Loads == nil || m.measuring || m.over {
		return
	}
	m.measuring = true
	m.background(m.c.LoadPeriod, func(context.Context) func() {
		s := m.c.Loads()
		return func() {
			m.measuring = false
			s.Node.Node, s.Node.Epoch = m.c.Self, m.c.Epoch
			m.teller.sample = &s
			m.report()
		}
	})
}

// report tells the leader what is worth it. A term in which no lease was granted is not known yet; then it waits for the first.
func (m *Member) report() {
	t := &m.teller
	if m.over || t.sample == nil || t.term == 0 || m.leader == "" {
		return
	}
	for _, r := range t.next(m.refresh) {
		t.sentAt = m.lease.now()
		if m.leader == m.c.Self {
			if m.reign != nil {
				m.take(m.c.Self, m.c.Epoch, r)
			}
			continue
		}
		if err := m.c.Wire.Send(m.leader, transport.Control, transport.KindLoads, r.encode()); err != nil {
			m.c.Log.Debug("no loads were sent; all of them go with the next report", "leader", m.leader, "error", err)
			t.begin(t.term)
			return
		}
	}
}

// heardBack takes what a leader says of the reports that it has: in a term of its own it has none, and what was lost on the way
// is told again with the next measurement. sent is when the heartbeat left that was answered.
func (m *Member) heardBack(term, number uint64, sent int64) {
	t := &m.teller
	if t.term != term {
		t.begin(term)
		m.report()
		return
	}
	if t.begun && number != t.number && sent > t.sentAt {
		m.c.Log.Debug("reports of loads were lost", "sent", t.number, "arrived", number)
		t.begin(term)
	}
}
