package liveness

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// A deaf member is one whose heartbeats come, and say that no answer to them does: a firewall lets it open connections to the leader, and
// not the leader to it.
//
//	a lease without an answer, and then as ──► suspect: it is answered, and gets no lease (Withheld)
//	long as a member may be silent                │  │
//	       ▲                                      │  ├─► HandOnAfter: the lead goes to a voter that reaches it, if there is one
//	       └── a heartbeat says that ◄────────────┘  └─► MuteAfter without an answer: dead
//	           an answer has come
//
// What it says begins to count when the leader hears it first, on the leader's own clock, and only while it is said again and again: heartbeats
// that waited while the leader stood still, or that were long in vain and now come through, say so as well, and the answer to the
// first of them ends it. Nor is a deaf member dead before the last lease that it was granted has certainly ended.

// deafened takes what a heartbeat, which comes after a gap, says of the answers to those before it, and says whether its sender is deaf.
func (d *Detector) deafened(n *node, h Health, gap int64) bool {
	without := inTicks(h.Unanswered, d.c.TickLength)
	if d.own(n) || without <= int64(d.c.Lease) {
		n.complains = false
		return false
	}
	if !n.complains || gap > d.limit(n) {
		n.complains, n.complained, n.unanswered = true, d.now, d.now-without
	}
	if d.now-n.complained <= d.limit(n) {
		return false
	}
	if n.state == Alive {
		from := n.shown()
		n.enter(Suspect, d.now, fmt.Sprintf("its heartbeats come, and say that it has had no answer for %v", h.Unanswered.Round(d.c.TickLength)))
		n.suspicion.deaf = true
		d.partial(n, "; it has no lease, and is not declared dead yet", from)
	}
	return n.suspicion.deaf
}

// Unproven says that a heartbeat for which Heard gave Granted is not answered after all, since this leader cannot prove that it leads: that a
// member hears nothing is not the network's doing then.
func (d *Detector) Unproven(id shards.NodeID) {
	if n := d.find(id); n != nil {
		n.complained = d.now
	}
}

// despair is pursue for a suspect that is deaf: nothing is asked of others, since it lives. It is dead once it has had no answer for MuteAfter,
// of which a lease had passed when it said so first.
func (d *Detector) despair(n *node) {
	without := d.now - n.complained + int64(d.c.Lease)
	if without <= int64(d.c.MuteAfter) || !d.free(n, d.now) || d.doubted(n) {
		return
	}
	d.die(n, false, fmt.Sprintf("its heartbeats come, and say that it has had no answer for longer than %v; its lease has ended", d.span(int64(d.c.MuteAfter))))
}
