package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// list is keys in one block, so that reading the next key costs the same for everyone and the collector has nothing to
// mark in the benchmark itself.
type list struct {
	block []byte
	ends  []uint32
}

func (l *list) add(key []byte) {
	l.block = append(l.block, key...)
	l.ends = append(l.ends, uint32(len(l.block)))
}

func (l *list) len() int { return len(l.ends) }

func (l *list) at(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.block[from:l.ends[i]:l.ends[i]]
}

// keySet is a set of distinct keys, two random orders of them, and keys that are absent. The orders are independent: a
// library that allocates at each write lays its values out in the order of the pass that wrote them, and a later pass in
// that same order would read them as a stream.
type keySet struct {
	all, random, mixed, absent list
	bytes                      int
}

var titles = map[byte]string{'a': "16 hexadecimal digits", 'b': "user:{id}:field:{name}", 'c': "URLs", 'd': "sequential 8-byte integers", 'e': "words"}

var fieldNames = []string{"name", "email", "created", "updated", "status", "avatar", "locale", "timezone", "plan", "score"}

// makeKeys builds a set from a fixed seed.
func makeKeys(set byte, scale float64) *keySet {
	r := rand.New(rand.NewPCG(uint64(set), 7))
	size := map[byte]float64{'a': 1e6, 'b': 1e6, 'c': 2e5, 'd': 1e6, 'e': 5e5}[set]
	n := max(int(size*scale), 1000)
	next := generator(set, r)
	k := &keySet{}
	seen := map[string]bool{}
	take := func(to *list, want int) {
		for to.len() < want {
			key := next()
			if !seen[string(key)] {
				seen[string(key)] = true
				to.add(key)
			}
		}
	}
	take(&k.all, n)
	take(&k.absent, n/10)
	for _, i := range r.Perm(n) {
		k.random.add(k.all.at(i))
	}
	for _, i := range r.Perm(n) {
		k.mixed.add(k.all.at(i))
	}
	k.bytes = len(k.all.block) + n*valueSize
	return k
}

// generator returns the source of a set's keys; it may repeat itself.
func generator(set byte, r *rand.Rand) func() []byte {
	switch set {
	case 'a':
		return func() []byte { return fmt.Appendf(nil, "%016x", r.Uint64()) }
	case 'b':
		return func() []byte {
			return fmt.Appendf(nil, "user:%d:field:%s", r.IntN(1_000_000), fieldNames[r.IntN(len(fieldNames))])
		}
	case 'c':
		return urls(r)
	case 'd':
		i := uint64(0)
		return func() []byte { i++; return binary.BigEndian.AppendUint64(nil, i) }
	case 'e':
		words := vocabulary(r, 40_000)
		return func() []byte {
			w := words[r.IntN(len(words))]
			if r.IntN(10) > 0 {
				w += "-" + words[r.IntN(len(words))]
			}
			return []byte(w)
		}
	}
	panic("no such key set")
}

// urls makes long keys that share hosts and paths.
func urls(r *rand.Rand) func() []byte {
	words := vocabulary(r, 2000)
	word := func() string { return words[r.IntN(len(words))] }
	hosts := make([]string, 500)
	for i := range hosts {
		hosts[i] = "https://www." + word() + "-" + word() + ".example.com/articles/archive/"
	}
	return func() []byte {
		return fmt.Appendf(nil, "%s%d/%02d/%s/%s-%s-%s?session=%08x&page=%d", hosts[r.IntN(len(hosts))], 2000+r.IntN(25), 1+r.IntN(12),
			word(), word(), word(), word(), r.Uint32(), r.IntN(100))
	}
}

// vocabulary invents n words from syllables.
func vocabulary(r *rand.Rand, n int) []string {
	syllables := []string{"ba", "con", "de", "er", "fi", "gra", "ho", "in", "jo", "ka", "lu", "men", "no", "or", "pre", "qui", "ra", "ster", "tion", "un", "ver", "wa", "xi", "yo", "zen"}
	out := make([]string, n)
	for i := range out {
		for range 2 + r.IntN(3) {
			out[i] += syllables[r.IntN(len(syllables))]
		}
	}
	return out
}
