package store

import (
	"iter"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// Snapshot is a store as it was at one sequence number. It may be read from many goroutines at once while the store goes
// on; what it returns is valid until Close.
type Snapshot struct {
	tree     *radix.Snapshot
	seq      shards.SeqNo
	now      int64
	rolling  uint64
	sessions *sessions // shared with the store, which copies it before it writes again
}

// Snapshot takes one in constant time. It holds the memory of what is changed afterwards until it is closed.
func (s *Store) Snapshot() *Snapshot {
	if s.sessions != nil {
		s.sessions.shared = true
	}
	return &Snapshot{tree: s.tree.Snapshot(), seq: s.seq, now: s.now, rolling: s.rolling, sessions: s.sessions}
}

// Close gives the memory back. It needs the same exclusion as the store, and the end of all reading.
func (s *Snapshot) Close() { s.tree.Close() }

// Seq is the sequence number of the last transaction that the snapshot holds.
func (s *Snapshot) Seq() shards.SeqNo { return s.seq }

// Now is the store's time at the snapshot, in Unix milliseconds.
func (s *Snapshot) Now() int64 { return s.now }

// Rolling is the store's rolling hash at the snapshot.
func (s *Snapshot) Rolling() uint64 { return s.rolling }

// Len is the number of keys, expired ones included.
func (s *Snapshot) Len() int { return s.tree.Len() }

// Get finds a key that has not expired at now, in Unix milliseconds, nor at the snapshot's own time.
func (s *Snapshot) Get(now int64, key []byte) (it radix.Item, found bool) {
	it, found = s.tree.Get(key)
	if !found || it.ExpireAt != 0 && it.ExpireAt <= max(now, s.now) {
		return radix.Item{}, false
	}
	return it, true
}

// Range visits the keys from lo up to, and without, hi, in order; hi nil means to the end. Keys that have expired but are
// not deleted yet are among them: the caller compares ExpireAt with its time.
func (s *Snapshot) Range(lo, hi []byte) iter.Seq2[[]byte, radix.Item] { return s.tree.Range(lo, hi) }

// Reverse is Range from the end to the start.
func (s *Snapshot) Reverse(lo, hi []byte) iter.Seq2[[]byte, radix.Item] {
	return s.tree.Reverse(lo, hi)
}

// Prefix visits the keys that start with p, as Range does.
func (s *Snapshot) Prefix(p []byte) iter.Seq2[[]byte, radix.Item] { return s.tree.Prefix(p) }

// Scan is Store.Scan on the snapshot.
func (s *Snapshot) Scan(now int64, after, prefix []byte, limit int, visit func(key []byte, it radix.Item) bool) (next []byte) {
	return scan(s.tree.Range, max(now, s.now), after, prefix, limit, visit)
}
