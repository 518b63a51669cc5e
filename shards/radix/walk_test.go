package radix

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
)

// Walks that end at any key, in trees whose leaves lie in order, at random, and partly so, with short leaves and long ones.
func TestWalksEndAnywhere(t *testing.T) {
	const n = 1000
	for name, key := range map[string]func(*rand.Rand) string{
		"digits": func(r *rand.Rand) string { return fmt.Sprintf("%08x", r.Uint32()) },
		"nested": func(r *rand.Rand) string {
			return "a prefix that is long/"[:20+r.IntN(3)] + fmt.Sprint(r.IntN(40), "/", r.IntN(3), "/items/", r.IntN(90))[:4+r.IntN(4)]
		},
		"bytes": func(r *rand.Rand) string { return string([]byte{byte(r.Uint32()), byte(r.Uint32() % 50)}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 5))
			tree, m := New(Options{Poison: true}), model{}
			write := func(key string) {
				it := Item{make([]byte, 1+r.IntN(300)), tree.version + 1, 0}
				tree.Put(it.Version, []byte(key), it.Value, 0)
				m[key] = it
			}
			for range n {
				write(key(r))
			}
			walks(t, r, tree, m)
			for !tree.Rebuild(100) {
			}
			walks(t, r, tree, m)
			for range n / 4 {
				write(key(r))
			}
			walks(t, r, tree, m)
		})
	}
}

func walks(t *testing.T, r *rand.Rand, tree *Tree, m model) {
	t.Helper()
	tree.check()
	all := m.sorted(nil, nil)
	back := slices.Clone(all)
	slices.Reverse(back)
	expect(t, "all", m, all, tree.Prefix(nil))
	expect(t, "all, backward", m, back, tree.Reverse(nil, nil))
	for range 30 {
		i := r.IntN(len(all))
		n := min(1+r.IntN(70), len(all)-i)
		expect(t, fmt.Sprintf("%d from %q", n, all[i]), m, all[i:i+n], first(n, tree.Range([]byte(all[i]), nil)))
		expect(t, fmt.Sprintf("%d before %q", i, all[i]), m, back[len(all)-i:], tree.Reverse(nil, []byte(all[i])))
		n = min(n, i)
		expect(t, fmt.Sprintf("%d before %q", n, all[i]), m, back[len(all)-i:][:n], first(n, tree.Reverse(nil, []byte(all[i]))))
	}
}

// first is what a caller sees who stops after n steps.
func first(n int, all iter.Seq2[[]byte, Item]) iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		left := n
		for key, it := range all {
			if left == 0 || !yield(key, it) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// A walk looks after each key whether the tree is still the same, also when it has met further ones already.
func TestWalkEndsAtWrite(t *testing.T) {
	tree, _ := filled(Options{}, 500)
	for _, at := range []int{1, 2, 30, 200} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic after a write at key %d", at)
				}
			}()
			n := 0
			for key, it := range tree.Range(nil, nil) {
				if n++; n == at {
					tree.Put(tree.version+1, key, it.Value, 0)
				}
			}
		}()
	}
}

// A rebuilt tree has the shape of one that was filled by inserts, whatever it has been through.
func TestRebuildShape(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for name, next := range map[string]func() []byte{
		"two letters": keys(r, 2, 20), "four letters": keys(r, 4, 9), "bytes": keys(r, 256, 2),
		"ladder": func() []byte { return make([]byte, r.IntN(300)) },
	} {
		for _, n := range []int{0, 1, 2, 65, 3000} {
			old, m := New(Options{Poison: true, TrackAccess: n == 65}), model{}
			for i := range n {
				key := string(next())
				m[key] = Item{[]byte(key), uint64(i + 1), 0}
				old.Put(uint64(i+1), []byte(key), []byte(key), 0)
			}
			fresh := New(Options{TrackAccess: n == 65})
			for i, key := range m.sorted(nil, nil) {
				fresh.Put(uint64(i+1), []byte(key), []byte(key), 0)
			}
			for !old.Rebuild(1 + r.IntN(n+1)) {
			}
			old.check()
			expect(t, name, m, m.sorted(nil, nil), old.Prefix(nil))
			if got, want := old.shape(), fresh.shape(); got != want {
				t.Fatalf("%s, %d keys: rebuilt\n%s\nfilled\n%s", name, n, got, want)
			}
			for key, it := range m {
				if got, ok := old.Get([]byte(key)); !ok || !same(got, it) {
					t.Fatalf("%s, %d keys: Get(%q) = %v, %v", name, n, key, got, ok)
				}
				if was, ok := old.Delete(old.version+1, []byte(key)); !ok || !same(was, it) {
					t.Fatalf("%s, %d keys: nothing to delete at %q", name, n, key)
				}
			}
			old.check()
			if s := old.Stats(); s.Used != 0 {
				t.Fatalf("%s, %d keys: %d bytes used by nothing", name, n, s.Used)
			}
		}
	}
}

// What a rebuild holds beside its tree is counted as it grows.
func TestBuilderMemory(t *testing.T) {
	tree := New(Options{})
	for i := range 3000 {
		tree.Put(uint64(i+1), fmt.Appendf(nil, "%d/%d/%d", i%7, i%113, i), nil, 0)
	}
	for looked := 0; ; looked++ {
		if tree.Rebuild(100) {
			if looked < 20 {
				t.Errorf("looked at it %d times", looked)
			}
			return
		}
		b := tree.fresh.build
		if b == nil {
			continue
		}
		held := int64(cap(b.last)) + layerSize*int64(cap(b.open))
		for _, l := range b.open[:cap(b.open)] {
			held += int64(cap(l.keys) + 4*cap(l.refs))
		}
		if b.memory() != held || held == 0 {
			t.Fatalf("it says that it holds %d bytes, and holds %d", b.memory(), held)
		}
	}
}
