package metadata

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Digest is the rolling hash over everything that one node has applied: two nodes that have applied the same entries have
// the same Hash at the same Index. A difference means that they have diverged, for good.
type Digest struct {
	Index uint64
	Hash  uint64
}

// keptDigests is how far back DigestAt reaches, in entries.
const keptDigests = 1024

// digests are the last ones: that of index i at i mod keptDigests.
type digests struct {
	last Digest
	kept [keptDigests]uint64
	from uint64 // the first index that is kept
}

// roll adds an entry, and the version of the state that came of it.
func (d *digests) roll(index uint64, data []byte, version uint64) {
	var head [24]byte
	binary.LittleEndian.PutUint64(head[:], d.last.Hash)
	binary.LittleEndian.PutUint64(head[8:], index)
	binary.LittleEndian.PutUint64(head[16:], version)
	var h xxhash.Digest
	h.Reset()
	h.Write(head[:]) // never fails
	h.Write(data)
	d.reach(Digest{Index: index, Hash: h.Sum64()})
}

func (d *digests) reach(now Digest) {
	if d.last.Index+1 != now.Index {
		d.from = now.Index
	}
	d.last = now
	d.kept[now.Index%keptDigests] = now.Hash
	if now.Index >= keptDigests {
		d.from = max(d.from, now.Index-keptDigests+1)
	}
}

// Digest is the hash at Applied.
func (c *Core) Digest() Digest { return c.digests.last }

// DigestAt is the hash at an index, if it is one of the last so many, and applied since this Core was made or restored.
func (c *Core) DigestAt(index uint64) (Digest, bool) {
	if index < c.digests.from || index > c.digests.last.Index {
		return Digest{}, false
	}
	return Digest{Index: index, Hash: c.digests.kept[index%keptDigests]}, true
}
