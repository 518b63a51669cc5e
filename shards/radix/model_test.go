package radix

import (
	"bytes"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

var seeds = flag.Int("radix.seeds", 12, "random runs of the model check")

// model is the reference: a map, sorted when order is asked for.
type model map[string]Item

func (m model) sorted(lo, hi []byte) []string {
	var keys []string
	for key := range m {
		if key >= string(lo) && (hi == nil || key < string(hi)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// reader is what a tree and a snapshot share.
type reader interface {
	Get([]byte) (Item, bool)
	Len() int
	Prefix([]byte) iter.Seq2[[]byte, Item]
	Range(lo, hi []byte) iter.Seq2[[]byte, Item]
	Reverse(lo, hi []byte) iter.Seq2[[]byte, Item]
}

func same(a, b Item) bool {
	return bytes.Equal(a.Value, b.Value) && a.Version == b.Version && a.ExpireAt == b.ExpireAt
}

func expect(t *testing.T, what string, m model, want []string, got iter.Seq2[[]byte, Item]) {
	t.Helper()
	i := 0
	for key, it := range got {
		if i >= len(want) || want[i] != string(key) || !same(m[want[i]], it) {
			t.Fatalf("%s: key %d is %q", what, i, key)
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%s: %d keys, want %d", what, i, len(want))
	}
}

// compare holds a reader against the model: every key, and a few ranges.
func (m model) compare(t *testing.T, r *rand.Rand, tree reader, key func() []byte) {
	t.Helper()
	if tree.Len() != len(m) {
		t.Fatalf("Len %d, want %d", tree.Len(), len(m))
	}
	for k, want := range m {
		if it, ok := tree.Get([]byte(k)); !ok || !same(it, want) {
			t.Fatalf("Get(%q) = %v %v, want %v", k, it, ok, want)
		}
	}
	expect(t, "all", m, m.sorted(nil, nil), tree.Prefix(nil))
	for range 4 {
		lo, hi := key(), key()
		expect(t, fmt.Sprintf("Range(%q, %q)", lo, hi), m, m.sorted(lo, hi), tree.Range(lo, hi))
		expect(t, fmt.Sprintf("Range(%q, nil)", lo), m, m.sorted(lo, nil), tree.Range(lo, nil))
		back := m.sorted(lo, hi)
		slices.Reverse(back)
		expect(t, fmt.Sprintf("Reverse(%q, %q)", lo, hi), m, back, tree.Reverse(lo, hi))
		back = m.sorted(lo, nil)
		slices.Reverse(back)
		expect(t, fmt.Sprintf("Reverse(%q, nil)", lo), m, back, tree.Reverse(lo, nil))
		p := lo[:r.IntN(len(lo)+1)]
		expect(t, fmt.Sprintf("Prefix(%q)", p), m, slices.DeleteFunc(m.sorted(p, nil), func(k string) bool { return !bytes.HasPrefix([]byte(k), p) }), tree.Prefix(p))
	}
}

// keys makes random keys over an alphabet, some behind long shared runs.
func keys(r *rand.Rand, alphabet, length int) func() []byte {
	runs := [][]byte{nil, nil, bytes.Repeat([]byte{1}, 9), bytes.Repeat([]byte{0}, 8), []byte("a long shared run of bytes/"), bytes.Repeat([]byte{1}, 7)}
	return func() []byte {
		key := bytes.Clone(runs[r.IntN(len(runs))])
		for range r.IntN(length + 1) {
			key = append(key, byte(r.IntN(alphabet)))
		}
		return append(key, runs[r.IntN(len(runs))]...)
	}
}

// held is a snapshot with a copy of the model as it was.
type held struct {
	s *Snapshot
	m model
}

// world is one random run: a tree, its model, and open snapshots with theirs.
type world struct {
	t       *testing.T
	r       *rand.Rand
	tree    *Tree
	m       model
	held    []held
	version uint64
	key     func() []byte
	size    func() int
}

func (w *world) step() {
	w.version++
	switch op := w.r.IntN(100); {
	case op < 55:
		w.put()
	case op < 88:
		w.remove()
	case op < 90:
		w.removePrefix()
	case op < 94 && len(w.held) < 5:
		w.held = append(w.held, held{w.tree.Snapshot(), maps.Clone(w.m)})
	case op < 97 && len(w.held) > 0:
		i := w.r.IntN(len(w.held))
		w.held[i].m.compare(w.t, w.r, w.held[i].s, w.key)
		w.held[i].s.Close()
		w.held = slices.Delete(w.held, i, i+1)
	case op < 98:
		w.tree.Compact(1 + w.r.IntN(50))
	default:
		w.expire()
	}
}

func (w *world) put() {
	key, value, at := w.key(), make([]byte, w.size()), int64(0)
	for i := range value {
		value[i] = byte(w.version + uint64(i))
	}
	if w.r.IntN(3) == 0 {
		at = int64(1 + w.r.IntN(1000))
	}
	want, had := w.m[string(key)]
	old, ok := w.tree.Put(w.version, key, value, at)
	if ok != had || !same(old, want) {
		w.t.Fatalf("Put(%q) was %v %v, want %v %v", key, old, ok, want, had)
	}
	w.m[string(key)] = Item{value, w.version, at}
}

func (w *world) remove() {
	key := w.key()
	if all := w.m.sorted(key, nil); w.r.IntN(4) > 0 && len(all) > 0 {
		key = []byte(all[0])
	}
	want, had := w.m[string(key)]
	old, ok := w.tree.Delete(w.version, key)
	if ok != had || !same(old, want) {
		w.t.Fatalf("Delete(%q) was %v %v, want %v %v", key, old, ok, want, had)
	}
	delete(w.m, string(key))
}

func (w *world) removePrefix() {
	p := w.key()
	p = p[:min(len(p), 1+w.r.IntN(12))]
	var want, got []string
	for _, k := range w.m.sorted(p, nil) {
		if bytes.HasPrefix([]byte(k), p) {
			want = append(want, k)
			delete(w.m, k)
		}
	}
	n := w.tree.DeletePrefix(w.version, p, func(key []byte) { got = append(got, string(key)) })
	if n != len(want) || !slices.Equal(got, want) {
		w.t.Fatalf("DeletePrefix(%q) = %d %q, want %q", p, n, got, want)
	}
}

func (w *world) expire() {
	now := int64(w.r.IntN(1000))
	var want, got []string
	for k, it := range w.m {
		if it.ExpireAt != 0 && it.ExpireAt <= now {
			want = append(want, k)
		}
	}
	n := w.tree.Due(now, 1<<30, func(key []byte) { got = append(got, string(key)) })
	last := int64(0)
	for _, k := range got {
		if w.m[k].ExpireAt < last {
			w.t.Fatalf("Due is out of order at %q", k)
		}
		last = w.m[k].ExpireAt
	}
	slices.Sort(want)
	slices.Sort(got)
	if n != len(want) || !slices.Equal(want, got) {
		w.t.Fatalf("Due(%d) = %d %q, want %q", now, n, got, want)
	}
	for _, k := range got[:len(got)/8] {
		w.tree.Delete(w.version, []byte(k))
		delete(w.m, k)
	}
}

// finish closes every snapshot and deletes every key; then nothing may be left in use.
func (w *world) finish() {
	for len(w.held) > 0 {
		i := w.r.IntN(len(w.held))
		w.held[i].m.compare(w.t, w.r, w.held[i].s, w.key)
		w.held[i].s.Close()
		w.held = slices.Delete(w.held, i, i+1)
		checked(w.t, w.tree)
	}
	w.m.compare(w.t, w.r, w.tree, w.key)
	for k := range w.m {
		w.tree.Delete(w.version, []byte(k))
	}
	checked(w.t, w.tree)
	if s := w.tree.Stats(); s.Used != 0 || s.Limbo != 0 || s.Big != 0 || s.LiveBytes != 0 || s.Expiry != 0 {
		w.t.Fatalf("an empty tree holds %+v", s)
	}
}

func TestModel(t *testing.T) {
	alphabets := []int{2, 3, 4, 256}
	for seed := range *seeds {
		for v, o := range []Options{{Poison: true}, {Poison: true, NoHash: true, TrackAccess: true}, {Seed: uint64(seed), TrackAccess: true}} {
			t.Run(fmt.Sprintf("seed=%d/variant=%d", seed, v), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(v)))
				w := &world{t: t, r: r, tree: New(o), m: model{}}
				w.key = keys(r, alphabets[seed%len(alphabets)], 1+seed%13)
				w.size = func() int {
					if r.IntN(60) == 0 {
						return inlineMax - 2 + r.IntN(6)
					}
					return r.IntN(40)
				}
				for i := range 1200 {
					w.step()
					if i%16 == 0 || i < 200 {
						checked(t, w.tree)
					}
				}
				w.finish()
			})
		}
	}
}
