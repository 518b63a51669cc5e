package wal

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/troupe-actors/troupe/shards"
)

// Key and value of a record:
//
//	key    │ 'r' │ shard u32 BE │ last u64 BE │
//	value  │ crc32c u32 │ format u8 │ flags u8 │ 0 u16 │ term u64 │ first u64 │ payload ... │     little-endian
//	         of the key and
//	         the value behind it
//
// The key holds the *last* sequence number, so that the record with number n is the first whose key is not below n.
const (
	recordPrefix = 'r'
	metaPrefix   = 'm'
	keySize      = 13
	headerSize   = 24
	formatOne    = 1
	flagShrinks  = 1
)

// Record is what one group commit holds of one shard: consecutive transactions, encoded one behind the other.
type Record struct {
	Shard       shards.ShardID
	Term        shards.Term  // the reign of the primary that ordered it
	First, Last shards.SeqNo // First is 1 at least, Last is First at least
	Payload     []byte       // at most 1 GiB; from ReadFrom: a view, valid until visit returns
	Shrinks     bool         // frees memory or disk (deletes only): accepted while the disk is nearly full
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func putKey(key []byte, shard shards.ShardID, last shards.SeqNo) {
	key[0] = recordPrefix
	binary.BigEndian.PutUint32(key[1:], uint32(shard))
	binary.BigEndian.PutUint64(key[5:], uint64(last))
}

// recordKey is the key of the record of this shard that ends at last.
func recordKey(shard shards.ShardID, last shards.SeqNo) []byte {
	key := make([]byte, keySize)
	putKey(key, shard, last)
	return key
}

// afterShard is the first key behind all records of a shard.
func afterShard(shard shards.ShardID) []byte {
	if shard+1 == 0 {
		return []byte{recordPrefix + 1}
	}
	return recordKey(shard+1, 0)
}

// putRecord fills key and value, of keySize and headerSize + payload bytes.
func putRecord(key, value []byte, r *Record) {
	putKey(key, r.Shard, r.Last)
	clear(value[4:headerSize])
	value[4] = formatOne
	if r.Shrinks {
		value[5] = flagShrinks
	}
	binary.LittleEndian.PutUint64(value[8:], uint64(r.Term))
	binary.LittleEndian.PutUint64(value[16:], uint64(r.First))
	copy(value[headerSize:], r.Payload)
	binary.LittleEndian.PutUint32(value, sumOf(key, value))
}

func sumOf(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value[4:])
}

// decodeRecord reads what putRecord wrote; the payload is a view into value. The error is a *CorruptError.
func decodeRecord(key, value []byte) (Record, error) {
	if len(key) != keySize || key[0] != recordPrefix {
		return Record{}, &CorruptError{Position: "key", Cause: errFormat}
	}
	r := Record{
		Shard: shards.ShardID(binary.BigEndian.Uint32(key[1:])),
		Last:  shards.SeqNo(binary.BigEndian.Uint64(key[5:])),
	}
	corrupt := func(cause error) (Record, error) {
		return r, &CorruptError{Shard: r.Shard, Seq: r.Last, Position: "value", Cause: cause}
	}
	if len(value) < headerSize {
		return corrupt(errShort)
	}
	if binary.LittleEndian.Uint32(value) != sumOf(key, value) {
		return corrupt(errChecksum)
	}
	if value[4] != formatOne || value[5]&^flagShrinks != 0 {
		return corrupt(errFormat)
	}
	r.Shrinks = value[5]&flagShrinks != 0
	r.Term = shards.Term(binary.LittleEndian.Uint64(value[8:]))
	r.First = shards.SeqNo(binary.LittleEndian.Uint64(value[16:]))
	r.Payload = value[headerSize:]
	if r.First == 0 || r.First > r.Last {
		return corrupt(errFormat)
	}
	return r, nil
}
