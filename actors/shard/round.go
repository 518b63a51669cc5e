package shard

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// maxKeptPayload bounds the buffer that a round keeps for its successor, in bytes: an idle shard holds no large ones.
const maxKeptPayload = 64 << 10

// seal closes the open round and appends the record to write; a new round opens for later callers. Called by the committer
// only, which finishes each sealed round before it seals the next.
func (s *Shard) seal(records []wal.Record) (all []wal.Record) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	all = records // if it breaks
	if s.replicated() {
		return s.take(records)
	}
	s.listed = false
	if s.part != nil {
		s.part.taken, s.part.pending = s.part.pending, writes{}
	}
	s.open, s.sealed = s.sealed, s.open
	if s.sealed.count == 0 {
		return records
	}
	return s.record(records)
}

// roundBytes is where a round is cut: what is larger goes in several records or entries, so that none waits for much, and each can be
// sent to another copy. A transaction is never cut.
const roundBytes = 8 << 20

// cut gives the first works of a round, with about roundBytes of them, and a round of the others.
func (r *round) cut() (first, rest round) {
	if len(r.payload) <= roundBytes {
		return *r, round{}
	}
	n, count := 1, r.groups[0].count
	for n < len(r.groups) && r.groups[n].to <= roundBytes {
		count += r.groups[n].count
		n++
	}
	end := r.groups[n-1].to
	first = round{payload: r.payload[:end:end], count: count, groups: r.groups[:n:n], traces: r.traces}
	rest = round{payload: r.payload[end:], count: r.count - count, groups: slices.Clone(r.groups[n:])}
	for i := range rest.groups {
		g := &rest.groups[i]
		g.from, g.to = g.from-end, g.to-end
	}
	return first, rest
}

// take seals for a copy with company: the open round becomes an entry and is sent on, and whatever the core wants written goes
// to the committer.
func (s *Shard) take(records []wal.Record) []wal.Record {
	p := s.part
	s.depart()
	p.taken, p.pending = p.pending, writes{}
	if s.open.count > 0 {
		s.push() // what was cut off
	}
	return s.share(records)
}

// depart makes the open round an entry. The shard is listed until that is over, also if it breaks: then it can be listed again.
func (s *Shard) depart() {
	defer func() { s.listed = false }()
	if s.down == nil && s.open.count > 0 && len(s.part.flight) < maxFlight && s.part.core.Room() {
		s.launch()
		s.carryOut()
	}
}

