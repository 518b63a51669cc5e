package shard

import (
	"errors"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wal"
	"github.com/troupe-actors/troupe/tracing"
)

// maxFlight is how many rounds of a shard are under way at once; what comes then gathers in the open round. In memory a round
// takes one trip over the network, and a few large ones cost less than many small ones.
const (
	maxFlight       = 8
	maxFlightMemory = 2
)

// step takes a replication message, and the span of it if it is an append that is traced.
func (s *Shard) step(from shards.NodeID, m *replica.Message, span *tracing.Active) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	p := s.part
	if p == nil || s.down != nil || p.solo {
		span.End(errRefused)
		return
	}
	if _, known := p.homes[m.From]; !known {
		p.homes[m.From] = from // its row is newer than ours
	}
	if p.traced > 0 {
		s.acknowledged(m)
	}
	p.core.Step(m)
	s.followAppend(m, span)
	s.carryOut()
	s.beginSolo()
	s.push()
}

// TickReplica lets one tick of the protocol pass: every 50 ms if the defaults of replica.Config are to mean what they say.
// For a copy with nothing under way it costs a load.
func (s *Shard) TickReplica() {
	if s.quiet.Load() {
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	p := s.part
	if p == nil || s.down != nil {
		return
	}
	if p.core.Role() == replica.RolePrimary && !s.link.Lease.Valid() {
		s.release(s.unavailable(ErrNoLease)) // nobody may hear of this node for long, nor it of its successor: callers wait no more
	}
	p.core.LagAfter(int(s.link.lag.Load()))
	p.core.Tick()
	p.target.Tick()
	s.wakeTarget()
	for _, o := range p.outgoing {
		o.source.Limit(s.link.shared(0))
		o.source.Tick()
		o.wake()
	}
	if p.hand != nil {
		p.hand.Tick()
		s.handOver()
	}
	s.carryOut()
	s.push()
}

// restless says whether ticks are needed. Reads that wait need them, since they end with the lease.
func (s *Shard) restless() {
	p := s.part
	quiet := p.solo || p.core.Quiet() && p.target.Quiet() && len(p.outgoing) == 0 && p.hand == nil && len(p.waiting) == 0
	switch was := s.quiet.Swap(quiet); {
	case was && !quiet:
		s.link.busy.Add(1)
	case quiet && !was:
		s.link.busy.Add(-1)
	}
}

// carryOut does what the core wants, until it wants nothing more.
func (s *Shard) carryOut() {
	p := s.part
	for s.down == nil && p.core.HasReady() {
		r := p.core.Ready()
		if r.Write != 0 && s.log != nil {
			s.pend(&r)
		}
		s.post(r.Messages)
		if r.Fenced != 0 {
			s.roleChanged()
		}
		if r.Commit != 0 {
			s.applyTo(r.Commit)
		}
		for _, f := range r.Fetch {
			s.fetch(f)
		}
		for _, c := range r.InSync {
			s.propose(c)
		}
		for _, id := range r.Snapshots {
			s.stream(id)
		}
		if r.Diverged != nil {
			s.lose(fmt.Errorf("it has diverged: at transaction %d its hash is %016x, the primary's %016x",
				r.Diverged.Seq, r.Diverged.Here, r.Diverged.Primary))
		}
		p.core.Reuse(&r)
	}
	s.serves()
	if s.down == nil && len(p.waiting) > 0 && s.current() {
		s.answerWaiting()
	}
	if p.hand != nil && p.hand.Paused() {
		s.handOver()
	}
	s.freshness()
	s.restless()
}

func (s *Shard) post(messages []replica.Message) {
	for i := range messages {
		to := s.part.homes[messages[i].To]
		if to == "" || to == s.link.Node {
			continue
		}
		var from tracing.Carrier
		if s.part.traced > 0 {
			from = s.carrier(&messages[i])
		}
		if len(s.part.appends) > 0 {
			s.answers(&messages[i])
		}
		s.link.send(to, replica.Append(make([]byte, 0, messages[i].Size()), &messages[i]), from)
	}
}

// pend queues what the core wants written.
func (s *Shard) pend(r *replica.Ready) {
	w := &s.part.pending
	if r.Truncate != 0 {
		n := len(w.entries)
		for n > 0 && w.entries[n-1].First >= r.Truncate {
			n--
		}
		w.entries = w.entries[:n]
		if n == 0 && (w.cut == 0 || r.Truncate < w.cut) {
			w.cut = r.Truncate
		}
	}
	w.entries = append(w.entries, r.Append...)
	w.number = r.Write
	s.enlist()
}

// enlist has the committer come by.
func (s *Shard) enlist() {
	if !s.listed {
		s.listed = true
		s.committer.enlist(s)
	}
}

// push moves the open round on, if it may go: to the committer, which seals it, or in memory at once.
func (s *Shard) push() {
	p := s.part
	if p.solo || s.down != nil || s.open.count == 0 || p.core.Writable() != nil || !p.core.Room() {
		return
	}
	if s.log != nil {
		if len(p.flight) < maxFlight {
			s.enlist()
		}
		return
	}
	for s.open.count > 0 && len(p.flight) < maxFlightMemory && p.core.Writable() == nil {
		s.launch()
		s.carryOut()
	}
	s.beginSolo()
}

// launch makes the open round an entry, or as many of its works as one takes.
func (s *Shard) launch() {
	p := s.part
	r, rest := s.open.cut()
	shrinks := true
	for i := range r.groups {
		shrinks = shrinks && r.groups[i].shrinks
	}
	e, err := p.core.Propose(r.count, r.payload, shrinks)
	if err != nil {
		return // the works stay where they are, or are answered by what made the core refuse
	}
	f := flight{first: e.First, last: e.Last, groups: r.groups, followed: s.follow(&r, &e)}
	if s.link.Commits != nil {
		f.launched = time.Now()
	}
	p.flight = append(p.flight, f)
	s.open = rest
	if rest.groups == nil {
		s.open.groups, p.groups = p.groups, nil
	}
}

// answerWaiting runs the reads of a primary that has caught up with its predecessor.
func (s *Shard) answerWaiting() {
	p := s.part
	waiting := p.waiting
	p.waiting = nil
	for i := range waiting {
		s.answerLate(&waiting[i])
	}
}

// fetch reads the log for a laggard, off the turn.
func (s *Shard) fetch(f replica.Fetch) {
	s.link.streams.Go(func() {
		entries, err := s.readLog(f)
		s.turn.Lock()
		defer s.turn.Unlock()
		defer s.contain()
		if s.down != nil {
			return
		}
		if err != nil || len(entries) == 0 {
			s.part.core.Missing(f.To)
		} else {
			s.part.core.Fetched(f.To, entries)
		}
		s.carryOut()
		s.push()
	})
}

func (s *Shard) readLog(f replica.Fetch) (entries []replica.Entry, err error) {
	bytes := 0
	err = s.log.ReadFrom(s.id, f.From, func(r wal.Record) error {
		if r.Last > f.Through || len(entries) > 0 && bytes >= f.Bytes || len(entries) == replica.MaxEntries {
			return errEnough
		}
		if len(entries) == 0 && r.First != f.From {
			return errMismatch
		}
		e := replica.Entry{Term: r.Term, First: r.First, Last: r.Last, Shrinks: r.Shrinks, Payload: append([]byte(nil), r.Payload...)}
		entries, bytes = append(entries, e), bytes+e.Size()
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return entries, err
}

// propose asks for a change of the in-sync set. A copy is not accused without a lease: a node that hears nobody would take
// all others out of the set before it is itself found dead, and leave nobody to take over. The core asks again.
func (s *Shard) propose(c replica.Change) {
	p := s.part
	if !c.Add && !s.link.Lease.Valid() {
		return
	}
	ask := &cluster.InSync{Shard: s.id, Term: p.core.Term(), Primary: p.self, Reason: c.Reason}
	if c.Add {
		ask.Add = []shards.CopyID{c.Copy}
		s.hasAll(c.Copy)
	} else {
		ask.Remove = []shards.CopyID{c.Copy}
	}
	s.link.Events.Propose(cluster.Command{InSync: ask}, func(refused bool, err error) {
		if err == nil || !refused {
			return
		}
		s.turn.Lock()
		defer s.turn.Unlock()
		defer s.contain()
		if s.down != nil || p != s.part || p.core.Term() != ask.Term { // this reign may have proposed the same anew
			return
		}
		p.core.Refused(c)
		s.carryOut()
		s.push()
	})
}

// handOver moves a relocation of the primary on.
func (s *Shard) handOver() {
	p := s.part
	to, inSync := s.successor()
	if p.core.Role() != replica.RolePrimary || to == 0 {
		p.hand = nil
		p.core.Resume()
		return
	}
	if p.hand == nil || p.hand.To() != to {
		r := s.link.Recovery
		r.Shard = s.id
		hand, err := recovery.NewHandOver(r, to)
		if err != nil {
			s.link.Log.Error("a shard is not handed over", "shard", s.name, "err", err)
			return
		}
		p.hand = hand
	}
	p.hand.Step(inSync && (p.hand.Paused() || !s.moving()), p.core.AllThere(to))
	r := p.hand.Ready()
	switch {
	case r.Resume != "":
		s.link.Log.Info("a hand-over is put off", "shard", s.name, "to", to, "reason", r.Resume)
		p.core.Resume()
	case r.Pause:
		p.core.Pause()
	}
	if r.Propose {
		s.proposeHandOver(to)
	}
}

// successor is the copy that this primary is to hand over to: the one that the row names, or the one that was allocated in
// its place.
func (s *Shard) successor() (to shards.CopyID, inSync bool) {
	row := &s.part.row
	for _, c := range row.Copies {
		if c.ID == row.HandTo && row.HandTo != s.part.self || c.Source == s.part.self && s.part.self != 0 && row.HandTo == 0 {
			return c.ID, c.InSync
		}
	}
	return 0, false
}

func (s *Shard) proposeHandOver(to shards.CopyID) {
	p := s.part
	hand := p.hand
	ask := &cluster.HandOver{Shard: s.id, Term: p.core.Term(), From: p.self, To: to}
	term := p.core.Term()
	if p.movingIn != term {
		p.moving, p.movingIn = 0, term
	}
	p.moving++
	s.link.Events.Propose(cluster.Command{HandOver: ask}, func(refused bool, err error) {
		if err == nil || !refused {
			return
		}
		s.turn.Lock()
		defer s.turn.Unlock()
		defer s.contain()
		if p.movingIn == term {
			p.moving--
		}
		if s.down == nil && p == s.part && p.hand == hand {
			hand.Refused(err.Error())
			s.handOver()
			s.carryOut()
			s.push()
		}
	})
}
