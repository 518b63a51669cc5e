// Package liveness decides who is here: it turns heartbeats, broken connections, redials and the probes of other members
// into evidence about each member, on the placement leader; and it holds the lease that lets a node serve reads, on every
// node. Both are pure: time comes in as ticks or as nanoseconds of a monotonic clock, and what must be done comes out of Ready.
//
//	                    heartbeat, redial answered in the same epoch
//	          ┌────────────────────────────────────────────────────────┐
//	          ▼            N beats missed, or the connection broke      │
//	┌──► alive ─────────────────────────────────────────────────────► suspect
//	│      ▲ │ sick figures for a while                                 │  │
//	│      │ ▼ (and back, when well for longer)                         │  │ its lease has certainly ended,
//	│     grey: keeps its copies, sheds its primaries                   │  │ and most probers cannot reach it
//	│                                      proof: its address refuses,  │  │
//	│                                      or a newer epoch answers     ▼  ▼
//	└──────────────── the same node, in a newer epoch ◄─────────────── dead (in this epoch, for good)
//
// A suspect that others reach is not declared dead: a line between it and the leader is broken. It is out of service with its lease,
// so the leader looks for a voter that reaches more members than itself, and hands it the lead; see search in heir.go. Who answers
// redials, and sends no heartbeats all the same, is handed on for as well, since another leader may hear it; if none does, it is dead
// after MuteAfter. So it is the other way round, with one whose heartbeats come and say that it has no answers: see deaf.go.
//
// A heartbeat and its lease, on the member's clock m and the leader's clock s:
//
//	member   m ─────────────────┐                    ┌────────────► valid until m + L - age
//	leader        s ── quorum ──┴─ heard: age = now - s
//	              issued  confirms that s was still its reign
//
// Since m is before now and age reaches back to s, no lease outlives s + L; and s lies before the election of any later
// leader. So a later leader that waits L knows that every lease it did not grant itself has ended. L is the granting leader's: one whose
// own is shorter waits for as long as the longest that it was itself granted.
package liveness
