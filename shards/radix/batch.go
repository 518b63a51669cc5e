package radix

// lane is how many keys GetBatch moves forward together: enough to overlap their cache misses, few enough for registers
// and the first cache to hold them.
const lane = 16

// GetBatch reads keys[i] into out[i] and found[i], which are at least as long as keys. It moves 16 keys forward in
// lockstep, so that their cache misses overlap: use it where several keys are wanted at once.
func (t *Tree) GetBatch(keys [][]byte, out []Item, found []bool) {
	out, found = out[:len(keys)], found[:len(keys)]
	for from := 0; from < len(keys); from += lane {
		to := min(from+lane, len(keys))
		if t.side.dir != nil {
			t.hashLane(keys[from:to], out[from:to], found[from:to])
		} else {
			t.treeLane(keys[from:to], out[from:to], found[from:to])
		}
	}
}

// Prefetch asks the memory for what a lookup or an overwrite of each of keys would wait for, and waits for the misses of the index side by
// side alone. It changes nothing. Use it where several keys are written one after another; a tree without a sidecar ignores it.
func (t *Tree) Prefetch(keys [][]byte) {
	if t.side.dir == nil {
		return
	}
	var l located
	for len(keys) > 0 {
		n := min(lane, len(keys))
		t.locate(keys[:n], &l)
		for _, slot := range l.slots[:n] {
			if ref := uint32(slot); ref != 0 {
				b := t.at(ref)
				prefetch(b[:min(len(b), usualLeaf)])
			}
		}
		keys = keys[n:]
	}
}

// usualLeaf is how much of a leaf is asked for before its length is known.
const usualLeaf = 128

// located is where the sidecar has keys, as far as their hashes tell: 0 where it has none.
type located struct {
	hashes [lane]uint32
	slots  [lane]uint64
}

// locate hashes all keys, then loads all slots.
func (t *Tree) locate(keys [][]byte, l *located) {
	for i, key := range keys {
		h := t.hash(key)
		segment := t.side.segment(h)
		l.hashes[i] = h
		l.slots[i] = segment[home(h, len(segment))]
	}
	for i := range keys {
		if uint32(l.slots[i]>>32) != l.hashes[i] {
			l.slots[i] = t.side.probe(l.hashes[i])
		}
	}
}

// hashLane locates all keys, then loads all leaves.
func (t *Tree) hashLane(keys [][]byte, out []Item, found []bool) {
	var l located
	var heads [lane]byte
	t.locate(keys, &l)
	for i := range keys {
		if ref := uint32(l.slots[i]); ref != 0 {
			heads[i] = t.at(ref)[6]
		}
	}
	for i, key := range keys {
		ref := uint32(l.slots[i])
		if ref == 0 || heads[i] != byte(len(key)) || !t.leafIs(ref, key) {
			ref = t.lookupHash(l.hashes[i], key)
		}
		out[i], found[i] = Item{}, ref != 0
		if ref != 0 {
			_, out[i] = t.entry(t.at(ref))
		}
	}
}

// probe is the first entry with the hash, 0 if there is none.
func (s *sidecar) probe(h uint32) uint64 {
	segment := s.segment(h)
	for i := home(h, len(segment)); segment[i] != 0; {
		if uint32(segment[i]>>32) == h {
			return segment[i]
		}
		if i++; i == len(segment) {
			i = 1
		}
	}
	return 0
}

// treeLane descends with all keys, one level each per round.
func (t *Tree) treeLane(keys [][]byte, out []Item, found []bool) {
	var refs [lane]uint32
	var depths [lane]int
	for i := range keys {
		refs[i] = t.root
	}
	for busy := true; busy; {
		busy = false
		for i, key := range keys {
			if refs[i]&kindMask > kindLeaf {
				refs[i], depths[i] = t.step(refs[i], key, depths[i])
				busy = true
			}
		}
	}
	for i, key := range keys {
		out[i], found[i] = Item{}, refs[i] != 0 && t.leafIs(refs[i], key)
		if found[i] {
			out[i] = t.item(refs[i])
		}
	}
}

// step goes one node down, trusting its prefix.
func (v *view) step(ref uint32, key []byte, depth int) (uint32, int) {
	b := v.at(ref)
	depth += prefixLen(b)
	switch {
	case depth > len(key):
		return 0, depth
	case depth == len(key):
		return term(b), depth
	}
	return child(b, ref&kindMask, key[depth]), depth + 1
}
