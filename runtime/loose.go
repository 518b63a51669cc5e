package runtime

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// looseRecord is the node's record of the keyspaces that it writes with interval, as a JSON list of their numbers. One that becomes fsync is
// written so from the next start on; until then a crash may cost what was written last, whatever the table says of the keyspace:
//
//	this node   starts, writes with interval ───────────────── power fails ── Join: says that it was interval
//	the table                         durability becomes fsync
const looseRecord = "loose"

func readLoose(log *wal.Log) (list []shards.KeyspaceID, err error) {
	stored, found, err := log.Get(looseRecord)
	if err == nil && found {
		err = json.Unmarshal(stored, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was written with interval: %w", err)
	}
	return list, nil
}

// noteLoose writes the record anew if the keyspaces, which nobody writes before it returns, make another one.
func (n *Node) noteLoose(next *catalog) error {
	if n.log == nil {
		return nil
	}
	var now []shards.KeyspaceID
	for _, k := range next.ordered {
		if k.Durability == shards.DurabilityInterval {
			now = append(now, k.ID)
		}
	}
	if slices.Equal(now, n.copies.loose) {
		return nil
	}
	encoded, err := json.Marshal(now)
	if err == nil {
		err = n.log.Set(looseRecord, encoded)
	}
	if err != nil {
		return fmt.Errorf("note what is written with interval: %w", err)
	}
	n.copies.loose = now
	return nil
}
