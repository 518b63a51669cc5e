package runtime

import (
	"testing"
	"time"
)

// A disk whose fsyncs take longer than lies between two heartbeats is sick in all of them, and well again once it is idle.
func TestSlowDiskStaysSickBetweenFsyncs(t *testing.T) {
	v := vitals{}
	for i := range 30 {
		measured := time.Duration(0)
		if i%4 == 3 {
			measured = time.Second
		}
		v.note(measured)
		if i >= 3 && v.fsync != time.Second {
			t.Fatalf("look %d reports %v", i, v.fsync)
		}
	}
	for range 2 * keepFigure {
		v.note(0)
	}
	if v.fsync != 0 {
		t.Fatalf("an idle disk is reported with %v", v.fsync)
	}
	if v.note(time.Millisecond); v.fsync != time.Millisecond {
		t.Fatalf("a new figure is reported as %v", v.fsync)
	}
}
