package resp

import (
	"errors"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A shard that moves is led, for a moment, by a node that does not know it yet: the old primary reads in the table that the new
// one leads, and says MOVED; the new one has an older table, and says MOVED as well. A client that goes back and forth in
// microseconds uses up its redirections (go-redis has three) and fails. So a node that holds a replica waits a little before
// it sends somebody away:
//
//	client ──SET──► n1 (was primary) ──MOVED n2──► n2 (replica, by its table) ··· the table arrives ··· answers
//
// Who comes with an old map and asks a replica pays that wait once, and then has a new map.
const (
	defaultArrival = 20 * time.Millisecond // Config.arrival
	arrivalStep    = time.Millisecond
)

// do runs calls, and those a second time whose shard arrives here in the meantime: nothing was done the first time.
func (c *conn) do(calls []*Call) {
	c.s.backend.Do(c.s.context, c.space, calls)
	c.spare(calls)
	if !c.redirects() {
		return
	}
	var late []*Call
	for _, call := range calls {
		if call.Err != nil && c.mayArrive(call) {
			late = append(late, call)
		}
	}
	if late == nil || !c.awaitArrival(late) {
		return
	}
	late = slices.DeleteFunc(late, func(call *Call) bool { return !c.leads(call.Slot) })
	for _, call := range late {
		call.Err, call.Next, call.Shard = nil, nil, 0
	}
	c.s.backend.Do(c.s.context, c.space, late)
}

func (c *conn) leads(slot shards.Slot) bool {
	_, here := c.s.backend.Primary(c.space, slot)
	return here
}

// mayArrive says that a call failed because the shard is led elsewhere, and that this node may be the next to lead it, or does since.
func (c *conn) mayArrive(call *Call) bool {
	var moved *shards.NotPrimaryError
	if call.Reach&ReachHere == 0 || !errors.As(call.Err, &moved) {
		return false
	}
	nodes := c.s.backend.Nodes(c.space)
	for i := range nodes {
		for _, r := range nodes[i].Ranges {
			if r.First <= call.Slot && call.Slot <= r.Last {
				return i == 0 || slices.Contains(r.Replicas, nodes[0].ID) // the first is this one
			}
		}
	}
	return false
}

// awaitArrival waits until this node leads the shard of any of the calls, and says whether it does.
func (c *conn) awaitArrival(late []*Call) bool {
	step := time.NewTicker(arrivalStep)
	defer step.Stop()
	end := time.NewTimer(c.s.config.arrival)
	defer end.Stop()
	for {
		if slices.ContainsFunc(late, func(call *Call) bool { return c.leads(call.Slot) }) {
			return true
		}
		select {
		case <-step.C:
		case <-end.C:
			return false
		case <-c.s.stop:
			return false
		}
	}
}
