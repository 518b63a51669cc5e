package radix

import (
	"encoding/binary"
	"math/bits"
)

// An inner node stands for a run of key bytes (its prefix), a key that may end there (term), and edges by the next byte.
//
//	 0        6      8            15      16     20
//	┌────────┬──────┬────────────┬───────┬──────┬──────────────────────────────────────────┐
//	│ birth  │ plen │ prefix 7 B │ count │ term │ N4:   4 keys,   4 refs     =   40 B      │
//	└────────┴──────┴────────────┴───────┴──────┤ N8:   8 keys,   8 refs     =   60 B      │
//	 a prefix longer than 7 bytes:              │ N16:  16 keys, 16 refs     =  100 B      │
//	 the rest is read from any leaf below       │ N48:  256 slots, 48 refs   =  468 B      │
//	                                            │ N256: 256 refs             = 1044 B      │
//	                                            └──────────────────────────────────────────┘
//
// Keys of N4, N8 and N16 are sorted. A slot of N48 is 1 + the ref's place, or 0. The count of a full N256 wraps to 0.
//
// Invariants:
//  1. Without a term a node has at least two edges, with a term at least one; count says how many.
//  2. A node's kind has room for its edges and is not larger than the hysteresis of shrinkAt allows.
//  3. Every leaf below shares the path; the inline prefix equals the leaf's bytes.
//  4. A child that is newer than a live snapshot has a parent that is newer too.
const (
	kind4   = 2
	kind8   = 3
	kind16  = 4
	kind48  = 5
	kind256 = 6

	inline   = 7 // prefix bytes kept in the node
	prefixAt = 8
	countAt  = 15
	termAt   = 16
	edgesAt  = 20
	refs48   = edgesAt + 256
)

var (
	nodeSize = [8]uint32{kind4: 40, kind8: 60, kind16: 100, kind48: 468, kind256: 1044}
	refsAt   = [8]uint32{kind4: 24, kind8: 28, kind16: 36, kind48: refs48, kind256: edgesAt}
	room     = [8]int{kind4: 4, kind8: 8, kind16: 16, kind48: 48, kind256: 256}
	shrinkAt = [8]int{kind8: 3, kind16: 6, kind48: 12, kind256: 37}
)

func prefixLen(b []byte) int { return int(binary.LittleEndian.Uint16(b[6:])) }

func term(b []byte) uint32 { return binary.LittleEndian.Uint32(b[termAt:]) }

func get32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

func put32(b []byte, at int, x uint32) { binary.LittleEndian.PutUint32(b[at:], x) }

