package tracing

import (
	"bytes"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/troupe-actors/troupe/shards/wire"
)

// MaxRecord bounds an encoded record: the cluster keeps hundreds of them.
const MaxRecord = 16 << 10

// maxPlain bounds a record before it is packed, so that a few hostile bytes cannot ask for memory.
const maxPlain = 4 << 20

var recordLimits = wire.Limits{Depth: 8, Elements: 1 << 20}

// format is the first byte of an encoded record.
const format = 1

// Encode packs the record into at most MaxRecord bytes: one byte for the format, and the fields in order as msgpack,
// deflated. A record that is too large loses what was said of its fastest shards first, and then these shards themselves;
// Omitted counts them. The record itself is not changed.
func (f *Failover) Encode() []byte {
	packed := f.pack()
	if len(packed) <= MaxRecord {
		return packed
	}
	small := *f
	small.Shards = slices.Clone(f.Shards)
	slices.SortStableFunc(small.Shards, func(a, b Shard) int { return cmp.Compare(b.last(), a.last()) })
	for i := range small.Shards {
		if i >= slowest {
			small.Shards[i].Candidates = nil
		}
	}
	for {
		small.prune(f)
		packed = small.pack()
		if len(packed) <= MaxRecord || len(small.Shards) == 0 {
			return packed
		}
		small.Shards = small.Shards[:len(small.Shards)/2]
		small.Omitted = f.Omitted + len(f.Shards) - len(small.Shards)
	}
}

// prune keeps those of the words of f that the shards still need.
func (f *Failover) prune(from *Failover) {
	f.Words = nil
	for i := range f.Shards {
		s := &f.Shards[i]
		s.Candidates = slices.Clone(s.Candidates)
		for c := range s.Candidates {
			words := make([]int, len(s.Candidates[c].Words))
			for w, at := range s.Candidates[c].Words {
				words[w] = f.Say(from.Words[at])
			}
			s.Candidates[c].Words = words
		}
	}
}

func (f *Failover) pack() []byte {
	var b bytes.Buffer
	b.WriteByte(format)
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	if _, err := w.Write(wire.Marshal(*f)); err != nil {
		panic(err) // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// DecodeFailover reads what Encode wrote.
func DecodeFailover(packed []byte) (*Failover, error) {
	if len(packed) == 0 || packed[0] != format {
		return nil, errors.New("tracing: not a record of a failover, or one of a newer format")
	}
	r := flate.NewReader(bytes.NewReader(packed[1:]))
	plain, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	if err != nil {
		return nil, fmt.Errorf("tracing: a damaged record: %w", err)
	}
	if len(plain) > maxPlain {
		return nil, fmt.Errorf("tracing: a record of more than %d bytes", maxPlain)
	}
	f := &Failover{}
	if err := wire.Unmarshal(plain, recordLimits, f); err != nil {
		return nil, fmt.Errorf("tracing: a record: %w", err)
	}
	return f, nil
}
