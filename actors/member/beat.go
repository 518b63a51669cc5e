package member

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// beat sends a heartbeat to whoever leads, to oneself included.
func (m *Member) beat() {
	if m.over || m.leader == "" {
		return
	}
	h := heartbeat{sent: m.lease.now(), health: m.c.Health(), flood: m.flood}
	h.health.Late, h.health.RoundTrip = max(h.health.Late, m.late), m.roundTrip
	m.late = 0
	m.holder.Sent(h.sent)
	if m.awaits {
		m.c.Missed()
	}
	if m.awaits = m.leader != m.c.Self; !m.awaits {
		m.hearSelf(h)
		return
	}
	m.tellUnanswered(h.sent)
	err := m.c.Wire.Send(m.leader, transport.Control, transport.KindHeartbeat, h.encode())
	if err != nil { // the next one is due soon, and silence is what the leader looks for
		m.c.Log.Debug("no heartbeat was sent", "leader", m.leader, "error", err)
	}
}

// tellUnanswered tells the leader, before a heartbeat that leaves now, if it has answered none for longer than a lease.
func (m *Member) tellUnanswered(now int64) {
	if m.waits == 0 {
		m.waits = now
	}
	u := unanswered(now - m.waits)
	if time.Duration(u) <= m.span(int64(m.c.Liveness.Lease)) {
		return
	}
	if err := m.c.Wire.Send(m.leader, transport.Control, transport.KindUnanswered, u.encode()); err != nil { // it is said again with each heartbeat
		m.c.Log.Debug("the leader was not told that it does not answer", "leader", m.leader, "error", err)
	}
}

// answered takes the leader's reply, which arrived at a time of the lease's clock.
func (m *Member) answered(peer transport.Hello, r reply, at int64, err error) {
	m.awaits = m.awaits && (err != nil || r.epoch != m.c.Epoch)
	switch {
	case err != nil:
		m.complain(peer, err)
	case m.over || r.epoch != m.c.Epoch || r.grant.Term < m.holder.Term():
		// of another life, or of a leader that is none any more
	case r.standing == liveness.Declared:
		m.end(fmt.Sprintf("the placement leader %s has declared epoch %d dead", peer.Name, m.c.Epoch))
	case r.standing == liveness.Withheld:
		m.waits, m.beatIn = 0, 0 // the leader is to know at once that its answers come: the next one brings a lease
	case r.standing == liveness.Granted:
		m.waits, m.longest = 0, max(m.longest, time.Duration(min(r.grant.Lease, liveness.MaxLease)))
		m.roundTrip = time.Duration(max(0, at-r.grant.Sent))
		m.c.Answered(m.roundTrip)
		m.granted(r)
		m.flooded(r.flood)
		m.heardBack(r.grant.Term, r.report, r.grant.Sent)
	}
}

// granted takes a lease, if this node knows all that its leader did when it gave it: a row that has made another copy primary
// must be heard before the right to serve is renewed. Else the grant waits for the state, and those after it wait as well: a node that is always a
// little behind would come to none if each took the place of the one before.
func (m *Member) granted(r reply) {
	if m.c.Group.State().Version < r.version {
		if len(m.pending) == mostPending {
			m.pending = m.pending[1:]
		}
		m.pending = append(m.pending, r)
		return
	}
	if m.holder.Granted(r.grant) {
		m.lease.grant(m.holder.Until(), r.grant.Lease)
	}
}

// mostPending bounds the grants that wait: of so many heartbeats ago none has anything left.
const mostPending = 16

// catchUp takes the grants that waited for a version of the state.
func (m *Member) catchUp(version uint64) {
	for len(m.pending) > 0 && m.pending[0].version <= version {
		r := m.pending[0]
		m.pending = m.pending[1:]
		if !m.over && r.grant.Term >= m.holder.Term() {
			m.granted(r)
		}
	}
}

// end takes note that this life was declared dead: others may serve what it held.
func (m *Member) end(reason string) {
	if m.over {
		return
	}
	m.over = true
	m.holder.Revoke()
	m.lease.revoke()
	m.c.Log.Error("this node was declared dead and serves nothing until it begins another life", "reason", reason)
	m.c.Over(reason)
}

// complain logs what a peer sent and should not have, once for each.
func (m *Member) complain(peer transport.Hello, err error) {
	if !m.malformed[peer.Node] {
		m.malformed[peer.Node] = true
		m.c.Log.Warn("a malformed heartbeat or reply was dropped; more of this peer are not logged", slog.String("peer", string(peer.Node)), "error", err)
	}
}
