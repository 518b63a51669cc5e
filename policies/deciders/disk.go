package deciders

import (
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Disk keeps nodes' disks from filling up, by three watermarks: see watermarks. Settings
// cluster.routing.allocation.disk.watermark.{low,high,flood_stage}, 85, 90 and 95 per cent by default, or what is to be left as
// in 20gb; each with .max_headroom, what a part leaves at most; and …disk.threshold_enabled, to switch them off.
type Disk struct{}

var diskMarks = newWatermarks("the disk", cluster.SettingDiskEnabled, cluster.SettingDiskWatermark, func(l *policies.Load) float64 { return l.Disk })

// Name is disk.
func (Disk) Name() string { return "disk" }

// PerShard is true: a large shard may not fit where others do.
func (Disk) PerShard() bool { return true }

// Class tells large shards from the others.
func (Disk) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	return diskMarks.class(v, q)
}

// Meter is the answer about one node.
func (Disk) Meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	return diskMarks.meter(v, q, node)
}

// PairClass tells nodes that have room for the largest copy from the others.
func (Disk) PairClass(v *policies.View, q *policies.Question, node int) (class uint64, ok bool) {
	return 0, diskMarks.roomy(v, q, node)
}

// Allocate says NO beyond the low watermark, and where the copy would pass the high one.
func (Disk) Allocate(v *policies.View, q *policies.Question, r policies.Row) { diskMarks.row(v, q, r) }

// Remain says NO beyond the high watermark, as long as what leaves already is not enough.
func (Disk) Remain(v *policies.View, q *policies.Question, r policies.Row) { diskMarks.row(v, q, r) }

// Reason names the node, what is in use there, and the watermark.
func (Disk) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	return diskMarks.reason(v, q, node, a)
}
