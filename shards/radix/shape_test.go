package radix

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// permutations calls f with every order of keys.
func permutations(keys []string, f func([]string)) {
	var rec func(int)
	rec = func(i int) {
		if i == len(keys) {
			f(slices.Clone(keys))
			return
		}
		for j := i; j < len(keys); j++ {
			keys[i], keys[j] = keys[j], keys[i]
			rec(i + 1)
			keys[i], keys[j] = keys[j], keys[i]
		}
	}
	rec(0)
}

// TestSplitCases walks the four cases of Redis' rax one after another.
func TestSplitCases(t *testing.T) {
	tree := New(Options{Poison: true})
	for i, c := range []struct{ key, shape string }{
		{"abcd", `abcd`},
		{"abcdef", `("abcd" .abcd e:abcdef)`},
		{"ab", `("ab" .ab c:("d" .abcd e:abcdef))`},
		{"abABC", `("ab" .ab A:abABC c:("d" .abcd e:abcdef))`},
		{"", `("" . a:("b" .ab A:abABC c:("d" .abcd e:abcdef)))`},
	} {
		tree.Put(uint64(i+1), []byte(c.key), []byte(c.key), 0)
		checked(t, tree)
		if got := tree.shape(); got != c.shape {
			t.Fatalf("after %q: %s, want %s", c.key, got, c.shape)
		}
	}
}

// TestEveryOrder inserts the keys of the cases in every order and, after each, deletes them in every order. Each state must
// have the shape of a tree that never held any other key, so a delete restores exactly what was there before the insert.
func TestEveryOrder(t *testing.T) {
	for name, c := range map[string]struct {
		keys  []string
		named map[string]string // shapes spelled out, by the sorted keys
	}{
		"cases": {[]string{"abcd", "abcdef", "ab", "abABC", ""}, map[string]string{
			`[]`:                                ``,
			`["abcd"]`:                          `abcd`,
			`["abcd" "abcdef"]`:                 `("abcd" .abcd e:abcdef)`,
			`["ab" "abcd"]`:                     `("ab" .ab c:abcd)`,
			`["abABC" "abcd"]`:                  `("ab" A:abABC c:abcd)`,
			`["" "abcd"]`:                       `("" . a:abcd)`,
			`["ab" "abcd" "abcdef"]`:            `("ab" .ab c:("d" .abcd e:abcdef))`,
			`["abABC" "abcd" "abcdef"]`:         `("ab" A:abABC c:("d" .abcd e:abcdef))`,
			`["ab" "abABC" "abcd" "abcdef"]`:    `("ab" .ab A:abABC c:("d" .abcd e:abcdef))`,
			`["" "ab" "abABC" "abcd" "abcdef"]`: `("" . a:("b" .ab A:abABC c:("d" .abcd e:abcdef)))`,
		}},
		"long": {[]string{"aprefixofmanybytes", "aprefixofmanybytesX", "aprefixofmANYbytes", "aprefix", "aprefiyofmanybytes"}, map[string]string{
			`["aprefixofmanybytes" "aprefixofmanybytesX"]`: `("aprefixofmanybytes" .aprefixofmanybytes X:aprefixofmanybytesX)`,
		}},
	} {
		t.Run(name, func(t *testing.T) { everyOrder(t, c.keys, c.named) })
	}
}

func everyOrder(t *testing.T, keys []string, named map[string]string) {
	var orders [][]string
	permutations(keys, func(order []string) { orders = append(orders, order) })
	shapes := freshShapes(t, keys, named)
	for _, in := range orders {
		for _, out := range orders {
			tree, version := New(Options{Poison: true}), uint64(0)
			verify := func(present []string) {
				checked(t, tree)
				if got, want := tree.shape(), shapes[subset(present)]; got != want {
					t.Fatalf("insert %q, delete %q, at %q: %s, want %s", in, out, present, got, want)
				}
			}
			for i, key := range in {
				version++
				tree.Put(version, []byte(key), nil, 0)
				verify(in[:i+1])
			}
			for i, key := range out {
				version++
				tree.Delete(version, []byte(key))
				verify(out[i+1:])
			}
		}
	}
}

// freshShapes maps each subset of keys to the shape of a new tree that was given nothing else, which is the named one for
// the subsets that have one.
func freshShapes(t *testing.T, keys []string, named map[string]string) map[string]string {
	shapes := map[string]string{}
	for bits := range 1 << len(keys) {
		tree, present := New(Options{Poison: true}), []string{}
		for i, key := range keys {
			if bits>>i&1 != 0 {
				tree.Put(uint64(i+1), []byte(key), nil, 0)
				present = append(present, key)
			}
		}
		checked(t, tree)
		shapes[subset(present)] = tree.shape()
	}
	for set, want := range named {
		if got, ok := shapes[set]; !ok || got != want {
			t.Fatalf("%s: %s, want %s", set, got, want)
		}
	}
	return shapes
}

