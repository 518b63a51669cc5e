package liveness

import "fmt"

// sick is how long a node's figures have been bad, or good.
type sick struct {
	bad   bool  // at or above a limit
	good  bool  // below half of every limit
	since int64 // tick from which they have been so
}

// weigh takes the figures of a heartbeat: a node that is sick for GreyAfter ticks is grey, and one that is well for GreyClear
// ticks is not any more. Between the two limits it stays what it is.
func (d *Detector) weigh(n *node, h Health) {
	worst := sickness(h, &d.c)
	bad, good := worst >= 100, worst < 50
	if bad != n.sickness.bad || good != n.sickness.good {
		n.sickness = sick{bad: bad, good: good, since: d.now}
	}
	if n.state != Alive {
		return
	}
	from, lasted := n.shown(), d.now-n.sickness.since
	switch {
	case !n.grey && bad && lasted >= int64(d.c.GreyAfter):
		n.grey = true
		n.illness = fmt.Sprintf("sick for %v: fsync %v (limit %v), queue %v (limit %v), late %v (limit %v)",
			d.span(lasted), h.Fsync, d.c.GreyFsync, h.Queue, d.c.GreyQueue, h.Late, d.c.GreyLate)
		n.reason = n.illness
	case n.grey && good && lasted >= int64(d.c.GreyClear):
		n.grey, n.illness = false, ""
		n.reason = fmt.Sprintf("well again for %v", d.span(lasted))
	default:
		return
	}
	n.since = d.now
	d.tell(n, from, Change{})
}
