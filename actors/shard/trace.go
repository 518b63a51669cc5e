package shard

import (
	"errors"
	"slices"
	"sync"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/tracing"
)

// A traced write is followed through its round: on the primary from the round's launch to its commit, and on each copy from the
// append's arrival to its acknowledgement.
//
//	write orders/17 @n1                 made by whoever submits the work
//	└ replicate orders/17 @n1           · sent to copy 7 · in the log here · copy 7 has it
//	  └ append orders/17 @n2            · in the log here

// Traced is a work that may belong to a trace. Trace is called in the turn.
type Traced interface {
	Work
	Trace() tracing.Carrier
}

// TracedSender is a Sender that can tell the receiver which trace a body belongs to.
type TracedSender interface {
	Sender
	// SendTraced is Send; the receiver gets the body with the carrier, for DeliverTraced, or without.
	SendTraced(to shards.NodeID, body []byte, from tracing.Carrier) error
}

// maxTraces bounds the traces of one round that are followed, and the appends that a copy follows. The others are as good.
const maxTraces = 32

// followed is the span of a round of this primary, or of an append of another.
type followed struct {
	span *tracing.Active
	last shards.SeqNo
	have []shards.CopyID // copies that have acknowledged it

	by   shards.CopyID // of an append: who sent it, and in which reign
	term shards.Term
}

func (f *followed) carrier() tracing.Carrier {
	if f == nil {
		return tracing.Carrier{}
	}
	return f.span.Carrier()
}

// note remembers the trace of a work in the round that it has joined.
func (s *Shard) note(w Work, r *round) {
	if t, can := w.(Traced); can && len(r.traces) < maxTraces {
		if c := t.Trace(); c.Sampled() {
			r.traces = append(r.traces, c)
		}
	}
}

// follow begins the span of a round that has become an entry. It belongs to the first of the traces in it, and
// points to the others.
func (s *Shard) follow(r *round, e *replica.Entry) *followed {
	if len(r.traces) == 0 {
		return nil
	}
	span := s.link.Messages.BeginFrom(r.traces[0], tracing.Client)
	if span == nil {
		return nil
	}
	span.Name("replicate "+s.name, tracing.Text("troupe.shard.id", s.name), tracing.Number("troupe.shard.term", e.Term),
		tracing.Number("troupe.replica.first", e.First), tracing.Number("troupe.replica.last", e.Last),
		tracing.Number("troupe.replica.works", len(r.groups)), tracing.Number("troupe.replica.bytes", len(e.Payload)))
	for _, other := range r.traces[1:] {
		span.Link(other, "another write of the same round")
	}
	s.part.traced++
	return &followed{span: span, last: e.Last}
}

// end ends the span of a round.
func (s *Shard) end(f *followed, err error) {
	if f != nil {
		f.span.End(err)
		s.part.traced--
	}
}

// carrier is that of the first traced round in an append; the zero value if there is none.
func (s *Shard) carrier(m *replica.Message) (c tracing.Carrier) {
	if m.Kind != replica.KindAppend || len(m.Entries) == 0 {
		return c
	}
	first, last := m.Entries[0].First, m.Entries[len(m.Entries)-1].Last
	for _, f := range s.part.flight {
		if f.followed == nil || f.last < first || f.last > last {
			continue
		}
		f.followed.span.Event("sent", tracing.Number("troupe.copy.id", m.To))
		if !c.Valid() {
			c = f.followed.span.Carrier()
		}
	}
	return c
}

// acknowledged notes which copy has which round.
func (s *Shard) acknowledged(m *replica.Message) {
	for _, f := range s.part.flight {
		if t := f.followed; t != nil && m.Kind == replica.KindAck && f.last <= m.Last.Seq && !slices.Contains(t.have, m.From) {
			t.have = append(t.have, m.From)
			t.span.Event("acknowledged", tracing.Number("troupe.copy.id", m.From))
		}
	}
}

