package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/troupe-actors/troupe/shards"
)

// Batch is several writes in one step: after a crash all of them are there or none.
type Batch struct {
	Cuts    []Cut    // carried out first; at most one for a shard
	Records []Record // then these are appended, by Append's rules
	Set     []Named  // records of the node itself
}

// Cut drops records of a shard from one end or from both.
type Cut struct {
	Shard   shards.ShardID
	Through shards.SeqNo // records that end at or before it; 0: none
	From    shards.SeqNo // the record that begins at it, and all behind; 0: none
}

// Named is a record of the node itself, as Set writes it. The value may be large, up to 1 GiB, but lies in memory whole.
type Named struct {
	Name  string
	Value []byte
}

// Write writes a batch. With sync it returns when the batch, and all that was written before, is durable; without, it may be
// lost, but only together with all that was written later.
//
// It is for what the node needs to go on: unlike Append it writes to a disk that is nearly full. Errors are those of Append
// and TruncateSuffix, and nothing is written then.
func (l *Log) Write(b Batch, sync bool) error {
	if err := l.alive(); err != nil {
		return err
	}
	ends, err := l.cutEnds(b.Cuts)
	if err != nil {
		return err
	}
	if ends, err = l.follow(ends, b.Records); err != nil {
		return err
	}
	batch := l.db.NewBatch()
	if err := b.fill(batch); err != nil {
		return errors.Join(fmt.Errorf("wal: build a batch: %w", err), batch.Close())
	}
	if batch.Empty() && sync { // Pebble does nothing at all then
		return errors.Join(l.Sync(), batch.Close())
	}
	if err := l.commit(func() error { return batch.Commit(writeOptions(sync)) }); err != nil {
		return err
	}
	for _, end := range ends {
		l.tails.Store(end.shard, end.tail)
	}
	return batch.Close()
}

// fill puts all into one of Pebble's batches, in order: what comes later there wins.
func (b *Batch) fill(batch *pebble.Batch) error {
	for _, c := range b.Cuts {
		if c.Through != 0 {
			end := afterShard(c.Shard)
			if c.Through < math.MaxUint64 {
				end = recordKey(c.Shard, c.Through+1)
			}
			if err := batch.DeleteRange(recordKey(c.Shard, 0), end, nil); err != nil {
				return err
			}
		}
		if c.From != 0 {
			if err := batch.DeleteRange(recordKey(c.Shard, c.From), afterShard(c.Shard), nil); err != nil {
				return err
			}
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		op := batch.SetDeferred(keySize, headerSize+len(r.Payload))
		putRecord(op.Key, op.Value, r)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	for _, n := range b.Set {
		key := metaKey(n.Name)
		if err := batch.Set(key, sealMeta(key, n.Value), nil); err != nil {
			return err
		}
	}
	return nil
}

// sealMeta is what openMeta opens.
func sealMeta(key, value []byte) []byte {
	stored := append(make([]byte, 4, 4+len(value)), value...)
	binary.LittleEndian.PutUint32(stored, sumOf(key, stored))
	return stored
}

// cutEnds gives the ends that the shards have after the cuts.
func (l *Log) cutEnds(cuts []Cut) (ends []shardTail, err error) {
	for _, c := range cuts {
		if placeOf(ends, c.Shard) < len(ends) {
			return nil, fmt.Errorf("wal: two cuts of shard %v in one batch", c.Shard)
		}
		end, err := l.tailOf(c.Shard)
		if err != nil {
			return nil, err
		}
		if c.From != 0 && c.From <= end.last {
			if end, err = l.endBefore(c.Shard, c.From); err != nil {
				return nil, err
			}
		}
		if end.last <= c.Through {
			end = tail{}
		}
		ends = append(ends, shardTail{c.Shard, end})
	}
	return ends, nil
}
