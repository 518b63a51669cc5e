package shard

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
)

// part is a copy's part in its shard: what it is by the table, and the cores that keep it equal to the others. All of it is
// guarded by the turn.
//
// Invariants:
//
//  1. While solo, the row lists this copy alone, as primary; rounds go the short way, and the core lags behind: Alone brings
//     it up to date before anybody else comes in.
//  2. flight are this reign's own rounds, in order, from the first that is not applied. Each parked work is in the open round,
//     in flight or in waiting, and leaves it answered.
//  3. What the core wants written is in pending, then in taken, then reported; the log sees it in this order.
type part struct {
	core      *replica.Core
	row       cluster.Shard
	minInSync int
	self      shards.CopyID                   // this copy by the row; 0: not listed
	homes     map[shards.CopyID]shards.NodeID // where messages go
	held      shards.CopyID                   // the copy that this node's own record says is here
	claimed   shards.CopyID                   // the one that it will say, once the log has it: before anything of the copy's own

	solo     bool
	next     *cluster.Shard // solo, and the row that ends it: carried out when no round is under way
	late     round          // interval, while next waits: works that come meanwhile
	flight   []flight
	traced   int        // how many of flight are followed
	appends  []followed // of another primary, until they are acknowledged
	waiting  []group    // reads that wait until current
	catching bool       // a goroutine applies what the log alone has
	level    level      // how far behind its log a copy that does not lead is

	pending writes // for the committer to take
	taken   writes // being written

	target   *recovery.Target
	incoming bool          // a goroutine serves target
	nudged   chan struct{} // wakes it
	outgoing map[shards.CopyID]*outgoing
	arriving map[shards.CopyID]*arrival // copies that shall come in sync, while this one is primary
	streams  uint64
	hand     *recovery.HandOver
	moving   int         // hand-overs that were proposed and not refused: each may have been carried out
	movingIn shards.Term // the reign that they are of
	reign    reign       // the present one

	entries []replica.Entry // scratch of applyTo
	groups  []group         // empty: for the next open round
}

// flight is one round of this primary that the copies have not all got yet.
type flight struct {
	first, last shards.SeqNo
	groups      []group
	launched    time.Time // zero if nobody wants to know how long it takes
	followed    *followed // nil unless it is traced
}

// writes is what the core wants from the log.
type writes struct {
	number  uint64       // to be reported; 0: nothing
	cut     shards.SeqNo // drop the log from here on first; 0: nothing
	entries []replica.Entry
	hold    shards.CopyID // note in the node's record that this copy is here; 0: no
}

// ErrNoLease is why a primary does not serve: it has not heard of the placement leader for so long that another may be primary.
var ErrNoLease = errors.New("this node has lost touch with the placement leader, and may have been replaced; try again")

// errCatchingUp is why a new primary does not answer reads that cannot wait.
var errCatchingUp = errors.New("the new primary is taking over what its predecessor left; try again")

// errOutcome is why a parked work fails when its copy is primary no more.
var errOutcome = errors.New("the copy lost its place while the write was on its way: it may have happened or not")

// inCluster says that the shard has a link.
func (s *Shard) inCluster() bool { return s.part != nil }

// replicated says that writes go through the core.
func (s *Shard) replicated() bool { return s.part != nil && !s.part.solo }

// parks says that a write is acknowledged later than on its caller's turn.
func (s *Shard) parks() bool {
	return s.space.Durability == shards.DurabilityFsync || s.part != nil && (!s.part.solo || s.part.next != nil)
}

// startPart makes the cores of a copy that holds what start says.
func (s *Shard) startPart(start replica.Start, held shards.CopyID) error {
	c := s.link.Replica
	c.Shard, c.Memory = s.id, s.log == nil
	core, err := replica.New(c, start)
	if err != nil {
		return err
	}
	r := s.link.Recovery
	r.Shard = s.id
	target, err := recovery.NewTarget(r)
	if err != nil {
		return err
	}
	s.part = &part{
		core: core, held: held, target: target, nudged: make(chan struct{}, 1),
		homes: map[shards.CopyID]shards.NodeID{}, outgoing: map[shards.CopyID]*outgoing{},
	}
	s.leads.Store(false)
	return nil
}

