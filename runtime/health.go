package runtime

import (
	"time"

	"github.com/troupe-actors/troupe/policies/liveness"
)

// vitals measure the node's own health between two looks. One goroutine uses them.
type vitals struct {
	counts []uint64
	fsync  time.Duration // the newest figure
	old    int           // for how many looks there has been no other
}

// keepFigure is for how many looks a figure stands when no newer one has come: a disk that takes longer for an fsync than lies
// between two looks would else seem well in every other one, and a node that writes nothing would stay ill.
const keepFigure = 20

// health is what the placement leader should know of this node, from the last look to now.
func (v *vitals) health(n *Node) liveness.Health {
	if n.committer == nil {
		return liveness.Health{}
	}
	bounds, counts, _ := n.committer.Waits().Read()
	before := v.counts
	v.counts = counts
	h := liveness.Health{Queue: n.committer.Waited()}
	if before != nil {
		v.note(percentile99(bounds, before, counts))
		h.Fsync = v.fsync
	}
	return h
}

// note takes the figure of one look; 0: there was nothing to measure.
func (v *vitals) note(fsync time.Duration) {
	if v.old++; fsync > 0 || v.old > keepFigure {
		v.fsync, v.old = fsync, 0
	}
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
