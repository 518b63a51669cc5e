package member

import (
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
	base time.Time
	end  atomic.Int64 // nanoseconds after base; MaxInt64: for ever

	mu      sync.Mutex // of those who write; readers take none
	held    int64      // as granted
	alone   bool       // the node leads a cluster of one: nobody could take anything over
	version uint64     // of the cluster state that says so
	revoked bool       // for good
}

// epochOf is where a Lease's clock begins, so that no time of it is 0.
const epochOf = int64(time.Second)

func newLease(base time.Time) *Lease { return &Lease{base: base} }

// Valid says whether the node may serve reads now. To be sure of a read ask after it was carried out, before it is answered.
func (l *Lease) Valid() bool { return l.now() < l.end.Load() }

// Until is when the lease ends, for display: the zero time if there was none, or that of year 9999 if it does not end.
func (l *Lease) Until() time.Time {
	switch end := l.end.Load(); end {
	case 0:
		return time.Time{}
	case math.MaxInt64:
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	default:
		return l.base.Add(time.Duration(end - epochOf))
	}
}

// now is the monotonic clock that leases are counted on.
func (l *Lease) now() int64 { return l.at(time.Now()) }

func (l *Lease) at(t time.Time) int64 { return int64(t.Sub(l.base)) + epochOf }

func (l *Lease) grant(end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = end
	l.publish()
}

// setAlone says whether the node is the whole cluster in a version of the cluster state; what an older version says is not
// listened to, since it may have been looked at before and be told of after.
func (l *Lease) setAlone(alone bool, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if version >= l.version {
		l.alone, l.version = alone, version
		l.publish()
	}
}

// revoke ends the lease for good.
func (l *Lease) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked = true
	l.publish()
}

func (l *Lease) publish() {
	end := l.held
	switch {
	case l.revoked:
		end = 0
	case l.alone:
		end = math.MaxInt64
	}
	l.end.Store(end)
}
