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

func TestTickerRestsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := NewTicker("n1", 50*time.Millisecond)
		defer ticker.Stop()
		first := <-ticker.C
		take := func(want int) {
			t.Helper()
			if got := ticker.Take(); got != want {
				t.Errorf("at %v: %d ticks, want %d", time.Since(first), got, want)
			}
		}
		take(1)
		take(0)
		ticker.Rest(4)
		if at := <-ticker.C; at.Sub(first) != 200*time.Millisecond {
			t.Errorf("a rest of 4 ticks took %v", at.Sub(first))
		}
		take(4)
		ticker.Rest(4)
		<-time.After(120 * time.Millisecond) // something else wakes it
		take(2)
		ticker.Rest(4)
		if at := <-ticker.C; at.Sub(first) != 500*time.Millisecond {
			t.Errorf("from the last tick that was taken 4 go to %v", at.Sub(first))
		}
		<-time.After(110 * time.Millisecond) // it is slow
		take(4)
		ticker.Rest(2)
		<-ticker.C
		<-time.After(time.Minute) // it slept
		take(1)
		take(0)
		ticker.Rest(1)
		slept := time.Now()
		if at := <-ticker.C; at.Sub(slept) > 50*time.Millisecond || at.Sub(first)%(50*time.Millisecond) != 0 {
			t.Errorf("after a sleep it is out of step: %v", at.Sub(first))
		}
	})
}

func TestTickersRestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewTicker("n1", 50*time.Millisecond)
		defer a.Stop()
		<-time.After(170 * time.Millisecond)
		b := NewTicker("n1", 50*time.Millisecond)
		defer b.Stop()
		a.Take()
		for range 10 {
			a.Rest(a.Until(5))
			b.Rest(b.Until(5))
			at := <-a.C
			if other := <-b.C; !other.Equal(at) {
				t.Fatalf("one rests until %v, the other until %v", at, other)
			}
			if n := a.Take(); n < 1 || n > 5 || n != b.Take() {
				t.Fatalf("%d ticks", n)
			}
		}
		if a.Until(5) != 5 || a.Until(1) != 1 {
			t.Errorf("from a common tick to the next there are %d", a.Until(5))
		}
	})
}
