package runtime

import (
	"time"

	"github.com/troupe-actors/troupe/policies/liveness"
)

// vitals measure the node's own health between two looks. One goroutine uses them.
type vitals struct{ counts []uint64 }

// health is what the placement leader should know of this node, from the last look to now.
func (v *vitals) health(n *Node) liveness.Health {
	if n.committer == nil {
		return liveness.Health{}
	}
	bounds, counts, _ := n.committer.Waits().Read()
	before := v.counts
	v.counts = counts
	if before == nil {
		return liveness.Health{}
	}
	return liveness.Health{Fsync: percentile99(bounds, before, counts)}
}

// percentile99 is the upper bound of the bucket that holds the 99th percentile of what has been counted since before; twice the
// last bound if it is beyond that. bounds are in seconds.
func percentile99(bounds []float64, before, now []uint64) time.Duration {
	total := uint64(0)
	for i := range now {
		total += now[i] - before[i]
	}
	if total == 0 {
		return 0
	}
	above := total / 100 // as many may be slower
	for i := len(now) - 1; i >= 0; i-- {
		if fell := now[i] - before[i]; fell > above {
			if i == len(bounds) {
				return time.Duration(2 * bounds[i-1] * float64(time.Second))
			}
			return time.Duration(bounds[i] * float64(time.Second))
		} else {
			above -= fell
		}
	}
	return 0
}
