package resp

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/troupe-actors/troupe/shards"
)

// cursorTable turns positions of SCAN into the 64-bit numbers that clients demand.
//
// A position is a keyspace, a shard and the last key looked at. A position at a shard's start needs no memory: its number is the
// shard's index, below shards.Slots. Any other gets a seeded hash of itself in 53 bits (JavaScript reads cursors as
// doubles), and the table remembers it. So the same position has the same number on every connection, asking twice with
// one number gives the same answer twice, and a number from before a restart is unknown rather than wrong.
//
// The table is bounded in positions and bytes; the position that was used least recently is forgotten first. Safe for concurrent use.
type cursorTable struct {
	mu    sync.Mutex
	seed  maphash.Seed
	limit int
	bytes int
	byID  map[uint64]*list.Element // of *position
	used  *list.List               // front: most recently
}

type position struct {
	id    uint64
	space int
	shard int
	after []byte
}

// maxCursorBytes bounds the keys that the table holds.
const maxCursorBytes = 16 << 20

func newCursorTable(limit int) *cursorTable {
	return &cursorTable{seed: maphash.MakeSeed(), limit: limit, byID: make(map[uint64]*list.Element), used: list.New()}
}

// remember gives the number of a position. after belongs to the table from now on; nil stands for the shard's start.
func (t *cursorTable) remember(space, shard int, after []byte) uint64 {
	if after == nil {
		return uint64(shard)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &position{space: space, shard: shard, after: after}
	for p.id = t.number(p); ; p.id = (p.id + 1) & (1<<53 - 1) {
		e, taken := t.byID[p.id]
		if !taken && p.id >= shards.Slots {
			break
		}
		if taken && e.Value.(*position).equal(p) {
			t.used.MoveToFront(e)
			return p.id
		}
	}
	t.byID[p.id] = t.used.PushFront(p)
	t.bytes += len(after)
	for t.used.Len() > t.limit || t.bytes > maxCursorBytes && t.used.Len() > 1 {
		oldest := t.used.Remove(t.used.Back()).(*position)
		delete(t.byID, oldest.id)
		t.bytes -= len(oldest.after)
	}
	return p.id
}

func (t *cursorTable) number(p *position) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	maphash.WriteComparable(&h, [2]int{p.space, p.shard})
	_, _ = h.Write(p.after) // never fails
	return h.Sum64() >> 11
}

func (p *position) equal(o *position) bool {
	return p.space == o.space && p.shard == o.shard && string(p.after) == string(o.after)
}

// recall finds the position of a number; ok is false for one that was never given or has been forgotten.
func (t *cursorTable) recall(space int, id uint64) (shard int, after []byte, ok bool) {
	if id < shards.Slots {
		return int(id), nil, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byID[id]
	if !ok {
		return 0, nil, false
	}
	p := e.Value.(*position)
	t.used.MoveToFront(e)
	return p.shard, p.after, p.space == space
}
