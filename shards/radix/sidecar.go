package radix

import (
	"encoding/binary"
	"math/bits"
)

// The sidecar maps the hash of a key to its leaf: an extendible hash table (Fagin et al. 1979) of segments that grow in
// steps to 4 KiB and then split, so that no insert waits for a table to double.
//
//	hash:32   ┌ top depth bits ─► dir ─► segment   [0] meta: count:16 | depth:8 | lossy:1
//	          └ scattered ─► home slot             [1..] hash:32 | ref:32, linear probing, 0 = empty
//
// A segment whose keys cannot be told apart by their hashes (hostile keys with a known seed) becomes lossy: it leaves keys
// out, and a miss there falls back to a descent.
type sidecar struct {
	dir   [][]uint64
	shift uint8 // 32 - depth of dir
	bytes int64
}

const (
	sidecarAbove = 64 // keys; fewer are found faster in the tree itself
	segmentFull  = 512
	lossyBit     = 1 << 24
)

// steps are the lengths of a segment in words, each a size that the allocator has.
var steps = [...]int{96, 128, 160, 192, 224, 256, 288, 336, 384, 432, segmentFull}

func (s *sidecar) segment(h uint32) []uint64 { return s.dir[uint64(h)>>(s.shift&63)] }

// home scatters the hash over slots 1..n-1, independently of its top bits.
func home(h uint32, n int) int { return 1 + int(uint64(h*0x9E3779B1)*uint64(n-1)>>32) }

func count(segment []uint64) int { return int(segment[0] & 0xFFFF) }

func depthOf(segment []uint64) uint { return uint(segment[0]>>16) & 0xFF }

func lossy(segment []uint64) bool { return segment[0]&lossyBit != 0 }

// fits says whether n entries keep a segment of length words at most three quarters full.
func fits(n, words int) bool { return 4*n <= 3*(words-1) }

// put stores an entry; the segment has an empty slot.
func put(segment []uint64, h, ref uint32) {
	i := home(h, len(segment))
	for segment[i] != 0 {
		if i++; i == len(segment) {
			i = 1
		}
	}
	segment[i] = uint64(h)<<32 | uint64(ref)
	segment[0]++
}

// seek is the slot of an entry, 0 if it is not there.
func seek(segment []uint64, h, ref uint32) int {
	want := uint64(h)<<32 | uint64(ref)
	for i := home(h, len(segment)); segment[i] != 0; {
		if segment[i] == want {
			return i
		}
		if i++; i == len(segment) {
			i = 1
		}
	}
	return 0
}

// insert adds an entry to the sidecar of a tree of n keys.
func (s *sidecar) insert(h, ref uint32, n int) {
	for {
		segment := s.segment(h)
		if fits(count(segment)+1, len(segment)) {
			put(segment, h, ref)
			return
		}
		if len(segment) < segmentFull {
			s.grow(h, segment)
			continue
		}
		if depthOf(segment) < uint(min(bits.Len(uint(n>>6))+3, 24)) {
			s.split(h, segment)
			continue
		}
		segment[0] |= lossyBit
		return
	}
}

// replace changes the leaf of an entry.
func (s *sidecar) replace(h, from, to uint32) {
	segment := s.segment(h)
	if i := seek(segment, h, from); i != 0 {
		segment[i] = uint64(h)<<32 | uint64(to)
	}
}

// remove drops an entry and closes the gap (Knuth's algorithm R).
func (s *sidecar) remove(h, ref uint32) {
	segment := s.segment(h)
	hole := seek(segment, h, ref)
	if hole == 0 {
		return
	}
	segment[0]--
	n := len(segment)
	for i := hole; ; {
		if i++; i == n {
			i = 1
		}
		if segment[i] == 0 {
			break
		}
		// The entry at i may fill the hole unless its home lies cyclically in (hole, i].
		from := home(uint32(segment[i]>>32), n)
		if hole <= i && (from <= hole || from > i) || hole > i && from <= hole && from > i {
			segment[hole] = segment[i]
			hole = i
		}
	}
	segment[hole] = 0
}

