package radix

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// filled is a tree of n keys "key:%06d" and what it should hold.
func filled(o Options, n int) (*Tree, model) {
	tree, m := New(o), model{}
	for i := range n {
		key := fmt.Sprintf("key:%06d", i*7919%1_000_000)
		m[key] = Item{[]byte(key), uint64(i + 1), 0}
		tree.Put(uint64(i+1), []byte(key), []byte(key), 0)
	}
	return tree, m
}

func TestGetBatch(t *testing.T) {
	for _, n := range []int{0, 1, 40, 5000} {
		for _, o := range []Options{{}, {NoHash: true}} {
			tree, m := filled(o, n)
			var ask [][]byte
			for i := range n + 35 {
				ask = append(ask, fmt.Appendf(nil, "key:%06d", i*7919%1_000_000), []byte("key:"), nil)
			}
			out, found := make([]Item, len(ask)), make([]bool, len(ask))
			tree.GetBatch(ask, out, found)
			for i, key := range ask {
				want, had := m[string(key)]
				if found[i] != had || !same(out[i], want) {
					t.Fatalf("%d keys, %+v: %q is %v %v, want %v %v", n, o, key, out[i], found[i], want, had)
				}
			}
		}
	}
}

// TestPrefetchChangesNothing asks for keys that are there, that are not, and that end where memory does.
func TestPrefetchChangesNothing(t *testing.T) {
	for _, n := range []int{0, 1, 40, 5000} {
		for _, o := range []Options{{}, {NoHash: true}} {
			tree, m := filled(o, n)
			before := tree.Stats()
			var ask [][]byte
			for i := range n + 35 {
				ask = append(ask, fmt.Appendf(nil, "key:%06d", i*7919%1_000_000), []byte("key:"), nil)
				tree.Prefetch(ask[max(0, len(ask)-i%40):])
			}
			tree.Prefetch(ask)
			if after := tree.Stats(); after != before || tree.Len() != len(m) {
				t.Fatalf("%d keys, %+v: %+v and %d keys, before %+v and %d", n, o, after, tree.Len(), before, len(m))
			}
			for key, want := range m {
				if got, found := tree.Get([]byte(key)); !found || !same(got, want) {
					t.Fatalf("%d keys, %+v: %q is %v %v, want %v", n, o, key, got, found, want)
				}
			}
		}
	}
}

// TestHostileHashes drives the sidecar with entries whose hashes are all alike: it must give up on them, not grow.
func TestHostileHashes(t *testing.T) {
	s := sidecar{shift: 32, bytes: 24}
	s.dir = [][]uint64{nil}
	s.dir[0] = s.newSegment(65, 0)
	for i := range uint32(2000) {
		s.insert(0xABCD1234, 8*i+kindLeaf, 2000)
	}
	if segment := s.segment(0xABCD1234); !lossy(segment) || len(s.dir) > 1<<10 {
		t.Fatalf("lossy %v, directory of %d", lossy(segment), len(s.dir))
	}
	for i := range uint32(2000) {
		s.remove(0xABCD1234, 8*i+kindLeaf)
	}
	if n := count(s.segment(0xABCD1234)); n != 0 {
		t.Fatalf("%d entries are left", n)
	}
}

// TestLossySegment marks every segment lossy and empties some: reads and writes must go on by descent.
func TestLossySegment(t *testing.T) {
	tree, m := filled(Options{}, 3000)
	for _, segment := range tree.side.dir {
		depth := segment[0] & (0xFF << 16)
		clear(segment)
		segment[0] = depth | lossyBit
	}
	for key := range m {
		it, ok := tree.Get([]byte(key))
		if old, had := tree.Put(5000, []byte(key), []byte(key+"!"), 0); !ok || !had || !same(it, m[key]) || !same(old, m[key]) {
			t.Fatalf("%q: %v %v", key, it, ok)
		}
	}
	for key := range m {
		if _, had := tree.Delete(6000, []byte(key)); !had {
			t.Fatalf("%q is lost", key)
		}
	}
	checked(t, tree)
}

// TestExpiryOrder: Due is by expiry and depends on content alone, whatever the history of the tree.
func TestExpiryOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var first []string
	for history := range 4 {
		tree := New(Options{Seed: uint64(history), NoHash: history == 2})
		version := uint64(0)
		for _, i := range r.Perm(3000) {
			for again := range 1 + history {
				version++
				tree.Put(version, fmt.Appendf(nil, "k%d", i), bytes.Repeat([]byte{1}, again), int64(10+i%50+again-history))
			}
		}
		if history == 3 {
			for !tree.Rebuild(100) {
			}
		}
		checked(t, tree)
		var got []string
		for key := range tree.Prefix(nil) {
			tree.Touch(key, 1)
		}
		tree.Due(math.MaxInt64, 2000, func(key []byte) { got = append(got, string(key)) })
		if first == nil {
			first = got
		}
		if len(got) != 2000 || !slices.Equal(got, first) {
			t.Fatalf("history %d: another order", history)
		}
	}
}

