package shard

import (
	"bytes"
	"iter"
	"slices"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
)

// outgoing is a snapshot on its way to another copy. Its goroutine reads chunks and sends them, off the turn; the source is
// guarded by the turn.
type outgoing struct {
	source *recovery.Source
	to     shards.NodeID
	base   shards.SeqNo // of the snapshot
	view   *View
	nudged chan struct{}

	next  func() ([]byte, error, bool) // the goroutine's own
	stop  func()
	ahead []byte // read, to see whether it is the last
}

// wake has the goroutine look at the source.
func (o *outgoing) wake() {
	select {
	case o.nudged <- struct{}{}:
	default:
	}
}

// stream begins to send a copy a snapshot, unless it is getting one.
func (s *Shard) stream(id shards.CopyID) {
	p := s.part
	if o := p.outgoing[id]; o != nil {
		return
	}
	p.streams++
	base := replica.Position{Term: p.core.TermAt(s.store.Applied()), Seq: s.store.Applied()}
	r := s.link.Recovery
	r.Shard, r.BytesPerTick = s.id, s.link.shared(1) // it begins with a tick's worth
	source, err := recovery.NewSource(r, p.core.Term(), p.self, id, p.streams, base)
	if err != nil {
		s.link.Log.Error("a copy gets no snapshot", "shard", s.name, "copy", id, "err", err)
		p.core.SnapshotEnded(id, false)
		return
	}
	o := &outgoing{source: source, to: p.homes[id], base: base.Seq, view: s.openView(), nudged: make(chan struct{}, 1)}
	p.outgoing[id] = o
	s.link.sending.Add(1)
	p.core.Retain(id, base.Seq)
	s.link.streams.Go(func() { s.pump(o) })
}

// stopStreams ends the streams that the row has no use for, and those of a copy that is primary no more.
func (s *Shard) stopStreams() {
	p := s.part
	leads := s.down == nil && p.core.Role() == replica.RolePrimary
	for id, o := range p.outgoing {
		if _, listed := p.homes[id]; !leads || !listed {
			o.source.Stop("the row has changed")
			o.wake()
		}
	}
	s.wakeTarget()
}

// pump carries out what a source wants until the stream is over.
func (s *Shard) pump(o *outgoing) {
	for {
		s.turn.Lock()
		r := o.source.Ready()
		over := o.source.Ended()
		s.turn.Unlock()
		for i := range r.Messages {
			// What is lost is sent again; a node that is gone ends the stream by its silence.
			_ = s.link.Sender.SendBulk(s.link.context, o.to, recovery.Append(nil, &r.Messages[i]))
		}
		if r.Open {
			o.open(r.After)
		}
		for range r.Read {
			data, end := o.chunk()
			s.turn.Lock()
			o.source.Chunk(data, end)
			s.turn.Unlock()
		}
		if over {
			s.streamOver(o, &r)
			return
		}
		if len(r.Messages) > 0 || r.Read > 0 {
			continue
		}
		select {
		case <-o.nudged:
		case <-s.link.context.Done():
			s.turn.Lock()
			o.source.Stop("the node is stopping")
			s.turn.Unlock()
		}
	}
}

// open begins to read the snapshot behind a key.
func (o *outgoing) open(after []byte) {
	o.next, o.stop = iter.Pull2(o.view.Chunks(after, 0))
	o.read()
}

func (o *outgoing) read() {
	data, _, more := o.next()
	if !more {
		o.ahead = nil
		return
	}
	o.ahead = bytes.Clone(data)
}

// chunk is the next chunk, and whether it is the last.
func (o *outgoing) chunk() (data []byte, end bool) {
	data = o.ahead
	o.read()
	return data, o.ahead == nil
}

func (s *Shard) streamOver(o *outgoing, r *recovery.SourceReady) {
	if o.stop != nil {
		o.stop()
	}
	s.link.sending.Add(-1)
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	o.view.drop()
	p := s.part
	id := o.source.To()
	if p.outgoing[id] == o {
		delete(p.outgoing, id)
		p.sent(o, r.Done)
	}
	s.link.Log.Info("a snapshot's stream is over", "shard", s.name, "copy", id, "bytes", o.source.Progress(), "done", r.Done, "reason", r.Failed)
	if s.down != nil {
		return
	}
	p.core.SnapshotEnded(id, r.Done)
	s.carryOut()
	s.push()
}

// stepRecovery takes a recovery message: for one of the sources, or for the target.
func (s *Shard) stepRecovery(from shards.NodeID, m *recovery.Message) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	p := s.part
	if p == nil || s.down != nil || p.solo {
		return
	}
	if slices.Contains([]recovery.Kind{recovery.KindAccept, recovery.KindGot, recovery.KindDone}, m.Kind) || m.Kind == recovery.KindFail && p.outgoing[m.From] != nil {
		if o := p.outgoing[m.From]; o != nil {
			o.source.Step(m)
			o.wake()
		}
		return
	}
	if m.Kind == recovery.KindOffer && !p.core.Welcome(m.Base.Seq) {
		return // it owes nothing: the primary will see
	}
	if _, known := p.homes[m.From]; !known {
		p.homes[m.From] = from
	}
	p.target.Step(m)
	s.wakeTarget()
	s.restless()
}
