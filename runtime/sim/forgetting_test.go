package sim

import (
	"testing"
	"time"
)

// TestForgotten plays worlds in which nodes die or are cut off, are forgotten, and come back with their old folder or a new one: nothing that was
// acknowledged is lost, and who is forgotten answers nobody.
func TestForgotten(t *testing.T) {
	forgotten := 0
	for seed := *flagFirst; seed < *flagFirst+6; seed++ {
		o := asked(t, seed)
		o.Length, o.Temper, o.Actors, o.Clients = 40*time.Second, []FaultKind{FaultForget}, 2, 4
		o.Nodes = 3 + int(seed%3)
		w, _ := play(t, o)
		if w.failure != nil {
			t.Errorf("seed %d: %v", seed, w.failure)
		}
		forgotten += w.forgotten
	}
	if t.Logf("%d nodes were forgotten", forgotten); forgotten < 8 {
		t.Errorf("%d nodes were forgotten: that proves little", forgotten)
	}
}
