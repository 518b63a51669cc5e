package directory

import (
	"math"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A read of another node's shard, in msgpack:
//
//	query    9a op shard view first last limit chance after|nil low high|nil reverse
//	answer   94 view count next|nil [entry ...]
//	entry    94 key value version expireAt
//
//	open ──► view 7, first page ──► next 7 ──► page ... ──► next 7 ──► page without view: the end
//	keep [7 9 12] ──► answer without anything
//
// A view is a snapshot that its node holds for the asker until the end, a close, or a minute in which nobody asks for it or keeps it.
type query struct {
	op          op
	shard       shards.ShardID
	view        uint64 // next, close; keep: one of low
	first, last shards.Slot
	limit       int
	chance      uint64
	after       []byte // scan
	low, high   []byte // open: the range; scan: low is the prefix; keep: low is the list of views
	reverse     bool
}

// op says what is read. The numbers cross the wire: never reorder, only append.
type op uint8

const (
	opScan op = iota + 1
	opCount
	opSlot
	opRandom
	opOpen
	opNext
	opClose
	opKeep // a node of a release before refuses it
)

// Limits of one answer, whatever is asked for.
const (
	maxLimit  = 1 << 20 // keys
	pageBytes = 512 << 10
	pageKeys  = 4096
	slotBytes = 16 << 20 // of keys of a slot, for another node
	scanBytes = 1 << 20  // of keys, in one step of a scan: they are looked at in the shard's turn
)

const queryParts = 11

func (q *query) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(queryParts)
	for _, v := range []uint64{uint64(q.op), uint64(q.shard), q.view, uint64(q.first), uint64(q.last), uint64(q.limit), q.chance} {
		e.Uint(v)
	}
	optional(&e, q.after)
	e.Bytes(q.low)
	optional(&e, q.high)
	e.Bool(q.reverse)
	return e.Buffer()
}

func optional(e *wire.Encoder, b []byte) {
	if b == nil {
		e.Nil()
		return
	}
	e.Bytes(b)
}

func optionalBytes(d *wire.Decoder) []byte {
	if d.Nil() {
		return nil
	}
	if b := d.Bytes(); b != nil {
		return b
	}
	return []byte{}
}

func (q *query) decode(body []byte) error {
	d := wire.NewDecoder(body)
	if n := d.Array(); n != queryParts && d.Err() == nil {
		d.Refuse("a read has 11 parts")
	}
	var v [7]uint64
	for i := range v {
		v[i] = d.Uint()
	}
	q.after, q.low, q.high = optionalBytes(&d), d.Bytes(), optionalBytes(&d)
	q.reverse = d.Bool()
	if v[1] > math.MaxUint32 || v[3] >= shards.Slots || v[4] >= shards.Slots || v[0] > uint64(opKeep) {
		d.Refuse("a read outside its limits")
	}
	q.op, q.shard, q.view = op(v[0]), shards.ShardID(v[1]), v[2]
	q.first, q.last, q.limit, q.chance = shards.Slot(v[3]), shards.Slot(v[4]), int(min(v[5], maxLimit)), v[6]
	return d.Finish()
}

// encodeViews makes the list of those to keep.
func encodeViews(list []uint64) []byte {
	e := wire.NewEncoder(nil)
	e.Array(len(list))
	for _, view := range list {
		e.Uint(view)
	}
	return e.Buffer()
}

func decodeViews(body []byte) (list []uint64, err error) {
	d := wire.NewDecoder(body)
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		list = append(list, d.Uint())
	}
	return list, d.Finish()
}

// answer is what a read brings back. Its slices are views of the decoded body.
type answer struct {
	view    uint64
	count   int64
	next    []byte
	entries []Entry
}

// Entry is one key of a view.
type Entry struct {
	Key, Value []byte
	Version    uint64
	ExpireAt   int64 // Unix milliseconds; 0 = never
}

func (a *answer) encode() []byte {
	size := 64 + len(a.next)
	for i := range a.entries {
		size += len(a.entries[i].Key) + len(a.entries[i].Value) + 32
	}
	e := wire.NewEncoder(make([]byte, 0, size))
	e.Array(4)
	e.Uint(a.view)
	e.Int(a.count)
	optional(&e, a.next)
	e.Array(len(a.entries))
	for i := range a.entries {
		entry := &a.entries[i]
		e.Array(4)
		e.Bytes(entry.Key)
		e.Bytes(entry.Value)
		e.Uint(entry.Version)
		e.Int(entry.ExpireAt)
	}
	return e.Buffer()
}

func (a *answer) decode(body []byte) error {
	d := wire.NewDecoder(body)
	if n := d.Array(); n != 4 && d.Err() == nil {
		d.Refuse("the answer to a read has 4 parts")
	}
	a.view, a.count, a.next = d.Uint(), d.Int(), optionalBytes(&d)
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		if parts := d.Array(); parts != 4 && d.Err() == nil {
			d.Refuse("an entry has 4 parts")
		}
		a.entries = append(a.entries, Entry{Key: d.Bytes(), Value: d.Bytes(), Version: d.Uint(), ExpireAt: d.Int()})
	}
	return d.Finish()
}
