package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

var rounds = flag.Int("rounds", 3000, "transactions per seed of the model check")

// model is what a store should hold, told as simply as possible: a map, copied whole for an atomic transaction.
type model struct {
	keys map[string]entry
	now  int64
	seq  uint64
}

type entry struct {
	value    string
	version  uint64
	expireAt int64
}

func (m *model) live(key string) (entry, bool) {
	e, ok := m.keys[key]
	if !ok || e.expireAt != 0 && e.expireAt <= m.now {
		return entry{}, false
	}
	return e, true
}

func (m *model) write(key, value string, expireAt int64) {
	if expireAt != 0 && expireAt <= m.now {
		delete(m.keys, key)
		return
	}
	m.keys[key] = entry{value, m.seq, expireAt}
}

func (m *model) holds(c Condition, key string, version uint64, compare string, expireAt int64) bool {
	const never = 1 << 62
	e, ok := m.live(key)
	was, will := e.expireAt, expireAt
	if was == 0 {
		was = never
	}
	if will == 0 {
		will = never
	}
	switch c {
	case IfAbsent:
		return !ok
	case IfPresent:
		return ok
	case IfVersion:
		return e.version == version
	case IfEqual:
		return ok && e.value == compare
	case IfNoExpiry:
		return ok && e.expireAt == 0
	case IfHasExpiry:
		return ok && e.expireAt != 0
	case IfLater:
		return ok && will > was
	case IfSooner:
		return ok && will < was
	case IfHasExpirySooner:
		return ok && e.expireAt != 0 && will < was
	}
	return true
}

// apply returns the results' essence: err, found, changed, value or number.
func (m *model) apply(t *Txn) []string {
	m.seq++
	m.now = max(m.now, t.Time)
	out := make([]string, len(t.Ops))
	for _, g := range t.Guards {
		if !m.holds(g.If, string(g.Key), g.Version, string(g.Compare), 0) {
			for i := range out {
				out[i] = ErrConflict.Error()
			}
			return out
		}
	}
	before := maps.Clone(m.keys)
	passed := 0
	for i := range t.Ops {
		if passed > 0 {
			out[i] = ErrConflict.Error()
			passed--
			continue
		}
		text, err := m.run(&t.Ops[i])
		out[i] = text
		if err == nil {
			continue
		}
		if t.Ops[i].Kind == OpRequire {
			passed = int(t.Ops[i].Int)
		}
		out[i] = err.Error()
		if t.Atomic {
			m.keys = before
			for j := range out {
				if j != i {
					out[j] = ErrConflict.Error()
				}
			}
			return out
		}
	}
	return out
}

func (m *model) run(o *Op) (string, error) {
	key := string(o.Key)
	e, found := m.live(key)
	subject, expiry := key, o.ExpireAt
	if o.Kind == OpRename || o.Kind == OpCopy {
		if !found {
			return "", ErrNoKey
		}
		subject, expiry = string(o.Value), e.expireAt
	}
	if o.Kind != OpGet && !m.holds(o.If, subject, o.Version, string(o.Compare), expiry) {
		return "", ErrConflict
	}
	switch o.Kind {
	case OpGet:
		return essence(found, false, e.value), nil
	case OpRequire:
		return essence(found, false, ""), nil
	case OpSet:
		expireAt := o.ExpireAt
		if o.KeepTTL {
			expireAt = e.expireAt
		}
		m.write(key, string(o.Value), expireAt)
		return essence(found, found || m.keys[key].version == m.seq, old(o, e)), nil
	case OpDelete, OpEvict:
		delete(m.keys, key)
		return essence(found, found, old(o, e)), nil
	case OpExpireAt:
		if found {
			m.write(key, e.value, o.ExpireAt)
		}
		return essence(found, found, ""), nil
	case OpRename, OpCopy:
		if key != subject {
			m.write(subject, e.value, e.expireAt)
			if o.Kind == OpRename {
				delete(m.keys, key)
			}
		}
		return essence(true, key != subject, ""), nil
	}
	return m.compute(o, e, found)
}

