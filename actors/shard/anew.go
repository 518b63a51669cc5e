package shard

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// beginAnew has a copy of a keyspace in memory that begins empty because all others are lost begin with numbers above all that were given
// before, so that versions and positions of before the loss are known for what they are:
//
//	first life   1 2 3 ··· 4711         lost
//	second life                         108684000000001 ···+2 ···+3
//
// Copies that join get it with their snapshot. Called in the turn.
func (s *Shard) beginAnew(row *cluster.Shard) {
	p := s.part
	if p == nil || row.Version < p.row.Version || s.log != nil || s.down != nil && !errors.Is(s.down, ErrStarting) {
		return
	}
	here := s.copyHere(row)
	if here == nil || !here.Fresh || here.ID == p.held || here.ID == p.claimed || s.store.Applied() > 0 || p.core.End().Seq > 0 {
		return
	}
	if slices.ContainsFunc(row.Copies, func(c cluster.Copy) bool { return c.InSync && c.ID != here.ID }) {
		return
	}
	if row.Term <= 1 && row.Primary == here.ID { // the shard's first copy: nobody has seen a number
		return
	}
	if err := s.beginAt(p, freshStart(time.Now())); err != nil {
		s.lose(fmt.Errorf("begin empty: %w", err))
	}
}

// Numbers of a life begin with the time, by so many each millisecond: they are above those of each life before, unless one took more
// writes than that, 128,000 a second, from its beginning to its loss, or the clock was set back. Versions have 48 bits: from 2052 on, or where the
// clock is that wrong, all lives begin at the last start.
const (
	numbersPerMilli = 128
	lastStart       = 3 << 46
)

var firstStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// freshStart is the number behind which a life begins.
func freshStart(now time.Time) shards.SeqNo {
	millis := max(0, now.Sub(firstStart).Milliseconds())
	return shards.SeqNo(min(millis*numbersPerMilli, lastStart))
}
