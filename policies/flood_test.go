package policies_test

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

const gib = 1 << 30

func TestFloodBeginsAboveOneMarkAndEndsBelowAnother(t *testing.T) {
	s := &cluster.State{Members: []cluster.Member{{ID: "b", Name: "n2"}}}
	for _, x := range []struct {
		disk, memory       float64 // parts used
		was                policies.Flood
		full, memoryIsFull bool
	}{
		{disk: 0.5, memory: 0.5},
		{disk: 0.949, memory: 0.969},
		{disk: 0.951, full: true},
		{disk: 0.949, was: policies.Flood{Why: "x"}, full: true},
		{disk: 0.901, was: policies.Flood{Why: "x"}, full: true},
		{disk: 0.899, was: policies.Flood{Why: "x"}},
		{disk: 0.949, was: policies.Flood{Memory: true, Why: "x"}},
		{memory: 0.971, full: true, memoryIsFull: true},
		{memory: 0.93, was: policies.Flood{Memory: true, Why: "x"}, full: true, memoryIsFull: true},
		{disk: 0.96, memory: 0.89, was: policies.Flood{Memory: true, Why: "x"}, full: true},
		{disk: 0.96, memory: 0.971, full: true, memoryIsFull: true},
		{disk: 0.96, memory: 0.971, was: policies.Flood{Why: "x"}, full: true, memoryIsFull: true},
		{disk: 0.96, memory: 0.96, was: policies.Flood{Why: "x"}, full: true},
	} {
		l := &policies.NodeLoad{Node: "b", Capacity: policies.Load{Memory: 10 * gib, Disk: 100 * gib}}
		l.Used = policies.Load{Memory: x.memory * 10 * gib, Disk: x.disk * 100 * gib}
		if got := policies.FloodOf(s, l, x.was); (got.Why != "") != x.full || got.Memory != x.memoryIsFull {
			t.Errorf("%+v: %+v", x, got)
		}
	}
}

func TestFloodFollowsItsSettings(t *testing.T) {
	large := &policies.NodeLoad{Node: "b", Capacity: policies.Load{Disk: 1000 * gib}, Used: policies.Load{Disk: 985 * gib}}
	for _, x := range []struct {
		name, value string
		full        bool
	}{
		{"", "", false}, // 95% would leave 50 GiB; the headroom asks for 10
		{cluster.SettingDiskWatermark + "flood_stage.max_headroom", "-1", true},
		{cluster.SettingDiskWatermark + "flood_stage.max_headroom", "20gb", true},
		{cluster.SettingDiskWatermark + "flood_stage", "15gb", false},
		{cluster.SettingDiskWatermark + "flood_stage", "16gb", true},
		{cluster.SettingDiskWatermark + "flood_stage", "nonsense", false}, // the default is in force
	} {
		s := &cluster.State{Members: []cluster.Member{{ID: "b", Name: "n2"}}}
		if x.name != "" {
			s.Settings = []cluster.Setting{{Name: x.name, Value: x.value}}
		}
		got := policies.FloodOf(s, large, policies.Flood{})
		if (got.Why != "") != x.full {
			t.Errorf("%s=%s: %+v", x.name, x.value, got)
		}
		for _, part := range []string{"disk of node n2 is 98.5% used, 15360 MiB are left", "cluster.routing.allocation.disk.watermark.flood_stage is "} {
			if x.full && !strings.Contains(got.Why, part) {
				t.Errorf("%q does not say %q", got.Why, part)
			}
		}
		off := &cluster.State{Members: s.Members, Settings: []cluster.Setting{{Name: cluster.SettingDiskEnabled, Value: "false"}}}
		if got := policies.FloodOf(off, large, policies.Flood{Why: "before"}); got.Why != "" {
			t.Errorf("switched off, and %+v", got)
		}
	}
	if got := policies.FloodOf(&cluster.State{}, &policies.NodeLoad{Used: policies.Load{Disk: 5, Memory: 5}}, policies.Flood{}); got.Why != "" {
		t.Errorf("without a capacity: %+v", got)
	}
}
