package shard

import (
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Leads says whether this copy is its shard's primary, as far as it knows: Submit still decides. It takes no turn.
func (s *Shard) Leads() bool { return s.leads.Load() }

// Reign gives the term in which this copy leads, if what it holds is all that has been acknowledged: what was read in the same
// term before is true still, unless this copy has changed it. Errors are those of Inspect.
func (s *Shard) Reign() (shards.Term, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.readable(); err != nil || s.part == nil {
		return 0, err
	}
	return s.part.core.Term(), nil
}

// ReadStale answers the reads of a work from what this copy has applied, if it is in sync by the table that it knows, whether it
// leads or not: the answer may lack the latest writes. While the primary's node is in reach it lacks what the last tick of the
// protocol (50 ms) and the way here have kept back; when it is not, nobody can say, unless within is above 0: then it lacks nothing
// that was acknowledged longer before than that, as long as the table is not older either, or the error wraps ErrTooOld. A copy
// that is not in sync sends to the primary. A work that writes fails as Submit's would.
func (s *Shard) ReadStale(now int64, w Work, within time.Duration) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.stale(within); err != nil {
		failAll(w, err)
		return
	}
	for i := range w.Len() {
		if !readOnly(w.Txn(i)) {
			failAll(w, store.ErrInvalid)
			return
		}
	}
	s.read(now, w)
}
