package store

import (
	"iter"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A snapshot travels as chunks. Each is a wire frame of KindSnapshot, with its checksum, whose payload is a msgpack array:
//
//	chunk   [ format, seq, after, trailer, [entry ...] ]
//	after   nil: this chunk begins the stream; else the key that ended the chunk before
//	trailer nil; in the last chunk [ count, digest, time, rolling, sessions? ]
//	entry   [ key, value, version, expireAt ]
//
//	┌────────────────────┐  ┌────────────────────┐  ┌─────────────────────────────┐
//	│ 7  nil  a=1 b=2    │  │ 7  "b"  c=3 d=4    │  │ 7  "d"  e=5   count digest  │
//	└────────────────────┘  └────────────────────┘  └─────────────────────────────┘
//
// after links the chunks, so that a lost, doubled or misplaced one does not fit; the trailer covers the whole.
const (
	chunkFormat  = 1
	chunkPayload = 256 << 10 // bytes, by default
	chunkMax     = MaxKey*2 + MaxValue + 1024
	entryMax     = 64 // bytes that the encoding adds to a key and a value, at most
)

// Chunks streams the snapshot from the key after after (nil: from the start), in chunks of about max bytes of payload (0 or
// less: 256 KiB); one large value may exceed it. The same content and max give the same bytes. A chunk is valid until the next
// one is asked for. The error is always nil: a snapshot in memory cannot fail. It may run on any goroutine.
func (s *Snapshot) Chunks(after []byte, max int) iter.Seq2[[]byte, error] {
	if max <= 0 {
		max = chunkPayload
	}
	return func(yield func([]byte, error) bool) {
		w := chunkWriter{seq: s.seq, after: after, digest: newDigester()}
		for key, it := range s.tree.Prefix(nil) {
			w.digest.entry(key, it)
			if after != nil && string(key) <= string(after) {
				continue
			}
			if w.count > 0 && len(w.entries)+len(key)+len(it.Value)+entryMax > max {
				if !yield(w.flush(nil), nil) {
					return
				}
			}
			w.add(key, it)
		}
		t := trailer{count: w.digest.count, now: s.now, rolling: s.rolling, sessions: s.sessions.encoded()}
		t.digest = w.digest.finish(s.seq, t.sessions)
		yield(w.flush(&t), nil)
	}
}

// trailer ends a stream.
type trailer struct {
	count    uint64
	digest   Digest
	now      int64
	rolling  uint64
	sessions []byte // encoded; nil if there are none
}

// trailerParts is how many parts a trailer has without sessions.
const trailerParts = 4

// chunkWriter gathers the entries of a chunk.
type chunkWriter struct {
	seq     shards.SeqNo
	after   []byte // nil before the first entry
	last    []byte
	entries []byte
	count   int
	digest  *digester
	payload []byte
	frame   []byte
}

func (w *chunkWriter) add(key []byte, it radix.Item) {
	e := wire.NewEncoder(w.entries)
	e.Array(4)
	e.Bytes(key)
	e.Bytes(it.Value)
	e.Uint(it.Version)
	e.Int(it.ExpireAt)
	w.entries = e.Buffer()
	w.count++
	w.last = append(w.last[:0], key...)
}

func (w *chunkWriter) flush(t *trailer) []byte {
	e := wire.NewEncoder(w.payload[:0])
	e.Array(5)
	e.Uint(chunkFormat)
	e.Uint(uint64(w.seq))
	if w.after == nil {
		e.Nil()
	} else {
		e.Bytes(w.after)
	}
	if t == nil {
		e.Nil()
	} else {
		t.append(&e)
	}
	e.Array(w.count)
	w.payload = append(e.Buffer(), w.entries...)
	w.frame = wire.AppendFrame(w.frame[:0], wire.KindSnapshot, w.payload)
	w.after = append([]byte{}, w.last...)
	w.entries, w.count = w.entries[:0], 0
	return w.frame
}

func (t *trailer) append(e *wire.Encoder) {
	parts := trailerParts
	if t.sessions != nil {
		parts++
	}
	e.Array(parts)
	e.Uint(t.count)
	e.Bytes(t.digest[:])
	e.Int(t.now)
	e.Uint(t.rolling)
	*e = wire.NewEncoder(append(e.Buffer(), t.sessions...))
}
