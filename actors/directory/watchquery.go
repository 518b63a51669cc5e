package directory

import (
	"math"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A watch on another node, in msgpack:
//
//	query    96 op watch capacity prefix [shard ...] [from ...]
//	answer   93 watch [began ...] [change ...]
//	change   96 shard seq kind key value expireAt
//
//	open ──► watch 3, where each shard is ──► next 3 ── waits up to 10 s ──► changes, or none ──► next 3 ...
//
// A watch that nobody asks for during a minute ends by itself.
type watchQuery struct {
	op       watchOp
	watch    uint64 // next, close
	capacity int    // open
	prefix   []byte
	shards   []shards.ShardID
	from     []shards.SeqNo
}

// watchOp says what is asked. The numbers cross the wire: never reorder, only append.
type watchOp uint8

const (
	watchOpen watchOp = iota + 1
	watchNext
	watchClose
)

// mostCapacity bounds the changes that are kept for one shard of one watch of another node.
const mostCapacity = 1 << 16

func (q *watchQuery) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(6)
	e.Uint(uint64(q.op))
	e.Uint(q.watch)
	e.Uint(uint64(q.capacity))
	e.Bytes(q.prefix)
	e.Array(len(q.shards))
	for _, id := range q.shards {
		e.Uint(uint64(id))
	}
	e.Array(len(q.from))
	for _, seq := range q.from {
		e.Uint(uint64(seq))
	}
	return e.Buffer()
}

func (q *watchQuery) decode(body []byte) error {
	d := wire.NewDecoder(body)
	if n := d.Array(); n != 6 && d.Err() == nil {
		d.Refuse("a watch query has 6 parts")
	}
	q.op, q.watch, q.capacity, q.prefix = watchOp(d.Uint()), d.Uint(), int(min(d.Uint(), mostCapacity)), d.Bytes()
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		id := d.Uint()
		if id > math.MaxUint32 {
			d.Refuse("a shard's id has 32 bits")
		}
		q.shards = append(q.shards, shards.ShardID(id))
	}
	q.from = decodeSeqs(&d)
	if q.op == watchOpen && len(q.from) != len(q.shards) {
		d.Refuse("a watch needs a start for each of its shards")
	}
	return d.Finish()
}

func decodeSeqs(d *wire.Decoder) (list []shards.SeqNo) {
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		list = append(list, shards.SeqNo(d.Uint()))
	}
	return list
}

// watchAnswer is what a watch brings. Its slices are views of the decoded body.
type watchAnswer struct {
	watch   uint64
	began   []shards.SeqNo // open: where each shard is
	changes []shard.Change
}

func (a *watchAnswer) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(3)
	e.Uint(a.watch)
	e.Array(len(a.began))
	for _, seq := range a.began {
		e.Uint(uint64(seq))
	}
	e.Array(len(a.changes))
	for i := range a.changes {
		c := &a.changes[i]
		e.Array(6)
		e.Uint(uint64(c.Shard))
		e.Uint(uint64(c.Seq))
		e.Uint(uint64(c.Kind))
		e.Bytes(c.Key)
		e.Bytes(c.Value)
		e.Int(c.ExpireAt)
	}
	return e.Buffer()
}

func (a *watchAnswer) decode(body []byte) error {
	d := wire.NewDecoder(body)
	if n := d.Array(); n != 3 && d.Err() == nil {
		d.Refuse("the answer to a watch has 3 parts")
	}
	a.watch, a.began = d.Uint(), decodeSeqs(&d)
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		if parts := d.Array(); parts != 6 && d.Err() == nil {
			d.Refuse("a change has 6 parts")
		}
		index, seq, kind := d.Uint(), shards.SeqNo(d.Uint()), d.Uint()
		if index >= shards.Slots || kind > uint64(store.ChangeResync) {
			d.Refuse("a change outside its limits")
		}
		a.changes = append(a.changes, shard.Change{Shard: int(index), Change: store.Change{
			Seq: seq, Kind: store.ChangeKind(kind), Key: d.Bytes(), Value: d.Bytes(), ExpireAt: d.Int(),
		}})
	}
	return d.Finish()
}
