package store

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/cespare/xxhash/v2"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// Digest stands for the content of a store: keys, values, versions and expiries in key order, the sequence number, and what is
// remembered of transactions that may be sent again. Equal content gives an equal digest, however the tree came by it. It is two xxHash64 of different seeds: against mistakes
// and failing memory, not against malice.
type Digest [16]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Seeds of the two halves.
const (
	digestSeedA = 0x54726f7570650001
	digestSeedB = 0x54726f7570650002
)

// digester hashes entries in key order. Small pieces are gathered first, so that each hash sees long ones.
type digester struct {
	a, b   *xxhash.Digest
	buffer []byte
	count  uint64
}

const digestBuffer = 8 << 10

func newDigester() *digester {
	return &digester{
		a: xxhash.NewWithSeed(digestSeedA), b: xxhash.NewWithSeed(digestSeedB), buffer: make([]byte, 0, digestBuffer),
	}
}

func (d *digester) entry(key []byte, it radix.Item) {
	d.count++
	if len(d.buffer)+len(key)+32 > digestBuffer {
		d.flush()
	}
	b := d.buffer
	b = binary.LittleEndian.AppendUint32(b, uint32(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(it.Value)))
	b = binary.LittleEndian.AppendUint64(b, it.Version)
	b = binary.LittleEndian.AppendUint64(b, uint64(it.ExpireAt))
	d.buffer = append(b, key...)
	if len(d.buffer)+len(it.Value) <= digestBuffer {
		d.buffer = append(d.buffer, it.Value...)
		return
	}
	d.flush()
	_, _ = d.a.Write(it.Value)
	_, _ = d.b.Write(it.Value)
}

func (d *digester) flush() {
	_, _ = d.a.Write(d.buffer)
	_, _ = d.b.Write(d.buffer)
	d.buffer = d.buffer[:0]
}

// finish ends the digest. sessions are encoded; nil if there are none, as in every store of before they were known.
func (d *digester) finish(seq shards.SeqNo, sessions []byte) (sum Digest) {
	d.buffer = binary.LittleEndian.AppendUint64(d.buffer, d.count)
	d.buffer = binary.LittleEndian.AppendUint64(d.buffer, uint64(seq))
	d.flush()
	_, _ = d.a.Write(sessions)
	_, _ = d.b.Write(sessions)
	binary.LittleEndian.PutUint64(sum[:], d.a.Sum64())
	binary.LittleEndian.PutUint64(sum[8:], d.b.Sum64())
	return sum
}

// Digest walks over all keys.
func (s *Store) Digest() Digest {
	d := newDigester()
	for key, it := range s.tree.Prefix(nil) {
		d.entry(key, it)
	}
	return d.finish(s.seq, s.sessions.encoded())
}

// Digest walks over all keys.
func (s *Snapshot) Digest() Digest {
	d := newDigester()
	for key, it := range s.tree.Prefix(nil) {
		d.entry(key, it)
	}
	return d.finish(s.seq, s.sessions.encoded())
}
