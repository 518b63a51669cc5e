package actors

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTickersTickTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(7 * time.Millisecond)
		slow := NewTicker("n1", 100*time.Millisecond)
		defer slow.Stop()
		<-time.After(20 * time.Millisecond)
		fast := NewTicker("n1", 50*time.Millisecond)
		defer fast.Stop()
		together := 0
		for i := 1; i <= 10; i++ {
			at := <-fast.C
			if !at.Equal(fast.Due()) {
				t.Fatalf("tick %d came at %v, due at %v", i, at, fast.Due())
			}
			if at.Equal(slow.Due()) {
				together++
				select {
				case other := <-slow.C:
					if !other.Equal(at) {
						t.Fatalf("the others came at %v, not %v", other, at)
					}
					slow.Next()
				case <-time.After(time.Nanosecond):
					t.Fatal("the slower one did not tick with it")
				}
			}
			fast.Next()
		}
		if together != 5 {
			t.Errorf("%d of 10 ticks were common to both", together)
		}
		other := NewTicker("n2", 100*time.Millisecond)
		defer other.Stop()
		if other.Due().Sub(slow.Due())%(50*time.Millisecond) == 0 {
			t.Error("another node ticks in the same moments")
		}
	})
}

func TestTickerLeavesOutWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := NewTicker("n1", 50*time.Millisecond)
		defer ticker.Stop()
		first := <-ticker.C
		<-time.After(120 * time.Millisecond)
		ticker.Next()
		second := <-ticker.C
		if second.Sub(first) != 150*time.Millisecond {
			t.Errorf("ticks at %v and %v", first, second)
		}
	})
}
