package store

// RandomKey is a key drawn with random that has not expired at now, in Unix milliseconds; ok is false if none was met in
// a few draws. The key is a view, valid until the store is next changed.
func (s *Store) RandomKey(now int64, random uint64) (key []byte, ok bool) {
	now = s.at(now)
	for range 16 {
		k, it, _, found := s.tree.Sample(next(&random))
		if !found {
			return nil, false
		}
		if it.ExpireAt == 0 || it.ExpireAt > now {
			return k, true
		}
	}
	return nil, false
}