// TestExpiryCut spreads expiries over milliseconds and over years, moves and removes them.
func TestExpiryCut(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, span := range []int64{1, 1000, 1 << 36} {
		tree := New(Options{})
		for i := range uint64(6000) {
			key := fmt.Appendf(nil, "k%d", r.IntN(2000))
			tree.Put(i, key, nil, 1+r.Int64N(span))
			if i%3 == 0 {
				tree.Delete(i, fmt.Appendf(nil, "k%d", r.IntN(2000)))
			}
		}
		checked(t, tree)
		last := int64(0)
		for tree.NextExpiry() != 0 {
			at := tree.NextExpiry()
			var due [][]byte
			if at < last || tree.Due(at-1, 1, func([]byte) {}) != 0 || tree.Due(at, 7, func(key []byte) { due = append(due, bytes.Clone(key)) }) == 0 {
				t.Fatalf("span %d: NextExpiry %d after %d", span, at, last)
			}
			for _, key := range due {
				tree.Delete(6000, key)
			}
			last = at
		}
		if tree.Len() != 0 {
			t.Fatalf("span %d: %d keys never expired", span, tree.Len())
		}
	}
}

func TestSample(t *testing.T) {
	for _, c := range []struct {
		n    int
		o    Options
		skew float64 // allowed ratio of the most drawn key to its fair share
	}{{1, Options{}, 1}, {50, Options{}, 8}, {1000, Options{}, 2.2}, {300, Options{NoHash: true}, 40}} {
		tree := New(c.o)
		for i := range c.n {
			tree.Put(uint64(i), fmt.Appendf(nil, "k%d", i), nil, int64(1+i))
		}
		for name, sample := range map[string]func(uint64) ([]byte, Item, uint32, bool){"any": tree.Sample, "expiring": tree.SampleExpiring} {
			drawn := map[string]int{}
			r := rand.New(rand.NewPCG(6, 6))
			for range 100 * c.n {
				key, _, _, ok := sample(r.Uint64())
				if !ok {
					t.Fatal("nothing was drawn")
				}
				drawn[string(key)]++
			}
			most := 0
			for _, n := range drawn {
				most = max(most, n)
			}
			if len(drawn) < c.n || float64(most) > 100*c.skew {
				t.Fatalf("%s of %d keys: %d seen, one of them %d times in %d", name, c.n, len(drawn), most, 100*c.n)
			}
		}
	}
	if _, _, _, ok := New(Options{}).Sample(1); ok {
		t.Fatal("an empty tree gave a key")
	}
}

// TestAccess: access words survive rewrites and rebuilds, and are not there unless asked for.
func TestAccess(t *testing.T) {
	tree, _ := filled(Options{TrackAccess: true}, 500)
	key := []byte("key:000000")
	tree.Touch(key, 77)
	tree.Put(600, key, bytes.Repeat([]byte{1}, 300), 5)
	for !tree.Rebuild(50) {
	}
	if got := tree.Access(key); got != 77 {
		t.Fatalf("access %d after a rewrite and a rebuild", got)
	}
	bare, _ := filled(Options{}, 5)
	if bare.Touch(key, 1); bare.Access(key) != 0 {
		t.Fatal("an access word where none was asked for")
	}
}

// TestCompact: shifting sizes leave the arena more than 1.5 times as large as what it uses; steps with writes in between
// bring it back, with the same content.
func TestCompact(t *testing.T) {
	tree, m := New(Options{}), model{}
	version := uint64(0)
	put := func(i, size int) {
		version++
		key := fmt.Sprintf("key:%05d", i)
		value := bytes.Repeat([]byte{byte(version)}, size)
		tree.Put(version, []byte(key), value, int64(i%7))
		m[key] = Item{value, version, int64(i % 7)}
	}
	for i := range 6000 {
		put(i, 256)
	}
	for i := range 6000 {
		put(i, 16)
	}
	if s := tree.Stats(); s.Arena*2 < s.Used*3 {
		t.Fatalf("no fragmentation to begin with: %+v", s)
	}
	r := rand.New(rand.NewPCG(8, 8))
	for !tree.Compact(97) {
		put(r.IntN(6500), 16)
		key := fmt.Sprintf("key:%05d", r.IntN(6000))
		tree.Delete(version, []byte(key))
		delete(m, key)
	}
	checked(t, tree)
	m.compare(t, r, tree, func() []byte { return fmt.Appendf(nil, "key:%05d", r.IntN(6000)) })
	if s := tree.Stats(); s.Arena*2 > s.Used*3 {
		t.Fatalf("compaction left %+v", s)
	}
}

