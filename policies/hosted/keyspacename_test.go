package hosted

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// TestSettingsOfKeyspacesHaveTheirNames: what a setting's name may end with is what a keyspace can be called.
func TestSettingsOfKeyspacesHaveTheirNames(t *testing.T) {
	m := &abi.Manifest{Settings: []abi.Setting{{Name: "size", Type: abi.TypeNumber, Keyspace: true}}}
	for _, name := range []string{"a", "orders", "a.b_c-9", "9", "", ".a", "_a", "-a", "A", "ä", "a b", "a@b", "a/b", strings.Repeat("a", 64), strings.Repeat("a", 65)} {
		k := shards.Keyspace{Name: name, Shards: 1, Durability: shards.DurabilityMemory}
		if refused, known := m.CheckSetting("size@"+name, "1"), k.Validate(); (refused == nil) != (known == nil) {
			t.Errorf("%q: as a setting's keyspace %v, as a keyspace %v", name, refused, known)
		}
	}
}
