package radix

// tries bounds the rejections of a sample; half of the places are taken, so that more are practically never needed.
const tries = 64

// Sample returns a key that random picks: near-uniform through the sidecar, by a random descent without one. Use a fresh
// random number for each call. access is 0 unless TrackAccess is set; ok is false in an empty tree.
func (t *Tree) Sample(random uint64) (key []byte, it Item, access uint32, ok bool) {
	if t.n == 0 {
		return nil, Item{}, 0, false
	}
	ref := uint32(0)
	if t.side.dir != nil {
		ref = t.sampleSlot(random)
	}
	if ref == 0 {
		ref = t.sampleDescent(random)
	}
	return t.sampled(ref)
}

func (t *Tree) sampled(ref uint32) (key []byte, it Item, access uint32, ok bool) {
	b := t.at(ref)
	key, it = t.entry(b)
	return key, it, t.access(b), true
}

// sampleSlot picks slots until one is taken. Each directory entry has an equal share of the hashes.
func (t *Tree) sampleSlot(random uint64) uint32 {
	for range tries {
		random = mix(random^mix1, mix2)
		segment := t.side.dir[random>>32%uint64(len(t.side.dir))]
		if slot := segment[1+uint64(uint32(random))*uint64(len(segment)-1)>>32]; slot != 0 {
			return uint32(slot)
		}
	}
	return 0
}

// sampleDescent takes a random child at each node.
func (t *Tree) sampleDescent(random uint64) uint32 {
	ref := t.root
	for ref&kindMask > kindLeaf {
		b, kind := t.at(ref), ref&kindMask
		ways := edges(b, kind)
		if term(b) != 0 {
			ways++
		}
		random = mix(random^mix1, mix2)
		pick := int(random % uint64(ways))
		if term(b) != 0 {
			if pick == 0 {
				return term(b)
			}
			pick--
		}
		place := -1
		for ; pick >= 0; pick-- {
			for place++; childAt(b, kind, place) == 0; place++ {
			}
		}
		ref = childAt(b, kind, place)
	}
	return ref
}

// SampleExpiring is Sample among the keys that have an expiry.
func (t *Tree) SampleExpiring(random uint64) (key []byte, it Item, access uint32, ok bool) {
	x := &t.due
	if x.n == 0 {
		return nil, Item{}, 0, false
	}
	for range tries {
		random = mix(random^mix1, mix2)
		bucket := x.buckets[random>>32%uint64(len(x.buckets))]
		limit := tickLimit
		if len(x.buckets) == 1 {
			limit = len(bucket)
		}
		if i := int(uint64(uint32(random)) * uint64(limit) >> 32); i < len(bucket) {
			return t.sampled(bucket[i].ref)
		}
	}
	return t.sampled(x.buckets[0][0].ref)
}

// Touch sets the access word of a key, if it is there. It is no write: it has no version, and snapshots do not show it.
// Without TrackAccess it does nothing.
func (t *Tree) Touch(key []byte, access uint32) {
	if t.head == accessAt {
		return
	}
	if ref := t.lookup(key); ref != 0 {
		put32(t.at(ref), accessAt, access)
	}
}

// Access reads the access word of a key; 0 if it is not there or was never touched.
func (t *Tree) Access(key []byte) uint32 {
	if ref := t.lookup(key); ref != 0 {
		return t.access(t.at(ref))
	}
	return 0
}
