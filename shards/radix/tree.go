package radix

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFull says that the arena of 4 GiB may have no room for a key. Deleting and Compact make room.
var ErrFull = errors.New("radix: arena full")

// Options choose what a tree keeps besides its keys. The zero value is a tree with hash sidecar, without access words.
type Options struct {
	NoHash      bool   // no sidecar: point reads descend, 16 bytes per key less
	TrackAccess bool   // 4 bytes in each leaf for Touch and Access
	Poison      bool   // fill freed blocks with 0xDB and check them on reuse: for tests
	Seed        uint64 // of the sidecar's hash; changes nothing that can be seen but the choices of Sample
}

// Tree maps keys to items in byte order. Keys are at most 65535 bytes, the empty key is a key; values are at most 64 MiB.
// One goroutine at a time may call its methods; even those that only read may reorder what the tree keeps for itself.
// Get, Put and Delete do not allocate in steady state. Views that a method hands out are valid until the next write.
//
// Invariants (check in the tests runs them, beside those of arena and node):
//  1. The sidecar, when built, holds exactly the leaves of the live tree, but for segments marked lossy.
//  2. The expiry index holds exactly the leaves that have an expiry.
//  3. The counters equal the sums over a full walk.
//  4. Versions never go down, and are above frozen.
type Tree struct {
	arena
	options Options
	version uint64
	side    sidecar
	due     expiry
	scratch []byte // the value that an overwrite in place replaced
	fresh   *rebuild
}

// New makes an empty tree.
func New(o Options) *Tree {
	t := &Tree{options: o}
	t.frozen = -1
	t.poisoned = o.Poison
	t.head = accessAt
	if o.TrackAccess {
		t.head += 4
	}
	return t
}

// Len is the number of keys.
func (t *Tree) Len() int { return t.n }

// Version is the version of the newest write.
func (t *Tree) Version() uint64 { return t.version }

// Get reads one key.
func (t *Tree) Get(key []byte) (Item, bool) {
	ref := t.lookup(key)
	if ref == 0 {
		return Item{}, false
	}
	_, it := t.entry(t.at(ref))
	return it, true
}

// lookup is the leaf of key, 0 if there is none.
func (t *Tree) lookup(key []byte) uint32 {
	if t.side.dir == nil {
		return t.find(key)
	}
	return t.lookupHash(t.hash(key), key)
}

func (t *Tree) hash(key []byte) uint32 { return uint32(hash(t.options.Seed, key) >> 32) }

// lookupHash is lookup through the sidecar.
func (t *Tree) lookupHash(h uint32, key []byte) uint32 {
	segment := t.side.segment(h)
	for i := home(h, len(segment)); ; {
		slot := segment[i]
		if slot == 0 {
			break
		}
		if uint32(slot>>32) == h && t.leafIs(uint32(slot), key) {
			return uint32(slot)
		}
		if i++; i == len(segment) {
			i = 1
		}
	}
	if lossy(segment) {
		return t.find(key)
	}
	return 0
}

// begin opens a write.
func (t *Tree) begin(version uint64) {
	if version > MaxVersion {
		panic(fmt.Sprintf("radix: version %d has more than 48 bits", version))
	}
	if version < t.version || int64(version) <= t.frozen {
		panic(fmt.Sprintf("radix: version %d after %d, newest snapshot %d", version, t.version, t.frozen))
	}
	t.version = version
	t.mods++
}

// Put sets a key; key and value are copied. expireAt is in Unix milliseconds, 0 = never. It returns what was there.
//
// version must not be below that of the last write, must be above that of the newest live snapshot, and has 48 bits; Put
// panics otherwise. Several writes may share a version. Call Grow first when the arena may be near its 4 GiB. key and value
// may be views that Get or an iteration gave since the last write; old.Value of a write must be copied first.
func (t *Tree) Put(version uint64, key, value []byte, expireAt int64) (old Item, existed bool) {
	t.begin(version)
	t.note(key)
	h := uint32(0)
	var ref uint32
	if t.side.dir != nil {
		h = t.hash(key)
		ref = t.lookupHash(h, key)
	} else {
		ref = t.find(key)
	}
	if ref == 0 {
		t.add(h, &leaf{key: key, value: value, version: version, expireAt: expireAt})
		return Item{}, false
	}
	if b := t.at(ref); expireAt == 0 && leafMeta(b) == uint32(len(value)) && t.owned(b) {
		return t.overwrite(b, version, value), true
	}
	return t.replace(h, ref, &leaf{key: key, value: value, version: version, expireAt: expireAt}), true
}

