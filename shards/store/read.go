package store

import (
	"bytes"
	"iter"

	"github.com/troupe-actors/troupe/shards/radix"
)

// Read executes an OpGet at now, in Unix milliseconds. Keys that have expired at now, or at the store's time if that is
// later, are absent. Value is valid until the store is next changed. Any other kind of operation is ErrInvalid.
func (s *Store) Read(now int64, o *Op, r *Result) {
	*r = Result{}
	if o.Kind != OpGet {
		r.Err = ErrInvalid
		return
	}
	it, found := s.tree.Get(o.Key)
	s.answer(s.at(now), o, r, it, found)
}

// answer fills the result of a read.
func (s *Store) answer(now int64, o *Op, r *Result, it radix.Item, found bool) {
	if !found || it.ExpireAt != 0 && it.ExpireAt <= now {
		return
	}
	r.Found, r.Value, r.Version, r.ExpireAt = true, it.Value, it.Version, it.ExpireAt
	switch {
	case o.WantOld:
		r.Int = s.accessed(now, o.Key)
	case s.options.Access:
		s.access.clock = max(s.access.clock, now)
		s.access.touch(s, o.Key, false)
	}
}

// stride is how many keys the tree looks up in lockstep.
const stride = 16

// ReadBatch executes OpGets at now, in lockstep, and calls visit for each in order. The result is valid only inside visit,
// which must not touch the store; its Value is valid until the store is next changed.
func (s *Store) ReadBatch(now int64, ops []Op, visit func(i int, r *Result)) {
	now = s.at(now)
	g := s.results.gather
	if g == nil {
		g = new(gather)
		s.results.gather = g
	}
	for base := 0; base < len(ops); base += stride {
		n := min(stride, len(ops)-base)
		for i := range n {
			g.keys[i] = ops[base+i].Key
		}
		s.tree.GetBatch(g.keys[:n], g.items[:n], g.found[:n])
		for i := range n {
			r := &s.results.one[0]
			*r = Result{}
			if ops[base+i].Kind != OpGet {
				r.Err = ErrInvalid
			} else {
				s.answer(now, &ops[base+i], r, g.items[i], g.found[i])
			}
			visit(base+i, r)
		}
	}
	*g = gather{}
}

// gather is the memory of a lockstep read.
type gather struct {
	keys  [stride][]byte
	items [stride]radix.Item
	found [stride]bool
}

// Scan visits keys that start with prefix and sort after after, in key order, without those expired at now. after nil
// starts at the first key (an empty after that is not nil starts after the empty key). It looks at limit keys at most,
// expired ones included, and stops early when visit says false. next is the last key looked at, in memory of its own, to
// be given as after next time; nil means that there is nothing more. Key and item are valid only inside visit, which must not
// touch the store. A key that is there for the whole of a scan in steps is visited exactly once.
func (s *Store) Scan(now int64, after, prefix []byte, limit int, visit func(key []byte, it radix.Item) bool) (next []byte) {
	return scan(s.tree.Range, s.at(now), after, prefix, limit, visit)
}

func scan(keys func(lo, hi []byte) iter.Seq2[[]byte, radix.Item], now int64, after, prefix []byte, limit int,
	visit func(key []byte, it radix.Item) bool,
) (next []byte) {
	if limit <= 0 {
		limit = 1
	}
	for key, it := range keys(start(after, prefix), prefixEnd(prefix)) {
		if next != nil {
			return next
		}
		limit--
		expired := it.ExpireAt != 0 && it.ExpireAt <= now
		if limit == 0 || !expired && !visit(key, it) {
			next = append([]byte{}, key...)
		}
		if limit == 0 && !expired {
			visit(key, it)
		}
	}
	return nil
}

// start is the first key that a scan may visit.
func start(after, prefix []byte) []byte {
	if after == nil || bytes.Compare(after, prefix) < 0 {
		return prefix
	}
	return append(append(make([]byte, 0, len(after)+1), after...), 0)
}

// prefixEnd is the first key after all that start with prefix; nil if there is none.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xFF {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}
