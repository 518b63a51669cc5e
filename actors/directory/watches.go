package directory

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
)

// Watches are what this node follows for others, and answers their calls.
type Watches struct {
	directory *Directory

	mu   sync.Mutex
	last uint64
	open map[uint64]*heldWatch
}

// heldWatch is one of them. Only its asker uses it, one call after another.
type heldWatch struct {
	watch *shard.Watch
	used  time.Time
	busy  bool
	gone  bool // to be closed when it is not busy any more
}

const (
	watchWait   = 10 * time.Second // that a call waits for a change
	watchLife   = time.Minute      // of a watch that nobody asks for
	mostWatches = 4096
)

var errNoWatch = errors.New("the watch has ended: begin again from the last change seen")
var errWatches = errors.New("this node follows as many watches of others as it can: try again later")

// NewWatches makes the answering side of d.
func NewWatches(d *Directory) *Watches {
	return &Watches{directory: d, last: beginning(), open: map[uint64]*heldWatch{}}
}

// Serve answers a call of transport.KindWatch. The errors have kinds.
func (w *Watches) Serve(ctx context.Context, body []byte) ([]byte, error) {
	var q watchQuery
	if err := q.decode(body); err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	switch q.op {
	case watchOpen:
		return w.begin(&q)
	case watchNext:
		return w.next(ctx, q.watch)
	case watchClose:
		w.drop(q.watch)
		return (&watchAnswer{}).encode(), nil
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: errors.New("unknown watch call")}
}

func (w *Watches) begin(q *watchQuery) ([]byte, error) {
	var locals []*shard.Shard
	for _, id := range q.shards {
		local, err := w.directory.copyHere(id)
		if err != nil {
			return nil, err
		}
		locals = append(locals, local)
	}
	began, watch, err := openWatch(locals, bytes.Clone(q.prefix), q.from, max(1, q.capacity))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) >= mostWatches {
		watch.Close()
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: errWatches}
	}
	w.last++
	w.open[w.last] = &heldWatch{watch: watch, used: time.Now()}
	return (&watchAnswer{watch: w.last, began: began}).encode(), nil
}

// next waits for changes, for a while.
func (w *Watches) next(ctx context.Context, id uint64) ([]byte, error) {
	w.mu.Lock()
	h := w.open[id]
	if h == nil || h.busy {
		w.mu.Unlock()
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: errNoWatch}
	}
	h.busy = true
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, watchWait)
	defer cancel()
	changes, err := h.watch.Next(ctx, nil)

	w.mu.Lock()
	h.busy, h.used = false, time.Now()
	gone := h.gone
	w.mu.Unlock()
	if gone {
		h.watch.Close()
	}
	if err != nil && ctx.Err() == nil {
		return nil, err // the watch has ended; the asker begins another
	}
	return (&watchAnswer{watch: id, changes: changes}).encode(), nil
}

func (w *Watches) drop(id uint64) {
	w.mu.Lock()
	h := w.open[id]
	delete(w.open, id)
	w.end(h)
	w.mu.Unlock()
}

// end closes a watch, at once or when the call under way returns. Called with mu.
func (w *Watches) end(h *heldWatch) {
	switch {
	case h == nil:
	case h.busy:
		h.gone = true
	default:
		h.watch.Close()
	}
}

// Expire ends the watches that nobody has asked for in watchLife. The owner calls it now and then.
func (w *Watches) Expire(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, h := range w.open {
		if !h.busy && now.Sub(h.used) > watchLife {
			delete(w.open, id)
			w.end(h)
		}
	}
}

// Close ends all watches.
func (w *Watches) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, h := range w.open {
		delete(w.open, id)
		w.end(h)
	}
}