// overwrite is the common case of replace: the leaf is owned, its value is inline and as long as the new one, and there is no expiry
// before or after.
func (t *Tree) overwrite(b []byte, version uint64, value []byte) (old Item) {
	word := binary.LittleEndian.Uint64(b)
	at := t.head + uint32(word>>48)
	there := b[at : at+uint32(len(value))]
	t.scratch = append(t.scratch[:0], there...)
	copy(there, value)
	binary.LittleEndian.PutUint64(b, word&^MaxVersion|version)
	return Item{Value: t.scratch, Version: word & MaxVersion}
}

// add links a key that is not there.
func (t *Tree) add(h uint32, l *leaf) {
	ref := t.newLeaf(l)
	t.place(l.key, ref)
	t.enlist(h, ref, l)
	t.outgrow()
}

// outgrow gives a tree its sidecar when it has become large enough.
func (t *Tree) outgrow() {
	if t.side.dir == nil && t.n > sidecarAbove && !t.options.NoHash {
		t.buildSidecar()
	}
}

// enlist counts a new leaf and makes it known beside the tree.
func (t *Tree) enlist(h, ref uint32, l *leaf) {
	t.n++
	t.live += int64(len(l.key) + len(l.value))
	if l.expireAt != 0 {
		t.due.add(tick{l.expireAt, tie(l.key), ref})
	}
	if t.side.dir != nil {
		t.side.insert(h, ref, t.n)
	}
}

// replace rewrites the leaf at ref: in place when no snapshot sees it and its block fits, else as a new leaf.
func (t *Tree) replace(h uint32, ref uint32, l *leaf) (old Item) {
	b := t.at(ref)
	_, old = t.entry(b)
	t.live += int64(len(l.value) - len(old.Value))
	l.access = t.access(b)
	if t.owned(b) && leafMeta(b)&metaBig == 0 && !l.big() {
		_, have := class(t.leafSize(b))
		if _, want := class(l.size(t.head)); want == have {
			t.scratch = append(t.scratch[:0], old.Value...)
			old.Value = t.scratch
			t.rewrite(ref, b, l, old.ExpireAt)
			return old
		}
	}
	fresh := t.newLeaf(l)
	t.place(l.key, fresh)
	if t.side.dir != nil {
		t.side.replace(h, ref, fresh)
	}
	t.reschedule(l.key, ref, old.ExpireAt, fresh, l.expireAt)
	if t.poisoned && t.owned(t.at(ref)) {
		t.scratch = append(t.scratch[:0], old.Value...)
		old.Value = t.scratch
	}
	t.retire(ref)
	return old
}

// rewrite changes an owned leaf whose block has the right size.
func (t *Tree) rewrite(ref uint32, b []byte, l *leaf, expireAt int64) {
	if expireAt == l.expireAt || expireAt != 0 && l.expireAt != 0 {
		l.patch(b, t.head)
	} else {
		t.encode(b, l, 0)
	}
	t.reschedule(l.key, ref, expireAt, ref, l.expireAt)
}

// reschedule moves a key within the expiry index.
func (t *Tree) reschedule(key []byte, from uint32, was int64, to uint32, is int64) {
	if was == is && (is == 0 || from == to) {
		return
	}
	tied := tie(key)
	if was != 0 {
		t.due.remove(tick{was, tied, from})
	}
	if is != 0 {
		t.due.add(tick{is, tied, to})
	}
}

// Grow returns ErrFull if a Put of a key and a value of these lengths might not fit.
func (t *Tree) Grow(key, value int) error {
	if value > inlineMax {
		value = 4
	}
	need := uint64(key+value) + 2*chunkSize + uint64(key+2)*uint64(nodeSize[kind256]+8)
	if t.next+need+reserve > maxChunks*chunkSize {
		return ErrFull
	}
	return nil
}

// reserve is address space kept for deletes, which copy nodes while a snapshot is open.
const reserve = 64 << 20