// subset names a set of keys whatever their order.
func subset(keys []string) string {
	return fmt.Sprintf("%q", slices.Sorted(slices.Values(keys)))
}

// TestRangeAroundPrefixes asks for ranges at, before, after and inside every compressed prefix of a tree.
func TestRangeAroundPrefixes(t *testing.T) {
	tree, m := New(Options{}), model{}
	for i, key := range []string{"", "a", "alpha", "alphabet", "alphabetical order of things", "alphabetical order of thinks", "alphabetical orders", "b", "beta/0000000001", "beta/0000000002", "beta/00000000021", "c\x00", "c\xff\xff"} {
		m[key] = Item{Value: []byte(key), Version: uint64(i + 1)}
		tree.Put(uint64(i+1), []byte(key), []byte(key), 0)
	}
	var probes [][]byte
	for key := range m {
		for cut := range len(key) + 1 {
			at := []byte(key[:cut])
			probes = append(probes, at, append(bytes.Clone(at), 0), append(bytes.Clone(at), 0xFF))
			if cut > 0 {
				before, after := bytes.Clone(at), bytes.Clone(at)
				before[cut-1]--
				after[cut-1]++
				probes = append(probes, before, after)
			}
		}
	}
	for _, p := range probes {
		up, down := m.sorted(p, nil), m.sorted(nil, p)
		slices.Reverse(down)
		expect(t, fmt.Sprintf("Range(%q)", p), m, up, tree.Range(p, nil))
		expect(t, fmt.Sprintf("Range(nil, %q)", p), m, m.sorted(nil, p), tree.Range(nil, p))
		expect(t, fmt.Sprintf("Reverse(nil, %q)", p), m, down, tree.Reverse(nil, p))
		slices.Reverse(up)
		expect(t, fmt.Sprintf("Reverse(%q)", p), m, up, tree.Reverse(p, nil))
		want := slices.DeleteFunc(m.sorted(p, nil), func(k string) bool { return !bytes.HasPrefix([]byte(k), p) })
		expect(t, fmt.Sprintf("Prefix(%q)", p), m, want, tree.Prefix(p))
	}
}

// TestNodeKinds takes one node through every kind and back, with and without a term, in several orders; byte 0 is an edge.
func TestNodeKinds(t *testing.T) {
	for seed := range uint64(6) {
		for _, o := range []Options{{Poison: true}, {Poison: true, NoHash: true}} {
			r := rand.New(rand.NewPCG(seed, 1))
			tree, version := New(o), uint64(0)
			if seed%2 == 0 {
				tree.Put(0, []byte("k"), []byte("term"), 0)
			}
			for round := range 2 {
				for n, c := range order(r, seed) {
					version++
					tree.Put(version, []byte{'k', byte(c)}, []byte{byte(c)}, 0)
					checked(t, tree)
					if n >= 1 {
						kindFor(t, tree, n+1, true)
					}
				}
				if round == 1 {
					tree.Delete(version, []byte("k"))
					checked(t, tree)
					tree.Put(version, []byte("k"), nil, 0)
					tree.Delete(version, []byte("k"))
					checked(t, tree)
				}
				for n, c := range order(r, seed) {
					if it, ok := tree.Get([]byte{'k', byte(c)}); !ok || it.Value[0] != byte(c) {
						t.Fatalf("seed %d: edge %d is lost", seed, c)
					}
					version++
					tree.Delete(version, []byte{'k', byte(c)})
					checked(t, tree)
					if left := 255 - n; left >= 2 {
						kindFor(t, tree, left, false)
					}
				}
			}
		}
	}
}

// order is the order in which edges come or go: up, down or random.
func order(r *rand.Rand, seed uint64) []int {
	out := r.Perm(256)
	if seed%3 < 2 {
		slices.Sort(out)
	}
	if seed%3 == 1 {
		slices.Reverse(out)
	}
	return out
}

// kindFor asserts the kind of the root with n edges, while growing and while shrinking.
func kindFor(t *testing.T, tree *Tree, n int, growing bool) {
	t.Helper()
	limits := []int{3, 6, 12, 37} // shrinking: 4, 8, 16, 48 at or below
	if growing {
		limits = []int{4, 8, 16, 48}
	}
	want := uint32(kind4)
	for _, limit := range limits {
		if n > limit {
			want++
		}
	}
	if got := tree.root & kindMask; got != want {
		t.Fatalf("%d edges, growing %v: kind %d, want %d", n, growing, got, want)
	}
}
