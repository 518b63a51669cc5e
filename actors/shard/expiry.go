package shard

import (
	"errors"

	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
)

// expired is a read that finds a key gone by the clock of this node alone. The shard's time does not know of it yet: a write under way may still
// prolong the key, and a successor whose clock is behind would have it back. So the end of the key is ordered first, and the read is answered
// when that has happened, as a part of the same work.
type expired struct {
	Work
	due   store.Txn
	house housekeeping
}

// Len is that of the read, and one.
func (e *expired) Len() int { return e.Work.Len() + 1 }

// Txn is the end of what is due, and then the read's own.
func (e *expired) Txn(i int) *store.Txn {
	if i == 0 {
		return &e.due
	}
	return e.Work.Txn(i - 1)
}

// Result passes on what was read.
func (e *expired) Result(i, op int, r *store.Result) {
	if i == 0 {
		e.house.Result(0, op, r)
		return
	}
	e.Work.Result(i-1, op, r)
}

// Fail has the read fail with what it waited for.
func (e *expired) Fail(i int, err error) {
	if i > 0 {
		e.Work.Fail(i-1, err)
	}
}

// due is the order to delete what has expired.
func due(now int64) store.Txn {
	return store.Txn{Time: now, Ops: []store.Op{{Kind: store.OpExpireDue, Int: expireBudget}}}
}

// expires says that a read would find a key gone of which the shard's time does not know that.
func (s *Shard) expires(now int64, w Work) bool {
	if now <= s.store.Now() || !s.store.Due(now) {
		return false
	}
	for i := range w.Len() {
		for k := range w.Txn(i).Ops {
			if s.store.Expires(now, w.Txn(i).Ops[k].Key) {
				return true
			}
		}
	}
	return false
}

// ordered has the end of what is due come before a read.
func (s *Shard) ordered(now int64, w Work) *expired {
	return &expired{Work: w, due: due(now), house: housekeeping{count: &s.space.expired}}
}

// answerLate runs a read that has waited.
func (s *Shard) answerLate(g *group) {
	now := g.work.Txn(0).Time
	if !s.expires(now, g.work) {
		for k := range g.work.Len() {
			s.readOne(g.work.Txn(k).Time, g.work, k)
		}
		s.vouch(g.work)
		g.answer()
		return
	}
	w := s.ordered(now, g.work)
	if err := s.part.core.Writable(); err != nil && !errors.Is(err, replica.ErrPaused) {
		failAll(w, s.unavailable(err))
		g.answer()
		return
	}
	if !s.enter(w, g.batch) {
		g.answer()
		return
	}
	s.move()
}
