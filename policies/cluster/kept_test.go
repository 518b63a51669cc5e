package cluster

import (
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"testing"
	"weak"
)

// TestAStateKeepsNoOther: who has the newest state has no other, however many commands have led to it. A node has it for years.
func TestAStateKeepsNoOther(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	first := weak.Make(w.state)
	for i := range 3 {
		w.must(&Command{Settings: &SettingsChange{Set: []Setting{{Name: SettingNodeLeftDelay, Value: fmt.Sprintf("%dms", 100+i)}}}})
	}
	newest := w.state
	w.state = nil
	goruntime.GC()
	if first.Value() != nil {
		t.Error("the state of three commands ago is still there")
	}
	if newest.Version == 0 {
		t.Error("no command was carried out")
	}
}
