package member

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// TestALongerLeaseOfALeaderBefore: while nodes are restarted one by one with a shorter lease, the next leader has that, and a node that is cut off one
// of the leader before. It must not be declared dead before that one has ended, as note sees to.
func TestALongerLeaseOfALeaderBefore(t *testing.T) {
	inTown(t, 3, liveness.Config{Lease: 200}, func(t *testing.T, w *town) {
		w.nodes["n2"].close()
		w.commit(func(m []cluster.Member) []cluster.Member { m[1].Epoch = 2; return m })
		w.config.Lease = 30
		w.settle("n2", 2)
		w.pass(2 * time.Second) // the first leader grants it leases
		w.cut("n1", "n3")
		w.cut("n2", "n3")
		w.elect("n2", true)
		w.pass(9 * time.Second)
		if c := w.nodes["n2"].last("n3"); c.State != liveness.Suspect || !w.nodes["n3"].lease().Valid() {
			t.Errorf("n3 is %v, %s; its lease ends at %v", c.State, c.Reason, w.nodes["n3"].lease().Until())
		}
		w.pass(2 * time.Second)
		if c := w.nodes["n2"].last("n3"); c.State != liveness.Dead {
			t.Errorf("n3 is %v, %s", c.State, c.Reason)
		}
		w.pass(time.Second)
		w.nodes["n1"].close()
		w.commit(func(m []cluster.Member) []cluster.Member { m[0].Epoch = 2; return m })
		w.settle("n1", 2)
		w.pass(time.Second)
		w.cut("n1", "n2")
		w.pass(3 * time.Second)
		if c := w.nodes["n2"].last("n1"); c.State != liveness.Dead {
			t.Errorf("of its own leases it waits for as long as they last: n1 is %v, %s", c.State, c.Reason)
		}
	})
}
