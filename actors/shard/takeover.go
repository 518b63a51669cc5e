package shard

import (
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Takeover is how a copy became its shard's primary. Times are nanoseconds since 1970.
type Takeover struct {
	Shard   shards.ShardID
	Term    shards.Term
	Heard   int64 // of its promotion
	Served  int64 // it has what its predecessor left, and takes writes
	Written int64 // the first write was acknowledged; 0: none was yet
	Entries int   // writes that its predecessor left open, and it sent again
	Waited  int   // works that waited for that
}

// reign is what a primary remembers of the beginning of its present term.
type reign struct {
	Takeover
	unknown bool // it has not been told yet that the copy serves
	virgin  bool // nor that it has taken a write
}

// reigns notes that the copy has become primary of a new term.
func (s *Shard) reigns() {
	p := s.part
	if s.link.Took == nil || p.core.Term() <= p.reign.Term {
		return
	}
	p.reign = reign{Takeover: Takeover{Shard: s.id, Term: p.core.Term(), Heard: time.Now().UnixNano()}, unknown: true, virgin: true}
	p.reign.Entries = int(p.core.End().Seq - min(p.core.End().Seq, p.core.Committed()))
}

// serves tells, once, that the copy has all that its predecessor left.
func (s *Shard) serves() {
	r := &s.part.reign
	if !r.unknown || !s.leads.Load() || !s.current() {
		return
	}
	r.unknown, r.Served, r.Waited = false, time.Now().UnixNano(), len(s.part.waiting)+len(s.open.groups)
	s.link.Took(r.Takeover)
}

// wrote tells, once, that the copy has taken a write in its present term.
func (s *Shard) wrote() {
	if r := &s.part.reign; !r.unknown && s.leads.Load() {
		r.virgin, r.Written = false, time.Now().UnixNano()
		s.link.Took(r.Takeover)
	}
}