func (m *model) compute(o *Op, e entry, found bool) (string, error) {
	key := string(o.Key)
	switch o.Kind {
	case OpDeletePrefix:
		n := 0
		for k := range m.keys {
			if !strings.HasPrefix(k, key) {
				continue
			}
			if _, ok := m.live(k); ok {
				n++
			}
			delete(m.keys, k)
		}
		return essence(n > 0, n > 0, n), nil
	case OpExpireDue:
		n := 0
		for k := range m.keys {
			if _, ok := m.live(k); !ok {
				delete(m.keys, k)
				n++
			}
		}
		return essence(false, n > 0, n), nil
	case OpAppend:
		m.write(key, e.value+string(o.Value), e.expireAt)
		return essence(found, true, len(e.value)+len(o.Value)), nil
	case OpSetRange:
		if len(o.Value) == 0 {
			return essence(found, false, len(e.value)), nil
		}
		padded := []byte(e.value + strings.Repeat("\x00", max(0, int(o.Int)+len(o.Value)-len(e.value))))
		copy(padded[o.Int:], o.Value)
		m.write(key, string(padded), e.expireAt)
		return essence(found, true, len(padded)), nil
	}
	if !found {
		e.value = "0"
	}
	if o.Kind == OpIncrement {
		n, err := strconv.ParseInt(e.value, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != e.value {
			return "", ErrNotNumber
		}
		m.write(key, strconv.FormatInt(n+o.Int, 10), e.expireAt)
		return essence(found, true, n+o.Int), nil
	}
	text, err := addFloat(nil, []byte(e.value), o.Float) // the digits of decimal fractions are TestAddFloatPrintsAsRedis' matter
	if err != nil {
		return "", err
	}
	sum := string(text)
	m.write(key, sum, e.expireAt)
	return essence(found, true, sum), nil
}

func old(o *Op, e entry) string {
	if o.WantOld {
		return e.value
	}
	return ""
}

func essence(found, changed bool, v any) string { return fmt.Sprint(found, changed, " ", v) }

func essenceOf(o *Op, r *Result) string {
	switch {
	case r.Err != nil:
		return r.Err.Error()
	case o.Kind == OpExpireDue || o.Kind == OpDeletePrefix || o.Kind == OpAppend || o.Kind == OpSetRange || o.Kind == OpIncrement:
		return essence(r.Found, r.Changed, r.Int)
	}
	return essence(r.Found, r.Changed, string(r.Value))
}

// invention makes random transactions over few keys, so that they meet.
type invention struct{ *rand.Rand }

var words = []string{"", "a", "ab", "abc", "abcd", "abd", "b", "ba", "bab", "c", "ca", "d"}

func (v invention) word() []byte { return []byte(words[v.IntN(len(words))]) }

func (v invention) value() []byte {
	switch v.IntN(4) {
	case 0:
		return strconv.AppendInt(nil, v.Int64N(100)-50, 10)
	case 1:
		return fmt.Appendf(nil, "%d.25", v.IntN(10))
	case 2:
		return bytes.Repeat([]byte("v"), v.IntN(40))
	}
	return []byte("text")
}

// expiry is around the model's time, often never.
func (v invention) expiry(now int64) int64 {
	if v.IntN(2) == 0 {
		return 0
	}
	return max(1, now-3+v.Int64N(30))
}

func (v invention) op(m *model) Op {
	key := v.word()
	e := m.keys[string(key)]
	o := Op{Kind: OpSet + OpKind(v.IntN(int(OpRequire-OpSet)+1)), Key: key}
	if v.IntN(3) == 0 {
		o.Kind = OpSet
	}
	if v.IntN(12) == 0 {
		o.Kind = OpGet
	}
	switch o.Kind {
	case OpRename, OpCopy:
		o.Value = v.word()
	case OpSet, OpAppend, OpSetRange:
		o.Value = v.value()
	}
	o.Int, o.Float = int64(v.IntN(9)), float64(v.IntN(40)-20)/4
	if o.Kind == OpDeletePrefix {
		o.Key = append(o.Key, 'b')
	}
	if o.Kind == OpExpireDue {
		o.Int = 1000
	}
	if o.Kind == OpSet || o.Kind == OpExpireAt {
		o.ExpireAt, o.KeepTTL = v.expiry(m.now), o.Kind == OpSet && v.IntN(6) == 0
	}
	o.WantOld = (o.Kind == OpSet || o.Kind == OpDelete || o.Kind == OpEvict) && v.IntN(2) == 0
	if v.IntN(3) == 0 && o.Kind != OpDeletePrefix && o.Kind != OpExpireDue {
		o.If, o.Version, o.Compare = Condition(v.IntN(int(IfHasExpirySooner)+1)), e.version, []byte(e.value)
	}
	return o
}

func (v invention) txn(m *model) *Txn {
	t := &Txn{Time: m.now - 2 + v.Int64N(5)}
	for range 1 + v.IntN(2)*v.IntN(6) {
		t.Ops = append(t.Ops, v.op(m))
	}
	t.Atomic = v.IntN(2) == 0 && !slices.ContainsFunc(t.Ops, func(o Op) bool { return o.Kind == OpExpireDue || o.Kind == OpRequire })
	if v.IntN(5) == 0 {
		key := v.word()
		e := m.keys[string(key)]
		t.Guards = []Guard{{If: IfAbsent + Condition(v.IntN(4)), Key: key, Version: e.version, Compare: []byte(e.value)}}
	}
	return t
}

// Random transactions on the store and on the model, times moving in both directions, give the same results and the same
// content; a copy fed with the encoded transactions, and one loaded from a snapshot half-way, end with the same bytes; and
// a watcher that repeats what it sees ends with the same keys.
func TestStoreAgreesWithModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			v := invention{rand.New(rand.NewPCG(seed, 7))}
			s, copied := New(Options{}), New(Options{Access: true, Eviction: shards.EvictAllKeysLFU, Seed: seed})
			s.SlotCount(0)
			m := &model{keys: map[string]entry{}}
			w := s.Watch(nil, 0, 1<<20)
			seen := map[string]string{}
			var loaded *Store
			for i := range *rounds {
				txn := v.txn(m)
				frame := AppendTxn(nil, txn)
				compareResults(t, seed, i, txn, s.do(txn), m.apply(txn))
				again := &Txn{}
				if rest, err := DecodeTxn(frame, again); err != nil || len(rest) != 0 {
					t.Fatalf("seed %d, transaction %d: %v", seed, i, err)
				}
				copied.do(again)
				if loaded != nil {
					loaded.do(again)
				}
				if i == *rounds/2 {
					loaded, _ = load(chunksOf(s, 50))
				}
				compareContent(t, seed, i, s, m)
				follow(w, seen)
			}
			if s.Watch(nil, 0, 0); s.Len() != len(seen) {
				t.Fatalf("seed %d: the watcher ends with %d keys of %d", seed, len(seen), s.Len())
			}
			for key, it := range s.tree.Prefix(nil) {
				if seen[string(key)] != string(it.Value) {
					t.Fatalf("seed %d: the watcher saw %q = %q, not %q", seed, key, seen[string(key)], it.Value)
				}
			}
			mustEqual(t, copied, s)
			mustEqual(t, loaded, s)
			if !slices.EqualFunc(chunksOf(copied, 99), chunksOf(loaded, 99), bytes.Equal) {
				t.Fatalf("seed %d: the copies' snapshots differ", seed)
			}
			compareSlots(t, s)
		})
	}
}

