package radix

import (
	"encoding/binary"
	"math/bits"
)

// find descends to the leaf of key, 0 if there is none. Prefixes are checked as far as they are inline; the leaf decides.
func (v *view) find(key []byte) uint32 {
	ref, depth := v.root, 0
	for ref&kindMask > kindLeaf {
		b := v.at(ref)
		if plen := prefixLen(b); plen != 0 {
			if len(key)-depth < plen || sharedInline(b, plen, key[depth:]) < min(plen, inline) {
				return 0
			}
			depth += plen
		}
		if depth == len(key) {
			ref = term(b)
			break
		}
		ref = child(b, ref&kindMask, key[depth])
		depth++
	}
	if ref == 0 || !v.leafIs(ref, key) {
		return 0
	}
	return ref
}

// sharedInline counts how many inline prefix bytes rest begins with.
func sharedInline(b []byte, plen int, rest []byte) int {
	n := min(plen, inline, len(rest))
	if len(rest) >= 8 {
		x := binary.LittleEndian.Uint64(b[prefixAt:]) ^ binary.LittleEndian.Uint64(rest)
		return min(n, bits.TrailingZeros64(x)>>3)
	}
	for i := range n {
		if b[prefixAt+i] != rest[i] {
			return i
		}
	}
	return n
}

// shared counts the leading bytes that a and b have in common.
func shared(a, b []byte) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// some is any leaf below ref: all of them share the path to ref.
func (v *view) some(ref uint32) uint32 {
	for ref&kindMask > kindLeaf {
		b, kind := v.at(ref), ref&kindMask
		if ref = term(b); ref != 0 {
			return ref
		}
		for place := 0; ref == 0; place++ {
			ref = childAt(b, kind, place)
		}
	}
	return ref
}

// prefix is the whole prefix of the node at ref, whose path has depth bytes.
func (v *view) prefix(ref uint32, depth int) []byte {
	b := v.at(ref)
	plen := prefixLen(b)
	if plen <= inline {
		return b[prefixAt : prefixAt+plen]
	}
	return v.leafKey(v.at(v.some(ref)))[depth : depth+plen]
}

// under finds the subtree that holds exactly the keys that begin with p, 0 if there is none.
func (v *view) under(p []byte) uint32 {
	ref, depth := v.root, 0
	for ref&kindMask > kindLeaf && depth < len(p) {
		b := v.at(ref)
		plen := prefixLen(b)
		rest := p[depth:]
		if sharedInline(b, plen, rest) < min(plen, inline, len(rest)) {
			return 0
		}
		depth += plen
		if depth >= len(p) {
			break
		}
		ref = child(b, ref&kindMask, p[depth])
		depth++
	}
	if ref == 0 {
		return 0
	}
	if key := v.leafKey(v.at(v.some(ref))); len(key) < len(p) || string(key[:len(p)]) != string(p) {
		return 0
	}
	return ref
}
