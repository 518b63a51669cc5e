package sim

import (
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// placement is the shell of the allocator: on the node that leads it compares what is with what should be, whenever
// something has changed, and proposes the difference. One plan is on its way at a time.
type placement struct {
	p        *process
	policies *policies.Set
	term     uint64
	due      bool
	next     int64          // tick of the detector at which to look again
	waiting  bool           // a plan is on its way
	stale    *cluster.State // BugStalePlacement: what plans are made from
	voted    int
}

// pausePlanning is how long a leader waits after a plan of which nothing was carried out.
const pausePlanning = 20 * time.Millisecond

func newPlacement(p *process) *placement {
	return &placement{p: p, policies: &policies.Set{Deciders: deciders.All()}}
}

// lead begins or ends a reign.
func (c *placement) lead() {
	if lead := c.p.meta.core.Lead(); lead.Won && lead.Term != c.term {
		c.term, c.waiting, c.next = lead.Term, false, 0
	}
	c.wake()
}

// wake has the next step plan: the state or the evidence has changed.
func (c *placement) wake() {
	if !c.due {
		c.due = true
		c.p.n.after(0, c.look)
	}
}

func (c *placement) tick() {
	c.voted++
	if d := c.p.member.detector; d != nil && (c.next != 0 && d.Now() >= c.next || d.Now()%100 == 0) {
		c.wake()
	}
}

// look makes a plan, if this node leads and none is on its way.
func (c *placement) look() {
	c.due = false
	d, s := c.p.member.detector, c.p.table()
	if d == nil || s == nil || c.waiting || !c.p.meta.core.Lead().Won {
		return
	}
	plan := allocator.Make(allocator.Input{
		State: c.source(s), Evidence: d.All(), Policies: c.policies, Seed: c.p.n.w.o.Seed, Ticks: d.Now(), TickLength: tickLength,
	})
	c.next = plan.Next
	if r := plan.Command(); r != nil {
		c.spoil(s, r)
		c.waiting = true
		term := c.term
		c.p.meta.propose(&cluster.Command{Reroute: r}, func(o *cluster.Outcome) {
			if c.term != term {
				return
			}
			c.waiting = false
			if o == nil || !o.Changed { // nothing came of it: look again, but not at once
				c.p.n.after(pausePlanning, c.wake)
				return
			}
			c.wake()
		})
		return
	}
	c.vote(s, d)
}

// vote keeps the right number of voters; a member counts as gone once it is dead.
func (c *placement) vote(s *cluster.State, d *liveness.Detector) {
	alive := func(id shards.NodeID) bool {
		status, known := d.Status(id)
		return !known || status.State != liveness.Dead
	}
	if voters := cluster.VotersFor(s, alive, c.p.n.ID); !slices.Equal(voters, s.Voters) && c.voted > 10 {
		c.voted = 0
		c.p.meta.propose(&cluster.Command{Voters: &cluster.VotersChange{Voters: voters}}, nil)
	}
}

// source is the table that a plan is made from.
func (c *placement) source(s *cluster.State) *cluster.State {
	if !c.p.n.bug(BugStalePlacement) {
		return s
	}
	if c.stale == nil || c.stale.Version+5 < s.Version {
		c.stale = s
	}
	return c.stale
}

// spoil is what two of the planted bugs do to a plan.
func (c *placement) spoil(s *cluster.State, r *cluster.Reroute) {
	if c.p.n.bug(BugStalePlacement) {
		for i := range r.Rows {
			if row := s.Shard(r.Rows[i].Shard); row != nil {
				r.Rows[i].Base = row.Version
			}
		}
	}
	if c.p.n.bug(BugPromoteOutside) {
		for i := range r.Rows {
			c.outside(s, &r.Rows[i])
		}
	}
}

// outside promotes whatever copy lives, in place of the one that is in sync.
func (c *placement) outside(s *cluster.State, change *cluster.RowChange) {
	row := s.Shard(change.Shard)
	for i := range change.Moves {
		m := &change.Moves[i]
		if m.Kind != cluster.MovePromote || row == nil {
			continue
		}
		for _, other := range row.Copies {
			if !other.InSync {
				*m = cluster.Move{Kind: cluster.MoveStale, Copy: other.ID, Reason: "it is as good as any"}
				break
			}
		}
	}
}