func compareResults(t *testing.T, seed uint64, i int, txn *Txn, got []Result, want []string) {
	t.Helper()
	for j := range want {
		if text := essenceOf(&txn.Ops[j], &got[j]); text != want[j] {
			t.Fatalf("seed %d, transaction %d %+v\noperation %d: got %q, want %q", seed, i, txn, j, text, want[j])
		}
	}
}

func compareContent(t *testing.T, seed uint64, i int, s *Store, m *model) {
	t.Helper()
	n := 0
	s.Scan(0, nil, nil, 1000, func(key []byte, it radix.Item) bool {
		e, ok := m.live(string(key))
		if !ok || e != (entry{string(it.Value), it.Version, it.ExpireAt}) {
			t.Fatalf("seed %d, transaction %d: key %q is %+v, want %+v", seed, i, key, it, e)
		}
		n++
		return true
	})
	for key := range m.keys {
		if _, ok := m.live(key); ok {
			n--
		}
	}
	expiring := int64(0)
	for _, it := range s.tree.Prefix(nil) {
		if it.ExpireAt != 0 {
			expiring++
		}
	}
	if n != 0 || expiring != s.expiring {
		t.Fatalf("seed %d, transaction %d: %d keys too many; %d expiring, counted %d", seed, i, n, expiring, s.expiring)
	}
}

