package directory

import (
	"bytes"
	"context"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/tracing"
)

// Reads that are no operations: steps of a cursor, counts, slots, samples. Each is asked of the shard's primary, here or by
// a call of transport.KindRead, and again while there is none that answers.

// Scan visits up to limit keys of a shard that start with prefix and sort after after (nil: from the start), in order,
// without those that have expired, and returns the last key looked at, or nil at the shard's end. It visits fewer where they
// are long: some scanBytes. A key is valid only inside visit, which may run in the shard's turn.
func (d *Directory) Scan(ctx context.Context, id shards.ShardID, after, prefix []byte, limit int, visit func(key []byte)) (next []byte, err error) {
	q := query{op: opScan, shard: id, after: after, low: prefix, limit: limit}
	err = d.ask(ctx, &q, func(s *shard.Shard) error {
		return s.Inspect(func(st *store.Store) { next = q.scan(st, d.config.Clock().UnixMilli(), visit) })
	}, func(_ shards.NodeID, a *answer) {
		next = a.next
		for _, e := range a.entries {
			visit(e.Key)
		}
	})
	return next, err
}

// Count is how many keys a shard has in the slots first to last, which lie in its range.
func (d *Directory) Count(ctx context.Context, id shards.ShardID, first, last shards.Slot) (n int64, err error) {
	q := query{op: opCount, shard: id, first: first, last: last}
	err = d.ask(ctx, &q, func(s *shard.Shard) error {
		return s.Inspect(func(st *store.Store) { n = d.count(st, &q) })
	}, func(_ shards.NodeID, a *answer) { n = a.count })
	return n, err
}

// KeysInSlot visits up to limit keys of one slot of a shard, until visit wants no more. A key is valid only inside visit. Of a shard on
// another node it fails where the keys are more than some slotBytes.
func (d *Directory) KeysInSlot(ctx context.Context, id shards.ShardID, slot shards.Slot, limit int, visit func(key []byte) (more bool)) error {
	q := query{op: opSlot, shard: id, first: slot, limit: limit}
	return d.ask(ctx, &q, func(s *shard.Shard) error { return keysInSlot(s, &q, visit) }, func(_ shards.NodeID, a *answer) {
		for _, e := range a.entries {
			if !visit(e.Key) {
				return
			}
		}
	})
}

// RandomKey appends some key of a shard to dst; found is false if it has none.
func (d *Directory) RandomKey(ctx context.Context, id shards.ShardID, dst []byte, chance uint64) (key []byte, found bool, err error) {
	q := query{op: opRandom, shard: id, chance: chance}
	before := len(dst)
	err = d.ask(ctx, &q, func(s *shard.Shard) error {
		return s.Inspect(func(st *store.Store) {
			var some []byte
			if some, found = st.RandomKey(d.config.Clock().UnixMilli(), chance); found {
				dst = append(dst[:before], some...)
			}
		})
	}, func(_ shards.NodeID, a *answer) {
		if found = len(a.entries) > 0; found {
			dst = append(dst, a.entries[0].Key...)
		}
	})
	return dst, found, err
}

// ask takes a query to the shard's primary until it is answered, cannot be, or patience ends. Neither here nor there is
// called before the query has succeeded there, so that nothing is visited twice; there is told who answered.
func (d *Directory) ask(ctx context.Context, q *query, here func(*shard.Shard) error, there func(shards.NodeID, *answer)) (err error) {
	began := time.Now()
	ctx, cancel := d.patient(ctx, began)
	defer cancel()
	ctx, span := d.reading(ctx, tracing.Client, q)
	tries := 1
	defer func() {
		if span != nil && tries > 1 {
			span.Set(tracing.Number("troupe.attempts", tries))
			struck(span, d.config.State(), q.shard)
		}
		span.End(err)
	}()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := d.askOnce(ctx, q, here, there)
		hope := err != nil && mayAskAgain(err) && ctx.Err() == nil
		if !hope && pause > firstPause {
			d.waited(q.shard, began)
		}
		switch {
		case hope:
		case err == nil || !mayAskAgain(err):
			return err
		default:
			return d.outOfTime(err, true)
		}
		d.retries.Add(1)
		d.rest(ctx, pause)
		tries++
	}
}

// mayAskAgain says that a failed read may find its shard at the next try.
func mayAskAgain(err error) bool {
	switch kindOf(err) {
	case shards.KindNotPrimary, shards.KindUnavailable, shards.KindOutcomeUnknown:
		return !hopeless(err)
	}
	return false
}

func (d *Directory) askOnce(ctx context.Context, q *query, here func(*shard.Shard) error, there func(shards.NodeID, *answer)) error {
	if err := d.edict().reads(q.shard); err != nil {
		return err
	}
	if local := d.config.Local(q.shard); local != nil && (local.Leads() || d.ours(q.shard)) {
		return here(local)
	}
	to, err := d.whereElse(q.shard)
	if err != nil {
		return err
	}
	a, err := d.call(ctx, to, q)
	if err == nil {
		there(to, a)
	}
	return err
}

// call asks another node: of a shard the one that leads it, of a view the one that holds it.
func (d *Directory) call(ctx context.Context, to shards.NodeID, q *query) (a *answer, err error) {
	var body []byte
	switch {
	case q.view == 0:
		body, err = d.callLeader(ctx, q.shard, to, transport.KindRead, q.encode())
	case d.open.Err() != nil:
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: shard.ErrClosed}
	default:
		body, err = d.config.Remote.Call(ctx, to, transport.KindRead, q.encode())
	}
	if err != nil {
		return nil, callError(err)
	}
	a = new(answer)
	if err := a.decode(body); err != nil {
		return nil, &shards.Error{Kind: shards.KindUnknown, Err: err}
	}
	return a, nil
}

func (q *query) scan(st *store.Store, now int64, visit func(key []byte)) []byte {
	size := 0
	return bytes.Clone(st.Scan(now, q.after, q.low, q.limit, func(key []byte, _ radix.Item) bool {
		visit(key)
		size += len(key)
		return size < scanBytes
	}))
}

// count takes the whole shard by its size, and a part of it slot by slot.
func (d *Directory) count(st *store.Store, q *query) int64 {
	if k := d.config.State().Keyspace(q.shard.Keyspace()); k != nil {
		if low, high := k.SlotRange(q.shard.Index()); q.first <= low && high <= q.last {
			return int64(st.Len())
		}
	}
	total := int64(0)
	for slot := int(q.first); slot <= int(q.last); slot++ {
		total += int64(st.SlotCount(shards.Slot(slot)))
	}
	return total
}

// keysInSlot looks through a snapshot, so that others are not held up.
func keysInSlot(s *shard.Shard, q *query, visit func(key []byte) (more bool)) error {
	view, err := s.BriefView()
	if err != nil {
		return err
	}
	defer view.Close()
	view.KeysInSlot(q.first, q.limit, visit)
	return nil
}
