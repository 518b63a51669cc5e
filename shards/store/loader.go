package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/wire"
)

// ErrCorrupt is wrapped by every error about a snapshot stream: a *CorruptError.
var ErrCorrupt = errors.New("store: corrupt snapshot stream")

// CorruptError says which chunk of a snapshot stream is wrong, and why. Its kind is shards.KindCorrupt.
type CorruptError struct {
	Chunk  int // counted from 0, as the loader got them
	Offset int // in bytes from the start of the chunk, where it is known
	Cause  error
}

// Error names chunk, offset and cause.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: chunk %d, offset %d: %v", ErrCorrupt, e.Chunk, e.Offset, e.Cause)
}

// Unwrap gives ErrCorrupt and the cause.
func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }

// ErrorKind is shards.KindCorrupt.
func (e *CorruptError) ErrorKind() shards.ErrorKind { return shards.KindCorrupt }

// Causes of a CorruptError, beside those of package wire.
var (
	errNotSnapshot = errors.New("not a frame of a snapshot")
	errFormat      = errors.New("unknown format")
	errOtherSeq    = errors.New("it is of another snapshot")
	errMisplaced   = errors.New("it does not follow the chunk before")
	errOrder       = errors.New("keys are not in order")
	errEntry       = errors.New("an entry is outside its limits")
	errAfterEnd    = errors.New("the stream has already ended")
	errIncomplete  = errors.New("the stream ends before its last chunk")
	errDigest      = errors.New("count or digest of the whole does not match")
)

// Loader builds a store from the chunks of a snapshot, in their order. A broken stream can be resumed: Snapshot.Chunks
// from After, of a snapshot with the same Seq. One goroutine at a time.
type Loader struct {
	store  *Store
	digest *digester
	chunks int
	began  bool
	after  []byte // the last key; nil before the first
	ended  bool
	err    error
}

// NewLoader makes a loader of a store with these options.
func NewLoader(o Options) *Loader { return &Loader{store: New(o), digest: newDigester()} }

// After is the last key loaded, from which an interrupted stream goes on; nil before the first. It is the caller's.
func (l *Loader) After() []byte {
	if l.after == nil {
		return nil
	}
	return append([]byte{}, l.after...)
}

// Seq is the sequence number of the snapshot being loaded; 0 before the first chunk.
func (l *Loader) Seq() shards.SeqNo { return l.store.seq }

// Chunk loads one chunk. The error is a *CorruptError, or ErrFull; it stays, and the loader is then of no use.
func (l *Loader) Chunk(chunk []byte) error {
	if l.err == nil {
		l.err = l.load(chunk)
		l.chunks++
	}
	return l.err
}

// Finish returns the store, which holds exactly what the snapshot held. It fails if a chunk failed or the last one has
// not come. It is called once.
func (l *Loader) Finish() (*Store, error) {
	if l.err == nil && !l.ended {
		l.err = l.corrupt(0, errIncomplete)
	}
	if l.err != nil {
		return nil, l.err
	}
	return l.store, nil
}

func (l *Loader) corrupt(offset int, cause error) error {
	return &CorruptError{Chunk: l.chunks, Offset: offset, Cause: cause}
}

func (l *Loader) load(chunk []byte) error {
	if l.ended {
		return l.corrupt(0, errAfterEnd)
	}
	f, rest, err := wire.NextFrame(chunk, chunkMax)
	switch {
	case err != nil:
		return l.corrupt(0, err)
	case f.Kind != wire.KindSnapshot:
		return l.corrupt(4, errNotSnapshot)
	case len(rest) != 0:
		return l.corrupt(len(chunk)-len(rest), errNotSnapshot)
	}
	d := wire.NewDecoder(f.Payload)
	end, err := l.head(&d)
	if err != nil {
		return l.corrupt(wire.FrameHeader+d.Offset(), err)
	}
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		if err := l.entry(&d); err != nil {
			return l.corrupt(wire.FrameHeader+d.Offset(), err)
		}
	}
	if err := d.Finish(); err != nil {
		return l.corrupt(wire.FrameHeader+d.Offset(), err)
	}
	if end != nil {
		return l.end(end)
	}
	return nil
}

// head reads what comes before the entries.
func (l *Loader) head(d *wire.Decoder) (*trailer, error) {
	if n := d.Array(); n != 5 && d.Err() == nil {
		return nil, errFormat
	}
	if d.Uint() != chunkFormat && d.Err() == nil {
		return nil, errFormat
	}
	seq := shards.SeqNo(d.Uint())
	var after []byte
	if !d.Nil() {
		after = d.Bytes()
	}
	var end *trailer
	if !d.Nil() {
		more := false
		if end, more = readTrailer(d); more {
			l.store.sessions = decodeSessions(d, seq)
			end.sessions = l.store.sessions.encode(nil)
		}
	}
	switch {
	case d.Err() != nil:
		return nil, d.Err()
	case l.began && seq != l.store.seq:
		return nil, errOtherSeq
	case seq > radix.MaxVersion:
		return nil, errEntry
	case (after == nil) != (l.after == nil) || !bytes.Equal(after, l.after):
		return nil, errMisplaced
	}
	l.began, l.store.seq = true, seq
	return end, nil
}

// readTrailer reads a trailer up to its sessions, and says whether they follow.
func readTrailer(d *wire.Decoder) (t *trailer, more bool) {
	parts := d.Array()
	if parts != trailerParts && parts != trailerParts+1 && d.Err() == nil {
		d.Refuse("a trailer has 4 fields or 5")
	}
	t = &trailer{count: d.Uint()}
	if copy(t.digest[:], d.Bytes()) != len(t.digest) {
		d.Refuse("a digest has 16 bytes")
	}
	t.now, t.rolling = d.Int(), d.Uint()
	return t, parts > trailerParts
}

func (l *Loader) entry(d *wire.Decoder) error {
	n := d.Array()
	key, value, version, expireAt := d.Bytes(), d.Bytes(), d.Uint(), d.Int()
	switch {
	case d.Err() != nil:
		return d.Err()
	case n != 4 || len(key) > MaxKey || len(value) > MaxValue || version == 0 || version > uint64(l.store.seq):
		return errEntry
	case l.after != nil && bytes.Compare(key, l.after) <= 0:
		return errOrder
	}
	if l.store.tree.Grow(len(key), len(value)) != nil {
		return ErrFull
	}
	l.store.tree.Restore(version, key, value, expireAt)
	if expireAt != 0 {
		l.store.expiring++
	}
	l.digest.entry(key, radix.Item{Value: value, Version: version, ExpireAt: expireAt})
	l.after = append(l.after[:0], key...)
	if l.after == nil {
		l.after = []byte{}
	}
	return nil
}

// end compares the whole with the trailer.
func (l *Loader) end(t *trailer) error {
	count := l.digest.count
	if count != t.count || l.digest.finish(l.store.seq, t.sessions) != t.digest {
		return l.corrupt(0, errDigest)
	}
	l.store.now, l.store.rolling, l.ended = t.now, t.rolling, true
	return nil
}
