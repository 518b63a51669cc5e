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
