package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Limits of POST /{keyspace}/_bulk. A frame beyond MaxBulkFrame is taken only if it holds one item.
const (
	MaxBulkFrame = 8 << 20 // bytes of payload

	maxBulkItems = store.MaxOps
	maxLoneItem  = store.MaxKey + store.MaxValue + 64 // payload of a frame with one item
	mimeBulk     = "application/x-troupe-bulk"
)

// bulk takes a stream of frames. The items of one frame are waited for together; the next frame is read after that, so that
// a client that is faster than the disk is slowed by its own connection.
func (s *Server) bulk(x *exchange, _ *query) error {
	k, err := s.keyspace(x)
	if err != nil {
		return err
	}
	if mime := x.r.Header.Get("Content-Type"); mime != mimeBulk {
		return &Error{Status: http.StatusUnsupportedMediaType, Kind: "invalid", Reason: fmt.Sprintf("content type %q; must be %s", clip(mime), mimeBulk)}
	}
	source := &heldReader{source: x.r.Body, hold: &x.hold}
	frames := wire.NewFrameReader(source, maxLoneItem)
	var total BulkResult
	var items []Write
	for {
		offset := frames.Offset()
		source.frame = 0
		frame, err := frames.Next()
		if err == io.EOF {
			x.json(http.StatusOK, total)
			return nil
		}
		if err != nil {
			return total.cut(badFrame(err))
		}
		if items, err = decodeBulk(frame, items[:0], s.backend.Now()); err != nil {
			return total.cut(fmt.Errorf("frame at offset %d: %w", offset, err))
		}
		stored, err := s.backend.PutAll(x.r.Context(), k.ID, items)
		if err != nil {
			total.Items += int64(stored)
			return total.cut(err)
		}
		total.add(items)
	}
}

func (r *BulkResult) add(items []Write) {
	r.Items += int64(len(items))
	for i := range items {
		r.Bytes += int64(len(items[i].Key) + len(items[i].Value))
	}
}

// cut says how much was stored before a failure.
func (r *BulkResult) cut(failure error) error {
	e := *asError(failure)
	e.Reason = fmt.Sprintf("%s (items stored before: %d)", failure.Error(), r.Items)
	return &e
}

// badFrame keeps the reason of a failure to read, if the pace or the room gave one; everything else is the client's mistake.
func badFrame(err error) error {
	var own *Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, wire.ErrFrameTooLarge):
		return tooLarge("%v", err)
	}
	return invalid("%v", err)
}

// decodeBulk reads the items of a frame: views into it. It trusts no length: wire.Check has bounded them all before.
func decodeBulk(frame wire.Frame, items []Write, now int64) ([]Write, error) {
	if frame.Kind != wire.KindBulk {
		return items, invalid("frame of kind %d; must be %d", frame.Kind, wire.KindBulk)
	}
	if err := wire.Check(frame.Payload, wire.Limits{Depth: 2, Elements: 1 + 4*maxBulkItems}); err != nil {
		return items, invalid("%v", err)
	}
	d := wire.NewDecoder(frame.Payload)
	count := d.Array()
	if count > maxBulkItems {
		return items, tooLarge("%d items in a frame; at most %d are allowed", count, maxBulkItems)
	}
	if len(frame.Payload) > MaxBulkFrame && count != 1 {
		return items, tooLarge("a frame of %d bytes with %d items; beyond %d bytes a frame must hold one", len(frame.Payload), count, MaxBulkFrame)
	}
	for range count {
		items = append(items, decodeItem(&d, now))
		if d.Err() != nil {
			break
		}
	}
	if err := d.Finish(); err != nil {
		return items, invalid("%v", err)
	}
	return items, nil
}

func decodeItem(d *wire.Decoder, now int64) (w Write) {
	if n := d.Array(); n != 3 {
		d.Refuse(fmt.Sprintf("an item of %d elements; must be key, value, ttl in milliseconds", n))
	}
	w.Key, w.Value = d.Bytes(), d.Bytes()
	ttl := d.Int()
	switch {
	case len(w.Key) > store.MaxKey:
		d.Refuse(fmt.Sprintf("a key of %d bytes; at most %d are allowed", len(w.Key), store.MaxKey))
	case len(w.Value) > store.MaxValue:
		d.Refuse(fmt.Sprintf("a value of %d bytes; at most %d are allowed", len(w.Value), store.MaxValue))
	case ttl < 0 || ttl > maxTTL.Milliseconds():
		d.Refuse(fmt.Sprintf("a ttl of %d ms; must be 0 (never) to %d", ttl, maxTTL.Milliseconds()))
	case ttl > 0:
		w.ExpireAt = now + ttl
	}
	return w
}

// heldReader counts what one frame makes the server hold: twice its bytes, since the reader's buffer doubles.
type heldReader struct {
	source io.Reader
	hold   *hold
	frame  int // bytes of the present frame
}

// Read reads, or fails if the server would hold too much.
func (r *heldReader) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.frame += n
	if held := r.hold.reach(2 * r.frame); held != nil {
		return n, held
	}
	return n, err
}
