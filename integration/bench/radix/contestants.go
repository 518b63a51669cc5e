package main

import (
	"bytes"
	"strings"

	iradix "github.com/hashicorp/go-immutable-radix/v2"
	"github.com/tidwall/btree"

	"github.com/troupe-actors/troupe/shards/radix"
)

// contestant is one ordered or unordered map under test. A nil function leaves its columns out.
type contestant struct {
	name   string
	make   func() *store
	target func(column string, set byte) float64 // highest ratio radix / this one; 0 = no target
}

// store is what the measurements call.
type store struct {
	put      func(key, value []byte)
	get      func(key []byte) ([]byte, bool)
	remove   func(key []byte)
	scan     func(from []byte, limit int) int
	iterate  func() int
	snapshot func()
	batch    func(keys [][]byte) int
	compact  func()
	ratio    func() (arena, used int64)
	plain    func() *store // the same without its sidecar
}

var contestants = []contestant{
	{"radix", func() *store { return newRadix(radix.Options{}) }, nil},
	{"tidwall/btree", newBtree, targets("insert 0.9 hit 0.3 overwrite 0.3 80/20 0.3 delete 0.9 scan100 1.3 iterate 3 compacted 0.6 snapshot 0.5 gc 0.1 B/key 0.9",
		map[byte]string{'d': "insert 1.3", 'e': "scan100 1.7"})},
	{"Go map", newMap, targets("insert 2 hit 1.5 overwrite 0.7 80/20 1 delete 4.5 iterate 1.5 gc 0.12 B/key 0.85", nil)},
	{"iradix", newImmutable, targets("insert 0.45 hit 0.3 overwrite 0.15 80/20 0.2 delete 0.5 scan100 0.6 iterate 0.6 snapshot 0.5 gc 0.03 B/key 0.2", nil)},
}

// targets reads "column ratio …" and exceptions by set.
func targets(text string, except map[byte]string) func(string, byte) float64 {
	find := func(text, column string) float64 {
		fields := strings.Fields(text)
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == column {
				return parse(fields[i+1])
			}
		}
		return 0
	}
	return func(column string, set byte) float64 {
		if x := find(except[set], column); x > 0 {
			return x
		}
		return find(text, column)
	}
}

func newRadix(o radix.Options) *store {
	tree, version := radix.New(o), uint64(0)
	var last *radix.Snapshot
	out, found := make([]radix.Item, 256), make([]bool, 256)
	return &store{
		put: func(key, value []byte) { version++; tree.Put(version, key, value, 0) },
		get: func(key []byte) ([]byte, bool) { it, ok := tree.Get(key); return it.Value, ok },
		remove: func(key []byte) {
			version++
			tree.Delete(version, key)
		},
		scan: func(from []byte, limit int) (n int) {
			for key, it := range tree.Range(from, nil) {
				touch(key, it.Value)
				if n++; n == limit {
					break
				}
			}
			return n
		},
		iterate: func() (n int) {
			for key, it := range tree.Prefix(nil) {
				touch(key, it.Value)
				n++
			}
			return n
		},
		snapshot: func() {
			if last != nil {
				last.Close()
			}
			last = tree.Snapshot()
		},
		batch: func(keys [][]byte) (n int) {
			tree.GetBatch(keys, out, found)
			for i := range keys {
				if found[i] {
					n++
				}
			}
			return n
		},
		compact: func() {
			if last != nil {
				last.Close()
			}
			for !tree.Rebuild(1 << 20) {
			}
		},
		ratio: func() (int64, int64) { s := tree.Stats(); return s.Arena, s.Used },
		plain: func() *store { return newRadix(radix.Options{NoHash: true}) },
	}
}

func newBtree() *store {
	tree := new(btree.Map[string, []byte])
	var last *btree.Map[string, []byte]
	return &store{
		put:    func(key, value []byte) { tree.Set(string(key), bytes.Clone(value)) },
		get:    func(key []byte) ([]byte, bool) { return tree.Get(string(key)) },
		remove: func(key []byte) { tree.Delete(string(key)) },
		scan: func(from []byte, limit int) (n int) {
			tree.Ascend(string(from), func(key string, value []byte) bool { touch(key, value); n++; return n < limit })
			return n
		},
		iterate: func() (n int) {
			tree.Scan(func(key string, value []byte) bool { touch(key, value); n++; return true })
			return n
		},
		snapshot: func() { last = tree.Copy(); _ = last },
	}
}

func newMap() *store {
	m := map[string][]byte{}
	return &store{
		put:    func(key, value []byte) { m[string(key)] = bytes.Clone(value) },
		get:    func(key []byte) ([]byte, bool) { v, ok := m[string(key)]; return v, ok },
		remove: func(key []byte) { delete(m, string(key)) },
		iterate: func() (n int) {
			for key, value := range m {
				touch(key, value)
				n++
			}
			return n
		},
	}
}

func newImmutable() *store {
	txn := iradix.New[[]byte]().Txn()
	var last *iradix.Tree[[]byte]
	return &store{
		put:    func(key, value []byte) { txn.Insert(bytes.Clone(key), bytes.Clone(value)) },
		get:    func(key []byte) ([]byte, bool) { return txn.Get(key) },
		remove: func(key []byte) { txn.Delete(key) },
		scan: func(from []byte, limit int) (n int) {
			it := txn.Root().Iterator()
			it.SeekLowerBound(from)
			for key, value, ok := it.Next(); ok; key, value, ok = it.Next() {
				touch(key, value)
				if n++; n == limit {
					break
				}
			}
			return n
		},
		iterate: func() (n int) {
			txn.Root().Walk(func(key, value []byte) bool { touch(key, value); n++; return false })
			return n
		},
		snapshot: func() { last = txn.Commit(); txn = last.Txn() },
	}
}

// seen keeps the reads of touch alive.
//
//lint:ignore U1000 it is written so that the compiler does not leave the reads out
var seen int

// touch reads what an iteration yields, as any use of it does.
func touch[K string | []byte](key K, value []byte) { seen += int(key[0]) + int(value[0]) }
