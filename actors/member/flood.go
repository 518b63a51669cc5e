package member

import (
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Full says that a node is too full to take writes that grow, and in a sentence why. The zero value: it is not.
type Full struct {
	Memory bool // it is memory that is short; else the disk alone
	Why    string
}

// Flood is a full node.
type Flood struct {
	Node shards.NodeID
	Full
}

// flood is the list of full nodes as a leader holds it, and as every member has heard it. What is sent again and again is its
// hash: the list goes to who has another one.
//
//	heartbeat (hash of the list that I have) ──► another hash? ──► reply (hash, list)
//	                                             the same      ──► reply (hash)
type flood struct {
	hash uint64 // 0 if the list is empty
	list []Flood
}

// unheard is the hash of a list that nobody has, so that the first reply brings one.
const unheard = ^uint64(0)

const (
	maxFloods = 4096
	maxWhy    = 512 // bytes

	heirPeriods = 3 // of loads, in which a member is heard of in a new reign, or nothing is taken over of what the last one said of it
)

func newFlood(full map[shards.NodeID]Full) flood {
	f := flood{}
	h := fnv.New64a()
	for _, node := range slices.Sorted(maps.Keys(full)) {
		if len(f.list) == maxFloods {
			break
		}
		why := full[node]
		why.Why = why.Why[:min(len(why.Why), maxWhy)]
		f.list = append(f.list, Flood{node, why})
		h.Write([]byte(node))
		end := byte(0)
		if why.Memory {
			end = 1
		}
		h.Write([]byte{end})
	}
	if len(f.list) > 0 {
		f.hash = max(1, min(h.Sum64(), unheard-1))
	}
	return f
}

// inherit is what a new leader has heard from the one before: a node that was full stays so until it is below the high watermark,
// whoever leads. What is older than a few periods of loads is nothing to begin with.
func (m *Member) inherit() map[shards.NodeID]Full {
	full := map[shards.NodeID]Full{}
	if time.Duration(m.lease.now()-m.floodAt) > heirPeriods*m.c.LoadPeriod {
		return full
	}
	for _, f := range m.floods {
		full[f.Node] = f.Full
	}
	return full
}

// gauge decides anew whether a node is full, and says whether that changed anything. What is not known, or of a dead node, is
// nobody's hindrance; but at the beginning of a reign what the one before has said counts until the node is heard of.
func (m *Member) gauge(node shards.NodeID) bool {
	r := m.reign
	was := r.full[node]
	why := Full{}
	if s, known := r.detector.Status(node); known && s.State != liveness.Dead {
		switch b := r.ledger.books[node]; {
		case b != nil && b.known && b.epoch == s.Epoch:
			why = m.c.Full(m.c.Group.State(), &b.load, was)
		case b == nil && r.detector.Now() < r.heirUntil:
			why = was
		}
	}
	if (why.Why == "") == (was.Why == "") && why.Memory == was.Memory {
		return false
	}
	if why.Why == "" {
		delete(r.full, node)
		m.c.Log.Info("a node has room again", "node", m.c.Group.State().NodeName(node))
		return true
	}
	r.full[node] = why
	m.c.Log.Warn("a node is full: shards with a copy there that need what is short take no writes that grow", "node", m.c.Group.State().NodeName(node), "reason", why.Why)
	return true
}

// gaugeAll is gauge of every node: settings or members have changed, or time has passed.
func (m *Member) gaugeAll() {
	r := m.reign
	nodes := slices.Sorted(maps.Keys(r.ledger.books))
	for node := range r.full {
		if r.ledger.books[node] == nil {
			nodes = append(nodes, node)
		}
	}
	changed := false
	for _, node := range nodes {
		changed = m.gauge(node) || changed
	}
	if changed {
		r.flood = newFlood(r.full)
	}
}

// take notes a report of a member's present life.
func (m *Member) take(node shards.NodeID, epoch shards.Epoch, what *report) {
	r := m.reign
	if s, known := r.detector.Status(node); !known || s.Epoch != epoch || s.State == liveness.Dead {
		return
	}
	if r.ledger.take(node, epoch, what) && what.node != nil && m.gauge(node) {
		r.flood = newFlood(r.full)
	}
}

// flooded takes the list of full nodes that a leader sent, if it is another than this node has.
func (m *Member) flooded(f flood) {
	m.floodAt = m.lease.now()
	if f.hash == m.flood {
		return
	}
	m.flood, m.floods = f.hash, f.list
	m.c.Flooded(f.list)
}
