package shard

import (
	"errors"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
)

// ErrTooOld is why no copy answers a read that may lack only what is younger than so much: none can be sure of it now.
var ErrTooOld = errors.New("no copy that was asked is known to be so fresh; ask again, allow more, or ask the primary")

// level watches since when a copy may have had something in its log that its store lacks. A copy in sync has every acknowledged
// write in its log, so what its answers lack came no earlier than that, if it was in sync then.
//
//	       passed          at                              now
//	──────────┬────────────┬───────────────────────────────┬──► time
//	log's end │ applied    │ through: not all applied yet
//	          └ what is not applied has come since then
type level struct {
	known   bool         // all that the log held at some moment of this life is applied
	passed  time.Time    // that moment
	through shards.SeqNo // the log's end at a later one, which is waited for; 0: none is
	at      time.Time    // that one
}

// note looks at a copy whose store and log end there.
func (l *level) note(applied, end shards.SeqNo, now func() time.Time) {
	switch {
	case applied >= end:
		*l = level{known: true}
	case l.through == 0 && l.known: // what is not applied has come this moment
		l.passed = now()
		l.through, l.at = end, l.passed
	case l.through == 0:
		l.through, l.at = end, now()
	case applied >= l.through:
		l.known, l.passed = true, l.at
		l.through, l.at = end, now()
	}
}

// age is for how long at most something has been lacking; false if it cannot be told, for what a copy found in its log when it
// came back, or into sync, is of an unknown age.
func (l *level) age(now time.Time) (age time.Duration, known bool) {
	if !l.known || l.through == 0 {
		return 0, l.known
	}
	return now.Sub(l.passed), true
}

// counted hears what the table says of the copy, and said before. What one got while it was not in sync may have been acknowledged
// without it, long before it came: nothing is known of its age.
func (l *level) counted(was, here *cluster.Copy) {
	if here != nil && here.InSync && (was == nil || !was.InSync || was.ID != here.ID) {
		*l = level{}
	}
}

// freshness notes how level this copy is, unless it is primary: what its log is ahead by, it has not acknowledged.
func (s *Shard) freshness() {
	if p := s.part; p.core.Role() != replica.RolePrimary {
		p.level.note(s.store.Applied(), p.core.End().Seq, time.Now)
	}
}

// stale is nil, or why this copy does not answer a read that may lack what was acknowledged within so long before; 0: whatever.
func (s *Shard) stale(within time.Duration) error {
	p := s.part
	if s.down != nil {
		return s.down
	}
	if p == nil || p.solo {
		return nil
	}
	if here := s.copyHere(&p.row); here == nil || !here.InSync || here.ID != p.self {
		return s.notPrimary() // it may have hardly anything yet
	}
	age, known := p.level.age(time.Now())
	switch {
	case p.core.Caught():
	case !known:
		return s.unavailable(errCatchingUp)
	case within != 0 && age > within:
		return s.unavailable(fmt.Errorf("it has known for %v of what it cannot show yet: %w", age.Round(time.Millisecond), ErrTooOld))
	}
	return nil
}
