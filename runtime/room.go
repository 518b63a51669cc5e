package runtime

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/shards"
)

// Who is full is known in two ways. The placement leader judges by watermarks, and every member hears its list. Below the reserve a
// node's own log refuses what grows, whoever leads: that node tells the others itself, again and again while it is so.
//
//	leader   ── list of full nodes, by watermarks ──► all members
//	a node   ── Low: why, every roomPeriod ─────────► all members     until Low: "", or nothing for roomLife
const (
	roomPeriod = 2 * time.Second
	roomLife   = 10 * time.Second
	roomLimit  = time.Second // for one member to hear it
)

// rooms is what a node knows of full ones. The zero value knows of none. It may be used concurrently.
type rooms struct {
	mu    sync.Mutex
	stage map[shards.NodeID]member.Full // by watermarks
	low   map[shards.NodeID]shortness   // below the reserve
}

type shortness struct {
	why string
	at  time.Time
}

// old says that its node has stopped, or cannot be heard.
func (s shortness) old() bool { return time.Since(s.at) > roomLife }

// forget drops what nodes have not said again for long, and says whether that is news.
func (r *rooms) forget() (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.low)
	maps.DeleteFunc(r.low, func(_ shards.NodeID, short shortness) bool { return short.old() })
	return len(r.low) < before
}

// full are the nodes that take no writes that grow, each with the reason; nil: none.
func (r *rooms) full() map[shards.NodeID]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all map[shards.NodeID]string
	if len(r.stage) > 0 {
		all = make(map[shards.NodeID]string, len(r.stage))
	}
	for node, full := range r.stage {
		all[node] = full.Why
	}
	for node, short := range r.low {
		if short.old() || r.stage[node].Memory { // memory comes first: every shard needs that
			continue
		}
		if all == nil {
			all = map[shards.NodeID]string{}
		}
		all[node] = short.why
	}
	return all
}

// short are those of the full nodes that lack memory.
func (r *rooms) short() map[shards.NodeID]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	short := map[shards.NodeID]bool{}
	for node, full := range r.stage {
		if full.Memory {
			short[node] = true
		}
	}
	return short
}

// judged takes the leader's list, and says whether it is another.
func (r *rooms) judged(list []member.Flood) (changed bool) {
	stage := make(map[shards.NodeID]member.Full, len(list))
	for _, f := range list {
		stage[f.Node] = f.Full
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = !maps.Equal(stage, r.stage)
	r.stage = stage
	return changed
}

// tell notes what a node says of its reserve, and says whether that is news.
func (r *rooms) tell(node shards.NodeID, why string) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, was := r.low[node] // if it is old nobody may have been told yet that it is gone
	if why == "" {
		delete(r.low, node)
		return was
	}
	if r.low == nil {
		r.low = map[shards.NodeID]shortness{}
	}
	r.low[node] = shortness{why, time.Now()}
	return !was
}

// reserveText is why a log refuses what grows; empty if it does not. A write is refused if less than the reserve would be left after
// it: so what is nearly below counts as well, and until there is more room, lest it change with every key.
func reserveText(name string, free, reserve int64, was bool) string {
	border := reserve + reserve/16
	if was {
		border = reserve + reserve/8
	}
	if reserve <= 0 || free >= border {
		return ""
	}
	return fmt.Sprintf("the disk of node %s has %d MiB free, and %d MiB are kept in reserve (disk-reserve): writes that grow are refused, reads and deletes go on: make room there, or delete keys",
		name, free>>20, reserve>>20)
}

// lookForRoom measures the data folder's disk until ctx ends, if there is one, and forgets what others have said long ago.
func (n *Node) lookForRoom(ctx context.Context) {
	look := time.NewTicker(roomPeriod)
	defer look.Stop()
	for low := false; ; {
		if n.log != nil {
			low = n.measureRoom(ctx, low)
		}
		if n.room.forget() {
			n.news.tell()
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// measureRoom logs a change, tells the other members, and says whether the disk is nearly full now.
func (n *Node) measureRoom(ctx context.Context, was bool) (low bool) {
	free, reserve := n.log.Room()
	why := reserveText(n.config.Name, free, reserve, was)
	switch low = why != ""; {
	case low && !was:
		n.config.Logger.Warn("the disk is nearly full: writes that grow are refused", "free", free, "reserve", reserve, "folder", n.config.Data)
	case !low && was:
		n.config.Logger.Info("the disk has room again: all writes are taken", "free", free, "reserve", reserve, "folder", n.config.Data)
	}
	if low || was {
		n.heardRoom(n.id.Node, why)
		n.tellRoom(ctx, why)
	}
	return low
}

// heardRoom takes what a node says of its reserve.
func (n *Node) heardRoom(node shards.NodeID, why string) {
	if n.room.tell(node, why) {
		n.news.tell()
	}
}

// tellRoom says it to every other member; who does not hear it now does the next time.
func (n *Node) tellRoom(ctx context.Context, why string) {
	ctx, cancel := context.WithTimeout(ctx, roomLimit)
	defer cancel()
	var telling sync.WaitGroup
	for _, m := range n.state().Members {
		if m.ID == n.id.Node || m.Down {
			continue
		}
		telling.Go(func() {
			var heard bool
			if err := n.ask(ctx, m.ID, inquiry{Low: &lowness{Node: n.id.Node, Why: why}}, &heard); err != nil {
				n.config.Logger.Debug("a node was not told of the disk here", "err", err)
			}
		})
	}
	telling.Wait()
}

// lowness is what a node tells of its disk's reserve. Who it is says its connection; Node is for an earlier release, which goes by that.
type lowness struct {
	Node shards.NodeID `json:"node"`
	Why  string        `json:"why"` // empty: there is room
}
