package store

import (
	"iter"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// slotCounts counts the keys of each slot. It begins with a walk over all keys, at the first question, and is kept exact
// from then on; a store that nobody asks pays nothing. A page is made for slots that have had a key: a shard owns a
// range of slots, so few pages.
type slotCounts struct {
	pages [shards.Slots / slotPage]*[slotPage]uint32
	made  int
}

const slotPage = 64

func (c *slotCounts) add(key []byte, delta int32) {
	slot := shards.SlotOf(key)
	page := c.pages[slot/slotPage]
	if page == nil {
		page = new([slotPage]uint32)
		c.pages[slot/slotPage] = page
		c.made++
	}
	page[slot%slotPage] += uint32(delta)
}

func (c *slotCounts) memory() int64 {
	if c == nil {
		return 0
	}
	return int64(len(c.pages))*8 + int64(c.made)*slotPage*4
}

// SlotCount is the number of keys of a slot, those included that have expired but are not deleted yet, as in Redis. The
// first call walks over all keys.
func (s *Store) SlotCount(slot shards.Slot) int {
	if s.slots == nil {
		s.slots = &slotCounts{}
		for key := range s.tree.Prefix(nil) {
			s.slots.add(key, 1)
		}
		s.observe()
	}
	if page := s.slots.pages[slot/slotPage]; page != nil {
		return int(page[slot%slotPage])
	}
	return 0
}

// KeysInSlot visits up to limit keys of a slot, in key order, until visit wants no more. The key is valid only inside visit, which must
// not touch the store. It walks over keys until it has found as many as SlotCount says that there are.
func (s *Store) KeysInSlot(slot shards.Slot, limit int, visit func(key []byte) (more bool)) {
	keysInSlot(s.tree.Prefix(nil), slot, min(limit, s.SlotCount(slot)), visit)
}

// KeysInSlot is Store.KeysInSlot on a snapshot, which does not know how many there are: it walks over all keys unless
// limit stops it.
func (s *Snapshot) KeysInSlot(slot shards.Slot, limit int, visit func(key []byte) (more bool)) {
	keysInSlot(s.tree.Prefix(nil), slot, limit, visit)
}

func keysInSlot(keys iter.Seq2[[]byte, radix.Item], slot shards.Slot, limit int, visit func(key []byte) (more bool)) {
	if limit <= 0 {
		return
	}
	for key := range keys {
		if shards.SlotOf(key) != slot {
			continue
		}
		if limit--; !visit(key) || limit == 0 {
			return
		}
	}
}
