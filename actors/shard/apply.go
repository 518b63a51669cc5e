package shard

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wal"
)

// mostKept bounds what a copy keeps for its next rounds, of which few are under way at a time: there may be many shards.
const mostKept = 4

// applyTo applies everything up to the commit: own rounds with their works, others from what the copy was sent. What is in the
// log alone, after a restart, is read by a goroutine of its own.
func (s *Shard) applyTo(commit shards.SeqNo) {
	p := s.part
	for s.store.Applied() < commit && !p.catching {
		next := s.store.Applied() + 1
		if len(p.flight) > 0 && p.flight[0].first == next {
			s.applyFlight()
			continue
		}
		entries, there := p.core.AppendEntries(p.entries[:0], next, s.notOwn(commit))
		if !there {
			s.catchUp()
			break
		}
		p.entries = entries
		if err := s.replayEntries(entries); err != nil {
			s.lose(err)
			return
		}
	}
	if clear(p.entries); cap(p.entries) > mostKept {
		p.entries = nil
	}
	if len(p.flight) == 0 && cap(p.flight) > mostKept {
		p.flight = nil
	}
	p.core.Applied(s.store.Applied(), s.store.Rolling())
	s.settle()
	s.dirty.Store(true)
}

// replayEntries applies what is committed and not this primary's own.
func (s *Shard) replayEntries(entries []replica.Entry) (err error) {
	decoded := replayers.Get().(*replayer)
	defer decoded.give()
	for i := 0; i < len(entries) && err == nil; i++ {
		e := &entries[i]
		err = s.decodeRecord(wal.Record{First: e.First, Last: e.Last, Payload: e.Payload}, decoded)
	}
	decoded.apply(s.store)
	return err
}

// notOwn is how far a commit goes before the first own round that is under way.
func (s *Shard) notOwn(commit shards.SeqNo) shards.SeqNo {
	if len(s.part.flight) > 0 {
		return min(commit, s.part.flight[0].first-1)
	}
	return commit
}

// applyFlight applies the oldest own round and wakes its callers.
func (s *Shard) applyFlight() {
	p := s.part
	f := p.flight[0]
	p.flight = slices.Delete(p.flight, 0, 1) // in place: the next rounds go where the last ones were
	if s.link.Commits != nil {
		s.link.Commits.Observe(time.Since(f.launched), f.followed.carrier())
	}
	s.end(f.followed, nil)
	s.serve(f.groups)
	if clear(f.groups); cap(f.groups) <= 2*mostKept {
		p.groups = f.groups[:0]
	}
	if s.store.Applied() != f.last {
		panic(fmt.Sprintf("shard %s: a round that ends at %d brought the store to %d", s.name, f.last, s.store.Applied()))
	}
}

// catchUpBytes is how much log is applied in one turn.
const catchUpBytes = 512 << 10

// catchUp applies the committed part of the log in turns, so that neither callers nor the connection to the primary wait for
// the whole. Shards of a node catch up side by side.
func (s *Shard) catchUp() {
	p := s.part
	if s.log == nil {
		s.lose(fmt.Errorf("transaction %d: %w", s.store.Applied()+1, errMismatch))
		return
	}
	p.catching = true
	s.link.streams.Go(func() {
		for s.catchUpSome(p) {
		}
	})
}

// catchUpSome is one turn of it; false: the log alone is needed no more.
func (s *Shard) catchUpSome(p *part) (more bool) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	if p != s.part || s.down != nil {
		return false
	}
	through := s.notOwn(p.core.Committed())
	_, there := p.core.Entries(s.store.Applied()+1, through)
	if !there && s.store.Applied() < through {
		if err := s.replayLog(through); err != nil {
			s.lose(err)
			return false
		}
		p.core.Applied(s.store.Applied(), s.store.Rolling())
		s.settle()
		return s.link.context.Err() == nil
	}
	p.catching = false
	s.applyTo(p.core.Committed())
	s.carryOut()
	s.beginSolo()
	s.push()
	return false
}

var errEnough = errors.New("enough")

// replayLog applies some of the log, up to through at most.
func (s *Shard) replayLog(through shards.SeqNo) error {
	from, bytes := s.store.Applied(), 0
	decoded := replayers.Get().(*replayer)
	defer decoded.give()
	err := s.log.ReadFrom(s.id, from+1, func(r wal.Record) error {
		if r.First > through || bytes >= catchUpBytes {
			return errEnough
		}
		bytes += len(r.Payload)
		return s.replayRecord(r, decoded)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("log: %w", err)
	}
	if s.store.Applied() == from {
		return fmt.Errorf("log: transaction %d is missing: %w", from+1, errMismatch)
	}
	return nil
}
