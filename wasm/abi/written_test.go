package abi

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// What a policy was given, written as people write it, gives it the same again: whatever type, for all keyspaces or for one, empty lists among them,
// and defaults that cannot be set.
func TestWrittenSettingsMakeTheSameConfiguration(t *testing.T) {
	least := 1.0
	m := &Manifest{Name: "land", Settings: []Setting{
		{Name: "every", Type: TypeDuration, Default: "1m30s", Keyspace: true},
		{Name: "lands", Type: TypeList, Default: []any{"de"}, Keyspace: true},
		{Name: "most", Type: TypeNumber, Min: &least, Keyspace: true}, // 0 where nothing is set
		{Name: "strict", Type: TypeBool, Default: true},
		{Name: "mood", Type: TypeString, Values: []string{"<good>", "bad"}}, // "" where nothing is set
		{Name: "share.", Type: TypeNumber, Prefix: true, Keyspace: true},
		{Name: "cluster.routing.allocation.enable", Type: TypeString, Keyspace: true},
	}}
	choices := map[string][]string{
		"every": {"1h", "1m30s", "250ms"}, "every@orders": {"0s", "2m"}, "lands": {",", "fr, it", "de"}, "lands@orders": {",", "fr"}, "most": {"1", "2.5", "1e21"}, "most@a.b": {"7"},
		"strict": {"true", "false"}, "mood": {"<good>", "bad"}, "share.x": {"0.25"}, "share.x@orders": {"1"},
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		values := map[string]string{}
		for name, of := range choices {
			if i := dice.IntN(len(of) + 1); i < len(of) {
				values[name] = of[i]
			}
		}
		cluster, spaces := map[string]string{"cluster.routing.allocation.enable": "all"}, map[string]map[string]string{"orders": {"cluster.routing.allocation.enable": "none"}}
		maps.Copy(cluster, values)
		given, err := m.Configuration(cluster, spaces)
		if err != nil {
			t.Fatal(err)
		}
		written, err := m.Written(given)
		if err != nil {
			t.Fatalf("%v: %v", values, err)
		}
		for name, value := range written {
			if err := m.CheckSetting(name, value); err != nil {
				t.Fatalf("%s of %v cannot be set: %v", name, values, err)
			}
		}
		again, own := maps.Clone(written), spaces
		again["cluster.routing.allocation.enable"] = "all"
		if got, err := m.Configuration(again, own); err != nil || string(got) != string(given) {
			t.Fatalf("%v written as %v is\n%s %v, want\n%s", values, written, got, err, given)
		}
	}
	if _, err := m.Written([]byte(`{"settings":{"nosuch":1}}`)); err == nil {
		t.Error("a setting that there is not is written")
	}
	if _, err := m.Written([]byte(`{"settings":{"lands":1}}`)); err == nil {
		t.Error("a number is written as a list")
	}
}
