package runtime

import (
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// replicate hands messages of other nodes' copies to those here; from is the trace that they belong to, if any.
func (n *Node) replicate(peer transport.Hello, kind transport.Kind, body []byte, from tracing.Carrier) {
	var err error
	if kind == transport.KindRecover {
		err = n.copies.link.DeliverRecovery(peer.Node, body, n.local)
	} else {
		err = n.copies.link.DeliverTraced(peer.Node, body, n.local, from)
	}
	if err == nil {
		return
	}
	if count := n.copies.unreadable.count(peer.Node, time.Now()); count > 0 {
		n.config.Logger.Error("a node sends replication messages that cannot be read: what they were about is not replicated", "node", peer.Name, "messages", count, "err", err)
	}
}

// unreadablePause is between two lines about one node: it sends again what is not acknowledged.
const unreadablePause = 10 * time.Second

// unreadable counts messages that cannot be read, by who sends them. It may be used concurrently; the zero value works.
type unreadable struct {
	mu    sync.Mutex
	nodes map[shards.NodeID]unread
}

type unread struct {
	count int
	told  time.Time
}

// count adds a message, and gives how many there were since it was told of them; 0: it was not long ago.
func (u *unreadable) count(node shards.NodeID, now time.Time) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.nodes == nil {
		u.nodes = map[shards.NodeID]unread{}
	}
	x := u.nodes[node]
	x.count++
	told := 0
	if now.Sub(x.told) >= unreadablePause {
		told, x = x.count, unread{told: now}
	}
	u.nodes[node] = x
	return told
}
