package radix

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzOps runs a string of operations, two bytes each (what, which key), against the model, with poisoned blocks and every
// invariant checked after each step.
func FuzzOps(f *testing.F) {
	f.Add([]byte("p1p2p3s0d1p1c0d2d3k0"))
	f.Add([]byte{'p', 0, 'p', 255, 's', 0, 'p', 0, 'd', 255, 'x', 0, 's', 0, 'e', 9, 'c', 1, 'c', 0})
	r := rand.New(rand.NewPCG(1, 1))
	for range 8 {
		ops := make([]byte, 300)
		for i := range ops {
			ops[i] = "pppppdddxsceekb"[r.IntN(15)]
			if i%2 == 1 {
				ops[i] = byte(r.Uint32())
			}
		}
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		for _, o := range []Options{{Poison: true, TrackAccess: true}, {NoHash: true, Poison: true}} {
			fuzzOnce(t, o, ops[:min(len(ops), 600)])
		}
	})
}

func fuzzOnce(t *testing.T, o Options, ops []byte) {
	which := byte(0)
	w := &world{t: t, r: rand.New(rand.NewPCG(2, 2)), tree: New(o), m: model{}}
	w.key = func() []byte { return fuzzKey(which) }
	w.size = func() int { return int(which) / 4 }
	for ; len(ops) >= 2; ops = ops[2:] {
		w.version++
		which = ops[1]
		switch ops[0] {
		case 'p':
			w.put()
		case 'b':
			w.size = func() int { return inlineMax + 1 }
			w.put()
			w.size = func() int { return int(which) / 4 }
		case 'd':
			w.remove()
		case 'x':
			w.removePrefix()
		case 's':
			w.held = append(w.held, snapshotOf(w.tree, w.m))
		case 'c':
			if len(w.held) > 0 {
				i := int(which) % len(w.held)
				w.held[i].m.compare(t, w.r, w.held[i].s, w.key)
				w.held[i].s.Close()
				w.held = slices.Delete(w.held, i, i+1)
			}
		case 'e':
			w.expire()
		case 'k':
			w.tree.Rebuild(int(which))
		}
		checked(t, w.tree)
	}
	w.finish()
}

// fuzzKey maps a byte to a key: few edges, shared runs around the inline limit, and every single byte.
func fuzzKey(which byte) []byte {
	runs := []string{"", "a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefgh\x00", "\x00"}
	key := []byte(runs[which&7])
	if which>>3 > 0 {
		key = append(key, which>>3, which>>5)
	}
	return key
}
