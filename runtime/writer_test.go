package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

func TestWriterReportsEachWriteInTheOrderOfItsKey(t *testing.T) {
	n := start(t, Config{})
	s := open(t, n, "default")
	w := must[*Writer](t)(s.Writer(WriterOptions{BatchOps: 7, MaxPending: 50}))
	var mu sync.Mutex
	seen := map[string][]int64{}
	for i := range 3000 {
		key := fmt.Sprint("key ", i%23)
		err := w.Write(t.Context(), Increment(key, 1), func(o Outcome, err error) {
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[key] = append(seen[key], o.Int)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	total := 0
	for key, values := range seen {
		total += len(values)
		for i, v := range values {
			if v != int64(i+1) {
				t.Fatalf("%s was reported as %v", key, values)
			}
		}
	}
	if total != 3000 {
		t.Errorf("%d reports of 3000 writes", total)
	}
	if err := w.Write(t.Context(), Put("k", nil), nil); !errors.Is(err, ErrWriterClosed) {
		t.Errorf("a closed writer answered %v", err)
	}
}

func TestWriterRefusesAndReportsErrors(t *testing.T) {
	n := start(t, Config{})
	s := open(t, n, "default")
	w := must[*Writer](t)(s.Writer(WriterOptions{}))
	if err := w.Write(t.Context(), Require("k", 1), nil); !errors.As(err, new(*shards.Error)) {
		t.Errorf("a condition alone: %v", err)
	}
	for _, op := range []Op{{}, Put("k", nil, TTL(0))} {
		if err := w.Write(t.Context(), op, nil); !invalidKind(err) {
			t.Errorf("no operation: %v", err)
		}
	}
	must[uint64](t)(s.Put(t.Context(), "text", []byte("no number")))
	results := make(chan error, 2)
	for _, op := range []Op{Put("k", nil, IfPresent()), Increment("text", 1)} {
		if err := w.Write(t.Context(), op, func(_ Outcome, err error) { results <- err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-results; (!errors.Is(err, ErrConflict) || !strings.HasSuffix(err.Error(), `: "k"`)) &&
			(!errors.Is(err, store.ErrNotNumber) || !strings.HasSuffix(err.Error(), `: "text"`)) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := s.Writer(WriterOptions{BatchOps: -1}); !errors.Is(err, ErrConfig) {
		t.Errorf("a batch of -1 operations: %v", err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Whoever is faster than the shards waits: what is pending stays bounded, and nothing is lost.
func TestWriterPushesBack(t *testing.T) {
	n := start(t, Config{})
	s := open(t, n, "default")
	w := must[*Writer](t)(s.Writer(WriterOptions{MaxPending: 3, Linger: time.Hour, BatchOps: 1000}))
	var reported atomic.Int32
	for range 3 {
		if err := w.Write(t.Context(), Increment("n", 1), func(Outcome, error) { reported.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Write(ended, Increment("n", 1), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a fourth write was taken: %v", err)
	}
	if err := w.Flush(ended); err != nil && !errors.Is(err, context.Canceled) || err == nil && reported.Load() != 3 {
		t.Errorf("flush with an ended context: %v, %d reported", err, reported.Load())
	}
	if err := w.Close(t.Context()); err != nil || reported.Load() != 3 {
		t.Errorf("close: %v, %d reported", err, reported.Load())
	}
}

// orderly gives a Writer increments of some keys without a pause, until end, which holds it to what it promises: each is reported, once and
// without an error, and the reports of a key come in the order in which they were given and took effect.
func orderly(t *testing.T, s *Store) (end func()) {
	w := must[*Writer](t)(s.Writer(WriterOptions{BatchOps: 16, MaxPending: 256}))
	const keys = 20
	type report struct {
		given, took int64
		err         error
	}
	var mu sync.Mutex
	reports := map[string][]report{}
	given := [keys]int64{}
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i = (i + 1) % keys {
			select {
			case <-stopping:
				return
			default:
			}
			key := fmt.Sprint("orderly ", i)
			given[i]++
			nth := given[i]
			if err := w.Write(t.Context(), Increment(key, 1), func(o Outcome, err error) {
				mu.Lock()
				defer mu.Unlock()
				reports[key] = append(reports[key], report{nth, o.Int, err})
			}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	return func() {
		t.Helper()
		close(stopping)
		<-stopped
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, n := range given {
			key := fmt.Sprint("orderly ", i)
			if len(reports[key]) != int(n) {
				t.Errorf("%s: %d reports of %d writes", key, len(reports[key]), n)
			}
			for at, r := range reports[key] {
				if want := int64(at + 1); r != (report{want, want, nil}) {
					t.Errorf("%s: report %d is of write %d, which made it %d, %v", key, at+1, r.given, r.took, r.err)
					break
				}
			}
		}
	}
}

// TestAReportWritesAgainWhenTheWriterIsFull: as many writes as may be pending, each of whose reports writes once more.
func TestAReportWritesAgainWhenTheWriterIsFull(t *testing.T) {
	n := start(t, Config{})
	s := open(t, n, "default")
	const most = 64
	w := must[*Writer](t)(s.Writer(WriterOptions{MaxPending: most}))
	var reported, again atomic.Int64
	for i := range most {
		err := w.Write(t.Context(), Put(fmt.Sprint("k", i), nil), func(Outcome, error) {
			reported.Add(1)
			if err := w.Write(t.Context(), Put(fmt.Sprint("again", i), nil), func(Outcome, error) { again.Add(1) }); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.Flush(ctx); err != nil || reported.Load() != most || again.Load() != most {
		t.Fatalf("%v: %d reported, %d of those that a report wrote", err, reported.Load(), again.Load())
	}
}
