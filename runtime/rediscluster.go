package runtime

import "github.com/troupe-actors/troupe/shards"

// Primary is this node, which leads every shard.
func (r *redis) Primary(int, shards.Slot) (node string, here bool) { return string(r.node.id.Node), true }
