package radix

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchKeys are n random keys of 16 hexadecimal digits and, as a second set, n sequential integers.
func benchKeys(set string, n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([][]byte, n)
	for i := range out {
		if set == "hex" {
			out[i] = fmt.Appendf(nil, "%016x", r.Uint64())
		} else {
			out[i] = binary.BigEndian.AppendUint64(nil, uint64(i))
		}
	}
	return out
}

func shuffled(keys [][]byte) [][]byte {
	r := rand.New(rand.NewPCG(3, 4))
	out := append([][]byte(nil), keys...)
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func BenchmarkTree(b *testing.B) {
	const n = 300_000
	value := make([]byte, 16)
	for _, set := range []string{"hex", "int"} {
		all := benchKeys(set, n)
		random := shuffled(all)
		fill := func() *Tree {
			tree := New(Options{})
			for i, key := range all {
				tree.Put(uint64(i+1), key, value, 0)
			}
			return tree
		}
		tree := fill()
		each := func(name string, f func(i int)) {
			b.Run(set+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					f(i % n)
				}
			})
		}
		version := uint64(n)
		each("get", func(i int) { tree.Get(random[i]) })
		each("find", func(i int) { tree.find(random[i]) })
		each("overwrite", func(i int) { version++; tree.Put(version, random[i], value, 0) })
		each("overwrite16", func(i int) { // as overwrite, with what 16 of them wait for asked for together
			if i%16 == 0 {
				tree.Prefetch(random[i : i+16])
			}
			version++
			tree.Put(version, random[i], value, 0)
		})
		each("replace", func(i int) {
			version++
			tree.Put(version, random[i], value, 0)
			version++
			tree.Delete(version, random[i])
			version++
			tree.Put(version, random[i], value, 0)
		})
		var out [16]Item
		var found [16]bool
		each("batch16", func(i int) { tree.GetBatch(random[i&^15:i&^15+16], out[:], found[:]) })
		each("scan100", func(i int) {
			left := 100
			for range tree.Range(random[i], nil) {
				if left--; left == 0 {
					break
				}
			}
		})
		each("snapshot1000", func(i int) {
			version++
			tree.Put(version, random[i], value, 0)
			if i%1000 == 0 {
				if tree.newest != nil {
					tree.newest.Close()
				}
				tree.Snapshot()
			}
		})
		if tree.newest != nil {
			tree.newest.Close()
		}
		b.Run(set+"/iterate", func(b *testing.B) {
			for b.Loop() {
				for range tree.Prefix(nil) {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
		})
	}
}

func BenchmarkInsert(b *testing.B) {
	const n = 300_000
	value := make([]byte, 16)
	for _, set := range []string{"hex", "int"} {
		all := benchKeys(set, n)
		b.Run(set, func(b *testing.B) {
			var tree *Tree
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					tree = New(Options{})
				}
				tree.Put(uint64(i%n+1), all[i%n], value, 0)
			}
		})
	}
}
