package shard

import (
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
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

	Write tracing.Carrier // of the first write, if it is traced
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
	written := r.Written
	if written != 0 { // it was committed in one go with what the predecessor left
		r.Served, r.Written = min(r.Served, written), 0
	}
	s.link.Took(r.Takeover)
	if written != 0 {
		r.Written = written
		s.link.Took(r.Takeover)
	}
}

// wrote notes, once, that the copy has taken a write in its present term, before its client has an answer. It is told once the copy serves.
func (s *Shard) wrote(w Work) {
	r := &s.part.reign
	if !s.leads.Load() {
		return
	}
	r.virgin, r.Written = false, time.Now().UnixNano()
	if t, can := w.(Traced); can {
		if c := t.Trace(); c.Sampled() {
			r.Write = c
		}
	}
	if !r.unknown {
		s.link.Took(r.Takeover)
	}
}
