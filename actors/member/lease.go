package member

import (
	"cmp"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Lease is a node's right to serve reads. Valid and Until may be called from any goroutine at any time.
//
// It relies on the monotonic clock, which on Linux and macOS stands still while the machine sleeps: a machine that is suspended
// and woken may take its lease for valid for as long as was left of it. Servers do not sleep; laptops that do should not be members.
type Lease struct {
	base  time.Time
	end   atomic.Int64 // nanoseconds after base, less a second; 0: none
	known atomic.Int64 // likewise: what Known gives
	ended atomic.Int64 // likewise: when a lease that was revoked had ended; 0: it was not, or there was none
	alone atomic.Bool  // the node leads and was the only member: nobody could take anything over
	lone  func() bool  // whether it is the only member now

	mu      sync.Mutex // of those who write; readers take none
	revoked bool       // for good
}

// start is where a Lease's clock begins, so that no time of it is 0.
const start = int64(time.Second)

func newLease(base time.Time, lone func() bool) *Lease { return &Lease{base: base, lone: lone} }

// Valid says whether the node may serve reads now. To be sure of a read ask after it was carried out, before it is answered.
// A cluster of one, that leads itself, may for ever. Whether it is one is asked each time: another member has no vote
// before this node itself has applied, and shown, that it joined.
func (l *Lease) Valid() bool { return l.forEver() || l.now() < l.end.Load() }

func (l *Lease) forEver() bool { return l.alone.Load() && l.lone() }

// Until is when the lease ends, or has ended, for display: the zero time if there was none, or that of year 9999 if it does not end.
func (l *Lease) Until() time.Time {
	if l.forEver() {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	end := cmp.Or(l.end.Load(), l.ended.Load())
	if end == 0 {
		return time.Time{}
	}
	return l.base.Add(time.Duration(end - start))
}

// Known is for how long, at most, the cluster may have agreed on something that this node does not know: since the newest grant that
// counts, or rather since its leader was sure to lead. The lease may have ended since. A very long time if there was no grant.
func (l *Lease) Known() time.Duration {
	if l.forEver() {
		return 0
	}
	known := l.known.Load()
	if known == 0 {
		return math.MaxInt64
	}
	return time.Duration(l.now() - known)
}

// now is the monotonic clock that leases are counted on. Since reads that clock alone, and not the wall's.
func (l *Lease) now() int64 { return int64(time.Since(l.base)) + start }

func (l *Lease) at(t time.Time) int64 { return int64(t.Sub(l.base)) + start }

// grant takes a lease of a length, and the end that follows from it.
func (l *Lease) grant(end, length int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.revoked {
		l.end.Store(end)
		l.known.Store(end - length)
	}
}

// setAlone begins or ends the time in which the node leads as the only member.
func (l *Lease) setAlone(alone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alone.Store(alone && !l.revoked)
}

// revoke ends the lease for good.
func (l *Lease) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.revoked {
		end := min(l.end.Load(), l.now())
		if l.alone.Load() {
			end = l.now()
		}
		l.ended.Store(end)
	}
	l.revoked = true
	l.end.Store(0)
	l.known.Store(0)
	l.alone.Store(false)
}
