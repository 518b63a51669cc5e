package radix

import "bytes"

// Restore puts a key under the version that it had in another tree, as when a store is loaded from a snapshot stream: in
// key order, so with versions that go up and down. The key must not be there and no snapshot may be open; Restore panics
// otherwise. Call Grow first, as before Put.
func (t *Tree) Restore(version uint64, key, value []byte, expireAt int64) {
	if version > MaxVersion || t.snapshots > 0 || t.fresh != nil || t.lookup(key) != 0 {
		panic("radix: Restore of a key that is there, or into a tree in use")
	}
	if len(value) > inlineMax {
		value = bytes.Clone(value)
	}
	newest := max(t.version, version)
	t.carry(key, Item{Value: value, Version: version, ExpireAt: expireAt}, func([]byte) uint32 { return 0 })
	t.version = newest
}
