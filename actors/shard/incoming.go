package shard

import (
	"fmt"
	"math"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// wakeTarget has the target's goroutine carry out what it wants; it runs while a snapshot is coming in.
func (s *Shard) wakeTarget() {
	p := s.part
	if p.incoming {
		select {
		case p.nudged <- struct{}{}:
		default:
		}
		return
	}
	if !p.target.Quiet() || p.target.HasReady() {
		p.incoming = true
		s.link.streams.Go(func() { s.receive(p) })
	}
}

// receive loads chunks off the turn until the stream is over.
func (s *Shard) receive(p *part) {
	var loader *store.Loader
	for {
		s.turn.Lock()
		r := p.target.Ready()
		self, from := p.self, p.homes
		to := make([]shards.NodeID, len(r.Messages))
		for i := range r.Messages {
			to[i] = from[r.Messages[i].To]
		}
		ended := s.down != nil || p != s.part || s.link.context.Err() != nil
		over := ended || p.target.Quiet() && r.Load == nil && !r.Install && !p.target.HasReady()
		p.incoming = !over
		s.turn.Unlock()
		for i := range r.Messages {
			_ = s.link.Sender.SendBulk(s.link.context, to[i], recovery.Append(nil, &r.Messages[i])) // lost: sent again
		}
		if r.Failed != "" {
			s.link.Log.Info("a snapshot did not arrive", "shard", s.name, "copy", self, "reason", r.Failed)
		}
		if over {
			return
		}
		switch {
		case r.Begin:
			loader = store.NewLoader(s.space.storeOptions(uint64(s.id)))
		case r.Forget:
			loader = nil
		}
		switch {
		case r.Load != nil:
			s.load1(p, loader, &r)
			continue
		case r.Install:
			s.install(p, loader, &r)
			loader = nil
			continue
		case len(r.Messages) > 0 || r.Begin || r.Forget:
			continue
		}
		select {
		case <-p.nudged:
		case <-s.link.context.Done():
		}
	}
}

// load1 loads one chunk.
func (s *Shard) load1(p *part, loader *store.Loader, r *recovery.TargetReady) {
	err := loader.Chunk(r.Load)
	s.turn.Lock()
	defer s.turn.Unlock()
	p.target.Loaded(loader.After(), r.Last, err)
}

// install puts a snapshot that has come whole in the place of what is here. First it is written to a file of its own; then,
// between two rounds of the log, store and log are exchanged. A crash in between finds the new file with the old log, whose
// records either lie before it, or do not fit the primary's and are dropped like any other tail.
func (s *Shard) install(p *part, loader *store.Loader, r *recovery.TargetReady) {
	base := r.Base
	s.filing.Lock()
	defer s.filing.Unlock()
	loaded, err := loader.Finish()
	if err == nil && loaded.Applied() != base.Seq {
		err = fmt.Errorf("a snapshot of transaction %d holds %d", base.Seq, loaded.Applied())
	}
	if err == nil && s.log != nil {
		err = s.saveLoaded(loaded, base)
	}
	if err == nil {
		err = s.exchange(p, loaded, base, r.Term)
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	p.target.Installed(err)
	if s.down == nil && p == s.part {
		s.carryOut()
	}
}

// saveLoaded writes the snapshot's file, if the copy still has use for it.
func (s *Shard) saveLoaded(loaded *store.Store, base replica.Position) error {
	if base.Seq == 0 {
		return nil
	}
	view := loaded.Snapshot()
	defer view.Close()
	if _, err := s.link.Files.Save(s.id, base.Seq, view.Chunks(nil, 0)); err != nil {
		return err
	}
	return s.link.Files.RemoveAfter(s.id, base.Seq)
}

// exchange is the step between two rounds.
func (s *Shard) exchange(p *part, loaded *store.Store, base replica.Position, term shards.Term) error {
	if s.log == nil {
		s.turn.Lock()
		defer s.turn.Unlock()
		return s.ventured(func() error { return s.swap(p, loaded, base, term) })
	}
	err := s.committer.ask(func() error {
		s.turn.Lock()
		defer s.turn.Unlock()
		if err := s.swappable(p, base, term); err != nil {
			return err
		}
		if err := s.log.TruncatePrefix(s.id, math.MaxUint64); err != nil {
			return err
		}
		p.pending.cut, p.pending.entries = 0, nil
		s.saved, s.savedTerm, s.unsave = base.Seq, base.Term, 0
		return s.ventured(func() error { return s.swap(p, loaded, base, term) })
	})
	if err != nil {
		return err
	}
	return s.link.Files.RemoveBefore(s.id, base.Seq)
}

// swappable says why the snapshot may not take the place of what is here.
func (s *Shard) swappable(p *part, base replica.Position, term shards.Term) error {
	switch {
	case p == s.part && p.core.Term() != term:
		return fmt.Errorf("the reign of its source is over")
	case p != s.part || s.down != nil:
		return errMismatch
	case !p.core.Welcome(base.Seq):
		return fmt.Errorf("the copy has what the snapshot holds by now")
	}
	return nil
}

func (s *Shard) swap(p *part, loaded *store.Store, base replica.Position, term shards.Term) error {
	if err := s.swappable(p, base, term); err != nil {
		return err
	}
	s.endWatches()
	s.store = loaded
	s.settle()
	if s.log != nil {
		p.pending.hold = p.self
		s.enlist()
	}
	p.core.Restored(base, loaded.Rolling(), term)
	s.carryOut()
	return nil
}

// Destroy deletes what this node has of the shard: data, log and the record of it. The copy stays as a tombstone that answers
// with where the primary is, and begins empty if the table lists it again.
func (s *Shard) Destroy() error {
	s.turn.Lock()
	p := s.part
	s.leads.Store(false)
	if p != nil {
		s.disown()
		s.endAppends(true)
		for _, o := range p.outgoing {
			o.source.Stop("the copy is deleted")
			o.wake()
		}
	} else {
		p = &part{} // what was on disk could not be read
	}
	s.turn.Unlock()
	if s.log == nil {
		s.turn.Lock()
		defer s.turn.Unlock()
		return s.begin(p)
	}
	s.filing.Lock()
	defer s.filing.Unlock()
	err := s.committer.ask(func() error {
		s.turn.Lock()
		defer s.turn.Unlock()
		return s.erase(p)
	})
	if err != nil {
		return fmt.Errorf("shard %s: delete: %w", s.name, err)
	}
	return nil
}

// erase is durable step by step: first nothing on disk claims to be a copy, then there is none, and only then a new one may
// begin. A file that a crash brings back after that would be taken for the new copy's.
func (s *Shard) erase(p *part) error {
	all := wal.Batch{Cuts: []wal.Cut{{Shard: s.id, Through: math.MaxUint64}}, Set: []wal.Named{{Name: holdingName(s.id)}}}
	if err := s.log.Write(all, true); err != nil {
		return err
	}
	if err := s.link.Files.RemoveAfter(s.id, 0); err != nil {
		return err
	}
	return s.begin(p)
}

// begin makes the copy an empty one that no row lists.
func (s *Shard) begin(old *part) error { return s.beginAt(old, 0) }

// beginAt makes it one that has come so far.
func (s *Shard) beginAt(old *part, seq shards.SeqNo) error {
	s.endWatches()
	s.store = store.New(s.space.storeOptions(s.random.Uint64()))
	s.store.Skip(seq)
	s.saved, s.savedTerm, s.unsave, s.logged, s.stuck, s.adopt = 0, 0, 0, 0, nil, false
	start := replica.Start{Base: replica.Position{Seq: seq}, Rolling: s.store.Rolling(), Last: seq}
	if err := s.startPart(start, 0); err != nil {
		return err
	}
	s.part.row, s.part.minInSync = old.row, old.minInSync
	for _, c := range old.row.Copies {
		s.part.homes[c.ID] = c.Node
	}
	if s.down != nil && s.lost {
		s.down, s.lost = nil, false
	}
	s.settle()
	s.restless()
	return nil
}
