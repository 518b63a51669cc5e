package shard

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wal"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A node's record says for each shard which copy its data belongs to, and the term of the snapshot file: the log that knew it
// is truncated. In the log it is the node's record "copy/KKKKIIII" (the shard's id in hex), msgpack through wire:
//
//	[ copy, seq, term ]      seq and term: of the newest snapshot file; 0 without one
const holdingFields = 3

func holdingName(id shards.ShardID) string { return fmt.Sprintf("copy/%08x", uint32(id)) }

// Holding says which copy of a shard the node's record names; 0: none. A reconciler asks before it makes shards.
func Holding(log *wal.Log, id shards.ShardID) (shards.CopyID, error) {
	held, _, err := readHolding(log, id)
	return held, err
}

func readHolding(log *wal.Log, id shards.ShardID) (held shards.CopyID, base replica.Position, err error) {
	value, found, err := log.Get(holdingName(id))
	if err != nil || !found || len(value) == 0 {
		return 0, replica.Position{}, err
	}
	d := wire.NewDecoder(value)
	if d.Array() != holdingFields && d.Err() == nil {
		d.Refuse("a holding has other fields")
	}
	held, base.Seq, base.Term = shards.CopyID(d.Uint()), shards.SeqNo(d.Uint()), shards.Term(d.Uint())
	if err := d.Finish(); err != nil {
		return 0, replica.Position{}, fmt.Errorf("record of shard %v: %w", id, err)
	}
	return held, base, nil
}

// holding is the record as it should be, for a copy. Called in the turn.
func (s *Shard) holding(held shards.CopyID) wal.Named {
	e := wire.NewEncoder(nil)
	e.Array(holdingFields)
	e.Uint(uint64(held))
	e.Uint(uint64(s.saved))
	e.Uint(uint64(s.savedTerm))
	return wal.Named{Name: holdingName(s.id), Value: e.Buffer()}
}
