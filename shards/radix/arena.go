package radix

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// The arena's address space is cut into windows of chunkSize bytes. A ref is a byte offset with the block's kind in the
// low three bits, so a tree holds at most 4 GiB besides its big values.
//
//	ref  31            18 17             3 2    0
//	    ┌────────────────┬────────────────┬──────┐
//	    │ chunk          │ offset / 8     │ kind │   0 = nothing (the first 8 bytes of chunk 0 are never given out)
//	    └────────────────┴────────────────┴──────┘
const (
	chunkBits  = 18
	chunkSize  = 1 << chunkBits
	offsetMask = chunkSize - 1 - 7
	kindMask   = 7
	maxChunks  = 1 << (32 - chunkBits)
	firstChunk = 128 // bytes
	exactLimit = 1024
	poison     = 0xDB
)

// view is all that reading needs. A snapshot keeps a copy of it: the writer replaces chunks and table when it grows them,
// and never writes a block that the copy can reach, so readers need no lock.
type view struct {
	chunks [][]byte
	big    [][]byte // values longer than inlineMax, by slot
	root   uint32
	head   uint32 // bytes of a leaf's fixed part: 12, or 16 with the access word
	n      int    // keys
	mods   uint64 // changed by each write; stays as it is in a snapshot
}

// at is the block of ref and whatever follows it in its chunk.
func (v *view) at(ref uint32) []byte {
	return v.chunks[ref>>chunkBits][ref&offsetMask:]
}

// arena hands out and takes back blocks, and knows how long each must live.
//
// Invariants:
//  1. arenaBytes = used + limbo + bytes in free lists + bytes not yet given out.
//  2. A block is in exactly one of: the live tree, one dead list, one free list.
//  3. A block whose birth is at or below frozen is never written.
//  4. Bytes of a free block after its link are poison, when poisoning is on.
type arena struct {
	view
	next   uint64   // the first byte not yet given out
	end    uint64   // the end of the last chunk
	free   []uint32 // heads of the free lists by class; grows on demand
	newest *Snapshot
	frozen int64 // version of the newest live snapshot, -1 without one

	arenaBytes, used, limbo, live, bigBytes, bigLimbo, stale, deadBytes int64
	bigFree                                                             []uint32
	snapshots                                                           int
	poisoned                                                            bool
}

// class maps a size to its free list and to the block's real size: exact multiples of 8 up to exactLimit, then eight
// classes per doubling.
func class(size uint32) (index, block uint32) {
	if size <= exactLimit {
		index = (size + 7) >> 3
		return index, index << 3
	}
	e := uint32(bits.Len32(size-1)) - 1
	step := (size - 1) >> (e - 3)
	return exactLimit/8 + (e-10)*8 + step - 7, (step + 1) << (e - 3)
}

// alloc returns the offset of a block of at least size bytes. Slices obtained from at before the call must not be written
// after it: the chunk may have been replaced by a longer copy.
func (a *arena) alloc(size uint32) uint32 {
	index, block := class(size)
	a.used += int64(block)
	if int(index) < len(a.free) {
		if head := a.free[index]; head != 0 {
			b := a.at(head)
			a.free[index] = binary.LittleEndian.Uint32(b)
			if a.poisoned {
				checkPoison(b[:block])
			}
			return head
		}
	}
	if a.next+uint64(block) > a.end {
		a.extend(uint64(block))
	}
	offset := uint32(a.next)
	a.next += uint64(block)
	return offset
}

// release puts a block on its free list.
func (a *arena) release(offset, size uint32) {
	index, block := class(size)
	a.push(offset, index, block)
}

func (a *arena) push(offset, index, block uint32) {
	if int(index) >= len(a.free) {
		grown := make([]uint32, index+1)
		copy(grown, a.free)
		a.free = grown
	}
	b := a.at(offset)[:block]
	if a.poisoned {
		for i := range b {
			b[i] = poison
		}
	}
	binary.LittleEndian.PutUint32(b, a.free[index])
	a.free[index] = offset &^ kindMask
}

func checkPoison(b []byte) {
	for i := 4; i < len(b); i++ {
		if b[i] != poison {
			panic(fmt.Sprintf("radix: free block was written at byte %d of %d", i, len(b)))
		}
	}
}

