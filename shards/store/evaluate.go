package store

import (
	"strconv"

	"github.com/troupe-actors/troupe/shards/radix"
)

// run executes one operation at the store's present sequence number and time. A failed operation changes nothing.
func (s *Store) run(o *Op, r *Result) {
	if err := o.fits(); err != nil {
		r.Err = err
		return
	}
	switch o.Kind {
	case OpSet:
		s.set(o, r)
	case OpGet:
		it, found := s.find(o.Key)
		r.describe(it, found)
		r.Value = it.Value
	case OpDelete:
		s.delete(o, r, ChangeDelete)
	case OpEvict:
		s.delete(o, r, ChangeEvict)
	case OpDeletePrefix:
		s.deletePrefix(o, r)
	case OpIncrement:
		s.increment(o, r)
	case OpIncrementFloat:
		s.incrementFloat(o, r)
	case OpAppend:
		s.append(o, r)
	case OpSetRange:
		s.setRange(o, r)
	case OpExpireAt:
		s.expireAt(o, r)
	case OpRename, OpCopy:
		s.relocate(o, r)
	case OpExpireDue:
		s.expireDue(o, r)
	case OpRequire:
		s.require(o, r)
	default:
		r.Err = ErrInvalid
	}
}

// write puts a value as an operation's effect and notes it in the result, which describes the key before. It returns the
// old item: its value is valid until the next write.
func (s *Store) write(key, value []byte, expireAt int64, r *Result) radix.Item {
	old, found, err := s.put(key, value, expireAt)
	if err != nil {
		r.Err = err
		return radix.Item{}
	}
	r.Found, r.Changed, r.Version, r.ExpireAt = found, true, uint64(s.seq), expireAt
	return old
}

// erase removes the key as an operation's effect.
func (s *Store) erase(key []byte, kind ChangeKind, r *Result) radix.Item {
	old, found := s.remove(key, kind)
	r.Found, r.Changed, r.Version, r.ExpireAt = found, found, 0, 0
	return old
}

// set writes a value. An expiry that has passed makes it a delete, as in Redis. The usual case is one descent of the tree.
func (s *Store) set(o *Op, r *Result) {
	expireAt := o.ExpireAt
	if o.If != Always || o.KeepTTL {
		it, found := s.find(o.Key)
		if !holds(o.If, o.Version, o.Compare, expireAt, it, found) {
			s.refuse(o, r, it, found)
			return
		}
		if o.KeepTTL {
			expireAt = it.ExpireAt
		}
	}
	var old radix.Item
	if s.expired(expireAt) {
		old = s.erase(o.Key, ChangeDelete, r)
	} else {
		old = s.write(o.Key, o.Value, expireAt, r)
		if o.Int != 0 && s.options.Access && !s.staging && r.Err == nil {
			s.access.restore(s, o.Key, o.Int)
		}
	}
	if o.WantOld {
		r.Value = old.Value
	}
}

// refuse says that the condition does not hold, and what is there instead.
func (s *Store) refuse(o *Op, r *Result, it radix.Item, found bool) {
	r.describe(it, found)
	r.Err = ErrConflict
	if o.WantOld {
		r.Value = it.Value
	}
}

func (s *Store) delete(o *Op, r *Result, kind ChangeKind) {
	if o.If != Always {
		it, found := s.find(o.Key)
		if !holds(o.If, o.Version, o.Compare, 0, it, found) {
			s.refuse(o, r, it, found)
			return
		}
	}
	old := s.erase(o.Key, kind, r)
	if o.WantOld {
		r.Value = old.Value
	}
}

// current finds the value that an operation changes in place; when it must not, the result says so.
func (s *Store) current(o *Op, r *Result) (it radix.Item, found, ok bool) {
	it, found = s.find(o.Key)
	r.describe(it, found)
	if !holds(o.If, o.Version, o.Compare, o.ExpireAt, it, found) {
		r.Err = ErrConflict
		return it, found, false
	}
	return it, found, true
}

