package radix

import "math"

// Links are named by the absolute offset of the four bytes that hold them; 0 names the root.

func (t *Tree) link(at uint32) uint32 {
	if at == 0 {
		return t.root
	}
	return get32(t.chunks[at>>chunkBits][at&(chunkSize-1):], 0)
}

func (t *Tree) setLink(at, ref uint32) {
	if at == 0 {
		t.root = ref
		return
	}
	put32(t.chunks[at>>chunkBits][at&(chunkSize-1):], 0, ref)
}

// own returns the node at ref if it may be written, else replaces it by a copy under the link at.
func (t *Tree) own(at, ref uint32) uint32 {
	b := t.at(ref)
	if t.owned(b) {
		return ref
	}
	kind := ref & kindMask
	size := nodeSize[kind]
	fresh := t.alloc(size) | kind
	to := t.at(fresh)
	copy(to[:size], b[:size])
	setBirth(to, t.version)
	t.setLink(at, fresh)
	t.retire(ref)
	return fresh
}

// place links a leaf under its key; a leaf that is there gives way. The cases are those of Redis' rax:
//
//	tree       insert    becomes
//	abcd       abcdef    "abcd" with term abcd and edge e          the tree's key ends inside the new one
//	abcd       ab        "ab" with term ab and edge c              the new key ends inside
//	abcd       abXY      "ab" with edges X and c                   they differ inside
//	"ab"…      abZ       one edge more                             they differ at an edge
func (t *Tree) place(key []byte, leaf uint32) {
	if cut := t.graft(key, leaf, math.MaxInt); cut >= 0 {
		t.graft(key, leaf, cut)
	}
}

// graft descends and links. known is how many bytes key shares with the tree, MaxInt if nobody has looked. Prefix bytes
// that are not inline are taken on trust, and checked against a leaf at the end: if the trust was misplaced nothing is
// linked and the true number of shared bytes is returned, else -1.
func (t *Tree) graft(key []byte, leaf uint32, known int) (cut int) {
	at, depth, trusted := uint32(0), 0, false
	for {
		ref := t.link(at)
		if ref&kindMask <= kindLeaf {
			return t.graftLeaf(at, ref, key, leaf, depth, trusted)
		}
		ref = t.own(at, ref)
		b := t.at(ref)
		plen := prefixLen(b)
		if plen != 0 {
			m := t.match(b, plen, key, depth, known)
			if m < plen {
				if m < 0 || trusted {
					if cut = shared(key, t.leafKey(t.at(t.some(ref)))); cut < depth+max(m, 0) || m < 0 {
						return cut
					}
				}
				t.splitNode(at, ref, depth, m, key, leaf)
				return -1
			}
			trusted = trusted || plen > inline && known == math.MaxInt
			depth += plen
		}
		slot := 0
		if depth == len(key) {
			slot = termAt
		} else {
			slot = edge(b, ref&kindMask, key[depth])
		}
		if slot == 0 || get32(b, slot) == 0 {
			if trusted {
				if cut = shared(key, t.leafKey(t.at(t.some(ref)))); cut < depth {
					return cut
				}
			}
			if slot == termAt {
				put32(b, termAt, leaf)
			} else {
				t.addEdge(at, ref, key[depth], leaf)
			}
			return -1
		}
		at = ref&^kindMask + uint32(slot)
		depth++
	}
}

// match counts the prefix bytes that key continues with: exactly when it is less than plen, or -1 when the key ends within
// bytes that are not inline and a leaf must tell.
func (t *Tree) match(b []byte, plen int, key []byte, depth, known int) int {
	if known != math.MaxInt {
		return min(plen, known-depth)
	}
	m := sharedInline(b, plen, key[depth:])
	if m < min(plen, inline) {
		return m
	}
	if len(key)-depth < plen {
		return -1
	}
	return plen
}

// graftLeaf ends a descent at nothing (the empty tree) or at a leaf.
func (t *Tree) graftLeaf(at, ref uint32, key []byte, leaf uint32, depth int, trusted bool) (cut int) {
	if ref == 0 {
		t.setLink(at, leaf)
		return -1
	}
	there := t.leafKey(t.at(ref))
	same := shared(key, there)
	if same == len(key) && same == len(there) {
		t.setLink(at, leaf)
		return -1
	}
	if trusted && same < depth {
		return same
	}
	node := t.newNode(kind4, t.version, key[depth:same])
	b := t.at(node)
	attach(b, there, same, ref)
	attach(b, key, same, leaf)
	t.setLink(at, node)
	return -1
}

// attach hangs a ref below a new N4 whose path has depth bytes: as term if the key ends there.
func attach(b []byte, key []byte, depth int, ref uint32) {
	if len(key) == depth {
		put32(b, termAt, ref)
		return
	}
	insertEdge(b, kind4, key[depth], ref)
}

// splitNode puts a new N4 above the owned node at ref, whose prefix agrees with the key in m bytes.
func (t *Tree) splitNode(at, ref uint32, depth, m int, key []byte, leaf uint32) {
	node := t.newNode(kind4, t.version, key[depth:depth+m])
	whole := t.prefix(ref, depth)
	below := t.at(ref)
	b := t.at(node)
	insertEdge(b, kind4, whole[m], ref)
	attach(b, key, depth+m, leaf)
	setPrefix(below, len(whole)-m-1, whole[m+1:])
	t.setLink(at, node)
}

// addEdge adds an edge to the owned node at ref, under the link at; a full node becomes one of the next kind.
func (t *Tree) addEdge(at, ref uint32, c byte, to uint32) {
	kind := ref & kindMask
	b := t.at(ref)
	if edges(b, kind) == room[kind] {
		ref = t.remake(at, ref, kind+1)
		kind++
		b = t.at(ref)
	}
	insertEdge(b, kind, c, to)
}

// remake replaces an owned node by one of another kind with the same edges.
func (t *Tree) remake(at, ref, kind uint32) uint32 {
	fresh := t.alloc(nodeSize[kind]) | kind
	from, to := t.at(ref), t.at(fresh)
	copy(to[:edgesAt], from[:edgesAt])
	setBirth(to, t.version)
	convert(to, kind, from, ref&kindMask)
	t.setLink(at, fresh)
	t.retire(ref)
	return fresh
}
