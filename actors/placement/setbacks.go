package placement

import (
	"cmp"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// setbacks are when copies of shards were last seen to fail, sorted by shard. A list is not written to once it is made: plans
// keep theirs.
type setbacks struct {
	list  []policies.Setback
	fails map[shards.ShardID]uint32 // failures that list knows of; only asked, never visited
}

// next is the list as it is after a look at a state: a shard whose failures have risen has had a setback now, one that has none
// is not in it. A leader that has just begun takes all that it finds for new.
func (b setbacks) next(s *cluster.State, tick int64) setbacks {
	var now setbacks
	for i := range s.Shards {
		r := &s.Shards[i]
		if r.Failures == 0 {
			continue
		}
		if now.fails == nil {
			now.fails = map[shards.ShardID]uint32{}
		}
		entry := policies.Setback{Shard: r.ID, Ticks: tick}
		if at, known := slices.BinarySearchFunc(b.list, r.ID, func(x policies.Setback, id shards.ShardID) int { return cmp.Compare(x.Shard, id) }); known && b.fails[r.ID] >= r.Failures {
			entry = b.list[at]
		}
		now.list, now.fails[r.ID] = append(now.list, entry), r.Failures
	}
	return now
}
