package shard

import (
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// maxKeptPayload bounds the buffer that a round keeps for its successor, in bytes: an idle shard holds no large ones.
const maxKeptPayload = 64 << 10

// seal closes the open round and gives the record to write; a new round opens for later callers. Called by the committer
// only, which finishes each sealed round before it seals the next.
func (s *Shard) seal() wal.Record {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.open, s.sealed = s.sealed, s.open
	return s.record()
}

// record is the sealed round as the log takes it. A round of interval has no groups, so it never counts as shrinking: its
// transactions are applied already, and are kept until the log takes them.
func (s *Shard) record() wal.Record {
	shrinks := len(s.sealed.groups) > 0
	for i := range s.sealed.groups {
		shrinks = shrinks && s.sealed.groups[i].shrinks
	}
	return wal.Record{
		Shard: s.id, First: s.logged + 1, Last: s.logged + shards.SeqNo(s.sealed.count),
		Payload: s.sealed.payload, Shrinks: shrinks,
	}
}

// commit ends a sealed round that is in the log: parked works apply, in order, and their callers are woken.
func (s *Shard) commit() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.stuck = nil
	s.logged += shards.SeqNo(s.sealed.count)
	s.unsave += int64(len(s.sealed.payload))
	for i := range s.sealed.groups {
		g := &s.sealed.groups[i]
		s.run(g.work)
		g.answer()
	}
	s.sealed.clear()
}

// abort ends a sealed round that the log refused. Parked works fail and have changed nothing; what interval has applied
// already goes back to the front of the open round, to be tried again, and growth is refused until that has worked.
func (s *Shard) abort(err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.space.Durability == shards.DurabilityInterval {
		s.stuck = err
		if s.open.count == 0 {
			s.committer.relist(s)
		}
		s.sealed.payload = append(s.sealed.payload, s.open.payload...)
		s.sealed.count += s.open.count
		s.open.clear()
		s.open, s.sealed = s.sealed, s.open
		return
	}
	for i := range s.sealed.groups {
		g := &s.sealed.groups[i]
		failAll(g.work, err)
		g.answer()
	}
	s.sealed.clear()
}

// shed fails the parked works that could grow the store, so that deletes get through on a full disk. It says whether
// anything is left to write, and gives it.
func (s *Shard) shed(err error) (wal.Record, bool) {
	s.turn.Lock()
	defer s.turn.Unlock()
	kept := s.sealed.groups[:0]
	payload := s.sealed.payload[:0]
	count := 0
	for _, g := range s.sealed.groups {
		if !g.shrinks {
			failAll(g.work, err)
			g.answer()
			continue
		}
		from := len(payload)
		payload = append(payload, s.sealed.payload[g.from:g.to]...)
		g.from, g.to = from, len(payload)
		count += g.count
		kept = append(kept, g)
	}
	clear(s.sealed.groups[len(kept):])
	s.sealed.groups, s.sealed.payload, s.sealed.count = kept, payload, count
	return s.record(), count > 0
}

func (g *group) answer() {
	if g.batch != nil {
		g.batch.done()
	}
}

func (r *round) clear() {
	clear(r.groups)
	r.groups = r.groups[:0]
	r.count = 0
	if cap(r.payload) > maxKeptPayload {
		r.payload = nil
	}
	r.payload = r.payload[:0]
}
