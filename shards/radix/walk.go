package radix

import (
	"bytes"
	"iter"
)

// A walker visits leaves in order. What is still to be visited lies on a stack, the next on top: leaves, and nodes with the places that have
// been. It works on the next few blocks at once, so that their cache misses overlap and do not follow each other:
//
//	stack   … leaf N16·3 │ top          window   leaf leaf N4 leaf N8 leaf …
//	           └ its places 3, 4, … ──────────►  └ the leaves up to the first node are handed out, the rest goes back on the stack
//
// The window widens as the walk goes on: a walk that ends soon has not touched much that it did not need.
type walker struct {
	*view
	yield    func([]byte, Item) bool
	mods     uint64
	lo, hi   []byte // checked at each leaf by the direction that needs it; nil = open
	bounded  bool
	backward bool
	warmth   byte // keeps the loads of warm alive
}

// How many blocks are touched together, at the beginning of a walk and at most, and when they need not be. A core has ten to sixteen misses under way at a time.
const (
	narrowest  = 16
	widest     = 32
	sequential = 256 // bytes from one block to the next, on average, that a processor foresees
)

// cursor is a leaf, or a node of which so many places have been visited: the key that ends there counts as one, the first or, backward,
// the last.
type cursor struct {
	ref  uint32
	done int32
}

// stack is apart from its walker, which may then live on the goroutine's stack: what is appended to is taken to be kept.
type stack struct {
	size int
	room [2 * widest]cursor // few walks need more
	more []cursor
}

func (s *stack) push(ref uint32, done int) {
	c := cursor{ref, int32(done)}
	if s.size < len(s.room) {
		s.room[s.size] = c
	} else {
		s.more = append(s.more[:s.size-len(s.room)], c)
	}
	s.size++
}

func (s *stack) top() *cursor {
	if s.size <= len(s.room) {
		return &s.room[s.size-1]
	}
	return &s.more[s.size-1-len(s.room)]
}

// Prefix yields, in order, every key that begins with p and its item. A live iteration panics if the tree is written
// before it ends; one over a snapshot never does.
func (v *view) Prefix(p []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		if ref := v.under(p); ref != 0 {
			var s stack
			w := walker{view: v, yield: yield, mods: v.mods}
			s.push(ref, 0)
			w.run(&s)
		}
	}
}

// Range yields the keys in [lo, hi) in order; a nil hi is no bound. It panics as Prefix does.
func (v *view) Range(lo, hi []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		var s stack
		w := walker{view: v, yield: yield, mods: v.mods, hi: hi, bounded: hi != nil}
		w.from(&s, lo)
		w.run(&s)
	}
}

// Reverse yields the keys in [lo, hi) from the last to the first; a nil hi is no bound. It panics as Prefix does.
func (v *view) Reverse(lo, hi []byte) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		var s stack
		w := walker{view: v, yield: yield, mods: v.mods, lo: lo, bounded: len(lo) > 0, backward: true}
		switch {
		case v.root == 0:
		case hi == nil:
			s.push(v.root, 0)
		default:
			w.below(&s, hi)
		}
		w.run(&s)
	}
}

// run visits all that is on the stack.
func (w *walker) run(s *stack) {
	var window [widest]uint32
	mods, yield := w.mods, w.yield
	for width := narrowest; s.size > 0; width = min(2*width, widest) {
		n := 0
		for n < width && s.size > 0 {
			took, all := w.take(s.top(), window[n:width])
			if n += took; all {
				s.size--
			}
		}
		if n > 0 {
			w.warm(window[:n])
		}
		leaves := 0
		for ; leaves < n && window[leaves]&kindMask == kindLeaf; leaves++ {
			key, it := w.entry(w.at(window[leaves]))
			if w.bounded && w.beyond(key) || !yield(key, it) {
				return
			}
			if w.view.mods != mods {
				panic("radix: the tree was written during an iteration")
			}
		}
		for i := n - 1; i >= leaves; i-- {
			s.push(window[i], 0)
		}
	}
}