func (s *Store) increment(o *Op, r *Result) {
	it, found, ok := s.current(o, r)
	if !ok {
		return
	}
	var number int64
	if found {
		if number, r.Err = parseInt(it.Value); r.Err != nil {
			return
		}
	}
	if number, r.Err = addInt(number, o.Int); r.Err != nil {
		return
	}
	s.scratch = strconv.AppendInt(s.scratch[:0], number, 10)
	s.write(o.Key, s.scratch, it.ExpireAt, r)
	r.Int = number
}

func (s *Store) incrementFloat(o *Op, r *Result) {
	it, found, ok := s.current(o, r)
	if !ok {
		return
	}
	text := it.Value
	if !found {
		text = nil
	} else if len(text) == 0 {
		r.Err = ErrNotNumber
		return
	}
	if s.scratch, r.Err = addFloat(s.scratch[:0], text, o.Float); r.Err != nil {
		return
	}
	s.write(o.Key, s.scratch, it.ExpireAt, r)
	r.Value = s.scratch
}

func (s *Store) append(o *Op, r *Result) {
	it, _, ok := s.current(o, r)
	if !ok {
		return
	}
	if len(it.Value)+len(o.Value) > MaxValue {
		r.Err = ErrTooLarge
		return
	}
	s.scratch = append(append(s.scratch[:0], it.Value...), o.Value...)
	s.write(o.Key, s.scratch, it.ExpireAt, r)
	r.Int = int64(len(s.scratch))
}

// setRange with nothing to write changes nothing and makes no key, as in Redis.
func (s *Store) setRange(o *Op, r *Result) {
	it, _, ok := s.current(o, r)
	if !ok {
		return
	}
	switch {
	case o.Int < 0:
		r.Err = ErrInvalid
		return
	case len(o.Value) == 0:
		r.Int = int64(len(it.Value))
		return
	case o.Int > int64(MaxValue-len(o.Value)):
		r.Err = ErrTooLarge
		return
	}
	value := append(s.scratch[:0], it.Value...)
	end := int(o.Int) + len(o.Value)
	if end > len(value) {
		value = append(value, make([]byte, end-len(value))...)
	}
	copy(value[o.Int:], o.Value)
	s.scratch = value
	s.write(o.Key, value, it.ExpireAt, r)
	r.Int = int64(len(value))
}

// expireAt gives a key another expiry. Its result holds the old one. A time that has passed deletes the key.
func (s *Store) expireAt(o *Op, r *Result) {
	it, found, ok := s.current(o, r)
	if !ok || !found {
		return
	}
	if s.expired(o.ExpireAt) {
		s.erase(o.Key, ChangeDelete, r)
	} else {
		s.scratch = append(s.scratch[:0], it.Value...)
		s.write(o.Key, s.scratch, o.ExpireAt, r)
	}
	r.ExpireAt = it.ExpireAt
}

// require only says whether its condition holds; who runs the operations passes over those that depend on it.
func (s *Store) require(o *Op, r *Result) {
	if s.staging || o.Int < 0 {
		r.Err = ErrInvalid
		return
	}
	s.current(o, r)
}

// relocate renames or copies: the target gets value and expiry, whatever it had before. The condition speaks of the target.
func (s *Store) relocate(o *Op, r *Result) {
	it, found := s.find(o.Key)
	r.describe(it, found)
	if !found {
		r.Err = ErrNoKey
		return
	}
	target, exists := s.find(o.Value)
	if !holds(o.If, o.Version, o.Compare, it.ExpireAt, target, exists) {
		r.Err = ErrConflict
		return
	}
	if string(o.Key) == string(o.Value) {
		return
	}
	s.scratch = append(s.scratch[:0], it.Value...)
	if s.write(o.Value, s.scratch, it.ExpireAt, r); r.Err != nil {
		return
	}
	if o.Kind == OpRename {
		s.remove(o.Key, ChangeDelete)
	}
	r.Found = true
}