// extend makes room for need bytes: the last chunk becomes longer by a quarter of the arena, or a new one begins.
func (a *arena) extend(need uint64) {
	step := max(uint64(a.arenaBytes)/4, firstChunk)
	if last := len(a.chunks) - 1; last >= 0 {
		base := uint64(last) << chunkBits
		if a.next-base+need <= chunkSize {
			a.lengthen(last, max(a.end-base+step, a.next-base+need))
			return
		}
		a.scrap(a.next, a.end)
		a.next = a.end
	}
	if len(a.chunks) == maxChunks {
		panic("radix: the arena of 4 GiB is full; call Grow before Put")
	}
	chunk := newChunk(max(step, need+8))
	a.next = uint64(len(a.chunks)) << chunkBits
	a.chunks = append(a.chunks, chunk)
	a.end = a.next + uint64(len(chunk))
	a.arenaBytes += int64(len(chunk))
	if a.next == 0 {
		a.next = 8
	}
}

// newChunk rounds size up to what the allocator would give anyway.
func newChunk(size uint64) []byte {
	b := append([]byte(nil), make([]byte, min(size, chunkSize))...)
	return b[:min(cap(b), chunkSize)&^7]
}

// lengthen replaces the last chunk by a longer copy. Snapshots keep the old chunk and the old table.
func (a *arena) lengthen(last int, size uint64) {
	old := a.chunks[last]
	chunk := newChunk(size)
	copy(chunk, old[:a.next&(chunkSize-1)])
	if s := a.newest; s != nil && last < len(s.chunks) && &s.chunks[last][0] == &old[0] {
		s.stale = append(s.stale, last)
		a.stale += int64(len(old))
	}
	table := slices.Clone(a.chunks)
	table[last] = chunk
	a.chunks = table
	a.end += uint64(len(chunk) - len(old))
	a.arenaBytes += int64(len(chunk) - len(old))
}

// scrap gives bytes of one chunk that nobody has been given to the free lists.
func (a *arena) scrap(from, to uint64) {
	for rest := uint32(to - from); rest >= 8; rest = uint32(to - from) {
		index, block := class(rest)
		if block > rest {
			index--
			block = blockOf(index)
		}
		a.push(uint32(from), index, block)
		from += uint64(block)
	}
}

// carve takes bytes, within one chunk, that the caller gives out as blocks and counts as used, or scraps.
func (a *arena) carve(size uint64) (from, to uint64) {
	if a.next+size > a.end {
		a.extend(size)
	}
	from = a.next
	a.next += size
	return from, a.next
}

// blockOf is the block size of a class.
func blockOf(index uint32) uint32 {
	if index <= exactLimit/8 {
		return index << 3
	}
	index -= exactLimit/8 + 1
	return (9 + index&7) << (7 + index>>3)
}

// birth is the version at which the block was written.
func birth(b []byte) uint64 { return binary.LittleEndian.Uint64(b) & MaxVersion }

// owned says whether the block can be written in place: no live snapshot reaches it.
func (a *arena) owned(b []byte) bool { return int64(birth(b)) > a.frozen }

// retire takes a block out of the live tree: it is freed at once if no snapshot can reach it, else with the snapshots.
func (a *arena) retire(ref uint32) {
	b := a.at(ref)
	size := a.sizeOf(ref, b)
	_, block := class(size)
	a.used -= int64(block)
	if a.owned(b) {
		a.dispose(ref, b, size)
		return
	}
	a.limbo += int64(block)
	a.bigLimbo += a.bigOf(ref, b)
	a.deadBytes -= int64(cap(a.newest.dead)) * 4
	a.newest.dead = append(a.newest.dead, ref)
	a.deadBytes += int64(cap(a.newest.dead)) * 4
}

// dispose frees a block that nobody can reach any more, and its big value.
func (a *arena) dispose(ref uint32, b []byte, size uint32) {
	if ref&kindMask == kindLeaf && leafMeta(b)&metaBig != 0 {
		a.dropBig(a.bigSlot(b))
	}
	a.release(ref&^kindMask, size)
}

func (a *arena) sizeOf(ref uint32, b []byte) uint32 {
	if ref&kindMask == kindLeaf {
		return a.leafSize(b)
	}
	return nodeSize[ref&kindMask]
}

// keepBig stores a value in the side table.
func (a *arena) keepBig(value []byte) uint32 {
	a.bigBytes += int64(cap(value))
	if last := len(a.bigFree) - 1; last >= 0 {
		slot := a.bigFree[last]
		a.bigFree = a.bigFree[:last]
		a.big[slot] = value
		return slot
	}
	a.big = append(a.big, value)
	return uint32(len(a.big) - 1)
}

// bigOf is the size of a block's big value; 0 if it has none.
func (a *arena) bigOf(ref uint32, b []byte) int64 {
	if ref&kindMask != kindLeaf || leafMeta(b)&metaBig == 0 {
		return 0
	}
	return int64(cap(a.big[a.bigSlot(b)]))
}

func (a *arena) dropBig(slot uint32) {
	a.bigBytes -= int64(cap(a.big[slot]))
	a.big[slot] = nil
	a.bigFree = append(a.bigFree, slot)
}
