package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// do applies one transaction and returns copies of its results.
func (s *Store) do(t *Txn) (out []Result) {
	s.Apply(s.seq+1, t, func(i int, r *Result) {
		if i != len(out) {
			panic("results out of order")
		}
		c := *r
		if r.Value != nil {
			c.Value = append([]byte{}, r.Value...)
		}
		out = append(out, c)
	})
	return out
}

func (s *Store) must(t *testing.T, time int64, ops ...Op) []Result {
	t.Helper()
	rs := s.do(&Txn{Time: time, Ops: ops})
	for i, r := range rs {
		if r.Err != nil {
			t.Fatalf("operation %d: %v", i, r.Err)
		}
	}
	return rs
}

func put(key, value string) Op { return Op{Kind: OpSet, Key: []byte(key), Value: []byte(value)} }

func TestSetThenGet(t *testing.T) {
	s := New(Options{})
	s.must(t, 10, put("a", "1"), put("b", "2"))
	var r Result
	s.Read(10, &Op{Kind: OpGet, Key: []byte("b")}, &r)
	if !r.Found || string(r.Value) != "2" || r.Version != 1 {
		t.Fatalf("read %+v", r)
	}
	s.Read(10, &Op{Kind: OpSet, Key: []byte("b")}, &r)
	if !errors.Is(r.Err, ErrInvalid) {
		t.Fatalf("reading by a Set gave %v", r.Err)
	}
}

func TestApplyRefusesAGap(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("transaction 2 was applied after 0")
		}
	}()
	New(Options{}).Apply(2, &Txn{}, nil)
}

func TestReadBatchAnswersInOrder(t *testing.T) {
	s := New(Options{})
	var ops []Op
	for i := range 100 {
		s.must(t, 1, put(fmt.Sprint(i), fmt.Sprint(i*i)))
		ops = append(ops, Op{Kind: OpGet, Key: fmt.Append(nil, i*2)})
	}
	next := 0
	s.ReadBatch(1, ops, func(i int, r *Result) {
		if i != next || r.Found != (i < 50) || r.Found && string(r.Value) != fmt.Sprint(4*i*i) {
			t.Fatalf("result %d (expected %d): %+v", i, next, r)
		}
		next++
	})
	if next != 100 {
		t.Fatalf("%d results", next)
	}
}

func TestScanInSteps(t *testing.T) {
	s := New(Options{})
	for i := range 50 {
		s.must(t, 1, put(fmt.Sprintf("k%02d", i), "v"))
	}
	s.must(t, 1, put("", "empty"), put("j", "v"), put("l", "v"), Op{Kind: OpSet, Key: []byte("k10x"), ExpireAt: 5})
	for limit := 1; limit < 60; limit++ {
		var got []string
		var after []byte
		for steps := 0; ; steps++ {
			after = s.Scan(6, after, []byte("k"), limit, func(key []byte, _ radix.Item) bool {
				got = append(got, string(key))
				return true
			})
			if after == nil {
				break
			}
			if steps > 100 {
				t.Fatalf("limit %d: the scan does not end", limit)
			}
		}
		if len(got) != 50 || got[0] != "k00" || got[49] != "k49" {
			t.Fatalf("limit %d: %d keys: %q", limit, len(got), got)
		}
	}
	next := s.Scan(1, nil, nil, 1, func([]byte, radix.Item) bool { return true })
	if next == nil || len(next) != 0 {
		t.Fatalf("after the empty key the cursor is %q", next)
	}
}

func TestSlotCountsAreExact(t *testing.T) {
	s := New(Options{})
	s.must(t, 1, put("{a}1", ""), put("{a}2", ""), put("{b}1", ""))
	slot := shards.SlotOf([]byte("a"))
	expect := func(want int) {
		t.Helper()
		got := 0
		s.KeysInSlot(slot, 100, func([]byte) bool { got++; return true })
		if n := s.SlotCount(slot); n != want || got != want {
			t.Fatalf("slot has %d keys counted, %d visited, want %d", n, got, want)
		}
	}
	expect(2)
	s.must(t, 1, put("{a}3", ""), put("{a}3", "again"), Op{Kind: OpDelete, Key: []byte("{a}1")}, Op{Kind: OpDelete, Key: []byte("{a}9")})
	expect(2)
	s.must(t, 1, Op{Kind: OpRename, Key: []byte("{a}3"), Value: []byte("{b}3")})
	expect(1)
	s.must(t, 1, Op{Kind: OpDeletePrefix, Key: []byte("{a}")})
	expect(0)
}

// OpRequire is the condition of the operations after it, as MSETNX needs within a transaction.
func TestRequirePassesOverWhatDependsOnIt(t *testing.T) {
	s := New(Options{})
	s.must(t, 5, put("there", "1"))
	absent := func(key string, n int64) Op { return Op{Kind: OpRequire, If: IfAbsent, Key: []byte(key), Int: n} }
	rs := s.do(&Txn{Time: 5, Ops: []Op{
		absent("a", 3), absent("there", 2), put("a", "x"), put("there", "x"),
		absent("b", 2), absent("c", 1), put("b", "x"), absent("there", 9), put("d", "x"),
	}})
	var failed []bool
	for _, r := range rs {
		failed = append(failed, r.Err != nil)
	}
	if want := []bool{false, true, true, true, false, false, false, true, true}; fmt.Sprint(failed) != fmt.Sprint(want) {
		t.Fatalf("failed %v, want %v", failed, want)
	}
	for key, want := range map[string]bool{"a": false, "b": true, "d": false} {
		if _, found := s.find([]byte(key)); found != want {
			t.Errorf("key %s: %v", key, found)
		}
	}
	for _, txn := range []Txn{{Atomic: true, Ops: []Op{absent("x", 1), put("x", "1")}}, {Ops: []Op{absent("x", -1), put("x", "1")}}} {
		if rs := s.do(&txn); !errors.Is(rs[0].Err, ErrInvalid) {
			t.Errorf("%+v: %+v", txn, rs)
		}
	}
}
