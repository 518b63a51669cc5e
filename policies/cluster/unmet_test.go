package cluster

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

func TestUnmetSettingsAreToldOf(t *testing.T) {
	s := &State{
		Members: []Member{
			{ID: "a", Name: "n1", Peer: "10.0.0.1:7300", Roles: DefaultRoles, Attributes: []Attribute{{"disk", "hdd"}}},
			{ID: "b", Name: "n2", Peer: "10.0.0.2:7300", Roles: RoleMeta, Attributes: []Attribute{{"disk", "ssd"}}},
		},
		Keyspaces: []Keyspace{{Keyspace: shards.Keyspace{Name: "a.b"}}},
	}
	for _, c := range []struct{ name, value, want string }{
		{SettingRequire + "disk", "ssd", "no node that holds data has disk=ssd: no copy can be"},
		{SettingRequire + "disk", "h*,*d", ""},
		{SettingRequire + "disk", "hdd,ssd", "no node"},
		{SettingInclude + "disk", "hdd,ssd", ""},
		{SettingInclude + FilterIP, "10.0.0.*", ""},
		{SettingExclude + FilterName, "n3", "it keeps nothing away"},
		{SettingExclude + FilterName, "n1", ""},
		{SettingExclude + FilterName, "", ""},
		{SettingAwareness, "disk", ""},
		{SettingAwareness, "disk,zone", "no node that holds data has an attribute zone"},
		{"keyspace.orders.routing.allocation.enable", "all", `there is no keyspace "orders"`},
		{"keyspace.a.b.routing.allocation.enable", "all", ""},
		{"keyspace.a.b.routing.allocation.require.disk", "ssd", "no node that holds data has disk=ssd"},
		{SettingCoverage + ".orders", CoverageFull, "there is no keyspace"},
		{SettingCoverage + ".a.b", CoverageFull, ""},
		{SettingReplace + "n9", "n1", `no node "n9"`},
		{SettingReplace + "n1", "n9", `no node "n9" yet`},
		{SettingReplace + "n1", "n2", ""},
		{SettingMaxRetries, "7", ""},
	} {
		if got := s.Unmet(Setting{c.name, c.value}); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s=%s: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// Whoever says which part of a disk may be used means that, however large the disk is.
func TestSetWatermarksHaveNoDefaultHeadroom(t *testing.T) {
	low := SettingDiskWatermark + "low"
	s := &State{}
	if got := s.Value(low + maxHeadroom); got != "20gb" {
		t.Errorf("of the default it is %s", got)
	}
	s.Settings = []Setting{{low, "85%"}}
	if got := s.Value(low + maxHeadroom); got != "-1" || s.Value(SettingDiskWatermark+"high"+maxHeadroom) != "15gb" {
		t.Errorf("of one that is set it is %s", got)
	}
	s.Settings = []Setting{{low, "85%"}, {low + maxHeadroom, "1gb"}}
	if got := s.Value(low + maxHeadroom); got != "1gb" {
		t.Errorf("which was set itself: %s", got)
	}
}

func TestWatermarksKeepTheirOrder(t *testing.T) {
	low, high, flood := SettingMemoryWatermark+"low", SettingMemoryWatermark+"high", SettingMemoryWatermark+"flood_stage"
	s := &State{Settings: []Setting{{high, "80%"}, {low, "70%"}}}
	for _, c := range []struct {
		set  []Setting
		want string
	}{
		{[]Setting{{low, "80%"}}, ""},
		{[]Setting{{low, "81%"}}, "setting " + low + " would be 81%, beyond " + high + ", which is 80%"},
		{[]Setting{{low, ""}}, "would be 85%"},
		{[]Setting{{high, "99%"}}, "beyond " + flood},
		{[]Setting{{low, "81%"}, {high, "82%"}}, ""},
		{[]Setting{{low, "70%"}, {low, "81%"}}, "setting " + low + " would be 81%"},
		{[]Setting{{low, "81%"}, {low, "70%"}}, ""},
		{[]Setting{{low, "2gb"}}, ""},
		{[]Setting{{low, "2gb"}, {high, "3gb"}}, "beyond " + high},
		{[]Setting{{low, "2gb"}, {high, "1gb"}, {flood, "512mb"}}, ""},
		{[]Setting{{SettingMaxRetries, "7"}}, ""},
	} {
		err := s.CheckWatermarks(c.set)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.set, err, c.want)
		}
	}
}
