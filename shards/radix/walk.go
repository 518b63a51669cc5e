package radix

import (
	"bytes"
	"iter"
)

// A walker visits leaves in order, forward or backward. In a tree that was filled at random each block has cache lines of its own, and
// waiting for them one by one is most of the time of a walk. So it asks for them ahead: for the children of a node's children when it comes
// to the node, and leaves are handed out a batch later than they were met.
//
//	at a node      asks for its grandchildren: those of its children that are small nodes are there, since its parent's turn
//	at a leaf      ahead[turn] takes it; when the batch is full, ahead[turn^1] is handed out and the two change places
//
// Where leaves lie side by side, as after Rebuild or when keys came in order, the processor foresees them, and they are handed out at once.
// All steps return false to end the walk.
type walker struct {
	*view
	yield    func([]byte, Item) bool
	mods     uint64
	lo, hi   []byte // checked at each leaf by the direction that needs it; nil = open
	bounded  bool
	backward bool
	turn     int // of the batches
	met      int // leaves in ahead[turn]
	due      int // leaves in ahead[turn^1]
	width    int // met becomes due at this number
	ahead    [2][widest]uint32
}

// The first leaf of a walk is handed out at once, so that one which ends there costs no more than it must; batches grow from there.
const (
	narrowest  = 4
	widest     = 8
	sideBySide = 1024 // bytes a child, on average over a node's children
	longLeaf   = 64   // bytes; what follows is asked for when the length can be read
	longest    = 1024 // bytes; more is a stream
)

func (v *view) walker(yield func([]byte, Item) bool) walker {
	return walker{view: v, yield: yield, mods: v.mods, width: 1}
}

// Prefix yields, in order, every key that begins with p and its item. A live iteration panics if the tree is written
// before it ends; one over a snapshot never does.
func (v *view) Prefix(p []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		w := v.walker(yield)
		if ref := v.under(p); ref != 0 && w.all(ref, false) {
			w.handOut()
		}
	}
}

// Range yields the keys in [lo, hi) in order; a nil hi is no bound. It panics as Prefix does.
func (v *view) Range(lo, hi []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		w := v.walker(yield)
		w.hi, w.bounded = hi, hi != nil
		if v.root != 0 && w.from(v.root, 0, lo) {
			w.handOut()
		}
	}
}

// Reverse yields the keys in [lo, hi) from the last to the first; a nil hi is no bound. It panics as Prefix does.
func (v *view) Reverse(lo, hi []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		w := v.walker(yield)
		w.lo, w.bounded, w.backward = lo, len(lo) > 0, true
		if v.root != 0 && (hi == nil && w.all(v.root, false) || hi != nil && w.from(v.root, 0, hi)) {
			w.handOut()
		}
	}
}

// emit hands a leaf to the caller unless it lies beyond the far bound.
func (w *walker) emit(ref uint32) bool {
	key, it := w.entry(w.at(ref))
	if w.bounded && w.beyond(key) || !w.yield(key, it) {
		return false
	}
	if w.view.mods != w.mods {
		panic("radix: the tree was written during an iteration")
	}
	return true
}

func (w *walker) beyond(key []byte) bool {
	return w.hi != nil && bytes.Compare(key, w.hi) >= 0 || w.lo != nil && bytes.Compare(key, w.lo) < 0
}

// meet takes the next leaf. Its block has been asked for, unless a walk forward comes to a key that ends at a node.
func (w *walker) meet(ref uint32) bool {
	if w.width == 1 {
		w.width = narrowest
		return w.emit(ref)
	}
	w.ahead[w.turn&1][w.met] = ref
	w.met++
	return w.met < w.width || w.change()
}

// change hands out the leaves that are due; those that were met become due.
func (w *walker) change() bool {
	for _, ref := range w.ahead[w.turn&1^1][:w.due] {
		if !w.emit(ref) {
			return false
		}
	}
	for _, ref := range w.ahead[w.turn&1][:w.met] {
		b := w.at(ref)
		size := w.leafSize(b)
		if size <= longLeaf {
			break // as its neighbours, mostly
		}
		prefetch(b[longLeaf:min(size, longest)])
	}
	w.turn, w.due, w.met = w.turn^1, w.met, 0
	w.width = min(2*w.width, widest)
	return true
}

// handOut leaves nothing met and nothing due.
func (w *walker) handOut() bool {
	for w.met+w.due > 0 {
		if !w.change() {
			return false
		}
	}
	return true
}

