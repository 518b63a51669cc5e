package sim

import (
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
)

// alone is what a copy does whose row lists no other: it orders, writes and applies without asking its core, which hears of that when the row
// lists another copy.
//
//	fsync     gather ─► log, fsync ─► apply, answer        one round at a time
//	interval  apply, answer ─► log
//	memory    apply, answer
type alone struct {
	solo   bool
	next   *adoption // solo, and the row that ends it: taken up when nothing is under way
	sealed []work    // being written
	loose  int       // of interval: rounds that are applied, and not in the log yet
	late   []work    // of interval: what comes while next waits
	wrote  uint64    // the last write that the core wanted...
	stored uint64    // ...and that was reported to it
}

// adoption is what a copy is to be told of its row.
type adoption struct {
	row       *cluster.Shard
	mine      *cluster.Copy
	minInSync int
}

// lone says that a row makes this copy primary, with nobody to ask.
func (h *holding) lone(row *cluster.Shard, minInSync int) bool {
	others := len(row.Copies) > 1
	if h.c.p.n.bug(BugAloneTooSoon) {
		others = row.InSync() > 1
	}
	return !others && row.Copy(h.copy) != nil && row.Primary == h.copy && minInSync <= 1
}

// beginAlone takes the short way when there is nobody to ask, and nothing under way.
func (h *holding) beginAlone() {
	a := &h.alone
	switch {
	case a.solo || h.failed || h.core.Role() != replica.RolePrimary || !h.lone(h.row, h.minInSync):
		return
	case a.wrote != a.stored || len(h.rounds) > 0 || h.core.Committed() != h.core.End().Seq || h.store.Applied() != h.core.End().Seq:
		return
	case len(h.gather) > 0 && h.durability != shards.DurabilityFsync:
		return
	}
	a.solo = true
	h.c.p.n.w.alone++
}

// endAlone takes up the row that waits, as soon as nothing is under way that was begun without asking anybody.
func (h *holding) endAlone() {
	a := &h.alone
	if a.next == nil || h.failed || a.loose > 0 || len(a.sealed) > 0 && !h.c.p.n.bug(BugAloneTooLong) {
		return
	}
	next := a.next
	a.next, a.solo = nil, false
	h.gather, a.late = append(h.gather, a.late...), nil
	if !h.c.p.n.bug(BugAloneUntold) {
		h.core.Alone(h.store.Applied(), h.store.Rolling())
	}
	h.adopt(next)
}

// sealAlone carries out what has gathered.
func (h *holding) sealAlone() {
	a := &h.alone
	switch {
	case len(h.gather) == 0 || len(a.sealed) > 0:
	case h.durability != shards.DurabilityFsync && a.next != nil:
		a.late, h.gather = append(a.late, h.gather...), nil
	case h.durability == shards.DurabilityFsync:
		a.sealed, h.gather = h.gather, nil
		core := h.core
		h.record(a.sealed, func() {
			if h.core == core && !h.failed {
				works := a.sealed
				a.sealed = nil
				h.carryOut(works)
			}
		})
	default:
		works := h.gather
		h.gather = nil
		if !h.memory {
			a.loose++
			h.record(works, func() {
				a.loose--
				h.endAlone()
			})
		}
		h.carryOut(works)
	}
}

// record has the log take works as one round, after those that are applied.
func (h *holding) record(works []work, done func()) {
	first := h.store.Applied() + 1
	e := replica.Entry{Term: h.core.Term(), First: first, Last: first + shards.SeqNo(len(works)) - 1}
	for i := range works {
		t := works[i].q.txn
		t.Time = works[i].at
		e.Payload = store.AppendTxn(e.Payload, &t)
	}
	h.c.log.write(task{shard: h.shard, entries: []replica.Entry{e}, sync: h.durability == shards.DurabilityFsync, done: done})
}

// carryOut applies works and answers them.
func (h *holding) carryOut(works []work) {
	for i := range works {
		k, seq := &works[i], h.store.Applied()+1
		t := k.q.txn
		t.Time = k.at
		h.applyTxn(seq, &t, k)
	}
	h.endAlone()
	h.drive()
}

// abandon answers what a copy was doing alone: it is primary no more.
func (h *holding) abandon() {
	a := &h.alone
	for _, k := range a.sealed {
		k.answer(response{err: errUnknown})
	}
	for _, k := range a.late {
		k.answer(response{err: h.elsewhere()})
	}
	a.sealed, a.late = nil, nil
}
