package harness

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"
)

// Ack is a write that was acknowledged. Key is also its value, and written once.
type Ack struct {
	Key          string
	Begun, Ended time.Time // of the attempt that succeeded
}

// Writer writes one key after another without a pause and remembers what was acknowledged. An attempt that fails is made again,
// a millisecond later, until it succeeds.
type Writer struct {
	store  Store
	cancel context.CancelFunc
	ended  chan struct{}
	news   chan struct{} // holds one after an acknowledgement

	mu       sync.Mutex
	acks     []Ack
	failures int
	last     error
}

// afterFailure is the pause after a failed attempt: as little as does not make the client the load.
const afterFailure = time.Millisecond

// StartWriter writes keys {tag}:name:0, {tag}:name:1 and so on, all in the slot of the tag. The store is the writer's until Stop.
func StartWriter(store Store, tag, name string) *Writer {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Writer{store: store, cancel: cancel, ended: make(chan struct{}), news: make(chan struct{}, 1)}
	go func() {
		defer close(w.ended)
		for n := 0; ctx.Err() == nil; n++ {
			w.write(ctx, fmt.Sprintf("{%s}:%s:%d", tag, name, n))
		}
	}()
	return w
}

// write puts one key until that is acknowledged.
func (w *Writer) write(ctx context.Context, key string) {
	for ctx.Err() == nil {
		begun := time.Now()
		err := w.store.Put(ctx, key, key)
		if err == nil {
			w.mu.Lock()
			w.acks = append(w.acks, Ack{key, begun, time.Now()})
			w.mu.Unlock()
			select {
			case w.news <- struct{}{}:
			default:
			}
			return
		}
		w.mu.Lock()
		w.failures++
		w.last = err
		w.mu.Unlock()
		select {
		case <-time.After(afterFailure):
		case <-ctx.Done():
		}
	}
}

// Stop ends the writing and waits for that; the store is the caller's again.
func (w *Writer) Stop() {
	w.cancel()
	<-w.ended
}

// Acks are the acknowledged writes so far, in order.
func (w *Writer) Acks() []Ack {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clip(w.acks)
}

// Failures counts the attempts that failed, and gives the last error.
func (w *Writer) Failures() (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures, w.last
}

// Since are the acknowledged writes that began at a time or later.
func (w *Writer) Since(t time.Time) []Ack {
	acks := w.Acks()
	first := sort.Search(len(acks), func(i int) bool { return !acks[i].Begun.Before(t) })
	return acks[first:]
}

// Await waits until so many writes that began at a time or later have been acknowledged.
func (w *Writer) Await(ctx context.Context, count int, t time.Time) error {
	for len(w.Since(t)) < count {
		select {
		case <-w.news:
		case <-ctx.Done():
			_, last := w.Failures()
			return fmt.Errorf("%w: %d of %d writes acknowledged; last error: %w", ctx.Err(), len(w.Since(t)), count, last)
		}
	}
	return nil
}

// Gap is the longest time without an acknowledgement since a moment, and when it began.
func (w *Writer) Gap(since time.Time) (longest time.Duration, from time.Time) {
	acks := w.Acks()
	for i := 1; i < len(acks); i++ {
		begun := acks[i-1].Ended
		if begun.Before(since) {
			begun = since
		}
		if gap := acks[i].Ended.Sub(begun); gap > longest {
			longest, from = gap, begun
		}
	}
	return longest, from
}

// Keys are the keys of acknowledged writes.
func Keys(acks []Ack) []string {
	keys := make([]string, len(acks))
	for i := range acks {
		keys[i] = acks[i].Key
	}
	return keys
}
