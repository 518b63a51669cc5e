package store

import (
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// Eviction works as in Redis (evict.c): no list is kept; instead Victim looks at a few keys by chance and takes the best.
// What it knows of a key is one word of 32 bits:
//
//	LRU   │ time of the last access, in units of 10 ms (wraps after 497 days)   │
//	LFU   │ minute of the last access : 24          │ logarithmic counter : 8   │
//
// The LFU counter starts at 5, goes up by one with probability 1/(10·(counter-5)+1) at each access, and down by one for each
// minute without. The words are neither versioned nor part of the content.
const (
	victimSample = 5 // Redis' maxmemory-samples
	lruUnit      = 10
	lfuStart     = 5
	lfuFactor    = 10 // Redis' lfu-log-factor
	lfuMinute    = 60_000
	minuteMask   = 1<<24 - 1
)

// access notes accesses.
type access struct {
	random uint64
	clock  int64 // the latest time seen, Unix milliseconds
}

// touch notes one access to a key, or its creation.
func (a *access) touch(s *Store, key []byte, created bool) {
	now := s.at(a.clock)
	if !lfu(s.options.Eviction) {
		s.tree.Touch(key, lruWord(now))
		return
	}
	if created {
		s.tree.Touch(key, lfuWord(now, lfuStart))
		return
	}
	counter := lfuDecayed(s.tree.Access(key), now)
	s.tree.Touch(key, lfuWord(now, lfuRaised(counter, next(&a.random))))
}

// AccessedBefore is the Int of an OpSet after which its key counts as accessed so many milliseconds before, 0 or more, and
// AccessedOften that of one after which its counter of accesses is such. Each has an effect where the eviction policy keeps what it
// tells, and on no copy's content; within Atomic it has none.
func AccessedBefore(ms int64) int64 { return 1 + min(ms, longestIdle) }

// AccessedOften is told with AccessedBefore.
func AccessedOften(counter uint8) int64 { return -1 - int64(counter) }

// longestIdle is as long as a word can tell, in milliseconds.
const longestIdle = (1<<32 - 1) * lruUnit

// restore gives a key's word what an operation tells.
func (a *access) restore(s *Store, key []byte, told int64) {
	now := s.at(a.clock)
	switch counted := lfu(s.options.Eviction); {
	case counted && told < 0:
		s.tree.Touch(key, lfuWord(now, uint8(-1-told)))
	case !counted && told > 0:
		s.tree.Touch(key, lruWord(now)-uint32((told-1)/lruUnit))
	}
}

// notTracked is the Int of a read with WantOld in a store without Options.Access.
const notTracked = -1

// accessed is what is known of the accesses to a key: notTracked, the milliseconds since the last one, or, under a policy that
// counts, the counter below notTracked.
func (s *Store) accessed(now int64, key []byte) int64 {
	if !s.options.Access {
		return notTracked
	}
	word := s.tree.Access(key)
	if lfu(s.options.Eviction) {
		return notTracked - 1 - int64(lfuDecayed(word, now))
	}
	return int64(lruWord(now)-word) * lruUnit
}

// IdleTime is how long ago the key of a read with WantOld was last accessed before, in milliseconds; ok is false where the
// eviction policy does not keep that.
func (r *Result) IdleTime() (ms int64, ok bool) { return r.Int, r.Int > notTracked }

// Frequency is the counter of accesses of the key of a read with WantOld, 0 to 255; ok is false where the eviction policy does
// not count.
func (r *Result) Frequency() (counter int64, ok bool) {
	return notTracked - 1 - r.Int, r.Int < notTracked
}

func lfu(e shards.Eviction) bool {
	return e == shards.EvictAllKeysLFU || e == shards.EvictVolatileLFU
}

func lruWord(now int64) uint32 { return uint32(now / lruUnit) }

func lfuWord(now int64, counter uint8) uint32 { return uint32(now/lfuMinute)<<8 | uint32(counter) }

// lfuDecayed is the counter of a word at now.
func lfuDecayed(word uint32, now int64) uint8 {
	idle := (uint32(now/lfuMinute) - word>>8) & minuteMask
	counter := word & 0xFF
	if idle >= counter {
		return 0
	}
	return uint8(counter - idle)
}

// lfuRaised is the counter after one more access.
func lfuRaised(counter uint8, random uint64) uint8 {
	base := uint64(0)
	if counter > lfuStart {
		base = uint64(counter - lfuStart)
	}
	if counter == 255 || random%(base*lfuFactor+1) != 0 {
		return counter
	}
	return counter + 1
}

// next draws from SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
func next(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Victim proposes a key to give up under a memory limit at now, in Unix milliseconds: the best of a sample of 5 drawn with
// random. size estimates the memory it frees, in bytes. ok is false when the policy allows no key: EvictNone, an empty
// store, or no key with an expiry under a volatile policy. The key is a view, valid until the store is next changed; the
// owner orders an OpEvict for it. For LRU and LFU the store needs Options.Access and the same policy in Options.Eviction.
func (s *Store) Victim(e shards.Eviction, now int64, random uint64) (key []byte, size int64, ok bool) {
	sample, tries := s.tree.Sample, victimSample
	switch e {
	case shards.EvictNone:
		return nil, 0, false
	case shards.EvictVolatileLRU, shards.EvictVolatileLFU, shards.EvictVolatileTTL, shards.EvictVolatileRandom:
		sample = s.tree.SampleExpiring
	}
	if e == shards.EvictAllKeysRandom || e == shards.EvictVolatileRandom {
		tries = 1
	}
	now = s.at(now)
	best := int64(-1)
	for range tries {
		k, it, word, found := sample(next(&random))
		if !found {
			break
		}
		if score := victimScore(e, now, it, word); score > best {
			key, size, best, ok = k, keyOverhead+int64(len(k)+len(it.Value)), score, true
		}
	}
	return key, size, ok
}

// keyOverhead is about what a key costs beside its own bytes.
const keyOverhead = 48

// victimScore is higher the sooner a key should go; never negative.
func victimScore(e shards.Eviction, now int64, it radix.Item, word uint32) int64 {
	switch e {
	case shards.EvictAllKeysLRU, shards.EvictVolatileLRU:
		return int64(lruWord(now) - word)
	case shards.EvictAllKeysLFU, shards.EvictVolatileLFU:
		return 255 - int64(lfuDecayed(word, now))
	case shards.EvictVolatileTTL:
		return 1<<62 - min(max(it.ExpireAt, 0), 1<<62)
	}
	return 0
}
