package metadata

import (
	"testing"
	"testing/synctest"
	"time"
)

// Nodes that need longer for an answer than Config.Patience, as on a machine that is overloaded, form a cluster all the same.
func TestSlowNodesForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		nodes := n.three()
		for _, a := range nodes {
			for _, b := range nodes {
				if a != b {
					n.network.Delay(idOf(a.name), idOf(b.name), 800*time.Millisecond, 900*time.Millisecond)
				}
			}
		}
		for _, h := range nodes {
			h.start()
		}
		n.oneCluster(nodes)
	})
}

// One of them that cannot be reached at all does not hold up the others: they hear each other within two rounds.
func TestOneThatDoesNotAnswerHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		nodes := n.three()
		n.cut(nodes[0], nodes[2], true)
		nodes[2].start()
		nodes[0].start()
		wait(20 * time.Second) // by now it has all the time that there is
		begun := time.Now()
		nodes[1].start()
		nodes[1].waitJoined()
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the two have met after %v", took)
		}
	})
}
