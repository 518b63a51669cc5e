package admin

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wire"
)

// BulkOptions tune a BulkWriter. The zero value works.
type BulkOptions struct {
	Parallel   int // frames in flight; default 4. With 1, writes of one key keep their order
	FrameBytes int // a frame is sent when it is this large; default 256 KiB, at most 8 MiB

	// Acked, if set, is called after each frame that a node has acknowledged, with its items and their bytes (keys and
	// values). It is called from several goroutines, one at a time.
	Acked func(items int, bytes int64)
}

// BulkResult is what a BulkWriter has written and had acknowledged.
type BulkResult struct {
	Items int64 `json:"items"`
	Bytes int64 `json:"bytes"` // of keys and values
}

// BulkWriter collects writes into frames and sends them, several at a time. A frame that meets a node that is down goes to
// another: its writes are unconditional, so that twice is once. Methods are called from one goroutine.
type BulkWriter struct {
	client *Client
	path   string
	o      BulkOptions
	ctx    context.Context // of the whole upload: cancelled by the first failure, so that the frames in flight end
	cancel context.CancelCauseFunc

	frame bulkFrame
	slots chan struct{} // one token per frame in flight
	sends sync.WaitGroup

	mutex  sync.Mutex // guards result and failed, and orders calls of Acked
	result BulkResult
	failed error
}

// Bulk starts an upload into a keyspace. Close must be called.
func (c *Client) Bulk(ctx context.Context, keyspace string, o BulkOptions) *BulkWriter {
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.FrameBytes <= 0 {
		o.FrameBytes = 256 << 10
	}
	o.FrameBytes = min(o.FrameBytes, MaxBulkFrame)
	w := &BulkWriter{client: c, path: "/" + url.PathEscape(keyspace) + "/_bulk", o: o, slots: make(chan struct{}, o.Parallel)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// Add takes one write; a ttl of 0 means for ever. The slices are copied. It waits while Parallel frames are in flight, and
// returns the first failure of any frame so far.
func (w *BulkWriter) Add(key, value []byte, ttl time.Duration) error {
	if len(key) > store.MaxKey || len(value) > store.MaxValue {
		return tooLarge("key of %d bytes (at most %d), value of %d bytes (at most %d)", len(key), store.MaxKey, len(value), store.MaxValue)
	}
	if w.frame.items > 0 && w.frame.size()+bulkItemSize(key, value) > w.o.FrameBytes || w.frame.items == maxBulkItems {
		if err := w.send(); err != nil {
			return err
		}
	}
	w.frame.add(key, value, ttl)
	return nil
}

// Close sends what is left, waits for all frames, and returns what was acknowledged and the first failure.
func (w *BulkWriter) Close() (BulkResult, error) {
	if w.frame.items > 0 {
		if err := w.send(); err != nil {
			w.fail(err)
		}
	}
	w.sends.Wait()
	w.cancel(nil)
	return w.result, w.failed
}

// send gives the frame to a goroutine as soon as one may run; Close waits for it.
func (w *BulkWriter) send() error {
	select {
	case w.slots <- struct{}{}:
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
	body, items, bytes := w.frame.take()
	w.sends.Go(func() {
		defer func() { <-w.slots }()
		w.post(body, items, bytes)
	})
	return nil
}

func (w *BulkWriter) post(body []byte, items int, bytes int64) {
	var answer BulkResult
	err := w.client.json(w.ctx, call{method: http.MethodPost, path: w.path, body: body, mime: mimeBulk, repeatable: true}, &answer)
	if err == nil && answer.Items != int64(items) {
		err = broken("%d items were sent, %d acknowledged", items, answer.Items)
	}
	if err != nil {
		w.fail(err)
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.result.Items += int64(items)
	w.result.Bytes += bytes
	if w.o.Acked != nil {
		w.o.Acked(items, bytes)
	}
}

// fail keeps the first failure and ends the rest.
func (w *BulkWriter) fail(err error) {
	w.mutex.Lock()
	if w.failed == nil {
		w.failed = err
	}
	w.mutex.Unlock()
	w.cancel(err)
}

// bulkFrame collects items of one frame: the array's head is written when the count is known.
type bulkFrame struct {
	items   int
	bytes   int64 // of keys and values
	encoder wire.Encoder
}

// bulkItemSize bounds what an item takes in a frame: array, two heads, a number.
func bulkItemSize(key, value []byte) int { return len(key) + len(value) + 1 + 5 + 5 + 9 }

func (f *bulkFrame) size() int { return len(f.encoder.Buffer()) }

func (f *bulkFrame) add(key, value []byte, ttl time.Duration) {
	f.items++
	f.bytes += int64(len(key) + len(value))
	f.encoder.Array(3)
	f.encoder.Bytes(key)
	f.encoder.Bytes(value)
	f.encoder.Int(ttl.Milliseconds())
}

// take gives the encoded frame and empties the collection.
func (f *bulkFrame) take() (encoded []byte, items int, bytes int64) {
	head := wire.NewEncoder(make([]byte, 0, 8))
	head.Array(f.items)
	payload := append(head.Buffer(), f.encoder.Buffer()...)
	encoded = wire.AppendFrame(nil, wire.KindBulk, payload)
	items, bytes = f.items, f.bytes
	*f = bulkFrame{encoder: wire.NewEncoder(f.encoder.Buffer()[:0])}
	return encoded, items, bytes
}
