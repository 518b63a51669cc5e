package radix

import (
	"bytes"
	"encoding/binary"
)

// rebuild is a compaction under way: a second tree filled in key order while the first one serves.
//
//	keys   a ─────────── cursor ─────────── z
//	       copied; a write   not yet copied;
//	       here is noted     nothing to do
type rebuild struct {
	tree    *Tree
	build   *builder // nil when all keys have been copied
	cursor  []byte   // the last key copied
	started bool
	dirty   []byte // keys at or before cursor written since, each after its length:16
}

// Compact rebuilds the tree in key order when its chunks hold more than 1.5 times what it uses; budget is the number of
// keys to move in this call. It says whether there is nothing to do now. While a snapshot is open it neither starts nor
// ends, because the old chunks would stay: a rebuild that is ready then waits for a later call.
func (t *Tree) Compact(budget int) (done bool) {
	if t.fresh == nil && t.arenaBytes <= t.used+t.used/2+2*firstChunk {
		return true
	}
	return t.Rebuild(budget)
}

// Rebuild is Compact whatever the state of the chunks: in key order, a tree iterates several times faster.
func (t *Tree) Rebuild(budget int) (done bool) {
	if t.fresh == nil {
		if t.snapshots > 0 {
			return true
		}
		t.fresh = &rebuild{tree: New(t.options), build: &builder{}}
		if t.n > sidecarAbove && !t.options.NoHash {
			t.fresh.tree.buildSidecar()
		}
	}
	r := t.fresh
	if budget = t.copySome(r, budget); budget <= 0 {
		return false
	}
	for len(r.dirty) > 0 && budget > 0 {
		n := 2 + int(binary.LittleEndian.Uint16(r.dirty))
		t.copyAgain(r, r.dirty[2:n])
		r.dirty = r.dirty[n:]
		budget--
	}
	if len(r.dirty) > 0 {
		return false
	}
	if t.snapshots == 0 {
		t.adopt(r.tree)
	}
	return true
}

// copySome carries over up to budget keys after the cursor and returns what is left of the budget.
func (t *Tree) copySome(r *rebuild, budget int) int {
	last := []byte(nil)
	for key, it := range t.Range(r.cursor, nil) {
		if r.started && bytes.Equal(key, r.cursor) {
			continue
		}
		if budget == 0 {
			break
		}
		budget--
		r.carry(key, it, t.Access)
		last = key
		r.started = true
	}
	if budget > 0 && r.build != nil {
		r.build.finish(r.tree)
		r.build = nil
		r.tree.outgrow()
	}
	if last != nil {
		r.cursor = append(r.cursor[:0], last...)
	}
	return budget
}

// carry puts an item of the old tree into the new one.
func (r *rebuild) carry(key []byte, it Item, access func([]byte) uint32) {
	t := r.tree
	if r.build == nil {
		t.carry(key, it, access)
		return
	}
	l := t.carried(key, it, access)
	ref := t.newLeaf(&l)
	r.build.next(t, key, ref)
	t.enlist(t.hash(key), ref, &l)
}

// carry puts an item of another tree under its old version. Big values are shared, not copied.
func (t *Tree) carry(key []byte, it Item, access func([]byte) uint32) {
	l := t.carried(key, it, access)
	t.add(t.hash(key), &l)
}

// carried begins a write of an item under its old version.
func (t *Tree) carried(key []byte, it Item, access func([]byte) uint32) leaf {
	t.version = it.Version
	t.mods++
	l := leaf{key: key, value: it.Value, version: it.Version, expireAt: it.ExpireAt, shared: true}
	if t.options.TrackAccess {
		l.access = access(key)
	}
	return l
}

// copyAgain brings one key up to date in the new tree.
func (t *Tree) copyAgain(r *rebuild, key []byte) {
	r.tree.version = 0
	r.tree.Delete(0, key)
	if it, ok := t.Get(key); ok {
		r.carry(key, it, t.Access)
	}
}

// note remembers that a key is about to be written while a rebuild has already passed it. A rebuild that nobody continues is
// given up when its notes outgrow half of the data.
func (t *Tree) note(key []byte) {
	r := t.fresh
	if r == nil || !r.started || bytes.Compare(key, r.cursor) > 0 {
		return
	}
	if int64(len(r.dirty)) > t.live/2+chunkSize {
		t.fresh = nil
		return
	}
	r.dirty = binary.LittleEndian.AppendUint16(r.dirty, uint16(len(key)))
	r.dirty = append(r.dirty, key...)
}

// adopt takes over the content of a rebuilt tree.
func (t *Tree) adopt(from *Tree) {
	version, mods, scratch := t.version, t.mods, t.scratch
	*t = *from
	t.version, t.mods, t.scratch = version, mods+1, scratch
}