// all visits everything below ref. asked says that its children have been asked for.
func (w *walker) all(ref uint32, asked bool) bool {
	kind := ref & kindMask
	if kind == kindLeaf {
		return w.meet(ref)
	}
	b := w.at(ref)
	if w.backward || kind >= kind48 {
		return w.rest(b, kind, 0)
	}
	if ends := term(b); ends != 0 && !w.meet(ends) {
		return false
	}
	return w.each(smallRefs(b, kind), asked)
}

// smallRefs are the refs of an N4, N8 or N16.
func smallRefs(b []byte, kind uint32) []byte {
	at := int(refsAt[kind])
	return b[at : at+4*int(b[countAt])]
}

// each visits everything below neighbours in a node.
func (w *walker) each(refs []byte, asked bool) bool {
	first, last := get32(refs, 0), get32(refs, len(refs)-4)
	if w.backward {
		first, last = last, first
	}
	if distance := last - first; distance != 0 && distance < uint32(len(refs))*(sideBySide/4) {
		return w.inPlace(refs)
	}
	if !asked {
		prefetchBlocks(w.chunks, refs)
	}
	for i := 0; i+4 <= len(refs); i += 4 {
		ref := get32(refs, i)
		if kind := ref & kindMask; kind != kindLeaf && kind < kind48 {
			prefetchBlocks(w.chunks, smallRefs(w.at(ref), kind))
		}
	}
	for i := 0; i+4 <= len(refs); i += 4 {
		ref := get32(refs, i)
		if ref&kindMask == kindLeaf {
			if !w.meet(ref) {
				return false
			}
		} else if !w.all(ref, true) {
			return false
		}
	}
	return true
}

// inPlace is each for blocks that lie side by side.
func (w *walker) inPlace(refs []byte) bool {
	v, mods := w.view, w.mods
	for i := 0; i+4 <= len(refs); i += 4 {
		ref := get32(refs, i)
		if ref&kindMask != kindLeaf {
			if !w.all(ref, false) {
				return false
			}
			continue
		}
		if w.met|w.due != 0 && !w.handOut() {
			return false
		}
		key, it := v.entry(v.at(ref))
		if w.bounded && w.beyond(key) || !w.yield(key, it) {
			return false
		}
		if v.mods != mods {
			panic("radix: the tree was written during an iteration")
		}
	}
	return true
}

// rest visits what a node holds but for the first places in the order of the walk. The key that ends there has a place, too: the first
// or, backward, the last.
func (w *walker) rest(b []byte, kind uint32, place int) bool {
	var refs [4 * 16]byte
	for places := span(b, kind); place <= places; {
		n := 0
		for ; n < len(refs) && place <= places; place++ {
			if ref := w.placed(b, kind, places, place); ref != 0 {
				put32(refs[:], n, ref)
				n += 4
			}
		}
		if n > 0 && !w.each(refs[:n], false) {
			return false
		}
	}
	return true
}

// placed is the ref at a place in the order of the walk, or 0.
func (w *walker) placed(b []byte, kind uint32, places, place int) uint32 {
	if w.backward {
		place = places - place
	}
	if place == 0 {
		return term(b)
	}
	return childAt(b, kind, place-1)
}

// from visits the keys below ref that are at least bound or, backward, less than it; the path to ref is bound[:depth].
func (w *walker) from(ref uint32, depth int, bound []byte) bool {
	kind, b := ref&kindMask, w.at(ref)
	if kind == kindLeaf {
		less := bytes.Compare(w.leafKey(b), bound) < 0
		return less != w.backward || w.meet(ref)
	}
	p, rest := w.prefix(ref, depth), bound[depth:]
	if same := shared(p, rest); same < len(p) {
		less := same < len(rest) && p[same] < rest[same]
		return less != w.backward || w.all(ref, false)
	}
	if depth += len(p); depth == len(bound) {
		return w.backward || w.all(ref, false)
	}
	places, place := span(b, kind), firstPlace(b, kind, bound[depth])
	there := place < places && byteAt(b, kind, place) == bound[depth]
	if there {
		if ref := childAt(b, kind, place); ref != 0 && !w.from(ref, depth+1, bound) {
			return false
		}
	}
	switch {
	case w.backward:
		return w.rest(b, kind, places-place)
	case there:
		return w.rest(b, kind, place+2)
	}
	return w.rest(b, kind, place+1)
}