// edges counts the children.
func edges(b []byte, kind uint32) int {
	if n := int(b[countAt]); n != 0 || kind != kind256 {
		return n
	}
	return 256
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// zeroByte is the place of the lowest zero byte in x, 8 if there is none.
func zeroByte(x uint64) int { return bits.TrailingZeros64((x-ones)&^x&highs) >> 3 }

// edge is the offset in the node of the ref for byte c, or 0. In N256 the ref there may be 0.
func edge(b []byte, kind uint32, c byte) int {
	switch kind {
	case kind48:
		if slot := int(b[edgesAt+int(c)]); slot != 0 {
			return refs48 - 4 + 4*slot
		}
		return 0
	case kind256:
		return edgesAt + 4*int(c)
	}
	pattern := ones * uint64(c)
	pos := zeroByte(binary.LittleEndian.Uint64(b[edgesAt:]) ^ pattern)
	if kind == kind16 && pos == 8 {
		pos += zeroByte(binary.LittleEndian.Uint64(b[edgesAt+8:]) ^ pattern)
	}
	if pos >= int(b[countAt]) {
		return 0
	}
	return int(refsAt[kind]) + 4*pos
}

// child is the ref for byte c, 0 if there is none.
func child(b []byte, kind uint32, c byte) uint32 {
	if at := edge(b, kind, c); at != 0 {
		return get32(b, at)
	}
	return 0
}

// span is the number of places that childAt knows: children come in byte order, with gaps in N48 and N256.
func span(b []byte, kind uint32) int {
	if kind >= kind48 {
		return 256
	}
	return int(b[countAt])
}

// childAt is the ref at a place, or 0.
func childAt(b []byte, kind uint32, place int) uint32 {
	if kind == kind48 {
		slot := int(b[edgesAt+place])
		if slot == 0 {
			return 0
		}
		return get32(b, refs48-4+4*slot)
	}
	return get32(b, int(refsAt[kind])+4*place)
}

// byteAt is the edge byte at a place.
func byteAt(b []byte, kind uint32, place int) byte {
	if kind >= kind48 {
		return byte(place)
	}
	return b[edgesAt+place]
}

// firstPlace is the first place whose edge byte is at least c; span if there is none.
func firstPlace(b []byte, kind uint32, c byte) int {
	if kind >= kind48 {
		return int(c)
	}
	place, n := 0, int(b[countAt])
	for place < n && b[edgesAt+place] < c {
		place++
	}
	return place
}

// insertEdge adds an edge that the node lacks and has room for.
func insertEdge(b []byte, kind uint32, c byte, ref uint32) {
	n, place := int(b[countAt]), firstPlace(b, kind, c)
	b[countAt]++
	switch kind {
	case kind48:
		slot := n
		for get32(b, refs48+4*slot) != 0 {
			slot = (slot + 1) % 48
		}
		b[edgesAt+int(c)] = byte(slot + 1)
		put32(b, refs48+4*slot, ref)
	case kind256:
		put32(b, edgesAt+4*int(c), ref)
	default:
		refs := int(refsAt[kind])
		copy(b[edgesAt+place+1:edgesAt+n+1], b[edgesAt+place:edgesAt+n])
		b[edgesAt+place] = c
		copy(b[refs+4*place+4:refs+4*n+4], b[refs+4*place:refs+4*n])
		put32(b, refs+4*place, ref)
	}
}

// removeEdge drops the edge of byte c, which exists.
func removeEdge(b []byte, kind uint32, c byte) {
	b[countAt]--
	n := int(b[countAt])
	switch kind {
	case kind48:
		put32(b, edge(b, kind, c), 0)
		b[edgesAt+int(c)] = 0
	case kind256:
		put32(b, edgesAt+4*int(c), 0)
	default:
		place, refs := firstPlace(b, kind, c), int(refsAt[kind])
		copy(b[edgesAt+place:edgesAt+n], b[edgesAt+place+1:edgesAt+n+1])
		copy(b[refs+4*place:refs+4*n], b[refs+4*place+4:refs+4*n+4])
	}
}

// convert fills the edges of a new node from those of an old one of another kind.
func convert(to []byte, toKind uint32, from []byte, fromKind uint32) {
	if toKind >= kind48 {
		clear(to[edgesAt:nodeSize[toKind]])
	}
	n := 0
	for place, limit := 0, span(from, fromKind); place < limit; place++ {
		ref := childAt(from, fromKind, place)
		if ref == 0 {
			continue
		}
		c := byteAt(from, fromKind, place)
		switch toKind {
		case kind256:
			put32(to, edgesAt+4*int(c), ref)
		case kind48:
			to[edgesAt+int(c)] = byte(n + 1)
			put32(to, refs48+4*n, ref)
		default:
			to[edgesAt+n] = c
			put32(to, int(refsAt[toKind])+4*n, ref)
		}
		n++
	}
	to[countAt] = byte(n)
}

// setPrefix writes the length of a prefix and its inline bytes; shown holds at least the first min(length, inline) of them.
func setPrefix(b []byte, length int, shown []byte) {
	binary.LittleEndian.PutUint16(b[6:], uint16(length))
	n := copy(b[prefixAt:prefixAt+inline], shown[:min(length, inline)])
	clear(b[prefixAt+n : prefixAt+inline])
}

// newNode makes an empty node that was born at version.
func (a *arena) newNode(kind uint32, version uint64, prefix []byte) uint32 {
	ref := a.alloc(nodeSize[kind]) | kind
	a.clearNode(ref, version, prefix)
	return ref
}

// clearNode makes the block at ref a node without edges and without a term.
func (a *arena) clearNode(ref uint32, version uint64, prefix []byte) []byte {
	b := a.at(ref)
	binary.LittleEndian.PutUint64(b, version)
	setPrefix(b, len(prefix), prefix)
	b[countAt] = 0
	put32(b, termAt, 0)
	return b
}

// setBirth stamps a block, keeping the length beside it.
func setBirth(b []byte, version uint64) {
	length := binary.LittleEndian.Uint64(b) &^ MaxVersion
	binary.LittleEndian.PutUint64(b, length|version)
}
