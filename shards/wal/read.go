package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/troupe-actors/troupe/shards"
)

// ReadFrom visits the record that holds seq and all after it, in order; 0 means from the first there is. It sees what was
// appended before the call. A seq after the last record visits nothing. If records with later numbers are there but not
// this one, the error wraps ErrTruncated; damage is a *CorruptError, and no record behind it is visited. An error of visit
// ends the walk and is returned.
func (l *Log) ReadFrom(shard shards.ShardID, seq shards.SeqNo, visit func(Record) error) error {
	if err := l.alive(); err != nil {
		return err
	}
	return l.iterate(recordKey(shard, 0), afterShard(shard), func(it *pebble.Iterator) error {
		var before Record
		for ok := it.SeekGE(recordKey(shard, seq)); ok; ok = it.Next() {
			r, err := l.recordAt(it)
			if err != nil {
				return err
			}
			if before.Last == 0 && seq != 0 && r.First > seq {
				return fmt.Errorf("%w: shard %v: %d, the first record from there on is %d..%d", ErrTruncated, shard, seq, r.First, r.Last)
			}
			if before.Last != 0 && (r.First != before.Last+1 || r.Term < before.Term) {
				return &CorruptError{Shard: shard, Seq: r.Last, Position: l.dir, Cause: fmt.Errorf("%w: %d..%d after %d", errMissing, r.First, r.Last, before.Last)}
			}
			if err := visit(r); err != nil {
				return err
			}
			before = r
		}
		return nil
	})
}

// Shards lists the shards that have records, in ascending order.
func (l *Log) Shards() ([]shards.ShardID, error) {
	if err := l.alive(); err != nil {
		return nil, err
	}
	return l.shardsOf(l.db)
}

func (l *Log) shardsOf(db *pebble.DB) (found []shards.ShardID, err error) {
	err = iterate(db, l.dir, []byte{recordPrefix}, []byte{recordPrefix + 1}, func(it *pebble.Iterator) error {
		for ok := it.First(); ok; ok = it.SeekGE(afterShard(found[len(found)-1])) {
			if len(it.Key()) != keySize {
				return &CorruptError{Position: l.dir, Cause: fmt.Errorf("key %x: %w", it.Key(), errFormat)}
			}
			found = append(found, shards.ShardID(binary.BigEndian.Uint32(it.Key()[1:])))
		}
		return nil
	})
	return found, err
}

// recordAt decodes the record under the iterator; damage is named with the folder.
func (l *Log) recordAt(it *pebble.Iterator) (Record, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return Record{}, err
	}
	r, err := decodeRecord(it.Key(), value)
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		corrupt.Position = l.dir + ": " + corrupt.Position
	}
	return r, err
}

func (l *Log) iterate(lower, upper []byte, visit func(*pebble.Iterator) error) error {
	return iterate(l.db, l.dir, lower, upper, visit)
}

// iterate walks keys from lower up to upper, and reports what the walk itself ran into.
func iterate(db *pebble.DB, dir string, lower, upper []byte, visit func(*pebble.Iterator) error) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return asCorrupt(fmt.Errorf("wal: read: %w", err), dir)
	}
	err = visit(it)
	if failed := it.Error(); failed != nil && err == nil {
		err = fmt.Errorf("wal: read: %w", failed)
	}
	if closed := it.Close(); err == nil {
		err = closed
	}
	return asCorrupt(err, dir)
}

// Get reads a record of the node itself, such as its identity; false if it was never set. The value is the caller's own.
func (l *Log) Get(name string) ([]byte, bool, error) {
	if err := l.alive(); err != nil {
		return nil, false, err
	}
	key := metaKey(name)
	stored, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, asCorrupt(fmt.Errorf("wal: read %q: %w", name, err), l.dir)
	}
	value, err := openMeta(key, stored)
	value = slices.Clone(value)
	return value, err == nil, errors.Join(err, closer.Close())
}

// Set writes a record of the node itself and returns when it is durable. name and value are small: a few KiB.
func (l *Log) Set(name string, value []byte) error {
	key := metaKey(name)
	return l.commit(func() error { return l.db.Set(key, sealMeta(key, value), pebble.Sync) })
}

func metaKey(name string) []byte { return append([]byte{metaPrefix}, name...) }

// openMeta checks a node record: crc32c of key and value, then the value.
func openMeta(key, stored []byte) ([]byte, error) {
	if len(stored) < 4 {
		return nil, &CorruptError{Position: fmt.Sprintf("node record %q", key[1:]), Cause: errShort}
	}
	if binary.LittleEndian.Uint32(stored) != sumOf(key, stored) {
		return nil, &CorruptError{Position: fmt.Sprintf("node record %q", key[1:]), Cause: errChecksum}
	}
	return stored[4:], nil
}
