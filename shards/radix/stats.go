package radix

// Sizes of the structs themselves in bytes; a test holds them to the truth.
const (
	treeSize     = 392
	snapshotSize = 152
)

// Stats are the tree's counters. All but Keys and Snapshots are bytes.
type Stats struct {
	Keys      int64
	LiveBytes int64 // keys and values
	Used      int64 // blocks of the live tree
	Limbo     int64 // what only snapshots still see, of Arena and of Big
	Arena     int64 // chunks, with those that only snapshots still see
	Big       int64 // values above 4 KiB
	Sidecar   int64
	Expiry    int64
	Snapshots int64 // open ones
}

// Stats reads the counters in O(1).
func (t *Tree) Stats() Stats {
	return Stats{
		Keys: int64(t.n), LiveBytes: t.live, Used: t.used, Limbo: t.limbo + t.bigLimbo + t.stale, Arena: t.arenaBytes + t.stale, Big: t.bigBytes,
		Sidecar: t.side.bytes, Expiry: t.due.memory(), Snapshots: int64(t.snapshots),
	}
}

// Memory is every byte that the tree holds, with its own tables and what its snapshots keep, in O(1).
func (t *Tree) Memory() int64 {
	sum := t.Needed() + t.arenaBytes - t.used + t.stale + t.bigLimbo + t.deadBytes + int64(cap(t.scratch))
	sum += int64(t.snapshots) * snapshotSize
	if t.fresh != nil {
		sum += t.fresh.tree.Memory() + int64(cap(t.fresh.dirty)+cap(t.fresh.cursor))
		if t.fresh.build != nil {
			sum += t.fresh.build.memory()
		}
	}
	return sum
}

// Needed is Memory without free blocks, a rebuild under way, and what only snapshots still see: a key that is deleted does not count from
// that moment on. In O(1).
func (t *Tree) Needed() int64 {
	sum := treeSize + t.used + t.bigBytes - t.bigLimbo + t.side.bytes + t.due.memory()
	return sum + 24*int64(cap(t.chunks)+cap(t.big)) + 4*int64(cap(t.free)+cap(t.bigFree))
}
