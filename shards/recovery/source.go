package recovery

import (
	"bytes"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
)

// Source is the primary's end of one stream to one copy.
//
// Invariants, run by Check:
//
//  1. The unacknowledged chunks are acked..sent-1, in order, and bytes is their size.
//  2. There are at most Window of them, and asked more are being read.
//  3. budget is at most one tick's bytes, or what a chunk overdrew.
type Source struct {
	config Config
	self   shards.CopyID
	to     shards.CopyID
	term   shards.Term
	stream uint64
	base   replica.Position

	state  sourceState
	after  []byte // of the accept that this stream went on from
	flight [][]byte
	acked  uint64 // chunks loaded there
	sent   uint64 // chunks read and sent
	asked  int    // chunks that the shell has been asked for
	last   bool   // the last chunk has been read
	bytes  int    // in flight
	budget int    // bytes that may be sent now; below 0 when a chunk was larger
	heard  int    // ticks since the target last said something
	idle   int    // ticks since it last brought the stream on, or it was sent something again
	pause  int    // idle ticks until what is unanswered goes out again
	total  int64  // bytes sent

	out SourceReady
}

type sourceState uint8

const (
	offering sourceState = iota
	sending
	ended
)

// SourceReady is what the shell of a Source has to do.
type SourceReady struct {
	Messages []Message
	Open     bool   // begin to read the snapshot's chunks, after After
	After    []byte // nil: from the start
	Read     int    // so many more chunks are wanted: answer each with Chunk
	Done     bool   // the copy has the snapshot; let go of it
	Failed   string // the stream is over, why; let go of the snapshot and call replica.Core.SnapshotEnded
}

// NewSource begins a stream of the snapshot at base from the primary of a term to a copy.
func NewSource(config Config, term shards.Term, self, to shards.CopyID, stream uint64, base replica.Position) (*Source, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &Source{config: config, self: self, to: to, term: term, stream: stream, base: base, budget: config.BytesPerTick, pause: config.ResendTicks}
	s.offer()
	return s, nil
}

func (s *Source) send(m Message) {
	m.Shard, m.From, m.To, m.Term, m.Stream = s.config.Shard, s.self, s.to, s.term, s.stream
	s.out.Messages = append(s.out.Messages, m)
}

func (s *Source) offer() { s.send(Message{Kind: KindOffer, Base: s.base}) }

// To is the copy that gets the snapshot.
func (s *Source) To() shards.CopyID { return s.to }

// Progress is how many bytes have been sent.
func (s *Source) Progress() int64 { return s.total }

// Ended says that the stream is over.
func (s *Source) Ended() bool { return s.state == ended }

// Limit changes what the source may send in a tick, from the next one on: several share what a node may send.
func (s *Source) Limit(bytes int) {
	s.config.BytesPerTick = max(bytes, 1)
	s.budget = min(s.budget, s.config.BytesPerTick)
}

// Stop ends the stream: the reign, the copy or the node is over.
func (s *Source) Stop(reason string) {
	if s.state != ended {
		s.send(Message{Kind: KindFail, Reason: reason})
		s.fail(reason)
	}
}

func (s *Source) fail(reason string) {
	s.state, s.flight = ended, nil
	s.out.Failed, s.out.Open, s.out.Read = reason, false, 0
}

// Step takes a message of the target's.
func (s *Source) Step(m *Message) {
	if s.state == ended || m.Stream != s.stream || m.From != s.to || m.To != s.self || m.Term != s.term {
		return
	}
	s.heard = 0
	switch m.Kind {
	case KindAccept:
		s.accepted(m)
	case KindGot:
		s.got(m.Index)
	case KindDone:
		if s.state == sending && s.last {
			s.state, s.flight = ended, nil
			s.out.Done = true
		}
	case KindFail:
		s.fail("the copy gave up: " + m.Reason)
	}
}

func (s *Source) accepted(m *Message) {
	if s.state != offering {
		return
	}
	s.state, s.idle = sending, 0
	if m.HasAfter {
		s.after = append([]byte{}, m.After...)
	}
	s.out.Open, s.out.After = true, s.after
	s.ask()
}

// ask wants as many chunks as window and budget allow.
func (s *Source) ask() {
	if s.state != sending || s.last || s.asked > 0 || s.budget <= 0 {
		return
	}
	if len(s.flight) > 0 && (len(s.flight) >= s.config.Window || s.bytes >= s.config.WindowBytes) {
		return
	}
	s.asked = 1
	s.out.Read = 1
}

// Chunk brings a chunk that was asked for; the core keeps a copy.
func (s *Source) Chunk(data []byte, end bool) {
	if s.state != sending || s.asked == 0 {
		return
	}
	s.asked--
	data = bytes.Clone(data)
	s.flight = append(s.flight, data)
	s.last = end
	s.bytes += len(data)
	s.budget -= len(data)
	s.total += int64(len(data))
	s.send(Message{Kind: KindChunk, Index: s.sent, Data: data, End: end})
	s.sent++
	s.ask()
}

func (s *Source) got(index uint64) {
	if s.state != sending || index > s.sent {
		return
	}
	for s.acked < index {
		s.bytes -= len(s.flight[0])
		s.flight = s.flight[1:]
		s.acked++
		s.idle, s.pause = 0, s.config.ResendTicks
	}
	s.ask()
}

// Tick lets one tick pass.
func (s *Source) Tick() {
	if s.state == ended {
		return
	}
	s.heard++
	s.idle++
	s.budget = min(s.budget, 0) + s.config.BytesPerTick
	if s.heard >= s.config.SilenceTicks {
		s.Stop(fmt.Sprintf("the copy has been silent for %d ticks", s.heard))
		return
	}
	if s.idle >= s.pause {
		s.idle, s.pause = 0, min(2*s.pause, max(s.config.SilenceTicks/4, s.config.ResendTicks))
		s.again()
	}
	s.ask()
}

// again repeats what has not been answered.
func (s *Source) again() {
	if s.state == offering {
		s.offer()
		return
	}
	for i, data := range s.flight {
		end := s.last && i == len(s.flight)-1
		s.budget -= len(data)
		s.send(Message{Kind: KindChunk, Index: s.acked + uint64(i), Data: data, End: end})
	}
}

// Ready gives what there is to do, once.
func (s *Source) Ready() SourceReady {
	out := s.out
	s.out = SourceReady{}
	return out
}

// Check says which invariant does not hold.
func (s *Source) Check() error {
	bytes := 0
	for _, data := range s.flight {
		bytes += len(data)
	}
	if s.state != ended && (s.sent-s.acked != uint64(len(s.flight)) || bytes != s.bytes) {
		return fmt.Errorf("invariant 1: %d chunks of %d bytes in flight, %d..%d with %d counted", len(s.flight), bytes, s.acked, s.sent, s.bytes)
	}
	if len(s.flight)+s.asked > s.config.Window {
		return fmt.Errorf("invariant 2: %d chunks in flight, %d asked for, window %d", len(s.flight), s.asked, s.config.Window)
	}
	if s.budget > s.config.BytesPerTick {
		return fmt.Errorf("invariant 3: budget %d of %d", s.budget, s.config.BytesPerTick)
	}
	return nil
}
