package store

import (
	"bytes"

	"github.com/troupe-actors/troupe/shards/radix"
)

// put gives a key value and expiry, in the tree or in the overlay, and returns what operations saw there before.
func (s *Store) put(key, value []byte, expireAt int64) (old radix.Item, found bool, err error) {
	if s.staging {
		old, found = s.find(key)
		s.overlay.put(key, radix.Item{Value: value, Version: uint64(s.seq), ExpireAt: expireAt})
		return old, found, nil
	}
	if s.tree.Grow(len(key), len(value)) != nil {
		return radix.Item{}, false, ErrFull
	}
	old, found = s.tree.Put(uint64(s.seq), key, value, expireAt)
	if expireAt != 0 {
		s.expiring++
	}
	if s.observed {
		s.notePut(key, value, expireAt, found)
	}
	if s.options.Access {
		s.access.touch(s, key, !found)
	}
	if old.ExpireAt != 0 {
		s.expiring--
		if s.expired(old.ExpireAt) {
			return radix.Item{}, false, nil
		}
	}
	return old, found, nil
}

// remove takes a key away and returns what operations saw there before. Watchers hear of one whose expiry has passed as
// of an expiry, whatever removes it.
func (s *Store) remove(key []byte, kind ChangeKind) (old radix.Item, found bool) {
	if s.staging {
		old, found = s.find(key)
		s.overlay.remove(key, kind)
		return old, found
	}
	old, found = s.tree.Delete(uint64(s.seq), key)
	if !found {
		return radix.Item{}, false
	}
	due := s.expired(old.ExpireAt)
	if due {
		kind = ChangeExpire
	}
	if old.ExpireAt != 0 {
		s.expiring--
	}
	if s.observed {
		s.noteRemove(key, kind)
	}
	if due {
		return radix.Item{}, false
	}
	return old, true
}

// deletePrefix counts the keys that operations could see; those that are due go as well.
func (s *Store) deletePrefix(o *Op, r *Result) {
	if s.staging {
		s.stageDeletePrefix(o, r)
		return
	}
	hidden := 0
	if s.expiring > 0 {
		for _, it := range s.tree.Prefix(o.Key) {
			if it.ExpireAt != 0 {
				s.expiring--
			}
			if s.expired(it.ExpireAt) {
				hidden++
			}
		}
	}
	var visit func(key []byte)
	if s.observed {
		visit = func(key []byte) { s.noteRemove(key, ChangeDelete) }
	}
	r.Int = int64(s.tree.DeletePrefix(uint64(s.seq), o.Key, visit) - hidden)
	r.Found = r.Int > 0
	r.Changed = r.Found
}

func (s *Store) stageDeletePrefix(o *Op, r *Result) {
	s.keys.reset()
	for i := range s.overlay.writes {
		if w := &s.overlay.writes[i]; w.present && bytes.HasPrefix(w.key, o.Key) {
			s.keys.add(w.key)
			r.Int++
		}
	}
	for key, it := range s.tree.Prefix(o.Key) {
		if s.overlay.find(key) != nil {
			continue
		}
		s.keys.add(key)
		if !s.expired(it.ExpireAt) {
			r.Int++
		}
	}
	for i := range s.keys.len() {
		s.overlay.remove(s.keys.at(i), ChangeDelete)
	}
	r.Found = r.Int > 0
	r.Changed = r.Found
	s.keys.trim()
}

// expireDue deletes keys whose expiry has passed, the earliest first: which ones depends on the content alone (see
// radix.Tree.Due), not on how this copy came by it. It is not for atomic transactions.
func (s *Store) expireDue(o *Op, r *Result) {
	if s.staging || o.Int < 0 {
		r.Err = ErrInvalid
		return
	}
	s.keys.reset()
	s.tree.Due(s.now, int(min(o.Int, int64(s.tree.Len()))), s.keys.add)
	for i := range s.keys.len() {
		s.remove(s.keys.at(i), ChangeExpire)
	}
	r.Int = int64(s.keys.len())
	r.Changed = r.Int > 0
	s.keys.trim()
}

// notePut and noteRemove tell those who observe the store.
func (s *Store) notePut(key, value []byte, expireAt int64, existed bool) {
	if s.slots != nil && !existed {
		s.slots.add(key, 1)
	}
	if s.hub.recording {
		s.hub.note(Change{Seq: s.seq, Kind: ChangePut, Key: key, Value: value, ExpireAt: expireAt})
	}
}

func (s *Store) noteRemove(key []byte, kind ChangeKind) {
	if s.slots != nil {
		s.slots.add(key, -1)
	}
	if s.hub.recording {
		s.hub.note(Change{Seq: s.seq, Kind: kind, Key: key})
	}
}

// batch is a list of copied keys.
type batch struct {
	bytes []byte
	ends  []int
}

func (b *batch) reset()   { b.bytes, b.ends = b.bytes[:0], b.ends[:0] }
func (b *batch) len() int { return len(b.ends) }

func (b *batch) at(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.bytes[from:b.ends[i]]
}

func (b *batch) add(key []byte) {
	b.bytes = append(b.bytes, key...)
	b.ends = append(b.ends, len(b.bytes))
}

// trim lets go of memory that a large batch needed.
func (b *batch) trim() {
	if cap(b.bytes)+cap(b.ends)*8 > keptScratch {
		b.bytes, b.ends = nil, nil
	}
}
