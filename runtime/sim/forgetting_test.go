package sim

import (
	"testing"
	"time"
)

// TestForgotten plays worlds in which nodes die or are cut off, are forgotten, and come back with their old folder or a new one: nothing that was
// acknowledged is lost, and who is forgotten answers nobody.
func TestForgotten(t *testing.T) {
	playEach(t, 6, func(o *Options) {
		o.Length, o.Temper, o.Actors, o.Clients = 40*time.Second, []FaultKind{FaultForget}, 2, 4
		o.Nodes = 3 + int(o.Seed%3)
	}, "nodes were forgotten", func(w *World) int { return w.forgotten }, 8)
}
