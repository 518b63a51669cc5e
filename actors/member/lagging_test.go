package member

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// TestALaggingNodeKeepsItsLease: while the state changes all the time, a node that knows it a little later than its leader is behind whatever the
// newest grant asks for. It has a right to those before.
func TestALaggingNodeKeepsItsLease(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		const step, behind = 50 * time.Millisecond, 8 // steps
		n2 := w.nodes["n2"]
		var past []*cluster.State
		for passed := time.Duration(0); passed < 10*time.Second; passed += step {
			w.commit(func(m []cluster.Member) []cluster.Member { return m })
			w.mu.Lock()
			past = append(past, w.state)
			w.mu.Unlock()
			n2.mu.Lock()
			n2.behind = past[max(0, len(past)-1-behind)]
			n2.mu.Unlock()
			n2.member.Load().Applied(nil)
			w.pass(step)
			if !n2.lease().Valid() {
				t.Fatalf("%v behind, it has no lease after %v", behind*step, passed)
			}
			if known := n2.lease().Known(); passed > time.Second && known < (behind-1)*step {
				t.Fatalf("it has a lease of %v ago, and knows the state of %v ago", known, behind*step)
			}
		}
	})
}
