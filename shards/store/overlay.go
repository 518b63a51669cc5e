package store

import "github.com/troupe-actors/troupe/shards/radix"

// overlay holds what an atomic transaction has done so far, beside the tree. Operations look here first; at the end it
// goes into the tree, each key once, in the order in which keys were first touched, or it is forgotten.
//
//	ops:     SET a 1   INCR a   DEL b   RENAME c d          tree: a=0 b=7 c=x
//	writes:  [a put 2] [b deleted] [d put x] [c deleted]
type overlay struct {
	index  map[string]int // place in writes; looked up, never ranged over
	writes []staged
}

type staged struct {
	key     []byte
	item    radix.Item // owns its value
	present bool
	kind    ChangeKind // why it is not
}

func (v *overlay) find(key []byte) *staged {
	if i, ok := v.index[string(key)]; ok {
		return &v.writes[i]
	}
	return nil
}

// touch finds or makes the entry of a key.
func (v *overlay) touch(key []byte) *staged {
	if w := v.find(key); w != nil {
		return w
	}
	if v.index == nil {
		v.index = make(map[string]int)
	}
	v.index[string(key)] = len(v.writes)
	v.writes = append(v.writes, staged{key: append([]byte(nil), key...)})
	return &v.writes[len(v.writes)-1]
}

func (v *overlay) put(key []byte, it radix.Item) {
	w := v.touch(key)
	it.Value = append([]byte{}, it.Value...)
	w.item, w.present = it, true
}

func (v *overlay) remove(key []byte, kind ChangeKind) {
	w := v.touch(key)
	w.item, w.present, w.kind = radix.Item{}, false, kind
}

// discard forgets what was staged.
func (s *Store) discard() {
	s.staging = false
	if len(s.overlay.writes) > 512 {
		s.overlay = overlay{}
		return
	}
	clear(s.overlay.index)
	clear(s.overlay.writes)
	s.overlay.writes = s.overlay.writes[:0]
}

// commit moves the overlay into the tree, all of it or, if it might not fit, nothing.
func (s *Store) commit() error {
	defer s.discard()
	s.staging = false
	need := 0
	for i := range s.overlay.writes {
		if w := &s.overlay.writes[i]; w.present {
			need += len(w.key) + len(w.item.Value) + commitOverhead
		}
	}
	if s.tree.Grow(0, min(need, MaxTxn)) != nil {
		return ErrFull
	}
	for i := range s.overlay.writes {
		w := &s.overlay.writes[i]
		if !w.present {
			s.remove(w.key, w.kind)
			continue
		}
		if _, _, err := s.put(w.key, w.item.Value, w.item.ExpireAt); err != nil {
			panic("store: the tree has no room for what it promised to hold")
		}
	}
	return nil
}

// commitOverhead is what a new key may cost beside its bytes: a leaf's head, and nodes that are split or copied.
const commitOverhead = 4096
