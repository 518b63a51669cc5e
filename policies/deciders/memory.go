package deciders

import (
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Memory keeps nodes from running out of memory, by three watermarks: see watermarks. Settings
// cluster.routing.allocation.memory.watermark.{low,high,flood_stage}, 85, 92 and 97 per cent by default, or what is to be left as
// in 4gb; each with .max_headroom, what a part leaves at most; and …memory.threshold_enabled, to switch them off.
type Memory struct{}

var memoryMarks = newWatermarks("the memory", cluster.SettingMemoryEnabled, cluster.SettingMemoryWatermark, func(l *policies.Load) float64 { return l.Memory })

// Name is memory.
func (Memory) Name() string { return "memory" }

// PerShard is true: a large shard may not fit where others do.
func (Memory) PerShard() bool { return true }

// Class tells large shards from the others.
func (Memory) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	return memoryMarks.class(v, q)
}

// Meter is the answer about one node.
func (Memory) Meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	return memoryMarks.meter(v, q, node)
}

// PairClass tells nodes that have room for the largest copy from the others.
func (Memory) PairClass(v *policies.View, q *policies.Question, node int) (class uint64, ok bool) {
	return 0, memoryMarks.roomy(v, q, node)
}

// Allocate says NO beyond the low watermark, and where the copy would pass the high one.
func (Memory) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	memoryMarks.row(v, q, r)
}

// Remain says NO beyond the high watermark, as long as what leaves already is not enough.
func (Memory) Remain(v *policies.View, q *policies.Question, r policies.Row) {
	memoryMarks.row(v, q, r)
}

// Reason names the node, what is in use there, and the watermark.
func (Memory) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	return memoryMarks.reason(v, q, node, a)
}
