package shard

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
)

// Tick is the message that has a shard's actor delete what has expired and tidy its tree. Now is in Unix milliseconds.
type Tick struct{ Now int64 }

const (
	expireBudget  = 500  // keys deleted per tick: about a quarter of a millisecond
	compactBudget = 2000 // keys moved per tick while a tree is compacted
)

// NeedsTick says, without the turn, whether a Tick would find anything to do.
func (s *Shard) NeedsTick(now int64) bool {
	due := s.due.Load()
	return due != 0 && due <= now || s.dirty.Load()
}

// Receive handles one control message; it makes the shard an actor.
func (s *Shard) Receive(message any) {
	switch m := message.(type) {
	case Tick:
		s.tick(m.Now)
	default:
		panic(fmt.Sprintf("shard %s: unknown message %T", s.name, message))
	}
}

func (s *Shard) tick(now int64) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	s.dirty.Store(false)
	if s.down != nil {
		return
	}
	if s.store.Due(now) && s.stuck == nil && s.leads.Load() && s.orders() {
		s.order(&housekeeping{txns: []store.Txn{due(now)}, count: &s.space.expired})
	}
	if !s.store.Compact(compactBudget) {
		s.dirty.Store(true) // not done: come back at the next tick
	}
	s.settle()
}

// Stats are one shard's figures.
type Stats struct {
	Keys      int64
	Expiring  int64
	Memory    int64        // bytes held by the store
	Limbo     int64        // of these, what only snapshots still see
	Snapshots int64        // open ones
	Oldest    time.Time    // when the oldest of those was taken that are open; zero if none is
	Applied   shards.SeqNo // transactions the store has seen
	Logged    shards.SeqNo // transactions in the log; 0 without a log
	Saved     shards.SeqNo // transactions in the newest snapshot file
	LogBytes  int64        // log written since that snapshot
	Reads     uint64       // operations since the start
	Writes    uint64       // likewise
	Available bool
	Reason    string // why not available

	Copy     shards.CopyID    // in a cluster: what the table calls this copy; 0 if it does not list it
	Held     shards.CopyID    // likewise: which one this node's own record names; a moment later than Copy
	Term     shards.Term      // likewise
	Rolling  uint64           // the hash over everything up to Applied
	Replica  replica.Status   // in a cluster, as far as the core has been told: see Solo
	End      replica.Position // likewise: where its log ends, committed or not
	Solo     bool             // the only copy: writes take the short way
	Arriving []Arrival        // other copies that come in sync, by copy
}

// Stats takes a look at the shard.
func (s *Shard) Stats() Stats {
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.recovered {
		return Stats{Reason: s.down.Error()}
	}
	st := Stats{
		Keys: int64(s.store.Len()), Expiring: s.store.Stats().Expiring, Memory: s.store.Memory(),
		Applied: s.store.Applied(), Logged: s.logged, Saved: s.saved, LogBytes: s.unsave, Reads: s.reads, Writes: s.writes,
		Available: s.down == nil,
	}
	of := s.store.Stats()
	st.Limbo, st.Snapshots = of.Limbo, of.Snapshots
	if len(s.views) > 0 {
		st.Oldest = s.views[0].opened
	}
	if s.down != nil {
		st.Reason = s.down.Error()
	}
	st.Rolling = s.store.Rolling()
	if p := s.part; p != nil {
		st.Copy, st.Held, st.Term, st.Replica, st.End, st.Solo = p.self, p.held, p.core.Term(), p.core.Status(), p.core.End(), p.solo
		if p.solo {
			st.End = replica.Position{Term: p.core.Term(), Seq: s.store.Applied()}
		}
		st.Arriving = s.arrivals(&st.Replica)
	}
	return st
}

// Inspect runs f in the shard's turn with its store, for reads that are not operations: cursors, slot counts, samples. f
// is short and changes nothing. The error says why the shard cannot serve, and what f has seen is then worth nothing: only a
// primary answers, and its lease must hold to the end.
func (s *Shard) Inspect(f func(*store.Store)) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.readable(); err != nil {
		return err
	}
	f(s.store)
	return s.readable()
}

// InspectStale is Inspect for whatever this copy has applied, and whatever its role.
func (s *Shard) InspectStale(f func(*store.Store)) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.down != nil {
		return s.down
	}
	f(s.store)
	return nil
}