// newSegment makes a segment of the first step that holds n entries.
func (s *sidecar) newSegment(n int, depth uint) []uint64 {
	words := segmentFull
	for _, step := range steps {
		if fits(n, step) {
			words = step
			break
		}
	}
	s.bytes += int64(words) * 8
	segment := make([]uint64, words)
	segment[0] = uint64(depth) << 16
	return segment
}

// grow replaces the segment of h by one of the next step.
func (s *sidecar) grow(h uint32, old []uint64) {
	fresh := s.newSegment(count(old)+1+count(old)/8, depthOf(old))
	for _, slot := range old[1:] {
		if slot != 0 {
			put(fresh, uint32(slot>>32), uint32(slot))
		}
	}
	s.hang(h, fresh)
	s.bytes -= int64(len(old)) * 8
}

// hang points every directory entry of the segment's share at it.
func (s *sidecar) hang(h uint32, segment []uint64) {
	depth := depthOf(segment)
	wide := 32 - uint(s.shift) - depth // log2 of the entries that share the segment
	from := int(uint64(h)>>(32-depth)) << wide
	for i := range 1 << wide {
		s.dir[from+i] = segment
	}
}

// split divides a full segment by the next bit of the hash.
func (s *sidecar) split(h uint32, old []uint64) {
	depth := depthOf(old)
	if depth == 32-uint(s.shift) {
		s.double()
	}
	bit := uint32(1) << (31 - depth)
	ones := 0
	for _, slot := range old[1:] {
		if slot != 0 && uint32(slot>>32)&bit != 0 {
			ones++
		}
	}
	zeros := count(old) - ones
	low, high := s.newSegment(zeros+zeros/8, depth+1), s.newSegment(ones+ones/8, depth+1)
	low[0] |= old[0] & lossyBit
	high[0] |= old[0] & lossyBit
	for _, slot := range old[1:] {
		if slot == 0 {
			continue
		}
		if uint32(slot>>32)&bit != 0 {
			put(high, uint32(slot>>32), uint32(slot))
		} else {
			put(low, uint32(slot>>32), uint32(slot))
		}
	}
	s.hang(h&^bit, low)
	s.hang(h|bit, high)
	s.bytes -= int64(len(old)) * 8
}

// double makes the directory one bit deeper.
func (s *sidecar) double() {
	dir := make([][]uint64, 2*len(s.dir))
	for i, segment := range s.dir {
		dir[2*i], dir[2*i+1] = segment, segment
	}
	s.bytes += int64(len(s.dir)) * 24
	s.dir = dir
	s.shift--
}

// buildSidecar hashes every key of the tree.
func (t *Tree) buildSidecar() {
	t.side = sidecar{shift: 32, bytes: 24}
	t.side.dir = [][]uint64{nil}
	t.side.dir[0] = t.side.newSegment(t.n, 0)
	for key := range t.Prefix(nil) {
		h := t.hash(key)
		t.side.insert(h, t.find(key), t.n)
	}
}

const (
	mix1 = 0x9E3779B97F4A7C15
	mix2 = 0xC2B2AE3D27D4EB4F
	mix3 = 0x165667B19E3779F9
)

func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// hash folds the key in 8-byte words by 64x64-bit multiplication, after wyhash (Wang Yi).
func hash(seed uint64, key []byte) uint64 {
	var a, b uint64
	n, h := len(key), mix(seed^mix1, mix2)
	switch {
	case n > 16:
		for rest := key; len(rest) > 16; rest = rest[16:] {
			h = mix(binary.LittleEndian.Uint64(rest)^mix2, binary.LittleEndian.Uint64(rest[8:])^h)
		}
		a, b = binary.LittleEndian.Uint64(key[n-16:]), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		a = uint64(key[0])<<16 | uint64(key[n>>1])<<8 | uint64(key[n-1])
	}
	return mix(mix3^uint64(n), mix(a^mix2, b^h))
}
