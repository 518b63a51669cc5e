package member

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeaseEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lone atomic.Bool
		l := newLease(time.Now(), func() bool { return lone.Load() })
		if l.Valid() || !l.Until().IsZero() {
			t.Error("a lease that nobody granted")
		}
		l.grant(l.now()+int64(time.Second), int64(time.Second))
		if !l.Valid() || time.Until(l.Until()) != time.Second {
			t.Errorf("%v left", time.Until(l.Until()))
		}
		<-time.After(time.Second - 1)
		if !l.Valid() {
			t.Error("it ended too early")
		}
		<-time.After(1)
		if l.Valid() {
			t.Error("it did not end")
		}
		l.setAlone(true)
		if l.Valid() {
			t.Error("others have joined, and the lease of one that was alone goes on")
		}
		lone.Store(true)
		if !l.Valid() || l.Until().Year() != 9999 {
			t.Error("alone, and no lease")
		}
		l.revoke()
		l.setAlone(true)
		l.grant(l.now()+int64(time.Hour), int64(time.Hour))
		if l.Valid() {
			t.Error("it came back after it was revoked")
		}
	})
}

// Whoever says since when nobody leads goes by the end of the last lease, also when the node has been closed since.
func TestARevokedLeaseKnowsWhenItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		after := func(revoke time.Duration, take func(*Lease)) time.Duration {
			l := newLease(time.Now(), func() bool { return true })
			from := time.Now()
			take(l)
			<-time.After(revoke)
			for range 2 {
				l.revoke()
				<-time.After(time.Minute)
			}
			if l.Until().IsZero() {
				return 0
			}
			return l.Until().Sub(from)
		}
		granted := func(l *Lease) { l.grant(l.now()+int64(time.Second), int64(time.Second)) }
		if d := after(time.Hour, granted); d != time.Second {
			t.Errorf("one that had ended by itself is said to have ended after %v", d)
		}
		if d := after(time.Millisecond, granted); d != time.Millisecond {
			t.Errorf("one that was revoked is said to have ended after %v", d)
		}
		if d := after(time.Hour, func(l *Lease) { granted(l); l.setAlone(true) }); d != time.Hour {
			t.Errorf("that of a node alone is said to have ended after %v", d)
		}
		if d := after(time.Hour, func(*Lease) {}); d != 0 {
			t.Errorf("none is said to have ended %v after %v", d, begun)
		}
	})
}

// TestLeaseHammer: readers on all sides while it is granted; the race detector looks on. Ends rise, so that what was valid once
// stays so.
func TestLeaseHammer(t *testing.T) {
	l := newLease(time.Now(), func() bool { return true })
	l.grant(l.now()+int64(time.Hour), int64(time.Hour))
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if !l.Valid() || l.Until().IsZero() {
					t.Error("not valid between two grants")
					return
				}
			}
		})
	}
	for i := range 20_000 {
		l.grant(l.now()+int64(time.Hour), int64(time.Hour))
		l.setAlone(i%2 == 0)
	}
	close(done)
	readers.Wait()
}

func BenchmarkLeaseValid(b *testing.B) {
	l := newLease(time.Now(), func() bool { return true })
	l.grant(l.now()+int64(time.Hour), int64(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		if !l.Valid() {
			b.Fatal("not valid")
		}
	}
}
