package wal

import (
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/troupe-actors/troupe/shards"
)

// Append writes records as one atomic step: after a crash all of them are there or none. With sync it returns when they are
// durable, and concurrent callers share one fsync; without, they are durable after the next sync of anyone.
//
// Records of one shard are in order: each begins where the one before ended, and no term falls; the first record of a shard
// that has none may begin anywhere. Otherwise the error wraps ErrGap, and nothing is written; neither is it with
// ErrDiskFull. Any other error is ErrFatal.
func (l *Log) Append(records []Record, sync bool) error {
	if err := l.alive(); err != nil {
		return err
	}
	size, shrinks := int64(0), true
	for i := range records {
		size += int64(keySize + headerSize + len(records[i].Payload))
		shrinks = shrinks && records[i].Shrinks
	}
	ends, err := l.follow(nil, records)
	if err != nil {
		return err
	}
	if err := l.space.admit(size, shrinks); err != nil {
		return err
	}
	batch := l.db.NewBatchWithSize(int(size) + 16*len(records) + 12)
	for i := range records {
		r := &records[i]
		op := batch.SetDeferred(keySize, headerSize+len(r.Payload))
		putRecord(op.Key, op.Value, r)
		if err := op.Finish(); err != nil {
			return errors.Join(fmt.Errorf("wal: build a batch: %w", err), batch.Close())
		}
	}
	if err := l.commit(func() error { return batch.Commit(writeOptions(sync)) }); err != nil {
		return err
	}
	for _, end := range ends {
		l.tails.Store(end.shard, end.tail)
	}
	return batch.Close()
}

func writeOptions(sync bool) *pebble.WriteOptions {
	if sync {
		return pebble.Sync
	}
	return pebble.NoSync
}

// Follows is nil, or why Append would not take the records of one shard that are among these, whatever the others are: ErrGap if they do not go on
// where the log ends, else that the log cannot be read there (ErrFatal if it cannot be at all). It writes nothing. The shard must not be appended to
// meanwhile.
func (l *Log) Follows(shard shards.ShardID, among []Record) error {
	var own []Record
	for i := range among {
		if among[i].Shard == shard {
			own = append(own, among[i])
		}
	}
	_, err := l.follow(nil, own)
	return err
}

type shardTail struct {
	shard shards.ShardID
	tail  tail
}

// follow checks that each record follows its shard's last one, and gives the shards' new ends. cut are the ends of shards
// that other changes of the same batch have moved.
func (l *Log) follow(cut []shardTail, records []Record) ([]shardTail, error) {
	ends := append(make([]shardTail, 0, len(cut)+len(records)), cut...)
	highest := shards.ShardID(0) // in order of shards, which is usual, no earlier record has to be looked for
	for _, c := range cut {
		highest = max(highest, c.shard)
	}
	for i := range records {
		r := &records[i]
		if r.First == 0 || r.First > r.Last || r.Last == math.MaxUint64 || len(r.Payload) > 1<<30 {
			return nil, fmt.Errorf("%w: shard %v: %d..%d with %d bytes is no record", ErrGap, r.Shard, r.First, r.Last, len(r.Payload))
		}
		at := len(ends)
		if r.Shard <= highest {
			at = placeOf(ends, r.Shard)
		}
		highest = max(highest, r.Shard)
		end, err := l.endOf(ends, at, r.Shard)
		if err != nil {
			return nil, err
		}
		if end.last != 0 && (r.First != end.last+1 || r.Term < end.term) {
			return nil, fmt.Errorf("%w: shard %v: %d..%d of term %d after %d of term %d", ErrGap, r.Shard, r.First, r.Last, r.Term, end.last, end.term)
		}
		next := shardTail{r.Shard, tail{r.Term, r.First, r.Last}}
		if at < len(ends) {
			ends[at] = next
		} else {
			ends = append(ends, next)
		}
	}
	return ends, nil
}

