package shard

import (
	"errors"
	"fmt"
	"math"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// Recover fills the shard from its newest snapshot file and the log after it, and opens it for work. In a cluster it looks
// through the log, but applies nothing of it, and the shard refuses work until Configure: what the log's end is worth only the
// in-sync copies together know. progress, which may be
// nil, is told the bytes of each chunk and record. It is called once, before anything else, from one goroutine; shards of a
// node recover side by side. An error leaves the shard refusing work. Meanwhile Stats, Cost and Unsaved say nothing of what is
// there: they wait for nobody, and the store is not theirs to look at yet.
func (s *Shard) Recover(files *wal.Snapshots, progress func(bytes int)) error {
	if progress == nil {
		progress = func(int) {}
	}
	err := s.restore(files, progress)
	s.turn.Lock()
	defer s.turn.Unlock()
	s.recovered = true
	return err
}

func (s *Shard) restore(files *wal.Snapshots, progress func(int)) error {
	if s.log != nil {
		if err := s.load(files, progress); err != nil {
			return fmt.Errorf("shard %s: snapshot: %w", s.name, err)
		}
	}
	if s.link != nil {
		return s.join(progress)
	}
	if s.log != nil {
		if err := s.replay(progress); err != nil {
			return fmt.Errorf("shard %s: log: %w", s.name, err)
		}
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	s.down = nil
	s.settle()
	return nil
}

// load puts the newest snapshot file into the store.
func (s *Shard) load(files *wal.Snapshots, progress func(int)) error {
	seq, _, found := files.Newest(s.id)
	if !found {
		return nil
	}
	loader := store.NewLoader(s.space.storeOptions(s.random.Uint64()))
	err := files.Load(s.id, seq, func(chunk []byte) error {
		progress(len(chunk))
		return loader.Chunk(chunk)
	})
	if err != nil {
		return err
	}
	loaded, err := loader.Finish()
	if err != nil {
		return err
	}
	if loaded.Applied() != seq {
		return fmt.Errorf("file of transaction %d holds %d: %w", seq, loaded.Applied(), errMismatch)
	}
	s.store, s.saved, s.logged = loaded, seq, seq
	return s.dropShort()
}

// dropShort drops a log that ends before the snapshot, which holds all of it: a snapshot from another copy was written, and
// the process ended before the log was cut. The next record would not follow its last one.
func (s *Shard) dropShort() error {
	last, found, err := s.log.Last(s.id)
	if err != nil || !found || last.Last >= s.saved {
		return err
	}
	return s.log.TruncatePrefix(s.id, math.MaxUint64)
}

var errMismatch = errors.New("snapshot and log do not belong together")

// replay applies what the log holds after the snapshot.
func (s *Shard) replay(progress func(int)) error {
	decoded := replayers.Get().(*replayer)
	defer decoded.give()
	err := s.log.ReadFrom(s.id, s.saved+1, func(r wal.Record) error {
		progress(len(r.Payload))
		s.unsave += int64(len(r.Payload))
		return s.replayRecord(r, decoded)
	})
	s.logged = s.store.Applied()
	return err
}

// replayRecord applies what a record of the log holds.
func (s *Shard) replayRecord(r wal.Record, decoded *replayer) error {
	err := s.decodeRecord(r, decoded)
	decoded.apply(s.store)
	return err
}

// decodeRecord decodes what a record holds and the store has not, and applies it as far as it must. What is decoded and not applied when it
// returns points into the record.
func (s *Shard) decodeRecord(r wal.Record, decoded *replayer) error {
	if r.First > decoded.next(s.store) {
		return fmt.Errorf("record %d..%d follows transaction %d: %w", r.First, r.Last, decoded.next(s.store)-1, errMismatch)
	}
	rest := r.Payload
	for seq := r.First; seq <= r.Last; seq++ {
		if decoded.n == few {
			decoded.apply(s.store)
		}
		var err error
		if rest, err = store.DecodeTxn(rest, &decoded.txns[decoded.n]); err != nil {
			return fmt.Errorf("transaction %d: %w", seq, err)
		}
		if seq == decoded.next(s.store) {
			decoded.n++
		}
	}
	if len(rest) != 0 {
		return fmt.Errorf("record %d..%d has %d bytes too many: %w", r.First, r.Last, len(rest), errMismatch)
	}
	return nil
}

// join makes the copy's part in its cluster, from what is on disk.
func (s *Shard) join(progress func(int)) error {
	start := replica.Start{Rolling: s.store.Rolling()}
	start.Base.Seq = s.saved
	start.Last = s.saved
	held := shards.CopyID(0)
	if s.log != nil {
		var err error
		if held, err = s.survey(&start, progress); err != nil {
			return fmt.Errorf("shard %s: log: %w", s.name, err)
		}
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	s.savedTerm, s.logged = start.Base.Term, start.Last
	if err := s.startPart(start, held); err != nil {
		return fmt.Errorf("shard %s: %w", s.name, err)
	}
	s.settle()
	return nil
}

// survey reads which copy this is, the term of its snapshot and where in the log behind it each term begins.
func (s *Shard) survey(start *replica.Start, progress func(int)) (held shards.CopyID, err error) {
	held, noted, err := readHolding(s.log, s.id)
	if err != nil {
		return 0, err
	}
	if noted.Seq == start.Base.Seq {
		start.Base.Term = noted.Term
	}
	err = s.log.ReadFrom(s.id, max(start.Base.Seq, 1), func(r wal.Record) error {
		progress(len(r.Payload))
		if r.First <= start.Base.Seq && r.Last >= start.Base.Seq {
			start.Base.Term = r.Term
		}
		if r.Last <= start.Base.Seq {
			return nil
		}
		s.unsave += int64(len(r.Payload))
		if n := len(start.Runs); n == 0 || start.Runs[n-1].Term != r.Term {
			start.Runs = append(start.Runs, replica.Position{Term: r.Term, Seq: max(r.First, start.Base.Seq+1)})
		}
		start.Last = r.Last
		return nil
	})
	if errors.Is(err, wal.ErrTruncated) && start.Base.Seq > 0 {
		return held, s.surveyBehind(start, progress)
	}
	return held, err
}

// surveyBehind is survey for a log that no longer holds the snapshot's last transaction.
func (s *Shard) surveyBehind(start *replica.Start, progress func(int)) error {
	return s.log.ReadFrom(s.id, start.Base.Seq+1, func(r wal.Record) error {
		progress(len(r.Payload))
		s.unsave += int64(len(r.Payload))
		if n := len(start.Runs); n == 0 || start.Runs[n-1].Term != r.Term {
			start.Runs = append(start.Runs, replica.Position{Term: r.Term, Seq: r.First})
		}
		start.Last = r.Last
		return nil
	})
}

// Unsaved is the log written since the newest snapshot file and the size of what the shard holds, about that of a snapshot,
// both in bytes, and whether a snapshot would shorten a restart; else the size is left out.
func (s *Shard) Unsaved() (log, live int64, any bool) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.recovered {
		return 0, 0, false
	}
	serves := s.down == nil || errors.Is(s.down, ErrClosed)
	if !serves || s.logged <= s.saved || s.store.Applied() <= s.saved {
		return s.unsave, 0, false
	}
	st := s.store.Stats()
	return s.unsave, st.LiveBytes + 32*st.Keys + 512, true // what frames and file add, rounded up
}

// Checkpoint writes a snapshot file of the shard and then drops the log before it. Shard and callers go on meanwhile. One
// caller at a time. It does nothing when nothing was written since the last one, or when the shard is out of service: a
// broken store is not worth keeping.
func (s *Shard) Checkpoint(files *wal.Snapshots) error {
	s.filing.Lock()
	defer s.filing.Unlock()
	s.turn.Lock()
	if broken := s.down != nil && !errors.Is(s.down, ErrClosed); broken || s.log == nil || s.store.Applied() == s.saved {
		s.turn.Unlock()
		return nil
	}
	view := s.openView()
	covered := s.unsave
	term := shards.Term(0)
	if s.part != nil {
		term = s.termOf(view.Seq())
	}
	s.turn.Unlock()

	seq := view.Seq()
	err := s.save(files, view, seq)
	view.Close()
	if err != nil {
		return fmt.Errorf("shard %s: snapshot at %d: %w", s.name, seq, err)
	}
	s.turn.Lock()
	s.saved, s.savedTerm = seq, term
	s.unsave -= covered
	s.turn.Unlock()
	if err := s.shorten(seq); err != nil {
		return fmt.Errorf("shard %s: truncate the log before %d: %w", s.name, seq, err)
	}
	return files.RemoveBefore(s.id, seq)
}

// shorten drops the log up to seq. Other copies that are catching up may still want some of it, and in a cluster the node's
// record keeps the term that the log no longer tells.
func (s *Shard) shorten(seq shards.SeqNo) error {
	if s.part == nil {
		return s.committer.truncate(s.id, seq)
	}
	return s.committer.ask(func() error {
		s.turn.Lock()
		if !s.part.solo {
			seq = min(seq, s.part.core.Retained())
		}
		batch := wal.Batch{Cuts: []wal.Cut{{Shard: s.id, Through: seq}}, Set: []wal.Named{s.holding(s.part.held)}}
		s.turn.Unlock()
		return s.log.Write(batch, false)
	})
}

// termOf is the term of an applied transaction; 0 if it is not known any more.
func (s *Shard) termOf(seq shards.SeqNo) shards.Term {
	if c := s.part.core; seq <= c.End().Seq {
		return c.TermAt(seq)
	}
	return s.term() // solo: the core has not been told of what was written in this term
}

// save writes the file. The log holds all that the snapshot holds before the file is there, so that a crash between the two leaves no
// file that is ahead of its log, of which dropShort makes the best; only interval can apply before it logs. A full disk may keep the log
// from it, and is no reason to wait: the snapshot is what makes room.
func (s *Shard) save(files *wal.Snapshots, view *View, seq shards.SeqNo) error {
	if s.space.Durability == shards.DurabilityInterval {
		if err := s.committer.Barrier(); err != nil && !errors.Is(err, wal.ErrDiskFull) {
			return err
		}
	}
	_, err := files.Save(s.id, seq, view.Chunks(nil, 0))
	return err
}