func follow(w *Watcher, seen map[string]string) {
	for c, ok := w.Next(); ok; c, ok = w.Next() {
		delete(seen, string(c.Key))
		if c.Kind == ChangePut {
			seen[string(c.Key)] = string(c.Value)
		}
	}
}

func compareSlots(t *testing.T, s *Store) {
	t.Helper()
	sum := 0
	for slot := range shards.Slots {
		sum += s.SlotCount(shards.Slot(slot))
	}
	if sum != s.Len() {
		t.Fatalf("the slots hold %d keys of %d", sum, s.Len())
	}
}

func TestRollingTellsHistoriesApart(t *testing.T) {
	base := Txn{Time: 5, Ops: []Op{put("a", "1")}}
	seen := map[uint64]int{}
	variants := []Txn{
		base, {Time: 6, Ops: base.Ops}, {Time: 5, Atomic: true, Ops: base.Ops}, {Time: 5, Ops: []Op{put("a", "2")}},
		{Time: 5, Ops: []Op{put("b", "1")}}, {Time: 5, Ops: []Op{put("a1", "")}}, {Time: 5, Ops: []Op{put("a", "1"), put("a", "1")}},
		{Time: 5, Ops: []Op{{Kind: OpAppend, Key: []byte("a"), Value: []byte("1")}}}, {Time: 5},
		{Time: 5, Ops: base.Ops, Guards: []Guard{{If: IfAbsent, Key: []byte("a")}}},
		{Time: 5, Ops: base.Ops, Guards: []Guard{{If: IfPresent, Key: []byte("a")}}},
	}
	for i := range variants {
		s := New(Options{})
		s.do(&variants[i])
		if j, twice := seen[s.Rolling()]; twice {
			t.Errorf("histories %d and %d have one rolling hash", j, i)
		}
		seen[s.Rolling()] = i
	}
	a, b := New(Options{}), New(Options{})
	a.must(t, 1, put("n", "1"))
	b.must(t, 1, put("n", "1"))
	b.tree.Delete(1, []byte("n")) // as if memory had failed
	for _, s := range []*Store{a, b} {
		s.must(t, 2, Op{Kind: OpIncrement, Key: []byte("n"), Int: 1})
	}
	if a.Rolling() == b.Rolling() {
		t.Error("a copy whose content differs kept the same rolling hash")
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	s := New(Options{})
	long, huge := make([]byte, MaxKey+1), make([]byte, MaxValue+1)
	for name, o := range map[string]Op{
		"key": {Kind: OpSet, Key: long}, "value": {Kind: OpSet, Value: huge}, "rename": {Kind: OpRename, Value: long},
		"offset": {Kind: OpSetRange, Int: MaxValue, Value: []byte("x")},
	} {
		if r := s.do(&Txn{Ops: []Op{o}}); !errors.Is(r[0].Err, ErrTooLarge) {
			t.Errorf("%s: %v", name, r[0].Err)
		}
	}
	s.must(t, 1, Op{Kind: OpSet, Key: long[1:], Value: huge[1:]})
	if r := s.do(&Txn{Ops: []Op{{Kind: OpAppend, Key: long[1:], Value: []byte("x")}}}); !errors.Is(r[0].Err, ErrTooLarge) {
		t.Errorf("append beyond the limit: %v", r[0].Err)
	}
	loaded, err := load(chunksOf(s, 0))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, loaded, s)
}
