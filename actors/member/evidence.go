package member

import (
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Evidence is what the placement leader knows about all members, itself included. It is immutable.
type Evidence struct {
	Leading bool   // false on every other node, and nothing else is set
	Term    uint64 // of the reign
	Nodes   []Node // sorted by id

	Ticks      int64         // on the detector's clock, as those of a Status are: when this was shown
	TickLength time.Duration // of that clock

	Loads *policies.Loads // what the members have reported of themselves in this reign; not nil where Leading
}

// Node is what is known of one member. Its times are made from ticks and are for people and traces.
type Node struct {
	liveness.Status
	ChangedAt time.Time // of State
	HeardAt   time.Time // of the last heartbeat, or of the moment from which one was awaited
	Left      bool      // this life has said that it stops
}

// Of finds a member; false if there is none.
func (e *Evidence) Of(id shards.NodeID) (Node, bool) {
	for _, n := range e.Nodes {
		if n.Node == id {
			return n, true
		}
	}
	return Node{}, false
}

// Evidence is the newest evidence; at most one heartbeat old in what is not a change of state.
func (m *Member) Evidence() *Evidence { return m.seen.Load() }

// Wake receives a value after changes of the evidence, one for any number of them.
func (m *Member) Wake() <-chan struct{} { return m.wake }

// show publishes the evidence.
func (m *Member) show() {
	e := &Evidence{}
	if m.reign != nil {
		d, now := m.reign.detector, time.Now()
		e.Loads = m.reign.loads()
		e.Leading, e.Term, e.Ticks, e.TickLength = true, m.reign.term, d.Now(), m.c.Liveness.TickLength
		for _, s := range d.All() {
			e.Nodes = append(e.Nodes, Node{Status: s, Left: m.reign.hasLeft(s.Node, s.Epoch),
				ChangedAt: now.Add(-m.span(d.Now() - s.Since)), HeardAt: now.Add(-m.span(d.Now() - s.Heard))})
		}
	}
	m.seen.Store(e)
}
