package store

import (
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

func TestLFUCounter(t *testing.T) {
	for _, c := range []struct {
		word    uint32
		minutes int64
		want    uint8
	}{
		{lfuWord(0, 5), 0, 5}, {lfuWord(0, 5), 4, 1}, {lfuWord(0, 5), 5, 0}, {lfuWord(0, 5), 900, 0}, {lfuWord(0, 255), 254, 1},
		{lfuWord(minuteMask*lfuMinute, 9), minuteMask + 2, 7}, // the minutes have wrapped
	} {
		if got := lfuDecayed(c.word, c.minutes*lfuMinute); got != c.want {
			t.Errorf("word %#x after %d minutes: %d, want %d", c.word, c.minutes, got, c.want)
		}
	}
	// redis.conf gives the counter for factor 10: about 10 after 100 hits, 18 after 1000, 142 after 100K, 255 after 1M.
	state, counter := uint64(1), uint8(lfuStart)
	for hits := 1; hits <= 1_000_000; hits++ {
		counter = lfuRaised(counter, next(&state))
		if low, high := map[int]uint8{100: 7, 1000: 14, 100_000: 130}[hits], map[int]uint8{100: 14, 1000: 24, 100_000: 155}[hits]; high != 0 && (counter < low || counter > high) {
			t.Errorf("after %d hits: %d, want %d to %d", hits, counter, low, high)
		}
	}
	if counter < 250 {
		t.Errorf("after a million hits: %d", counter)
	}
}

// A sample of five, many times over, gives up the keys that the policy should give up and spares the others.
func TestVictimsFollowThePolicy(t *testing.T) {
	for e := shards.EvictAllKeysLRU; e <= shards.EvictVolatileTTL; e++ {
		s := New(Options{Access: true, Eviction: e, Seed: 9})
		for i := range 200 {
			s.must(t, int64(i)*100, Op{Kind: OpSet, Key: fmt.Appendf(nil, "k%03d", i), ExpireAt: int64(i%2) * (1_000_000 + int64(i))})
		}
		for range 30 { // the upper half is used
			for i := 100; i < 200; i++ {
				var r Result
				s.Read(50_000, &Op{Kind: OpGet, Key: fmt.Appendf(nil, "k%03d", i)}, &r)
			}
		}
		spared, volatile := 0, 0
		for i := range uint64(300) {
			key, size, ok := s.Victim(e, 60_000, i)
			if !ok || size <= int64(len(key)) {
				t.Fatalf("%v: victim %q of %d bytes, %v", e, key, size, ok)
			}
			var n int
			_, _ = fmt.Sscanf(string(key), "k%d", &n)
			if n < 100 {
				spared++
			}
			volatile += n % 2
		}
		random := e == shards.EvictAllKeysRandom || e == shards.EvictVolatileRandom
		if !random && spared < 270 || random && (spared < 90 || spared > 210) {
			t.Errorf("%v: %d of 300 victims are from the lower half", e, spared)
		}
		if want := e >= shards.EvictVolatileLRU; want && volatile != 300 || !want && (volatile < 60 || volatile > 240) {
			t.Errorf("%v: %d of 300 victims expire", e, volatile)
		}
	}
}

func TestNoVictim(t *testing.T) {
	s := New(Options{})
	if _, _, ok := s.Victim(shards.EvictAllKeysRandom, 0, 1); ok {
		t.Error("an empty store has a victim")
	}
	s.must(t, 1, put("a", ""))
	if _, _, ok := s.Victim(shards.EvictVolatileTTL, 0, 1); ok {
		t.Error("a key without an expiry is a victim of volatile-ttl")
	}
	if _, _, ok := s.Victim(shards.EvictNone, 0, 1); ok {
		t.Error("noeviction has a victim")
	}
}

// Accesses are no content: stores that were read differently are equal.
func TestAccessIsNoContent(t *testing.T) {
	a, b := New(Options{Access: true, Eviction: shards.EvictAllKeysLFU}), New(Options{})
	for _, s := range []*Store{a, b} {
		s.must(t, 1, put("k", "v"))
	}
	var r Result
	a.Read(1<<40, &Op{Kind: OpGet, Key: []byte("k")}, &r)
	a.must(t, 2, put("k", "w"))
	b.must(t, 2, put("k", "w"))
	mustEqual(t, a, b)
}

// Redis' OBJECT IDLETIME and FREQ: looking is no access.
func TestAccessesAreTold(t *testing.T) {
	look := func(s *Store, now int64) (r Result) {
		s.Read(now, &Op{Kind: OpGet, Key: []byte("k"), WantOld: true}, &r)
		return r
	}
	for _, c := range []struct {
		options    Options
		idle, freq int64 // -1: not kept
	}{
		{Options{}, -1, -1}, {Options{Access: true, Eviction: shards.EvictAllKeysLRU}, 3000, -1}, {Options{Access: true, Eviction: shards.EvictVolatileLFU}, -1, lfuStart},
	} {
		s := New(c.options)
		s.must(t, 60_000, put("k", "v"))
		for range 3 {
			r := look(s, 63_000)
			idle, tracked := r.IdleTime()
			freq, counted := r.Frequency()
			if tracked != (c.idle >= 0) || tracked && idle != c.idle || counted != (c.freq >= 0) || counted && freq != c.freq || !r.Found {
				t.Errorf("%+v: idle %d %v, frequency %d %v", c.options, idle, tracked, freq, counted)
			}
		}
		var r Result
		s.Read(70_000, &Op{Kind: OpGet, Key: []byte("k")}, &r)
		if r = look(s, 70_000); c.idle >= 0 && r.Int != 0 {
			t.Errorf("idle for %d ms after a read", r.Int)
		}
	}
}
