package radix

import (
	"bytes"
	"iter"
)

// walker visits leaves in order until yield or a bound ends it. Its steps return false to end the walk.
type walker struct {
	*view
	yield   func([]byte, Item) bool
	mods    uint64
	lo, hi  []byte // checked at each leaf by the direction that needs it; nil = open
	bounded bool
	warmth  byte
}

// Prefix yields, in order, every key that begins with p and its item. A live iteration panics if the tree is written
// before it ends; one over a snapshot never does.
func (v *view) Prefix(p []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		if ref := v.under(p); ref != 0 {
			w := walker{view: v, yield: yield, mods: v.mods}
			w.all(ref, false)
		}
	}
}

// Range yields the keys in [lo, hi) in order; a nil hi is no bound. It panics as Prefix does.
func (v *view) Range(lo, hi []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		w := walker{view: v, yield: yield, mods: v.mods, hi: hi, bounded: hi != nil}
		if v.root != 0 {
			w.from(v.root, 0, lo)
		}
	}
}

// Reverse yields the keys in [lo, hi) from the last to the first; a nil hi is no bound. It panics as Prefix does.
func (v *view) Reverse(lo, hi []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		w := walker{view: v, yield: yield, mods: v.mods, lo: lo, bounded: len(lo) > 0}
		switch {
		case v.root == 0:
		case hi == nil:
			w.down(v.root)
		default:
			w.below(v.root, 0, hi)
		}
	}
}

// emit hands a leaf to the caller unless it lies beyond the far bound.
func (w *walker) emit(ref uint32) bool {
	key, it := w.entry(w.at(ref))
	if w.bounded && (w.hi != nil && bytes.Compare(key, w.hi) >= 0 || w.lo != nil && bytes.Compare(key, w.lo) < 0) {
		return false
	}
	if !w.yield(key, it) {
		return false
	}
	if w.view.mods != w.mods {
		panic("radix: the tree was written during an iteration")
	}
	return true
}

// all visits everything below ref in order. warmed says that the caller has touched ref's children.
func (w *walker) all(ref uint32, warmed bool) bool {
	kind := ref & kindMask
	if kind == kindLeaf {
		return w.emit(ref)
	}
	b := w.at(ref)
	if ends := term(b); ends != 0 && !w.emit(ends) {
		return false
	}
	if kind >= kind48 {
		return w.allFrom(b, kind, 0)
	}
	refs := smallRefs(b, kind)
	if !warmed {
		w.warm(refs)
	}
	w.warmBelow(refs)
	for i := 0; i+4 <= len(refs); i += 4 {
		ref := get32(refs, i)
		if ref&kindMask == kindLeaf {
			if !w.emit(ref) {
				return false
			}
		} else if !w.all(ref, true) {
			return false
		}
	}
	return true
}

// smallRefs are the refs of an N4, N8 or N16.
func smallRefs(b []byte, kind uint32) []byte {
	at := int(refsAt[kind])
	return b[at : at+4*int(b[countAt])]
}

// warm touches blocks before they are walked, so that their cache misses overlap. The sum keeps the loads alive.
func (w *walker) warm(refs []byte) {
	sum := w.warmth
	for i := 0; i+4 <= len(refs); i += 4 {
		ref := get32(refs, i)
		sum += w.chunks[ref>>chunkBits][ref&offsetMask]
	}
	w.warmth = sum
}

// warmBelow touches the children of those nodes; most nodes near the leaves have two or three, too few to overlap alone.
func (w *walker) warmBelow(refs []byte) {
	for i := 0; i+4 <= len(refs); i += 4 {
		ref := get32(refs, i)
		if kind := ref & kindMask; kind != kindLeaf && kind < kind48 {
			w.warm(smallRefs(w.at(ref), kind))
		}
	}
}

// allFrom visits the children from a place on.
func (w *walker) allFrom(b []byte, kind uint32, place int) bool {
	for limit := span(b, kind); place < limit; place++ {
		if ref := childAt(b, kind, place); ref != 0 && !w.all(ref, false) {
			return false
		}
	}
	return true
}

// from visits the keys below ref that are at least lo; the path to ref is lo[:depth].
func (w *walker) from(ref uint32, depth int, lo []byte) bool {
	kind := ref & kindMask
	b := w.at(ref)
	if kind == kindLeaf {
		return bytes.Compare(w.leafKey(b), lo) < 0 || w.emit(ref)
	}
	p, rest := w.prefix(ref, depth), lo[depth:]
	same := shared(p, rest)
	if same < len(p) {
		if same < len(rest) && p[same] < rest[same] {
			return true
		}
		return w.all(ref, false)
	}
	depth += len(p)
	if depth == len(lo) {
		return w.all(ref, false)
	}
	c := lo[depth]
	place := firstPlace(b, kind, c)
	if place < span(b, kind) && byteAt(b, kind, place) == c {
		if ref := childAt(b, kind, place); ref != 0 && !w.from(ref, depth+1, lo) {
			return false
		}
		place++
	}
	return w.allFrom(b, kind, place)
}

// down visits everything below ref in reverse order.
func (w *walker) down(ref uint32) bool {
	kind := ref & kindMask
	if kind == kindLeaf {
		return w.emit(ref)
	}
	b := w.at(ref)
	return w.downFrom(b, kind, span(b, kind)-1)
}

// downFrom visits the children from a place back, and then the node's own key.
func (w *walker) downFrom(b []byte, kind uint32, place int) bool {
	for ; place >= 0; place-- {
		if ref := childAt(b, kind, place); ref != 0 && !w.down(ref) {
			return false
		}
	}
	ends := term(b)
	return ends == 0 || w.emit(ends)
}

// below visits, in reverse, the keys under ref that are less than hi; the path to ref is hi[:depth].
func (w *walker) below(ref uint32, depth int, hi []byte) bool {
	kind := ref & kindMask
	b := w.at(ref)
	if kind == kindLeaf {
		return bytes.Compare(w.leafKey(b), hi) >= 0 || w.emit(ref)
	}
	p, rest := w.prefix(ref, depth), hi[depth:]
	same := shared(p, rest)
	if same < len(p) {
		if same < len(rest) && p[same] < rest[same] {
			return w.down(ref)
		}
		return true
	}
	depth += len(p)
	if depth == len(hi) {
		return true
	}
	c := hi[depth]
	place := firstPlace(b, kind, c)
	if place < span(b, kind) && byteAt(b, kind, place) == c {
		if ref := childAt(b, kind, place); ref != 0 && !w.below(ref, depth+1, hi) {
			return false
		}
	}
	return w.downFrom(b, kind, place-1)
}