// persisted notes which rounds and appends are in this copy's log.
func (s *Shard) persisted() {
	p := s.part
	for _, f := range p.flight {
		if f.followed != nil && f.last <= s.logged && !slices.Contains(f.followed.have, p.self) {
			f.followed.have = append(f.followed.have, p.self)
			f.followed.span.Event("in the log")
		}
	}
	for i := range p.appends {
		if a := &p.appends[i]; a.last <= s.logged && len(a.have) == 0 {
			a.have = append(a.have, p.self)
			a.span.Event("in the log")
		}
	}
}

var (
	errRefused = errors.New("the append was not taken: the copy's log is another, or its term is over")
	errUnheard = errors.New("the append was not acknowledged: others took its place")
)

// DeliverTraced is Deliver of a body that belongs to a trace, unless it is the zero value.
func (l *Link) DeliverTraced(from shards.NodeID, body []byte, find func(shards.ShardID) *Shard, trace tracing.Carrier) error {
	m := messages.Get().(*replica.Message)
	defer recycle(m)
	return replica.DecodeInto(body, m, func(m *replica.Message) {
		if s := find(m.Shard); s != nil {
			s.step(from, m, s.beginAppend(m, trace))
		}
	})
}

// messages are those that bodies are decoded into. Nobody keeps one: what the core keeps of it are its entries, which it copies.
var messages = sync.Pool{New: func() any { return new(replica.Message) }}

// mostEntries is up to how many entries a message keeps room for.
const mostEntries = 64

func recycle(m *replica.Message) {
	clear(m.Entries[:cap(m.Entries)]) // their payloads belong to bodies
	if cap(m.Entries) <= mostEntries {
		messages.Put(m)
	}
}

// beginAppend begins the span of an append that arrives, or of none: before the turn, for which it may have to wait.
func (s *Shard) beginAppend(m *replica.Message, trace tracing.Carrier) *tracing.Active {
	if m.Kind != replica.KindAppend || len(m.Entries) == 0 {
		return nil
	}
	span := s.link.Messages.BeginFrom(trace, tracing.Server)
	if span == nil {
		return nil
	}
	bytes := 0
	for i := range m.Entries {
		bytes += len(m.Entries[i].Payload)
	}
	first, last := m.Entries[0].First, m.Entries[len(m.Entries)-1].Last
	span.Name("append "+s.name, tracing.Text("troupe.shard.id", s.name), tracing.Number("troupe.shard.term", m.Term),
		tracing.Number("troupe.copy.id", m.To), tracing.Number("troupe.replica.first", first), tracing.Number("troupe.replica.last", last),
		tracing.Number("troupe.replica.bytes", bytes))
	return span
}

// followAppend has the answer to an append that the core has just seen end its span.
func (s *Shard) followAppend(m *replica.Message, span *tracing.Active) {
	p := s.part
	s.endAppends(false) // it may have begun another reign
	if span == nil {
		return
	}
	if p.core.Role() == replica.RolePrimary || p.core.Term() != m.Term || p.self != m.To {
		span.End(errRefused)
		return
	}
	if len(p.appends) == maxTraces {
		p.appends[0].span.End(errUnheard)
		p.appends = slices.Delete(p.appends, 0, 1)
	}
	p.appends = append(p.appends, followed{span: span, last: m.Entries[len(m.Entries)-1].Last, by: m.From, term: m.Term})
}

// endAppends ends the spans of the appends whose reign is over: nobody acknowledges them any more. all says that this copy answers nobody.
func (s *Shard) endAppends(all bool) {
	p := s.part
	if len(p.appends) == 0 {
		return
	}
	p.appends = slices.DeleteFunc(p.appends, func(f followed) bool {
		over := all || p.core.Role() == replica.RolePrimary || p.core.Term() != f.term
		if over {
			f.span.End(errUnheard)
		}
		return over
	})
}

// answers ends the spans of the appends that a message of this copy acknowledges or refuses.
func (s *Shard) answers(m *replica.Message) {
	p := s.part
	p.appends = slices.DeleteFunc(p.appends, func(f followed) bool {
		switch {
		case m.To != f.by:
			return false
		case m.Kind == replica.KindRefuse:
			f.span.End(errRefused)
		case m.Kind == replica.KindAck && f.last <= m.Last.Seq:
			f.span.End(nil)
		default:
			return false
		}
		return true
	})
}
