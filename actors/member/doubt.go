package member

import (
	"context"
	"log/slog"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// doubt is a node's inquiry into the leader, whose connection broke: DESIGN.md's proof of death, for the one node that nobody
// else looks after. Without proof it comes to nothing, and the election waits for its timeout.
type doubt struct {
	node      shards.NodeID
	epoch     shards.Epoch // that was connected
	redialing bool
	redialIn  int // ticks
	tries     int // left
}

// leaderConnection begins or ends the doubt about the leader.
func (m *Member) leaderConnection(c transport.Change) {
	if c.Up {
		if d := m.doubt; d != nil && d.node == c.Node {
			m.doubt = nil
			m.judge(d, liveness.Answered, c.Epoch)
		}
		return
	}
	leader, _ := m.c.Group.Leader()
	known := m.c.Group.State().Member(c.Node)
	if c.Node != leader || leader == m.c.Self || known == nil || known.Epoch != c.Epoch { // of another life the table has another address
		return
	}
	m.doubt = &doubt{node: c.Node, epoch: c.Epoch, tries: max(1, m.c.Liveness.Lease/m.c.Liveness.RedialEvery)}
	m.redialLeader(known.Peer)
}

// pursue carries a doubt on by one tick.
func (m *Member) pursue() {
	d := m.doubt
	if d.redialing {
		return
	}
	if d.redialIn--; d.redialIn > 0 {
		return
	}
	leader, _ := m.c.Group.Leader()
	known := m.c.Group.State().Member(d.node)
	if leader != d.node || known == nil || d.tries <= 0 {
		m.doubt = nil
		return
	}
	m.redialLeader(known.Peer)
}

func (m *Member) redialLeader(address string) {
	d := m.doubt
	d.redialing = true
	d.tries--
	m.background(m.span(int64(m.c.Liveness.RedialTimeout)), func(ctx context.Context) func() {
		answer, by := m.insist(ctx, d.node, address)
		return func() {
			if m.doubt == d {
				m.resolve(d, answer, by)
			}
		}
	})
}

// resolve ends a doubt if the answer proves something. One that comes from the same epoch proves nothing yet: the leader may be
// closing down, and its listener goes last.
func (m *Member) resolve(d *doubt, answer liveness.Answer, by shards.Epoch) {
	if m.judge(d, answer, by) {
		m.doubt = nil
		return
	}
	d.redialing, d.redialIn = false, m.c.Liveness.RedialEvery
}

// judge tells the group if an answer proves that the leader is dead.
func (m *Member) judge(d *doubt, answer liveness.Answer, by shards.Epoch) bool {
	refused := answer == liveness.Refused && !m.c.Liveness.NoProof
	if !refused && (answer != liveness.Answered || by <= d.epoch) {
		return false
	}
	m.c.Log.Warn("the placement leader is dead for certain", slog.String("leader", string(d.node)), "epoch", d.epoch, "refused", refused, "newer", by)
	m.c.Group.LeaderGone(d.node, d.epoch)
	return true
}
