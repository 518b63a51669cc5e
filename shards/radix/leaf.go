package radix

import (
	"bytes"
	"encoding/binary"
)

// MaxVersion is the highest write version: versions have 48 bits.
const MaxVersion = 1<<48 - 1

// A leaf holds its whole key, so that scans copy nothing and a descent may skip prefixes and verify here.
//
//	 0        6      8          12            16           24
//	┌────────┬──────┬──────────┬─ ─ ─ ─ ─ ─ ─┬─ ─ ─ ─ ─ ─ ┬─────┬───────────────────────────┐
//	│version │ klen │ meta     │ access      │ expiry ms  │ key │ value, or slot:32 if big  │
//	└────────┴──────┴──────────┴─ ─ ─ ─ ─ ─ ─┴─ ─ ─ ─ ─ ─ ┴─────┴───────────────────────────┘
//	                 vlen:30     if tracked    if ttl
//	                 big:1 ttl:1
const (
	kindLeaf  = 1
	metaLen   = 1<<30 - 1
	metaBig   = 1 << 30
	metaTTL   = 1 << 31
	inlineMax = 4096 // bytes; longer values live in the side table
	accessAt  = 12
)

// Item is what a key holds. Value is a view into the tree, valid until the next write (in a snapshot: until Close).
type Item struct {
	Value    []byte
	Version  uint64 // of the write that made it
	ExpireAt int64  // Unix milliseconds; 0 = never
}

func leafMeta(b []byte) uint32 { return binary.LittleEndian.Uint32(b[8:]) }

// keyAt is where the key begins.
func (v *view) keyAt(meta uint32) uint32 { return v.head + meta>>31<<3 }

// leafKey is the key of the leaf, a view.
func (v *view) leafKey(b []byte) []byte {
	from := v.keyAt(leafMeta(b))
	to := from + uint32(binary.LittleEndian.Uint16(b[6:]))
	return b[from:to:to]
}

// leafIs compares the key of the leaf.
func (v *view) leafIs(ref uint32, key []byte) bool {
	b := v.at(ref)
	if int(binary.LittleEndian.Uint16(b[6:])) != len(key) {
		return false
	}
	from := v.keyAt(leafMeta(b))
	return string(b[from:from+uint32(len(key))]) == string(key)
}

// entry decodes a leaf, the common one without a detour.
func (v *view) entry(b []byte) ([]byte, Item) {
	word, meta := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	if meta > metaLen {
		return v.rare(b)
	}
	to := v.head + uint32(word>>48)
	return b[v.head:to:to], Item{Value: b[to : to+meta : to+meta], Version: word & MaxVersion}
}

// rare is entry for a leaf with an expiry or a big value.
func (v *view) rare(b []byte) (key []byte, it Item) {
	word, meta := binary.LittleEndian.Uint64(b), leafMeta(b)
	from := v.head
	if meta&metaTTL != 0 {
		it.ExpireAt = int64(binary.LittleEndian.Uint64(b[from:]))
		from += 8
	}
	to := from + uint32(word>>48)
	key = b[from:to:to]
	it.Version = word & MaxVersion
	if meta&metaBig != 0 {
		it.Value = v.big[binary.LittleEndian.Uint32(b[to:])]
		return key, it
	}
	end := to + meta&metaLen
	it.Value = b[to:end:end]
	return key, it
}

// item is entry without the key.
func (v *view) item(ref uint32) Item {
	_, it := v.entry(v.at(ref))
	return it
}

func (v *view) bigSlot(b []byte) uint32 {
	at := v.keyAt(leafMeta(b)) + uint32(binary.LittleEndian.Uint16(b[6:]))
	return binary.LittleEndian.Uint32(b[at:])
}

// leafSize is the leaf's length in bytes as it was asked from the arena.
func (v *view) leafSize(b []byte) uint32 {
	meta := leafMeta(b)
	size := v.keyAt(meta) + uint32(binary.LittleEndian.Uint16(b[6:]))
	if meta&metaBig != 0 {
		return size + 4
	}
	return size + meta&metaLen
}

// leaf is the content of a leaf to be written.
type leaf struct {
	key, value []byte
	version    uint64
	expireAt   int64
	access     uint32
	shared     bool // value is a big one that may be kept without a copy
}

func (l *leaf) big() bool { return len(l.value) > inlineMax }

func (l *leaf) meta() uint32 {
	meta := uint32(len(l.value))
	if l.big() {
		meta |= metaBig
	}
	if l.expireAt != 0 {
		meta |= metaTTL
	}
	return meta
}

// size is the leaf's length in an arena whose fixed part has head bytes.
func (l *leaf) size(head uint32) uint32 {
	size := head + uint32(len(l.key))
	if l.expireAt != 0 {
		size += 8
	}
	if l.big() {
		return size + 4
	}
	return size + uint32(len(l.value))
}

// newLeaf writes a leaf into a new block.
func (a *arena) newLeaf(l *leaf) uint32 {
	var slot uint32
	if l.big() {
		value := l.value
		if !l.shared {
			value = bytes.Clone(value)
		}
		slot = a.keepBig(value)
	}
	ref := a.alloc(l.size(a.head))
	a.encode(a.at(ref), l, slot)
	return ref | kindLeaf
}

func (a *arena) encode(b []byte, l *leaf, slot uint32) {
	binary.LittleEndian.PutUint64(b, l.version|uint64(len(l.key))<<48)
	binary.LittleEndian.PutUint32(b[8:], l.meta())
	if a.head > accessAt {
		binary.LittleEndian.PutUint32(b[accessAt:], l.access)
	}
	at := a.head
	if l.expireAt != 0 {
		binary.LittleEndian.PutUint64(b[at:], uint64(l.expireAt))
		at += 8
	}
	at += uint32(copy(b[at:], l.key))
	if l.big() {
		binary.LittleEndian.PutUint32(b[at:], slot)
		return
	}
	copy(b[at:], l.value)
}

// access reads the access word; only the writer does.
func (a *arena) access(b []byte) uint32 {
	if a.head == accessAt {
		return 0
	}
	return binary.LittleEndian.Uint32(b[accessAt:])
}

// patch overwrites version, expiry and value of a leaf that has the same key and the same layout.
func (l *leaf) patch(b []byte, head uint32) {
	binary.LittleEndian.PutUint64(b, l.version|uint64(len(l.key))<<48)
	binary.LittleEndian.PutUint32(b[8:], l.meta())
	if l.expireAt != 0 {
		binary.LittleEndian.PutUint64(b[head:], uint64(l.expireAt))
		head += 8
	}
	copy(b[head+uint32(len(l.key)):], l.value)
}
