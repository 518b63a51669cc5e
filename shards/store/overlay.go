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
	if s.tree.Stats().Arena+s.overlay.growth()+commitMargin > 1<<32 {
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

// A tree addresses 4 GiB. commitOverhead is what a key may cost there beside its bytes: a leaf's head, and nodes that are
// split or copied. commitMargin is what the tree keeps free for itself, and for the longest key.
const (
	commitOverhead = 4 << 10
	commitMargin   = 256 << 20
	inlineValue    = 4 << 10 // longer values live outside the 4 GiB
)

// growth bounds what the tree's 4 GiB must take in.
func (v *overlay) growth() (bytes int64) {
	for i := range v.writes {
		if w := &v.writes[i]; w.present {
			bytes += int64(len(w.key) + min(len(w.item.Value), inlineValue) + commitOverhead)
		}
	}
	return bytes
}