// take moves what comes next at a cursor into the window, as far as there is room, and says whether that was all.
func (w *walker) take(c *cursor, window []uint32) (n int, all bool) {
	kind := c.ref & kindMask
	if kind == kindLeaf {
		window[0] = c.ref
		return 1, true
	}
	b := w.at(c.ref)
	places, done := span(b, kind), int(c.done)
	if !w.backward && kind < kind48 && done > 0 {
		refs := b[int(refsAt[kind])+4*(done-1):]
		n = min(len(window), places+1-done)
		for i := range n {
			window[i] = get32(refs, 4*i)
		}
		c.done += int32(n)
		return n, done+n > places
	}
	ends := 0 // where the key that ends here has its turn
	if w.backward {
		ends = places
	}
	for ; n < len(window) && done <= places; done++ {
		ref := uint32(0)
		switch {
		case done == ends:
			ref = term(b)
		case w.backward:
			ref = childAt(b, kind, places-1-done)
		default:
			ref = childAt(b, kind, done-1)
		}
		if ref != 0 {
			window[n] = ref
			n++
		}
	}
	c.done = int32(done)
	return n, done > places
}

// warm touches blocks where they begin, and then their second cache line, as far as a block has one: what lies behind it may be written
// while a snapshot is read. Blocks that lie one behind the other, as in a tree that was filled in order, come by themselves.
func (w *walker) warm(refs []uint32) {
	first, last := refs[0], refs[len(refs)-1]
	if w.backward {
		first, last = last, first
	}
	if last-first < uint32(len(refs))*sequential {
		return
	}
	sum := w.warmth
	for _, ref := range refs {
		sum += w.chunks[ref>>chunkBits][ref&offsetMask]
	}
	for _, ref := range refs { // apart, for their lengths are on their way only now
		b, size := w.at(ref), nodeSize[ref&kindMask]
		if size == 0 {
			size = w.leafSize(b)
		}
		sum += b[min(64, size-1)]
	}
	w.warmth = sum
}

// beyond says whether a key lies past the far bound.
func (w *walker) beyond(key []byte) bool {
	return w.hi != nil && bytes.Compare(key, w.hi) >= 0 || w.lo != nil && bytes.Compare(key, w.lo) < 0
}

// from puts on the stack what holds the keys that are at least lo.
func (w *walker) from(s *stack, lo []byte) {
	ref, depth := w.root, 0 // the path to ref is lo[:depth]
	for ref != 0 {
		kind, b := ref&kindMask, w.at(ref)
		if kind == kindLeaf {
			if bytes.Compare(w.leafKey(b), lo) >= 0 {
				s.push(ref, 0)
			}
			return
		}
		p, rest := w.prefix(ref, depth), lo[depth:]
		if same := shared(p, rest); same < len(p) {
			if same == len(rest) || p[same] > rest[same] {
				s.push(ref, 0)
			}
			return
		}
		if depth += len(p); depth == len(lo) {
			s.push(ref, 0)
			return
		}
		next, place := uint32(0), firstPlace(b, kind, lo[depth])
		if place < span(b, kind) && byteAt(b, kind, place) == lo[depth] {
			next = childAt(b, kind, place)
			place++
		}
		s.push(ref, 1+place)
		ref = next
		depth++
	}
}

// below puts on the stack what holds the keys that are less than hi, for a walk backward.
func (w *walker) below(s *stack, hi []byte) {
	ref, depth := w.root, 0 // the path to ref is hi[:depth]
	for ref != 0 {
		kind, b := ref&kindMask, w.at(ref)
		if kind == kindLeaf {
			if bytes.Compare(w.leafKey(b), hi) < 0 {
				s.push(ref, 0)
			}
			return
		}
		p, rest := w.prefix(ref, depth), hi[depth:]
		if same := shared(p, rest); same < len(p) {
			if same < len(rest) && p[same] < rest[same] {
				s.push(ref, 0)
			}
			return
		}
		if depth += len(p); depth == len(hi) {
			return
		}
		next, place, places := uint32(0), firstPlace(b, kind, hi[depth]), span(b, kind)
		if place < places && byteAt(b, kind, place) == hi[depth] {
			next = childAt(b, kind, place)
		}
		s.push(ref, places-place)
		ref = next
		depth++
	}
}