// placeOf is where ends has the shard; len(ends) if it has not.
func placeOf(ends []shardTail, shard shards.ShardID) int {
	for i := len(ends) - 1; i >= 0; i-- {
		if ends[i].shard == shard {
			return i
		}
	}
	return len(ends)
}

// endOf is a shard's end: at its place in this batch, else in the log.
func (l *Log) endOf(ends []shardTail, at int, shard shards.ShardID) (tail, error) {
	if at < len(ends) {
		return ends[at].tail, nil
	}
	return l.tailOf(shard)
}

// tailOf is a shard's end, read from the log once.
func (l *Log) tailOf(shard shards.ShardID) (tail, error) {
	if known, ok := l.tails.Load(shard); ok {
		return known.(tail), nil
	}
	end, err := l.readTail(shard)
	if err == nil {
		l.tails.Store(shard, end)
	}
	return end, err
}

func (l *Log) readTail(shard shards.ShardID) (end tail, err error) {
	err = l.iterate(recordKey(shard, 0), afterShard(shard), func(it *pebble.Iterator) error {
		if !it.Last() {
			return nil
		}
		r, err := l.recordAt(it)
		end = tail{r.Term, r.First, r.Last}
		return err
	})
	return end, err
}

// Last is the newest record of a shard, without its payload; false if the log has none.
func (l *Log) Last(shard shards.ShardID) (Record, bool, error) {
	if err := l.alive(); err != nil {
		return Record{}, false, err
	}
	end, err := l.tailOf(shard)
	if err != nil || end.last == 0 {
		return Record{}, false, err
	}
	return Record{Shard: shard, Term: end.term, First: end.first, Last: end.last}, true, nil
}

// TruncatePrefix drops the shard's records that end at or before through; one that reaches beyond it stays whole. It is as
// durable as an Append without sync: after a crash the records may be back.
func (l *Log) TruncatePrefix(shard shards.ShardID, through shards.SeqNo) error {
	end, err := l.tailOf(shard)
	if err != nil || end.last == 0 {
		return errors.Join(err, l.alive())
	}
	through = min(through, end.last)
	err = l.commit(func() error {
		return l.db.DeleteRange(recordKey(shard, 0), recordKey(shard, through+1), pebble.NoSync)
	})
	if err == nil && through == end.last {
		l.tails.Store(shard, tail{})
	}
	return err
}

// TruncateSuffix drops the shard's records from the one that begins at from; if from is inside a record, the error wraps
// ErrInsideRecord and nothing happens. It is as durable as an Append without sync: a crash may undo it only if nothing
// that was appended later survived.
func (l *Log) TruncateSuffix(shard shards.ShardID, from shards.SeqNo) error {
	end, err := l.tailOf(shard)
	if err != nil || end.last < from {
		return errors.Join(err, l.alive())
	}
	rest, err := l.endBefore(shard, from)
	if err != nil {
		return err
	}
	err = l.commit(func() error { return l.db.DeleteRange(recordKey(shard, from), afterShard(shard), pebble.NoSync) })
	if err == nil {
		l.tails.Store(shard, rest)
	}
	return err
}

// endBefore is the shard's end once the record that begins at from, and all behind, are dropped.
func (l *Log) endBefore(shard shards.ShardID, from shards.SeqNo) (rest tail, err error) {
	err = l.iterate(recordKey(shard, 0), afterShard(shard), func(it *pebble.Iterator) error {
		if it.SeekGE(recordKey(shard, from)) {
			r, err := l.recordAt(it)
			if err != nil {
				return err
			}
			if r.First < from {
				return fmt.Errorf("%w: shard %v: %d is inside %d..%d", ErrInsideRecord, shard, from, r.First, r.Last)
			}
		}
		if it.Error() == nil && it.Prev() {
			r, err := l.recordAt(it)
			rest = tail{r.Term, r.First, r.Last}
			return err
		}
		return nil
	})
	return rest, err
}
