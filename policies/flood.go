package policies

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// Flood says that a node is too full to take writes that grow, and in a sentence why. The zero value: it is not.
type Flood struct {
	Memory bool // it is memory that is short; else the disk alone, which shards in memory do not need
	Why    string
}

// FloodOf decides it from what a member measured of itself. was is what was decided before: a node that was full stays so until
// it is below the high watermark, so that it does not change with every key. What has not been measured is not full.
//
//	          flood_stage          high
//	writes  ──────┬──────────────────┬───────► used
//	              └─ refused from here
//	                 taken again below ┘
func FloodOf(s *cluster.State, l *NodeLoad, was Flood) Flood {
	disk := gauge{"disk", cluster.SettingDiskEnabled, cluster.SettingDiskWatermark, l.Used.Disk, l.Capacity.Disk}
	memory := gauge{"memory", cluster.SettingMemoryEnabled, cluster.SettingMemoryWatermark, l.Used.Memory, l.Capacity.Memory}
	full := was.Why != ""
	switch { // memory first: every shard needs that, and not every shard needs the disk
	case full && was.Memory && memory.above(s, "high"):
		return was
	case memory.above(s, "flood_stage"):
		return Flood{Memory: true, Why: memory.explain(s, s.NodeName(l.Node), "writes that grow are refused")}
	case full && !was.Memory && disk.above(s, "high"):
		return was
	case disk.above(s, "flood_stage"):
		return Flood{Why: disk.explain(s, s.NodeName(l.Node), "writes that grow are refused, except in keyspaces that are in memory alone,")}
	}
	return Flood{}
}

// gauge is one thing that may be full, and the settings that say when.
type gauge struct {
	name, enabled, watermarks string
	used, capacity            float64
}

func (g *gauge) above(s *cluster.State, stage string) bool {
	if g.capacity <= 0 || s.Value(g.enabled) != "true" {
		return false
	}
	w, err := cluster.ParseWatermark(s.Value(g.watermarks + stage))
	if err != nil {
		return false // Value gives nothing that cannot be read
	}
	headroom, err := cluster.ParseHeadroom(s.Value(g.watermarks + stage + ".max_headroom"))
	return err == nil && g.used > w.Limit(g.capacity, headroom)
}

func (g *gauge) explain(s *cluster.State, node, refused string) string {
	name := g.watermarks + "flood_stage"
	return fmt.Sprintf("the %s of node %s is %.1f%% used, %d MiB are left; %s is %s (%s.max_headroom %s), and %s until it is below %shigh, %s: free space, or raise the setting",
		g.name, node, 100*g.used/g.capacity, int64(g.capacity-g.used)>>20, name, s.Value(name), name, s.Value(name+".max_headroom"), refused, g.watermarks, s.Value(g.watermarks+"high"))
}
