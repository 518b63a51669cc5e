package store

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// The rolling hash folds in, for each transaction, every field that its encoding holds, and for each operation whether the
// key was there, whether it changed and what number came out. It is computed from the fields rather than from the bytes, since a
// transaction that is not logged is never encoded. Folding is a 64 by 64 bit multiplication whose halves are joined, as in
// Wang Yi's wyhash; keys and values go in as their xxHash64. It guards against mistakes and failing memory, not against malice.
const (
	foldA = 0xa0761d6478bd642f
	foldB = 0xe7037ed1a0b428db

	foldRepeat = 0x8ebc6af09c88c6e0 // and the three after it: what was answered to a transaction that was repeated
)

func fold(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v^foldA, foldB^bits.RotateLeft64(h, 32))
	return hi ^ lo ^ v
}

func rollTxn(h uint64, t *Txn) uint64 {
	h = fold(h, uint64(t.Time))
	if t.Client != 0 {
		h = rollClient(h, t)
	}
	if len(t.Ops) == 1 && len(t.Guards) == 0 && !t.Atomic {
		return h
	}
	shape := uint64(len(t.Ops))<<32 | uint64(len(t.Guards))<<1
	if t.Atomic {
		shape |= 1
	}
	h = fold(h, shape)
	for i := range t.Guards {
		g := &t.Guards[i]
		h = fold(h, uint64(g.If))
		h = fold(h, xxhash.Sum64(g.Key))
		h = fold(h, g.Version)
		h = fold(h, xxhash.Sum64(g.Compare))
	}
	return h
}

func rollClient(h uint64, t *Txn) uint64 { return fold(fold(h, t.Client), t.Seq) }

func rollOp(h uint64, o *Op, r *Result) uint64 {
	mask := maskOf(o)
	head := uint64(o.Kind) | uint64(mask)<<8 | uint64(len(o.Key))<<32
	if r.Found {
		head |= 1 << 24
	}
	if r.Changed {
		head |= 1 << 25
	}
	if r.Err != nil {
		head |= 1 << 26
	}
	h = fold(h, head)
	h = fold(h, xxhash.Sum64(o.Key))
	if mask&maskValue != 0 {
		h = fold(h, xxhash.Sum64(o.Value))
	}
	if mask&^(maskValue|maskKeepTTL|maskWantOld) != 0 || r.Int != 0 {
		h = rollRare(h, o, r)
	}
	return h
}

func rollRare(h uint64, o *Op, r *Result) uint64 {
	h = fold(h, uint64(o.ExpireAt))
	h = fold(h, uint64(o.Int))
	h = fold(h, uint64(o.If)<<32^o.Version)
	h = fold(h, math.Float64bits(o.Float))
	h = fold(h, uint64(r.Int))
	return fold(h, xxhash.Sum64(o.Compare))
}
