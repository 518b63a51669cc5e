package radix

import "unsafe"

// A builder makes a tree of leaves that come in key order. Open are the nodes on the path of the last key; one that the next key does not
// share is complete, and is written with just the room that it needs:
//
//	key          path of open nodes     leaves                    nodes, in a slab among them
//	  ab         -                      ab
//	  abc        "ab"                   ab abc
//	  abd        "ab"                   ab abc abd
//	  b          ""                     ab abc abd b              N4("b": term ab, c, d)
//	  (the end)                         ab abc abd b              N4("b": term ab, c, d) N4("": a, b)
//
// So leaves lie in the order of a walk, and nodes close to it, without those between that nobody needs soon: a walk reads both as two streams.
type builder struct {
	open []layer // outermost first, each longer than the one before
	last []byte
	leaf uint32 // of last, not yet linked; 0 = no key has come
	slab uint64 // where the next node goes
	stop uint64 // where the slab ends
	held int64  // bytes of the layers' keys and refs
}

// memory is what the builder holds beside the tree.
func (b *builder) memory() int64 { return int64(cap(b.last)) + layerSize*int64(cap(b.open)) + b.held }

const layerSize = int64(unsafe.Sizeof(layer{}))

// slabSize is the bytes that nodes get at a time, of a large tree; of a small one less, since part of the last slab stays empty.
const slabSize = 4096

// layer is an open node.
type layer struct {
	end  int // bytes of path and prefix
	term uint32
	born uint64 // of the newest block below
	keys []byte
	refs []uint32
}

// next takes the leaf of a key that follows all others.
func (b *builder) next(t *Tree, key []byte, leaf uint32) {
	if b.leaf != 0 {
		b.settle(t, shared(b.last, key))
	}
	b.last = append(b.last[:0], key...)
	b.leaf = leaf
}

// finish links what is open. The builder is at its end then.
func (b *builder) finish(t *Tree) {
	if b.leaf != 0 {
		t.root = b.settle(t, -1)
	}
	t.scrap(b.slab, b.stop)
}

// settle links the last leaf, completes the nodes that the next key does not share, and returns what has no node above it yet. same is
// what the keys have in common, -1 if no key follows.
func (b *builder) settle(t *Tree, same int) uint32 {
	ref := b.leaf
	n := len(b.open)
	for ; n > 0 && b.open[n-1].end > same; n-- {
		begin := same + 1
		if n > 1 {
			begin = max(begin, b.open[n-2].end+1)
		}
		l := &b.open[n-1]
		b.attach(t, l, b.last, ref)
		ref = b.write(t, l, b.last[begin:l.end])
	}
	b.open = b.open[:n]
	if same < 0 {
		return ref
	}
	if n == 0 || b.open[n-1].end < same {
		b.push(same)
	}
	b.attach(t, &b.open[len(b.open)-1], b.last, ref)
	return 0
}

// push opens a node, in the memory of one that was open before if it can.
func (b *builder) push(end int) {
	n := len(b.open)
	if n == cap(b.open) {
		b.open = append(b.open, layer{end: end})
		return
	}
	b.open = b.open[:n+1]
	l := &b.open[n]
	*l = layer{end: end, keys: l.keys[:0], refs: l.refs[:0]}
}

// attach hangs a block below an open node: as term if the key ends there.
func (b *builder) attach(t *Tree, l *layer, key []byte, ref uint32) {
	l.born = max(l.born, birth(t.at(ref)))
	if len(key) == l.end {
		l.term = ref
		return
	}
	before := cap(l.keys) + 4*cap(l.refs)
	l.keys = append(l.keys, key[l.end])
	l.refs = append(l.refs, ref)
	b.held += int64(cap(l.keys) + 4*cap(l.refs) - before)
}

// write makes the block of a complete node.
func (b *builder) write(t *Tree, l *layer, prefix []byte) uint32 {
	kind := uint32(kind4)
	for room[kind] < len(l.keys) {
		kind++
	}
	ref := b.block(t, nodeSize[kind]) | kind
	to := t.clearNode(ref, l.born, prefix)
	put32(to, termAt, l.term)
	if kind >= kind48 {
		clear(to[edgesAt:nodeSize[kind]])
		for i, c := range l.keys {
			insertEdge(to, kind, c, l.refs[i])
		}
		return ref
	}
	to[countAt] = byte(copy(to[edgesAt:], l.keys))
	for i, ref := range l.refs {
		put32(to, int(refsAt[kind])+4*i, ref)
	}
	return ref
}

// block takes a block for a node from the slab.
func (b *builder) block(t *Tree, size uint32) uint32 {
	_, block := class(size)
	if b.slab+uint64(block) > b.stop {
		t.scrap(b.slab, b.stop)
		share := uint64(t.used) / 16 &^ 7
		b.slab, b.stop = t.carve(max(min(share, slabSize), uint64(block)))
	}
	t.used += int64(block)
	b.slab += uint64(block)
	return uint32(b.slab) - block
}
