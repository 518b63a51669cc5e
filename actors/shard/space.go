package shard

import (
	"errors"
	"sync/atomic"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Space is a keyspace as its shards on this node share it: the settings and the memory in use. Used, Expired and Evicted
// may be called concurrently.
type Space struct {
	shards.Keyspace
	used    atomic.Int64
	expired atomic.Int64
	evicted atomic.Int64
}

// NewSpace makes an empty space. The keyspace has been validated.
func NewSpace(k shards.Keyspace) *Space { return &Space{Keyspace: k} }

// Used is the memory that all shards of the space need for what they hold, in bytes: what trees keep of keys that are gone, until they are
// rebuilt or their snapshots closed, is more, and gives nobody room by giving up more keys.
func (p *Space) Used() int64 { return p.used.Load() }

// Expired counts the keys deleted because their time had come, since the start.
func (p *Space) Expired() int64 { return p.expired.Load() }

// Evicted counts the keys given up for the memory limit, since the start.
func (p *Space) Evicted() int64 { return p.evicted.Load() }

func (p *Space) storeOptions(seed uint64) store.Options {
	switch p.Eviction {
	case shards.EvictAllKeysLRU, shards.EvictAllKeysLFU, shards.EvictVolatileLRU, shards.EvictVolatileLFU:
		return store.Options{Access: p.MaxMemory > 0, Eviction: p.Eviction, Seed: seed}
	}
	return store.Options{Seed: seed}
}

// ErrFull is why a write was refused at the memory limit of its keyspace.
var ErrFull = errors.New("the keyspace's memory limit is reached: delete keys, raise max-memory, or choose an eviction policy")

// ErrShardFull is why a write was refused by a shard that is as large as one can be.
var ErrShardFull = errors.New("the shard has reached its largest size: delete keys, or spread them over a keyspace with more shards")

// nearlyAll is the size of a tree's arena, in bytes, at which a shard refuses to grow. The arena itself ends at 4 GiB: it is
// left room for what is under way, since copies must not differ in whether a write fits.
const nearlyAll = 7 << 29

// maxEvictions bounds the keys that one turn gives up, so that a turn stays short. The next write goes on.
const maxEvictions = 64

// admit says whether a work that may grow the store goes ahead; if not it has been answered. Over the memory limit it
// first gives up keys as the keyspace's policy says: those deletes are ordered before the work, like any write.
func (s *Shard) admit(now int64, w Work) bool {
	if s.stuck != nil && s.replicated() && !s.log.Low() {
		s.stuck = nil // nothing need be under way that would notice
	}
	if s.stuck != nil {
		failAll(w, s.stuck)
		return false
	}
	if s.memory > nearlyAll && s.store.Stats().Arena > nearlyAll {
		failAll(w, &shards.Error{Kind: shards.KindFull, Shard: s.name, Err: ErrShardFull})
		return false
	}
	if err := s.full(); err != nil {
		failAll(w, err)
		return false
	}
	limit := s.space.MaxMemory
	if limit == 0 || s.space.Used() <= limit || modest(w) {
		return true
	}
	if !s.evict(now, s.space.Used()-limit) {
		failAll(w, &shards.Error{Kind: shards.KindFull, Shard: s.name, Err: ErrFull})
		return false
	}
	return true
}

// modest says that a work needs no room to speak of: it sets times to live, also of keys that a volatile policy could give up then.
func modest(w Work) bool {
	for i := range w.Len() {
		if w.Txn(i).Grows() {
			return false
		}
	}
	return true
}

// evict orders deletes worth about need bytes, and says whether it found any key to give up.
func (s *Shard) evict(now, need int64) bool {
	h := housekeeping{count: &s.space.evicted}
	for freed := int64(0); freed < need && len(h.txns) < maxEvictions; {
		key, size, ok := s.store.Victim(s.space.Eviction, now, s.random.Uint64())
		if !ok {
			break
		}
		h.txns = append(h.txns, store.Txn{Time: now, Ops: []store.Op{{Kind: store.OpEvict, Key: append([]byte(nil), key...)}}})
		freed += size
	}
	if len(h.txns) == 0 {
		return false
	}
	s.order(&h)
	return true
}

// order has the shard run work of its own, which nobody waits for.
func (s *Shard) order(h *housekeeping) {
	if s.parks() {
		if s.list(h, nil) {
			s.move()
		}
		return
	}
	s.apply(h)
}
