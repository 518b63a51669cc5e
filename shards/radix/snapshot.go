package radix

// Snapshot is the tree as it was at one version. Any number of goroutines may read it, also while the tree is written; its
// views stay valid until Close. A snapshot that stays open keeps what has been overwritten since.
//
// Dead lists: what the writer takes out of the live tree while this snapshot is the newest goes to its list. Close frees
// what no older snapshot sees and leaves the rest to the next older one, so every block is freed exactly once, as soon as
// nobody can reach it.
type Snapshot struct {
	view
	version      uint64
	older, newer *Snapshot
	tree         *Tree
	dead         []uint32
	stale        []int // chunks that the tree has replaced by longer copies since
}

// Snapshot returns the present state in O(1). The next write must have a higher version.
func (t *Tree) Snapshot() *Snapshot {
	s := &Snapshot{view: t.view, version: t.version, older: t.newest, tree: t}
	if s.older != nil {
		s.older.newer = s
	}
	t.newest = s
	t.frozen = int64(t.version)
	t.snapshots++
	return s
}

// Get reads one key.
func (s *Snapshot) Get(key []byte) (Item, bool) {
	ref := s.find(key)
	if ref == 0 {
		return Item{}, false
	}
	return s.item(ref), true
}

// Len is the number of keys.
func (s *Snapshot) Len() int { return s.n }

// Version is the version of the last write that the snapshot holds.
func (s *Snapshot) Version() uint64 { return s.version }

// Close gives back what only this snapshot held. It needs the same exclusion as a write, and no reader may be left; a
// second Close does nothing. A closed snapshot reads as empty.
func (s *Snapshot) Close() {
	t := s.tree
	if t == nil {
		return
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		t.newest = s.older
		t.frozen = -1
		if s.older != nil {
			t.frozen = int64(s.older.version)
		}
	}
	if s.older != nil {
		s.older.newer = s.newer
	}
	t.snapshots--
	t.bury(s)
	t.settleStale(s)
	*s = Snapshot{version: s.version}
}

// bury frees the dead list of a snapshot or hands it to the next older one.
func (a *arena) bury(s *Snapshot) {
	older := s.older
	a.deadBytes -= int64(cap(s.dead)) * 4
	if older != nil {
		a.deadBytes -= int64(cap(older.dead)) * 4
	}
	for _, ref := range s.dead {
		b := a.at(ref)
		if older != nil && birth(b) <= older.version {
			older.dead = append(older.dead, ref)
			continue
		}
		size := a.sizeOf(ref, b)
		_, block := class(size)
		a.limbo -= int64(block)
		a.bigLimbo -= a.bigOf(ref, b)
		a.dispose(ref, b, size)
	}
	if older != nil {
		a.deadBytes += int64(cap(older.dead)) * 4
	}
}

// settleStale stops counting the replaced chunks that no other snapshot holds.
func (a *arena) settleStale(s *Snapshot) {
	for _, i := range s.stale {
		if o := s.older; o != nil && i < len(o.chunks) && &o.chunks[i][0] == &s.chunks[i][0] {
			o.stale = append(o.stale, i)
			continue
		}
		a.stale -= int64(len(s.chunks[i]))
	}
}