// Configure tells a copy of a cluster what the committed table says of its shard, and how many copies its keyspace wants in
// sync. It is called with every change of the row, and may be called again and again: rows that are older than the last are
// ignored. A row that does not list this node leaves a tombstone, which answers with where the primary is; see Destroy.
func (s *Shard) Configure(row *cluster.Shard, minInSync int) {
	if s.wipes(row) {
		if err := s.Destroy(); err != nil {
			s.turn.Lock()
			s.lose(fmt.Errorf("begin empty: %w", err))
			s.turn.Unlock()
			return
		}
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	s.beginAnew(row)
	p := s.part
	if p == nil || row.Version < p.row.Version {
		return
	}
	if s.down != nil && !errors.Is(s.down, ErrStarting) {
		if here := s.copyHere(row); s.lost && here != nil && here.ID == p.self && !here.Failed {
			s.link.Events.Failed(s.id, p.self, s.down) // the table has not heard
		}
		return
	}
	p.minInSync = minInSync
	if p.solo && (!s.alone(row) || row.Term != p.core.Term()) {
		p.next = row
		s.endSolo()
		return
	}
	s.configure(row)
}

// copyHere is this node's copy in a row, or nil.
func (s *Shard) copyHere(row *cluster.Shard) *cluster.Copy {
	i := slices.IndexFunc(row.Copies, func(c cluster.Copy) bool { return c.Node == s.link.Node })
	if i < 0 {
		return nil
	}
	return &row.Copies[i]
}

// wipes says that the row has a copy begin empty here, where something else is still lying around.
func (s *Shard) wipes(row *cluster.Shard) bool {
	s.turn.Lock()
	defer s.turn.Unlock()
	p := s.part
	if p == nil || row.Version < p.row.Version {
		return false
	}
	c := s.copyHere(row)
	another := c != nil && c.ID != p.held && c.ID != p.self
	return another && (s.lost || c.Fresh && p.core.End().Seq > 0)
}

// alone says that the row makes this copy primary, with nobody to ask.
func (s *Shard) alone(row *cluster.Shard) bool {
	c := s.copyHere(row)
	return c != nil && len(row.Copies) == 1 && row.Primary == c.ID && s.part.minInSync <= 1
}

// endSolo takes up the row that waits as soon as no round is under way that was begun without asking anybody.
func (s *Shard) endSolo() {
	p := s.part
	if p.next == nil || s.sealed.count > 0 || s.lost {
		return
	}
	if s.space.Durability == shards.DurabilityInterval && s.open.count > 0 {
		return
	}
	if s.space.Durability == shards.DurabilityInterval {
		s.open, p.late = p.late, round{}
	}
	row := p.next
	p.next, p.solo = nil, false
	p.core.Alone(s.store.Applied(), s.store.Rolling())
	s.configure(row)
}

// beginSolo takes the short way when there is nobody to ask and nothing under way.
func (s *Shard) beginSolo() {
	p := s.part
	if p.solo || p.core.Role() != replica.RolePrimary || !s.alone(&p.row) || p.pending.number != 0 || p.taken.number != 0 || len(p.flight) > 0 {
		return
	}
	if p.core.Committed() != p.core.End().Seq || s.store.Applied() != p.core.End().Seq {
		return
	}
	if s.open.count > 0 && s.space.Durability != shards.DurabilityFsync {
		return
	}
	p.solo = true
	s.logged = s.store.Applied()
}

// configure hands the row to the cores.
func (s *Shard) configure(row *cluster.Shard) {
	p := s.part
	was, here := s.copyHere(&p.row), s.copyHere(row)
	p.row, p.self = *row, 0
	p.level.counted(was, here)
	a := replica.Assignment{Term: row.Term, Version: row.Version, Primary: row.Primary, MinInSync: p.minInSync}
	clear(p.homes)
	for _, c := range row.Copies {
		a.Copies = append(a.Copies, replica.Peer{ID: c.ID, InSync: c.InSync})
		p.homes[c.ID] = c.Node
	}
	if here != nil {
		p.self, a.Self = here.ID, here.ID
		if !s.claims(here) {
			return
		}
	}
	if errors.Is(s.down, ErrStarting) {
		s.down = nil
	}
	p.core.Configure(a)
	s.endAppends(false)
	s.roleChanged()
	p.target.Configure(p.self, p.core.Term(), here != nil && !here.InSync)
	s.expects()
	s.stopStreams()
	s.handOver()
	s.carryOut()
	s.beginSolo()
	s.push()
}

// claims compares what the table says of this copy with the node's own record, and says whether the copy may take part.
func (s *Shard) claims(here *cluster.Copy) bool {
	p := s.part
	if p.held == 0 && s.adopt && p.row.Term <= 1 {
		p.held, s.adopt = here.ID, false // the record follows
		s.hold()
	}
	switch {
	case here.ID == p.held:
		if here.Fresh {
			s.link.Events.Opened(s.id, here.ID)
		}
	case here.ID == p.claimed:
	case here.InSync && !here.Fresh:
		s.lose(fmt.Errorf("the table counts on copy %d, and this node holds %s", here.ID, holds(p.held)))
		return false
	default:
		s.hold()
	}
	return true
}

func holds(id shards.CopyID) string {
	if id == 0 {
		return "none"
	}
	return fmt.Sprintf("copy %d", id)
}

// hold has the node's record name this copy; the committer writes it with its next round.
func (s *Shard) hold() {
	p := s.part
	p.claimed = p.self
	if s.log == nil {
		s.isHeld(p.self)
		return
	}
	p.pending.hold = p.self
	s.enlist()
}

// isHeld is called when the record is durable.
func (s *Shard) isHeld(id shards.CopyID) {
	p := s.part
	p.held = id
	if here := s.copyHere(&p.row); here != nil && here.ID == id && here.Fresh {
		s.link.Events.Opened(s.id, id)
	}
}

// roleChanged answers what a copy that is not primary cannot answer, and lets everybody see who leads.
func (s *Shard) roleChanged() {
	p := s.part
	leads := p.core.Role() == replica.RolePrimary
	s.leads.Store(leads)
	switch {
	case !leads:
		s.disown()
		return
	case s.few():
		s.release(s.unavailable(replica.ErrFewInSync))
	}
	s.reigns()
}

// few says that this primary can commit nothing, since fewer copies are in sync than the keyspace asks for. Nobody knows until when: so
// nothing waits for it.
func (s *Shard) few() bool { return errors.Is(s.part.core.Writable(), replica.ErrFewInSync) }

// disown answers all parked works of a copy that is primary no more.
func (s *Shard) disown() { s.release(s.notPrimary()) }

// release answers all parked works: what is on its way has an unknown outcome, what is not has not happened.
func (s *Shard) release(elsewhere error) {
	p := s.part
	for _, f := range p.flight {
		s.end(f.followed, errOutcome)
		answerAll(f.groups, &shards.Error{Kind: shards.KindOutcomeUnknown, Shard: s.name, Err: errOutcome})
	}
	p.flight = nil
	s.refuseWaiting(elsewhere)
	if !p.solo { // else the committer answers, as for a node alone
		answerAll(s.open.groups, elsewhere)
		s.open = round{}
	}
	answerAll(p.late.groups, elsewhere)
	p.late = round{}
}

func (s *Shard) refuseWaiting(err error) {
	answerAll(s.part.waiting, err)
	s.part.waiting = nil
}

func answerAll(groups []group, err error) {
	for i := range groups {
		failAll(groups[i].work, err)
		groups[i].answer()
	}
}

// notPrimary says where the primary is.
func (s *Shard) notPrimary() error {
	p := s.part
	e := &shards.NotPrimaryError{Shard: s.id, Term: p.core.Term()}
	if p.row.Primary != p.self && p.row.Term == e.Term {
		e.Primary = p.homes[p.row.Primary]
	}
	return e
}

// guard says whether a work may go ahead at this copy; if not it has been answered.
func (s *Shard) guard(w Work, writes bool, b *Batch) bool {
	p := s.part
	switch {
	case p.core.Role() != replica.RolePrimary:
		failAll(w, s.notPrimary())
		return false
	case !s.link.Lease.Valid():
		failAll(w, s.unavailable(ErrNoLease))
		return false
	case p.solo:
		return true
	}
	if writes {
		if err := p.core.Writable(); err != nil && !errors.Is(err, replica.ErrPaused) {
			failAll(w, s.unavailable(err))
			return false
		}
		return true
	}
	if !s.current() {
		if s.few() {
			failAll(w, s.unavailable(fmt.Errorf("%w: %w", errCatchingUp, replica.ErrFewInSync)))
			return false
		}
		if b != nil {
			b.park()
		}
		p.waiting = append(p.waiting, group{work: w, batch: b})
		s.restless()
		return false
	}
	return true
}

// readable is nil, or why a read that cannot wait is not answered here.
func (s *Shard) readable() error {
	switch p := s.part; {
	case s.down != nil:
		return s.down
	case p == nil:
		return nil
	case p.core.Role() != replica.RolePrimary:
		return s.notPrimary()
	case !s.link.Lease.Valid():
		return s.unavailable(ErrNoLease)
	case !p.solo && !s.current():
		return s.unavailable(errCatchingUp)
	}
	return nil
}

// current says that what this primary holds is all that has been acknowledged: its reign has caught up with what it took
// over, and no successor can have begun. One that replaces this copy does not wait for it, and the lease is this node's
// still: so reads wait until it is known what became of a hand-over.
func (s *Shard) current() bool {
	return s.part.core.Caught() && !s.moving()
}

// moving says that a hand-over was proposed in this reign, and that it is not known what became of it.
func (s *Shard) moving() bool { return s.part.moving > 0 && s.part.movingIn == s.part.core.Term() }

// vouch takes back the answers of a read during which the lease ran out.
func (s *Shard) vouch(w Work) {
	if s.inCluster() && !s.link.Lease.Valid() {
		failAll(w, s.unavailable(ErrNoLease))
	}
}

// lose gives the copy up: it serves no more, and the table is told.
func (s *Shard) lose(cause error) {
	p := s.part
	if s.down != nil && !errors.Is(s.down, ErrStarting) {
		return
	}
	s.down = s.unavailable(cause)
	s.leads.Store(false)
	s.lost = true
	s.link.Log.Error("a copy is given up", "shard", s.name, "copy", p.self, "err", cause)
	s.disown()
	s.endAppends(true)
	s.stopStreams()
	s.link.Events.Failed(s.id, p.self, cause)
}

// orders says that the primary may order work of its own.
func (s *Shard) orders() bool {
	return s.part == nil || s.link.Lease.Valid() && (s.part.solo || s.part.core.Writable() == nil)
}
