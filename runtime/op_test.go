package runtime

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// A batch that neither the log nor another node could be read from is refused. It was acknowledged, and cost the shard when its node died, or ended the program.
func TestBatchBeyondATransactionIsRefused(t *testing.T) {
	s := open(t, start(t, Config{Data: t.TempDir()}), "default")
	ops := make([]Op, store.MaxOps+1)
	for i := range ops {
		ops[i] = Increment("{b}n", 1)
	}
	ops[0] = Require("{b}n", 0) // it counts
	if _, err := s.Batch(t.Context(), ops...); !invalidKind(err) || !errors.Is(err, store.ErrTooLarge) || !strings.Contains(err.Error(), "65537 operations") {
		t.Errorf("%d operations: %v", len(ops), err)
	}
	if out, err := s.Batch(t.Context(), ops[:store.MaxOps]...); err != nil || out[store.MaxOps-1].Int != store.MaxOps-1 {
		t.Errorf("as many as there may be: %v", err)
	}
	if _, err := s.DeletePrefix(t.Context(), strings.Repeat("k", store.MaxKey+1)); !invalidKind(err) || !errors.Is(err, store.ErrTooLarge) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a prefix that no key can have: %v", err)
	}
	half := make([]byte, store.MaxTxn/2)
	if _, err := s.Batch(t.Context(), Put("{b}x", half), Put("{b}y", half)); !invalidKind(err) || !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("more bytes than a transaction has: %v", err)
	}
}

func TestOptionsThatContradict(t *testing.T) {
	s := open(t, start(t, Config{}), "default")
	ctx := t.Context()
	read := must[uint64](t)(s.Put(ctx, "k", []byte("read")))
	must[uint64](t)(s.Put(ctx, "k", []byte("somebody else's")))
	if _, err := s.CompareAndSet(ctx, "k", read, []byte("mine"), IfPresent()); !errors.Is(err, ErrConflict) {
		t.Errorf("a key that another has changed is set, since it is there: %v", err)
	}
	if _, err := s.Put(ctx, "k", []byte("mine"), IfPresent(), IfVersion(read)); !errors.Is(err, ErrConflict) {
		t.Errorf("the same the other way round: %v", err)
	}
	must[uint64](t)(s.CompareAndSet(ctx, "new", 0, nil, IfAbsent()))
	for name, options := range map[string][]Option{
		"absent, present":       {IfAbsent(), IfPresent()},
		"present, absent":       {IfPresent(), IfAbsent()},
		"a version, absent":     {IfVersion(7), IfAbsent()},
		"absent, a version":     {IfAbsent(), IfVersion(7)},
		"two versions":          {IfVersion(7), IfVersion(8)},
		"none, present":         {IfVersion(0), IfPresent()},
		"a TTL, the old one":    {TTL(time.Hour), KeepTTL()},
		"the old one, a TTL":    {KeepTTL(), TTL(time.Hour)},
		"the old one, for ever": {KeepTTL(), ExpireAt(time.Time{})},
	} {
		if _, err := s.Put(ctx, "x", nil, options...); !invalidKind(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Delete(ctx, "x", IfAbsent(), IfPresent()); !invalidKind(err) {
		t.Errorf("a delete: %v", err)
	}
	if _, err := s.Batch(ctx, Put("x", nil, IfAbsent(), IfPresent())); !invalidKind(err) {
		t.Errorf("a batch: %v", err)
	}
}

// A batch of conditions alone says whether they hold, all at one moment.
func TestConditionsAlone(t *testing.T) {
	s, ctx := open(t, start(t, Config{}), "default"), t.Context()
	at := must[uint64](t)(s.Put(ctx, "{x}a", []byte("1")))
	for _, c := range []struct {
		name  string
		ops   []Op
		holds bool
	}{
		{"one that holds", []Op{Require("{x}a", at)}, true},
		{"one that does not", []Op{Require("{x}a", at+1)}, false},
		{"absent, as it is to be", []Op{Require("{x}b", 0)}, true},
		{"absent, as it is not to be", []Op{Require("{x}b", at)}, false},
		{"two that hold", []Op{Require("{x}a", at), Require("{x}b", 0)}, true},
		{"the second does not", []Op{Require("{x}b", 0), Require("{x}a", at+1)}, false},
	} {
		out, err := s.Batch(ctx, c.ops...)
		if c.holds && (err != nil || len(out) != len(c.ops)) || !c.holds && !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v, %v", c.name, out, err)
		}
	}
}

// Flush, and a write for which there is no room, wait for no other writes.
func TestWriterDoesNotLingerForNothing(t *testing.T) {
	s := open(t, start(t, Config{Keyspaces: []shards.Keyspace{{Name: "one", Shards: 1, Durability: shards.DurabilityMemory}}}), "one")
	began := time.Now()
	w := must[*Writer](t)(s.Writer(WriterOptions{Linger: time.Hour, BatchOps: 100}))
	for range 350 {
		if err := w.Write(t.Context(), Increment("n", 1), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w = must[*Writer](t)(s.Writer(WriterOptions{Linger: time.Hour, MaxPending: 10}))
	for range 350 {
		if err := w.Write(t.Context(), Increment("n", 1), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := must[int64](t)(s.Increment(t.Context(), "n", 0)); n != 700 || time.Since(began) > time.Minute {
		t.Errorf("%d of 700 after %v", n, time.Since(began))
	}
}

// What is in bounds alone is not refused since BatchBytes would have it sent with something else.
func TestWriterBatchFitsATransaction(t *testing.T) {
	s := open(t, start(t, Config{}), "default")
	w := must[*Writer](t)(s.Writer(WriterOptions{BatchBytes: 1 << 30}))
	value := make([]byte, 40<<20)
	q := &writerQueue{full: make(chan struct{}, 1)}
	for range 5 {
		q.ops = append(q.ops, queuedWrite{op: store.Op{Kind: store.OpSet, Value: value}})
		q.bytes += len(value)
	}
	for _, want := range []int{2, 2, 1} {
		if b := w.take(0, q); b.Len() != want {
			t.Errorf("%d values of 40 MiB in one batch, %d are left", b.Len(), len(q.ops))
		}
	}
}

// What an increment cannot be added to is named, and stays.
func TestIncrementThatCannotBe(t *testing.T) {
	s := open(t, start(t, Config{}), "default")
	most := []byte("9223372036854775807")
	must[uint64](t)(s.Put(t.Context(), "most", most))
	if _, err := s.Increment(t.Context(), "most", 1); !errors.Is(err, store.ErrOverflow) || !strings.HasSuffix(err.Error(), `: "most"`) {
		t.Errorf("one more than the greatest number: %v", err)
	}
	if v := must[Value](t)(s.Get(t.Context(), "most")); string(v.Bytes) != string(most) {
		t.Errorf("it became %s", v.Bytes)
	}
}