// errands are what the committer does for the shard before it appends: a cut of its log, and the node's record of it.
func (s *Shard) errands() (cut shards.SeqNo, record wal.Named, any bool) {
	if s.link == nil {
		return 0, wal.Named{}, false
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	t := &s.part.taken
	if t.hold != 0 {
		record = s.holding(t.hold)
	}
	return t.cut, record, t.cut != 0 || t.hold != 0
}

// cutLog drops the shard's log from a transaction on. A snapshot may end inside a record, if it was taken when nobody else had
// a copy: then all of the log that may stay is in the snapshot.
func (s *Shard) cutLog(from shards.SeqNo) error {
	err := s.log.TruncateSuffix(s.id, from)
	if errors.Is(err, wal.ErrInsideRecord) && s.coveredBySnapshot(from-1) {
		return s.log.TruncatePrefix(s.id, math.MaxUint64)
	}
	return err
}

func (s *Shard) coveredBySnapshot(seq shards.SeqNo) bool {
	s.turn.Lock()
	defer s.turn.Unlock()
	return seq <= s.saved
}

// written ends a share of a round: err is nil, or why the log did not take it.
func (s *Shard) written(err error) {
	p := s.part
	t := p.taken
	p.taken = writes{}
	switch {
	case s.lost:
		return
	case err != nil:
		s.putBack(t, err)
		return
	}
	s.stuck = nil
	if t.hold != 0 {
		s.isHeld(t.hold)
	}
	for i := range t.entries {
		s.unsave += int64(len(t.entries[i].Payload))
		s.logged = t.entries[i].Last
	}
	if p.traced > 0 || len(p.appends) > 0 {
		s.persisted()
	}
	if t.number == 0 || s.down != nil {
		return
	}
	p.core.Persisted(t.number)
	s.carryOut()
	s.beginSolo()
	s.push()
}

// putBack queues again what a full disk did not take. Until it is taken, growth is refused, and what other copies are sent
// is not committed.
func (s *Shard) putBack(t writes, err error) {
	p := s.part
	s.stuck = err
	for n := len(t.entries); n > 0 && p.pending.cut != 0 && t.entries[n-1].First >= p.pending.cut; n-- {
		t.entries = t.entries[:n-1]
	}
	if len(t.entries) > 0 {
		p.pending.cut = 0
	}
	p.pending.entries = append(t.entries, p.pending.entries...)
	p.pending.number = max(p.pending.number, t.number)
	if p.pending.hold == 0 {
		p.pending.hold = t.hold
	}
	if !s.listed {
		s.listed = true
		s.committer.relist(s)
	}
}

// record appends the sealed round as the log takes it. A round of interval has no groups, so it never counts as shrinking: its
// transactions are applied already, and are kept until the log takes them.
func (s *Shard) record(records []wal.Record) []wal.Record {
	shrinks := len(s.sealed.groups) > 0
	for i := range s.sealed.groups {
		shrinks = shrinks && s.sealed.groups[i].shrinks
	}
	r := wal.Record{Shard: s.id, Term: s.term(), First: s.logged + 1, Last: s.logged + shards.SeqNo(s.sealed.count), Payload: s.sealed.payload, Shrinks: shrinks}
	if len(r.Payload) <= roundBytes {
		return append(records, r)
	}
	all, last, from := r.Payload, r.Last, 0
	r.Last = r.First - 1
	var t store.Txn
	for rest := all; len(rest) > 0; {
		at := len(all) - len(rest)
		next, err := store.DecodeTxn(rest, &t)
		if err != nil {
			panic(fmt.Sprintf("shard %v: a round does not hold what was put into it: %v", s.id, err))
		}
		if at > from && len(all)-len(next)-from > roundBytes {
			r.Payload = all[from:at]
			records = append(records, r)
			r.First, from = r.Last+1, at
		}
		r.Last++
		rest = next
	}
	r.Payload = all[from:]
	if r.Last != last {
		panic(fmt.Sprintf("shard %v: a round ends with %d, and what it holds with %d", s.id, last, r.Last))
	}
	return append(records, r)
}

// commit ends a sealed round that is in the log: parked works apply, in order, and their callers are woken.
func (s *Shard) commit() {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	if s.part != nil {
		if s.written(nil); !s.part.solo {
			return
		}
	}
	s.stuck = nil
	s.logged += shards.SeqNo(s.sealed.count)
	s.unsave += int64(len(s.sealed.payload))
	s.finish()
	if s.part != nil {
		s.endSolo()
	}
}

// finish answers a sealed round that is in the log.
func (s *Shard) finish() {
	defer s.sealed.clear()
	if s.lost {
		answerAll(s.sealed.groups, s.unknown(errOutcome))
		return
	}
	s.serve(s.sealed.groups)
}

// abort ends a sealed round that the log refused. Parked works fail and have changed nothing; what interval has applied
// already goes back to the front of the open round, to be tried again, and growth is refused until that has worked.
func (s *Shard) abort(err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	if s.part != nil {
		if s.written(err); !s.part.solo {
			return
		}
		defer s.endSolo()
	}
	if s.space.Durability == shards.DurabilityInterval && !s.lost {
		s.stuck = err
		if s.sealed.count > 0 && !s.listed {
			s.listed = true
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

// shed fails the parked works that could grow the store, so that deletes get through on a full disk. It appends what is left
// to write; nothing if all of it was failed, or has to wait for a larger disk.
func (s *Shard) shed(records []wal.Record, err error) []wal.Record {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.replicated() {
		return s.shedEntries(records)
	}
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
	if count == 0 {
		return records
	}
	return s.record(records)
}

// sent appends what the shard's primary has sent to other copies and not written; nothing for any other copy.
func (s *Shard) sent(records []wal.Record) []wal.Record {
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.replicated() || s.part.core.Role() != replica.RolePrimary {
		return records
	}
	return s.share(records)
}

// share appends the records of what the committer has taken.
func (s *Shard) share(records []wal.Record) []wal.Record {
	for i := range s.part.taken.entries {
		e := &s.part.taken.entries[i]
		records = append(records, wal.Record{Shard: s.id, Term: e.Term, First: e.First, Last: e.Last, Payload: e.Payload, Shrinks: e.Shrinks})
	}
	return records
}

// refuseGrowth lets no write in that grows, until the disk has space; see admit.
func (s *Shard) refuseGrowth(err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.stuck = err
}

// shedEntries keeps a replica's entries only if all of them shrink: its log has no gaps. The rest waits for a larger disk, and
// the primary sees a copy that lags.
func (s *Shard) shedEntries(records []wal.Record) []wal.Record {
	for i := range s.part.taken.entries {
		if !s.part.taken.entries[i].Shrinks {
			return records
		}
	}
	return s.share(records)
}

// term is the term of the records that a copy without company writes.
func (s *Shard) term() shards.Term {
	if s.part == nil {
		return 0
	}
	return s.part.core.Term()
}

func (g *group) answer() {
	if g.batch != nil {
		g.batch.done()
	}
}

func (r *round) clear() {
	clear(r.groups)
	r.groups, r.traces = r.groups[:0], nil
	r.count = 0
	if cap(r.payload) > maxKeptPayload {
		r.payload = nil
	}
	r.payload = r.payload[:0]
}
