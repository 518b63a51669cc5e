package sim

import (
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// placement is the shell of the allocator: on the leader it compares what is with what should be, and proposes the difference.
type placement struct {
	p       *process
	ticks   int
	due     bool
	waiting bool // a plan is on its way
}

func newPlacement(p *process) *placement { return &placement{p: p} }

func (c *placement) lead() { c.due, c.waiting = true, false }
func (c *placement) wake() { c.due = true }

func (c *placement) tick() {
	c.ticks++
	if c.due || c.ticks%20 == 0 {
		c.due = false
		c.plan()
	}
}

func (c *placement) plan() {
	lead := c.p.meta.core.Lead()
	s := c.p.table()
	d := c.p.member.detector
	if !lead.Won || s == nil || d == nil || c.waiting || !c.p.present() {
		return
	}
	alive := func(id shards.NodeID) bool {
		m := s.Member(id)
		if m.Down {
			return false
		}
		st, ok := d.Status(id)
		return !ok || st.State != liveness.Dead
	}
	r := &cluster.Reroute{}
	for i := range s.Members {
		m := &s.Members[i]
		if st, ok := d.Status(m.ID); ok && st.State == liveness.Dead && st.Epoch == m.Epoch && !m.Down {
			r.Down = append(r.Down, cluster.Death{Node: m.ID, Epoch: m.Epoch, Reason: st.Reason})
		}
	}
	for i := range s.Shards {
		row := &s.Shards[i]
		space := s.Keyspace(row.ID.Keyspace())
		change := cluster.RowChange{Shard: row.ID, Base: row.Version}
		load := func(id shards.NodeID) int {
			n := 0
			for j := range s.Shards {
				if s.Shards[j].CopyOn(id) != nil {
					n++
				}
			}
			return n
		}
		if len(row.Copies) == 0 {
			change.Moves = append(change.Moves, cluster.Move{Kind: cluster.MoveCreate, Node: s.Members[i%len(s.Members)].ID})
		} else if pc := row.PrimaryCopy(); pc == nil || !alive(pc.Node) {
			for _, k := range row.Copies {
				if k.InSync && !k.Failed && alive(k.Node) {
					change.Moves = append(change.Moves, cluster.Move{Kind: cluster.MovePromote, Copy: k.ID})
					break
				}
			}
		} else if len(row.Copies) < space.Copies() {
			best, least := shards.NodeID(""), 1<<30
			for j := range s.Members {
				m := &s.Members[j]
				if l := load(m.ID); alive(m.ID) && row.CopyOn(m.ID) == nil && l < least {
					best, least = m.ID, l
				}
			}
			if best != "" {
				change.Moves = append(change.Moves, cluster.Move{Kind: cluster.MoveAllocate, Node: best})
			}
		}
		if len(change.Moves) > 0 {
			r.Rows = append(r.Rows, change)
		}
	}
	if len(r.Down)+len(r.Rows) > 0 {
		c.waiting = true
		c.p.meta.propose(&cluster.Command{Reroute: r}, func(*cluster.Outcome) { c.waiting, c.due = false, true })
		return
	}
	if v := cluster.VotersFor(s, alive, c.p.n.ID); !equal(v, s.Voters) {
		c.p.meta.propose(&cluster.Command{Voters: &cluster.VotersChange{Voters: v}}, nil)
	}
}

func equal(a, b []uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
