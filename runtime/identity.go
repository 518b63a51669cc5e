package runtime

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// identity is what a data folder knows of its node. It is written before anything else, so that a folder is never taken
// for another node's, and the epoch is raised before the node does anything that others could see.
type identity struct {
	Format  int           `json:"format"`
	Node    shards.NodeID `json:"node"`    // 40 hex digits, as Redis Cluster has them
	Cluster string        `json:"cluster"` // likewise; empty until the node has formed or joined one
	Epoch   shards.Epoch  `json:"epoch"`
	Clean   bool          `json:"clean"` // the last life ended with everything on disk

	// Keyspaces of a folder of format 1, whose node was no member of anything: their data becomes that of the cluster which
	// the node forms. Empty from then on.
	Keyspaces []shards.Keyspace `json:"keyspaces,omitempty"`
}

const (
	identityRecord = "identity"
	identityFormat = 2
)

func newID() string {
	var id [20]byte
	rand.Read(id[:]) // never fails, says its documentation
	return hex.EncodeToString(id[:])
}

// newIdentity is that of a node at its first boot.
func newIdentity() identity {
	return identity{Format: identityFormat, Node: shards.NodeID(newID()), Clean: true}
}

// Owner tells which node and which cluster a data folder belongs to; found is false for one that no node has used yet. It
// opens the log as a node does, which makes an empty one if there is none, and fails as Start does.
func Owner(data string) (node shards.NodeID, cluster string, found bool, err error) {
	log, err := wal.Open(data, wal.Options{})
	if err != nil {
		return "", "", false, fmt.Errorf("data folder %s: %w", data, err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	id, found, err := readIdentity(log)
	return id.Node, id.Cluster, found, err
}

// readIdentity reads the folder's identity, if it has one.
func readIdentity(log *wal.Log) (id identity, found bool, err error) {
	stored, found, err := log.Get(identityRecord)
	if err == nil && found {
		err = json.Unmarshal(stored, &id)
	}
	if err != nil {
		return id, false, fmt.Errorf("read the node's identity: %w", err)
	}
	switch {
	case !found:
	case id.Format == 1:
		id.Format, id.Cluster, id.Clean = identityFormat, "", false // that of a cluster of one, which nobody else has seen
	case id.Format != identityFormat:
		return id, false, fmt.Errorf("the data folder has format %d, this program reads %d: use the version that wrote it", id.Format, identityFormat)
	}
	return id, found, nil
}

// loadIdentity reads the folder's identity, or makes one, raises the epoch and writes it back. clean says whether the life
// before ended with everything on disk.
func loadIdentity(log *wal.Log, c *Config) (id identity, clean bool, err error) {
	id, found, err := readIdentity(log)
	if err != nil {
		return id, false, err
	}
	if !found {
		id = newIdentity()
	}
	if len(id.Keyspaces) > 0 && (len(c.Join) > 0 || len(c.Initial) > 0 || c.PeersFile != "") {
		return id, false, invalid("the folder has the data of a node of its own, which would be lost in another cluster: start it without join, initial and a file of peers, and let the others join it")
	}
	clean, id.Clean = id.Clean, false
	id.Epoch++
	return id, clean, saveIdentity(log, id)
}

func saveIdentity(log *wal.Log, id identity) error {
	encoded, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("encode the node's identity: %w", err)
	}
	if err := log.Set(identityRecord, encoded); err != nil {
		return fmt.Errorf("write the node's identity: %w", err)
	}
	return nil
}

// stayPast takes back the epoch that a start on an old folder has raised: raised with each try, it would become one that nobody knows yet.
func stayPast(log *wal.Log, id identity) error {
	id.Epoch--
	return saveIdentity(log, id)
}

// mergeKeyspaces gives the keyspaces that are known with the settings asked for, then the new ones, numbered after all that
// ever were. A keyspace that is no longer asked for stays: its data is not thrown away by leaving out a flag.
func mergeKeyspaces(stored, asked []shards.Keyspace) ([]shards.Keyspace, error) {
	next := shards.KeyspaceID(0)
	place := map[string]int{}
	for i, k := range stored {
		place[k.Name] = i
		next = max(next, k.ID+1)
	}
	merged := append([]shards.Keyspace(nil), stored...)
	for _, k := range asked {
		i, found := place[k.Name]
		if !found {
			k.ID = next
			next++
			merged = append(merged, k)
			continue
		}
		was := merged[i]
		if k.Shards != was.Shards {
			return nil, invalid("keyspace %q has %d shards on disk, and %d were asked for: the count is fixed for its life", k.Name, was.Shards, k.Shards)
		}
		if (was.Durability == shards.DurabilityMemory) != (k.Durability == shards.DurabilityMemory) {
			return nil, invalid("keyspace %q has durability %v on disk, and %v was asked for: to or from memory it cannot change", k.Name, was.Durability, k.Durability)
		}
		k.ID = was.ID
		merged[i] = k
	}
	return merged, nil
}
