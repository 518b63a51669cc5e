package radix

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestConcurrentReaders lets goroutines read snapshots while the writer overwrites, deletes, splits and grows under them.
func TestConcurrentReaders(t *testing.T) {
	for _, o := range []Options{{Poison: true, TrackAccess: true}, {}} {
		tree, version := New(o), uint64(0)
		r := rand.New(rand.NewPCG(5, 5))
		write := func() {
			version++
			key := fmt.Appendf(nil, "key:%d", r.IntN(900))
			switch r.IntN(5) {
			case 0:
				tree.Delete(version, key)
			case 1:
				tree.Put(version, key, bytes.Repeat([]byte{byte(version)}, inlineMax+1), int64(version))
			default:
				tree.Put(version, key, fmt.Appendf(nil, "%d", version), 0)
			}
			tree.Touch(key, uint32(version))
		}
		for range 12 {
			s := tree.Snapshot()
			var first [][]byte
			for key, it := range s.Prefix(nil) {
				first = append(first, bytes.Clone(key), bytes.Clone(it.Value))
			}
			var readers sync.WaitGroup
			for range 3 {
				readers.Go(func() { readAll(t, s, first) })
			}
			for range 1500 {
				write()
			}
			readers.Wait()
			s.Close()
		}
		checked(t, tree)
	}
}

// readAll holds a snapshot against the flat list of its keys and values, in several ways, a few times.
func readAll(t *testing.T, s *Snapshot, want [][]byte) {
	for range 4 {
		i := 0
		for key, it := range s.Range(nil, nil) {
			if !bytes.Equal(key, want[i]) || !bytes.Equal(it.Value, want[i+1]) {
				t.Errorf("key %d is %q", i/2, key)
				return
			}
			i += 2
		}
		for key, it := range s.Reverse(nil, nil) {
			i -= 2
			if got, ok := s.Get(key); !ok || !bytes.Equal(got.Value, want[i+1]) || !bytes.Equal(it.Value, want[i+1]) {
				t.Errorf("Get(%q) differs", key)
				return
			}
		}
		if i != 0 {
			t.Errorf("%d keys were not seen in reverse", i/2)
			return
		}
	}
}

// TestChunkMove keeps snapshots open over every growth of the first chunks, and checks that the replaced chunks are counted
// until the last snapshot that holds them is closed.
func TestChunkMove(t *testing.T) {
	tree, m := New(Options{Poison: true}), model{}
	var held []held
	version := uint64(0)
	for i := range 14000 {
		version++
		key := fmt.Sprintf("%06d", i*7919%1_000_000)
		tree.Put(version, []byte(key), []byte(key), 0)
		m[key] = Item{Value: []byte(key), Version: version}
		if i < 64 || i%2000 == 0 {
			held = append(held, snapshotOf(tree, m))
		}
	}
	if len(tree.chunks) < 3 || tree.stale == 0 {
		t.Fatalf("%d chunks, %d bytes replaced: the test does not reach what it is about", len(tree.chunks), tree.stale)
	}
	r := rand.New(rand.NewPCG(9, 9))
	r.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	for _, h := range held {
		if h.s.Len() != len(h.m) {
			t.Fatalf("snapshot %d holds %d keys, want %d", h.s.Version(), h.s.Len(), len(h.m))
		}
		expect(t, "snapshot", h.m, h.m.sorted(nil, nil), h.s.Prefix(nil))
		h.s.Close()
	}
	checked(t, tree)
	if tree.stale != 0 || tree.limbo != 0 || tree.deadBytes != 0 {
		t.Fatalf("stale %d, limbo %d, dead lists %d bytes after the last Close", tree.stale, tree.limbo, tree.deadBytes)
	}
}

func snapshotOf(tree *Tree, m model) held {
	copied := model{}
	for k, v := range m {
		copied[k] = v
	}
	return held{tree.Snapshot(), copied}
}

// TestVersions: 48 bits, never down, above the newest snapshot; refused, not wrapped.
func TestVersions(t *testing.T) {
	refused := func(name string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Fatalf("%s was accepted", name)
			}
		}()
		f()
	}
	tree := New(Options{})
	tree.Put(MaxVersion, []byte("k"), []byte("v"), 0)
	if it, ok := tree.Get([]byte("k")); !ok || it.Version != MaxVersion {
		t.Fatalf("the highest version came back as %d", it.Version)
	}
	refused("a version of 49 bits", func() { tree.Put(MaxVersion+1, []byte("k"), nil, 0) })
	refused("a lower version", func() { tree.Delete(7, []byte("k")) })
	s := tree.Snapshot()
	refused("the snapshot's own version", func() { tree.Put(MaxVersion, []byte("k"), nil, 0) })
	s.Close()
	tree.Put(MaxVersion, []byte("k"), nil, 0)
	refused("a write during an iteration", func() {
		for key := range tree.Prefix(nil) {
			tree.Put(MaxVersion, key, []byte("x"), 0)
		}
	})
}
