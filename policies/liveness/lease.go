package liveness

import "fmt"

// Holder keeps one node's lease: its right to serve reads. Times are nanoseconds of the node's own monotonic clock, from any
// beginning; that clock must not stop while the process lives. One goroutine at a time.
//
// Invariants, checked by check:
//
//  1. The end never goes back, but through Revoke.
//  2. No reply counts that is of an older leader term than the newest seen, or answers nothing that this holder sent.
//  3. The end is at most Lease after the sending of some heartbeat, shortened by the drift of two clocks over that time.
type Holder struct {
	driftPPM    int64
	first, last int64 // the times of the heartbeats sent: only these may be answered
	sent        bool
	term        uint64 // the newest leader term seen
	end         int64  // 0: none yet
	basis       Grant  // what the end follows from
}

// Grant is the placement leader's answer to a heartbeat.
type Grant struct {
	Sent  int64  // the heartbeat's time of sending, echoed: the member's clock
	Age   int64  // how long before the answer the leader was last confirmed to lead: the leader's clock
	Lease int64  // how long a lease lasts
	Term  uint64 // of the leader
}

// MaxLease bounds what a holder believes, in nanoseconds: an hour.
const MaxLease = int64(3600e9)

// NewHolder begins without a lease. driftPPM is how far two nodes' clocks may run apart, in millionths.
func NewHolder(driftPPM int) *Holder {
	if driftPPM < 0 || driftPPM > 100_000 {
		panic(fmt.Sprintf("liveness: a drift of %d millionths", driftPPM))
	}
	return &Holder{driftPPM: int64(driftPPM)}
}

// Sent notes that a heartbeat leaves at a time, before it leaves.
func (h *Holder) Sent(now int64) {
	if !h.sent {
		h.sent, h.first = true, now
	}
	h.last = max(h.last, now)
}

// Granted takes a reply and says whether the lease ends later for it.
func (h *Holder) Granted(g Grant) bool {
	switch {
	case !h.sent || g.Sent < h.first || g.Sent > h.last:
		return false // of another life, or invented
	case g.Age < 0 || g.Lease <= 0 || g.Lease > MaxLease || g.Term < h.term:
		return false
	}
	h.term = g.Term
	end := leaseEnd(g, h.driftPPM)
	if end <= h.end {
		return false
	}
	h.end, h.basis = end, g
	h.check()
	return true
}

// Valid says whether the node may serve reads at a time.
func (h *Holder) Valid(now int64) bool { return now < h.end }

// Until is the time at which the lease ends; 0 if there was none.
func (h *Holder) Until() int64 { return h.end }

// Term is the newest leader term seen.
func (h *Holder) Term() uint64 { return h.term }

// Revoke ends the lease at once and forgets what was sent, so that no reply under way revives it: the node begins another
// life, or was told that this one is over.
func (h *Holder) Revoke() {
	h.end, h.basis, h.sent, h.first = 0, Grant{}, false, 0
	h.last = 0
}

func (h *Holder) check() {
	if h.end > h.last+MaxLease || h.end != leaseEnd(h.basis, h.driftPPM) || h.basis.Term > h.term {
		panic(fmt.Sprintf("liveness: a lease until %d does not follow from %+v", h.end, h.basis))
	}
}

// leaseEnd is m + L - age, where what is left is shortened by what two clocks may drift apart in that time: the member's may
// be the slow one. What has no time left ends before it began.
func leaseEnd(g Grant, driftPPM int64) int64 {
	left := g.Lease - min(g.Age, g.Lease)
	return g.Sent + left - (left*driftPPM+999_999)/1_000_000
}

// Age is what a leader says in a Grant: how long ago, on its clock, it issued the newest round that a quorum has confirmed.
// Not ok: it was not confirmed within a lease, or not at all (confirmed is 0), and has nothing to grant.
func Age(now, confirmed, lease int64) (age int64, ok bool) {
	age = now - confirmed
	return age, confirmed != 0 && age >= 0 && age < lease
}
