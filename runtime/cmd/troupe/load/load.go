package load

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
)

// Options say how to load. Put is required.
type Options struct {
	// Put writes a batch and returns when all of it is as durable as the keyspace asks. Called concurrently.
	Put func(ctx context.Context, items []source.Item) error
	// Temporary says of an error of Put that the same batch may work later. Default: never.
	Temporary func(error) bool

	Workers    int           // batches in flight; default 4
	BatchItems int           // default 512
	BatchBytes int           // of keys and values; a larger item is a batch of its own; default 1 MiB
	Patience   time.Duration // how long a batch is tried again after temporary errors; default 0: not at all
	Journal    *Journal      // nil = none is kept

	Progress func(items, bytes int64)          // what was acknowledged so far; bytes as they are in the source
	Refused  func(e *source.ItemError)         // what cannot be loaded; reading goes on
	Retrying func(err error, in time.Duration) // a temporary error
}

// Summary is what a load did.
type Summary struct {
	Items   int64 // acknowledged
	Bytes   int64 // of their values
	Read    int64 // bytes in the source, of the acknowledged items
	Refused int64 // items that cannot be loaded
}

// loader is one load in progress.
type loader struct {
	o       Options
	seed    maphash.Seed
	workers []*worker
	read    source.Place // behind the last item read

	mu      sync.Mutex
	summary Summary
	noted   int64 // offset that the journal has
}

// worker sends batches, one at a time.
type worker struct {
	batches chan batch
	pending batch
	open    []source.Place // guarded by loader.mu: floors of the batches that are not acknowledged, oldest first
}

// batch is items for one Put. floor is the place before its first item.
type batch struct {
	items []source.Item
	bytes int
	floor source.Place
}

// Run loads a source to its end. When it fails, the journal has what was acknowledged, and the same load can be continued.
func Run(ctx context.Context, s source.Source, o Options) (Summary, error) {
	l := &loader{o: o.filled(), seed: maphash.MakeSeed()}
	if o.Journal != nil {
		l.read, l.noted = o.Journal.From, o.Journal.From.Offset
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range l.o.Workers {
		w := &worker{batches: make(chan batch, 1)}
		l.workers = append(l.workers, w)
		wg.Go(func() {
			if err := l.send(ctx, w); err != nil {
				cancel(err)
			}
		})
	}
	err := l.route(ctx, s)
	for _, w := range l.workers {
		close(w.batches)
	}
	if err != nil {
		cancel(err)
	}
	wg.Wait()
	return l.summary, context.Cause(ctx)
}

func (o Options) filled() Options {
	for _, d := range []struct {
		field *int
		value int
	}{{&o.Workers, 4}, {&o.BatchItems, 512}, {&o.BatchBytes, 1 << 20}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Temporary == nil {
		o.Temporary = func(error) bool { return false }
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Refused == nil {
		o.Refused = func(*source.ItemError) {}
	}
	if o.Retrying == nil {
		o.Retrying = func(error, time.Duration) {}
	}
	return o
}

// route reads the source and deals its items out.
func (l *loader) route(ctx context.Context, s source.Source) error {
	for {
		item, err := s.Next()
		var bad *source.ItemError
		switch {
		case err == io.EOF:
			return l.flush(ctx)
		case errors.As(err, &bad):
			if err := l.refuse(bad); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			if err := l.deal(ctx, item); err != nil {
				return err
			}
		}
	}
}

func (l *loader) refuse(bad *source.ItemError) error {
	l.mu.Lock()
	l.summary.Refused++
	if bad.Place.Offset > 0 {
		l.read = bad.Place
	}
	l.mu.Unlock()
	l.o.Refused(bad)
	if l.o.Journal == nil || bad.Place.Offset == 0 {
		return nil
	}
	return l.o.Journal.refuse(bad)
}

// deal puts an item into its worker's batch and hands the batch over when it is full.
func (l *loader) deal(ctx context.Context, item source.Item) error {
	w := l.workers[maphash.Bytes(l.seed, item.Key)%uint64(len(l.workers))]
	size := len(item.Key) + len(item.Value)
	if len(w.pending.items) > 0 && w.pending.bytes+size > l.o.BatchBytes {
		if err := w.hand(ctx); err != nil {
			return err
		}
	}
	l.mu.Lock()
	if len(w.pending.items) == 0 {
		w.pending.floor = l.read
		w.open = append(w.open, l.read)
	}
	l.read = item.Place
	l.mu.Unlock()
	w.pending.items = append(w.pending.items, item)
	if w.pending.bytes += size; len(w.pending.items) >= l.o.BatchItems {
		return w.hand(ctx)
	}
	return nil
}

// hand gives the pending batch to the worker's goroutine; it waits while that is two batches behind.
func (w *worker) hand(ctx context.Context) error {
	select {
	case w.batches <- w.pending:
		w.pending = batch{}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *loader) flush(ctx context.Context) error {
	for _, w := range l.workers {
		if len(w.pending.items) > 0 {
			if err := w.hand(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// send is a worker's goroutine.
func (l *loader) send(ctx context.Context, w *worker) error {
	for b := range w.batches {
		if err := l.put(ctx, b.items); err != nil {
			return err
		}
		if err := l.acknowledge(w, b); err != nil {
			return err
		}
	}
	return nil
}

// The pauses between tries double from first to last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// put tries a batch until it works, fails for good, or patience ends.
func (l *loader) put(ctx context.Context, items []source.Item) error {
	start, pause := time.Now(), firstPause
	for {
		err := l.o.Put(ctx, items)
		if err == nil {
			return nil
		}
		if !l.o.Temporary(err) || ctx.Err() != nil {
			return err
		}
		if time.Since(start)+pause > l.o.Patience {
			if l.o.Patience == 0 {
				return err
			}
			return fmt.Errorf("tried for %v: %w", l.o.Patience, err)
		}
		l.o.Retrying(err, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pause = min(2*pause, lastPause)
	}
}

// acknowledge counts a batch and tells the journal.
func (l *loader) acknowledge(w *worker, b batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, item := range b.items {
		l.summary.Items++
		l.summary.Bytes += int64(len(item.Value))
		l.summary.Read += item.Place.Size
	}
	if w.open[0] != b.floor {
		panic("load: batches were acknowledged out of order")
	}
	w.open = w.open[1:]
	l.o.Progress(l.summary.Items, l.summary.Read)
	return l.note(b)
}

// note writes to the journal what is now safe to pass over. mu is held.
func (l *loader) note(b batch) error {
	if l.o.Journal == nil {
		return nil
	}
	if b.items[0].Place.Offset == 0 {
		return l.o.Journal.files(b.items)
	}
	low := l.read
	for _, w := range l.workers {
		if len(w.open) > 0 && w.open[0].Offset < low.Offset {
			low = w.open[0]
		}
	}
	if low.Offset <= l.noted {
		return nil
	}
	l.noted = low.Offset
	return l.o.Journal.through(low)
}
