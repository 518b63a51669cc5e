package runtime

import (
	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
)

// keyspace is a keyspace with its shards on this node, by index.
type keyspace struct {
	*shard.Space
	shards []*shard.Shard
	refs   []actors.Ref
}

// of is the shard that owns a slot.
func (k *keyspace) of(slot shards.Slot) *shard.Shard { return k.shards[k.ShardOf(slot)] }

// named finds a keyspace by name.
func (n *Node) named(name string) (*keyspace, error) {
	for _, k := range n.keyspaces {
		if k.Name == name {
			return k, nil
		}
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: noKeyspace(name)}
}
