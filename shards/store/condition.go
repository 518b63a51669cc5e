package store

import (
	"bytes"

	"github.com/troupe-actors/troupe/shards/radix"
)

// holds evaluates a condition on a key. expireAt is the expiry that the operation wants to give it, for IfLater, IfSooner
// and IfHasExpirySooner.
func holds(c Condition, version uint64, compare []byte, expireAt int64, it radix.Item, found bool) bool {
	switch c {
	case Always:
		return true
	case IfAbsent:
		return !found
	case IfPresent:
		return found
	case IfVersion:
		return it.Version == version // 0 for an absent key
	case IfEqual:
		return found && bytes.Equal(it.Value, compare)
	case IfNoExpiry:
		return found && it.ExpireAt == 0
	case IfHasExpiry:
		return found && it.ExpireAt != 0
	case IfLater:
		return found && later(expireAt, it.ExpireAt)
	case IfSooner:
		return found && later(it.ExpireAt, expireAt)
	case IfHasExpirySooner:
		return found && it.ExpireAt != 0 && later(it.ExpireAt, expireAt)
	}
	return false
}

// later compares expiries; no expiry is infinitely late.
func later(a, b int64) bool {
	if a == 0 || b == 0 {
		return a == 0 && b != 0
	}
	return a > b
}

// describe fills a result with the key as it is before the operation.
func (r *Result) describe(it radix.Item, found bool) {
	r.Found, r.Version, r.ExpireAt = found, it.Version, it.ExpireAt
}

// at is the time that counts: never before the store's own.
func (s *Store) at(now int64) int64 { return max(now, s.now) }

// expired says whether an expiry is at or before the store's time.
func (s *Store) expired(expireAt int64) bool { return expireAt != 0 && expireAt <= s.now }

// find is what operations see of a key: one whose expiry has passed is absent.
func (s *Store) find(key []byte) (radix.Item, bool) {
	if s.staging {
		if w := s.overlay.find(key); w != nil {
			return w.item, w.present
		}
	}
	it, found := s.tree.Get(key)
	if !found || s.expired(it.ExpireAt) {
		return radix.Item{}, false
	}
	return it, true
}
