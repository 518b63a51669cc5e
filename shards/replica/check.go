package replica

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// Check says which of the Core's invariants does not hold, by its number. The simulator calls it after every step.
func (c *Core) Check() error {
	if err := c.log.check(); err != nil {
		return fmt.Errorf("invariant 2: %w", err)
	}
	base := c.log.base.Seq
	if base > c.applied || c.applied > c.commit || c.commit > c.log.last || c.persisted > c.log.last {
		return fmt.Errorf("invariant 1: base %d, applied %d, commit %d, persisted %d, last %d", base, c.applied, c.commit, c.persisted, c.log.last)
	}
	if c.log.end().Term > c.term {
		return fmt.Errorf("invariant 3: the log ends at %v in term %d", c.log.end(), c.term)
	}
	if c.role == RoleReplica && (c.matched > c.log.last || c.commit > base && c.commit > c.persisted) {
		return fmt.Errorf("invariant 6: matched %d, commit %d, persisted %d, last %d", c.matched, c.commit, c.persisted, c.log.last)
	}
	for i, w := range c.writes {
		if i > 0 && w.number <= c.writes[i-1].number || w.last > c.log.last {
			return fmt.Errorf("invariant 8: writes %v, last %d", c.writes, c.log.last)
		}
	}
	return c.checkPeers()
}

func (c *Core) checkPeers() error {
	if c.role != RolePrimary {
		return nil
	}
	low := c.persisted
	for _, p := range c.peers {
		if p.match >= p.next || p.next > c.log.last+1 || p.match > c.log.last {
			return fmt.Errorf("invariant 4: copy %d has match %d, next %d, last %d", p.id, p.match, p.next, c.log.last)
		}
		if p.inSync || p.pending {
			low = min(low, p.match)
		}
		if p.pending && p.match < c.inherited {
			return fmt.Errorf("invariant 7: copy %d is to join with %d, the reign began at %d", p.id, p.match, c.inherited)
		}
	}
	if c.commit > c.began && c.commit > low {
		return fmt.Errorf("invariant 5: commit %d, all have %d", c.commit, low)
	}
	return nil
}

// Status is a copy's state for people and for statistics.
type Status struct {
	Role                             Role
	Term                             shards.Term
	Self, Primary                    shards.CopyID
	Last, Persisted, Commit, Applied shards.SeqNo
	Peers                            []PeerStatus // primary: by id
}

// PeerStatus is what a primary knows of another copy.
type PeerStatus struct {
	ID      shards.CopyID
	InSync  bool
	Pending bool   // proposed for the in-sync set, and waited for
	Phase   string // probing, streaming, fetching or snapshot
	Match   shards.SeqNo
	Lag     int // ticks for which it has owed something
}

// Status takes the figures.
func (c *Core) Status() Status {
	s := Status{
		Role: c.role, Term: c.term, Self: c.row.Self, Primary: c.lead,
		Last: c.log.last, Persisted: c.persisted, Commit: c.commit, Applied: c.applied,
	}
	for _, p := range c.peers {
		s.Peers = append(s.Peers, PeerStatus{p.id, p.inSync, p.pending, p.phase.String(), p.match, c.lag(p)})
	}
	return s
}

// Role is what the copy is at present.
func (c *Core) Role() Role { return c.role }

// Term is the highest term that the copy knows of.
func (c *Core) Term() shards.Term { return c.term }

// End is where the log ends, committed or not.
func (c *Core) End() Position { return c.log.end() }

// Caught says that a primary has applied all that its log held when its reign began. Until then it may lack what its
// predecessor acknowledged, and must not answer reads.
func (c *Core) Caught() bool { return c.role == RolePrimary && c.applied >= c.inherited }

// TermAt is the term of a number that is not below the store's at the start; 0 if it is not known.
func (c *Core) TermAt(seq shards.SeqNo) shards.Term { return c.log.termAt(seq) }

// Committed is the global checkpoint as far as this copy knows it.
func (c *Core) Committed() shards.SeqNo { return c.commit }

// AllThere says that a copy has everything that the primary has, all of it committed: it could take over without a gap.
func (c *Core) AllThere(id shards.CopyID) bool {
	p := c.peer(id)
	return c.role == RolePrimary && p != nil && p.inSync && p.answered && p.match == c.log.last && c.commit == c.log.last
}