// TestSmallTrees holds the sizes that thousands of shards live by.
func TestSmallTrees(t *testing.T) {
	if tree, snapshot := reflect.TypeFor[Tree]().Size(), reflect.TypeFor[Snapshot]().Size(); tree != treeSize || snapshot != snapshotSize {
		t.Fatalf("the structs have %d and %d bytes, counted are %d and %d", tree, snapshot, treeSize, snapshotSize)
	}
	if got := New(Options{}).Memory(); got > 512 {
		t.Fatalf("an empty tree holds %d bytes", got)
	}
	r := rand.New(rand.NewPCG(11, 11))
	var sum int64
	for range 64 {
		tree := New(Options{})
		for i := range uint64(244) {
			tree.Put(i, fmt.Appendf(nil, "%016x", r.Uint64()), make([]byte, 16), 0)
		}
		sum += tree.Memory()
	}
	if over := sum/64/244 - 32; over >= 80 {
		t.Fatalf("%d bytes of overhead per key in trees of 244 keys", over)
	}
}

// TestNeeded: what is deleted is not needed from then on, whoever still sees it, and whatever is being rebuilt.
func TestNeeded(t *testing.T) {
	tree := New(Options{})
	key := func(i int) []byte { return fmt.Appendf(nil, "key:%06d", i) }
	for i := range 10000 {
		tree.Put(uint64(i), key(i), make([]byte, []int{100, 10000}[i%2]), 0)
	}
	full := tree.Needed()
	if all := tree.Memory(); full < 10000*5050 || full > all {
		t.Fatalf("%d bytes are needed of %d", full, all)
	}
	snapshot := tree.Snapshot()
	for i := range 10000 {
		if i%10 != 0 {
			tree.Delete(uint64(10000+i), key(i))
		}
	}
	if left := tree.Needed(); left > full/8 || tree.Memory() < full {
		t.Fatalf("with a snapshot open %d bytes are needed of %d, %d before", left, tree.Memory(), full)
	}
	snapshot.Close()
	left := tree.Needed()
	if left > full/8 {
		t.Fatalf("%d bytes are needed, %d before", left, full)
	}
	if tree.Compact(500) || tree.Needed() != left {
		t.Fatalf("while it is rebuilt %d bytes are needed, %d before", tree.Needed(), left)
	}
	for !tree.Compact(500) {
	}
	if got := tree.Needed(); got > left {
		t.Fatalf("rebuilt, %d bytes are needed, %d before", got, left)
	}
}

// TestSteadyStateAllocations: reads, overwrites and delete-and-put of what was there allocate nothing.
func TestSteadyStateAllocations(t *testing.T) {
	tree, _ := filled(Options{}, 1000)
	key, value, version := []byte("key:007919"), make([]byte, 10), uint64(2000)
	got := testing.AllocsPerRun(200, func() {
		version++
		tree.Get(key)
		tree.Put(version, key, value, 0)
		tree.Delete(version, key)
		tree.Put(version, key, value, 0)
	})
	if got != 0 {
		t.Fatalf("%v allocations", got)
	}
}

func TestGrow(t *testing.T) {
	tree, _ := filled(Options{}, 100)
	if err := tree.Grow(65535, 64<<20); err != nil {
		t.Fatal(err)
	}
	tree.next = maxChunks*chunkSize - reserve
	if err := tree.Grow(10, 10); !errors.Is(err, ErrFull) {
		t.Fatalf("a full arena says %v", err)
	}
}

func TestWatchers(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	var w Watchers[int]
	type one struct {
		prefix string
		what   int
		h      Handle
	}
	var model []one
	key := keys(r, 2, 6)
	for i := range 4000 {
		if len(model) > 0 && r.IntN(100) < 48 {
			j := r.IntN(len(model))
			if !w.Remove(model[j].h) || w.Remove(model[j].h) {
				t.Fatalf("step %d: removal of %q", i, model[j].prefix)
			}
			model = slices.Delete(model, j, j+1)
		} else {
			p := key()
			model = append(model, one{string(p), i, w.Add(p, i)})
		}
		k := key()
		var want, got []int
		for cut := range len(k) + 1 {
			for _, o := range model {
				if o.prefix == string(k[:cut]) {
					want = append(want, o.what)
				}
			}
		}
		w.Walk(k, func(what int) { got = append(got, what) })
		if !slices.Equal(want, got) || w.Len() != len(model) {
			t.Fatalf("step %d: Walk(%q) = %v, want %v", i, k, got, want)
		}
	}
}
