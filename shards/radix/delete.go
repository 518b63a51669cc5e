package radix

// Delete removes a key and returns what was there; old.Value is valid until the next write. version is as for Put.
func (t *Tree) Delete(version uint64, key []byte) (old Item, existed bool) {
	h := uint32(0)
	var ref uint32
	if t.side.dir != nil {
		h = t.hash(key)
		ref = t.lookupHash(h, key)
	} else {
		ref = t.find(key)
	}
	if ref == 0 {
		return Item{}, false
	}
	t.begin(version)
	t.note(key)
	_, old = t.entry(t.at(ref))
	if t.side.dir != nil {
		t.side.remove(h, ref)
	}
	t.reschedule(key, ref, old.ExpireAt, 0, 0)
	t.n--
	t.live -= int64(len(key) + len(old.Value))
	t.cutOff(key, ref)
	if t.poisoned && t.owned(t.at(ref)) {
		t.scratch = append(t.scratch[:0], old.Value...)
		old.Value = t.scratch
	}
	t.retire(ref)
	return old, true
}

// cutOff unlinks the subtree at target, which lies on the path of key, and restores the form that the tree would have
// had without it.
func (t *Tree) cutOff(key []byte, target uint32) {
	at, depth := uint32(0), 0
	if t.root == target {
		t.root = 0
		return
	}
	for {
		ref := t.own(at, t.link(at))
		b := t.at(ref)
		depth += prefixLen(b)
		if depth == len(key) {
			put32(b, termAt, 0)
			t.settle(at, ref)
			return
		}
		slot := edge(b, ref&kindMask, key[depth])
		if get32(b, slot) == target {
			removeEdge(b, ref&kindMask, key[depth])
			t.settle(at, ref)
			return
		}
		at = ref&^kindMask + uint32(slot)
		depth++
	}
}

// settle repairs an owned node that has lost a child: a node with one way on is joined with what is below it, a thin one
// becomes smaller.
func (t *Tree) settle(at, ref uint32) {
	b, kind := t.at(ref), ref&kindMask
	n := int(b[countAt]) // a node that has lost a child has at most 255
	switch {
	case kind == kind256 && n == 0:
		return // it lost its term and has all 256 edges
	case n == 0:
		t.setLink(at, term(b))
		t.retire(ref)
	case n == 1 && term(b) == 0:
		t.join(at, ref)
	case n <= shrinkAt[kind]:
		t.remake(at, ref, kind-1)
	}
}

// join replaces a node that has one edge and no term by its child: prefix + edge + the child's prefix.
func (t *Tree) join(at, ref uint32) {
	b, kind := t.at(ref), ref&kindMask
	place := 0
	for childAt(b, kind, place) == 0 {
		place++
	}
	c := byteAt(b, kind, place)
	below := childAt(b, kind, place)
	if below&kindMask == kindLeaf {
		t.setLink(at, below)
		t.retire(ref)
		return
	}
	below = t.own(ref&^kindMask+uint32(edge(b, kind, c)), below)
	b = t.at(ref)
	to := t.at(below)
	above, rest := prefixLen(b), prefixLen(to)
	var shown [2*inline + 1]byte
	n := copy(shown[:], b[prefixAt:prefixAt+min(above, inline)])
	if above < inline {
		shown[n] = c
		copy(shown[n+1:], to[prefixAt:prefixAt+min(rest, inline)])
	}
	setPrefix(to, above+1+rest, shown[:])
	t.setLink(at, below)
	t.retire(ref)
}

// DeletePrefix removes every key that begins with prefix and returns how many. visit (may be nil) sees each key in order
// before any of them goes, and must not touch the tree. version is as for Put.
func (t *Tree) DeletePrefix(version uint64, prefix []byte, visit func(key []byte)) int {
	target := t.under(prefix)
	if target == 0 {
		return 0
	}
	t.begin(version)
	before := t.n
	var path []byte
	for key := range t.Prefix(prefix) {
		if visit != nil {
			visit(key)
		}
		t.note(key)
		if path == nil {
			path = append(path, key...)
		}
	}
	t.cutOff(path, target)
	t.drop(target)
	return before - t.n
}

// drop retires every block below ref, which is no longer linked.
func (t *Tree) drop(ref uint32) {
	b := t.at(ref)
	if ref&kindMask == kindLeaf {
		key, it := t.entry(b)
		if t.side.dir != nil {
			t.side.remove(t.hash(key), ref)
		}
		t.reschedule(key, ref, it.ExpireAt, 0, 0)
		t.n--
		t.live -= int64(len(key) + len(it.Value))
		t.retire(ref)
		return
	}
	if ends := term(b); ends != 0 {
		t.drop(ends)
	}
	for place, limit := 0, span(b, ref&kindMask); place < limit; place++ {
		if below := childAt(b, ref&kindMask, place); below != 0 {
			t.drop(below)
		}
	}
	t.retire(ref)
}
