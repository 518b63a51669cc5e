package member

import (
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// ledger is what the members have told a leader of their loads in its reign.
//
// Invariants:
//
//  1. A node's figures are of the life that its book names, and its reports have been taken without a gap.
//  2. shards has an entry for each shard of which some node has told of a copy, with one holding per node, sorted by node.
//  3. At most one holding of a shard is primary: the one that was told of last. What a dead node told stays until its next life
//     reports, or it is no member any more: it is the best that is known of a shard that nobody leads.
type ledger struct {
	books  map[shards.NodeID]*book
	shards map[shards.ShardID][]holding
	ids    []shards.ShardID // the keys of shards, sorted, unless stale
	stale  bool
	dirty  bool // something has come since shown was made
	shown  *policies.Loads
}

// book is what is kept of one node.
type book struct {
	epoch  shards.Epoch
	number uint64 // of the newest report taken
	known  bool
	load   policies.NodeLoad
}

// holding is what one node told of its copy of a shard.
type holding struct {
	node    shards.NodeID
	primary bool
	cost    policies.Load
	apply   float64
}

func newLedger() *ledger {
	return &ledger{books: map[shards.NodeID]*book{}, shards: map[shards.ShardID][]holding{}, shown: &policies.Loads{}}
}

// number is that of the newest report of a life that was taken; 0: none.
func (l *ledger) number(node shards.NodeID, epoch shards.Epoch) uint64 {
	if b := l.books[node]; b != nil && b.epoch == epoch {
		return b.number
	}
	return 0
}

// take notes a report, unless one before it is missing; it says whether it did.
func (l *ledger) take(node shards.NodeID, epoch shards.Epoch, r *report) bool {
	b := l.books[node]
	switch {
	case r.first:
		l.drop(node)
		b = &book{epoch: epoch}
		l.books[node] = b
	case b == nil || b.epoch != epoch || r.number != b.number+1:
		return false
	}
	b.number = r.number
	if r.node != nil {
		b.load, b.known = *r.node, true
		b.load.Node, b.load.Epoch = node, epoch
	}
	for _, id := range r.gone {
		l.remove(id, node)
	}
	for i := range r.copies {
		l.put(node, &r.copies[i])
	}
	l.dirty = true
	return true
}

// members forgets whoever is none any more.
func (l *ledger) members(list []cluster.Member) {
	for node := range l.books {
		if !slices.ContainsFunc(list, func(m cluster.Member) bool { return m.ID == node }) {
			l.drop(node)
		}
	}
}

// drop forgets all of a node.
func (l *ledger) drop(node shards.NodeID) {
	if l.books[node] == nil {
		return
	}
	delete(l.books, node)
	l.dirty = true
	for id := range l.shards {
		l.remove(id, node)
	}
}

func (l *ledger) remove(id shards.ShardID, node shards.NodeID) {
	list := l.shards[id]
	at, there := holdingOf(list, node)
	if !there {
		return
	}
	if len(list) == 1 {
		delete(l.shards, id)
		l.stale = true
		return
	}
	l.shards[id] = slices.Delete(list, at, at+1)
}

func (l *ledger) put(node shards.NodeID, c *CopyLoad) {
	list, known := l.shards[c.Shard]
	if !known {
		l.stale = true
	}
	if c.Primary {
		for i := range list {
			list[i].primary = false
		}
	}
	at, there := holdingOf(list, node)
	if !there {
		list = slices.Insert(list, at, holding{node: node})
	}
	list[at].primary, list[at].cost, list[at].apply = c.Primary, c.Cost, c.Apply
	l.shards[c.Shard] = list
}

func holdingOf(list []holding, node shards.NodeID) (at int, there bool) {
	return slices.BinarySearchFunc(list, node, func(h holding, node shards.NodeID) int { return strings.Compare(string(h.node), string(node)) })
}

// loads is what deciders see. It is immutable.
func (l *ledger) loads() *policies.Loads {
	if !l.dirty {
		return l.shown
	}
	l.dirty = false
	if l.stale {
		l.stale = false
		l.ids = l.ids[:0]
		for id := range l.shards {
			l.ids = append(l.ids, id)
		}
		slices.Sort(l.ids)
	}
	all := &policies.Loads{Shards: make([]policies.ShardLoad, 0, len(l.ids))}
	for _, b := range l.books {
		if b.known {
			all.Nodes = append(all.Nodes, b.load)
		}
	}
	slices.SortFunc(all.Nodes, func(x, y policies.NodeLoad) int { return strings.Compare(string(x.Node), string(y.Node)) })
	for _, id := range l.ids {
		all.Shards = append(all.Shards, summed(id, l.shards[id]))
	}
	l.shown = all
	return all
}

// summed is what a shard's copies cost. What no copy has shown is taken from those that did: a copy that does not lead holds
// what the primary holds, and applies what it applies.
func summed(id shards.ShardID, list []holding) policies.ShardLoad {
	s := policies.ShardLoad{Shard: id}
	led, followed := false, false
	for i := range list {
		h := &list[i]
		if h.primary {
			led, s.Primary = true, h.cost
			continue
		}
		c := h.cost
		c.CPU = h.apply // it may have led a moment ago
		s.Replica = policies.Load{CPU: max(s.Replica.CPU, c.CPU), Memory: max(s.Replica.Memory, c.Memory), Disk: max(s.Replica.Disk, c.Disk)}
		followed = true
	}
	switch {
	case !led:
		s.Primary = s.Replica
	case !followed:
		at := slices.IndexFunc(list, func(h holding) bool { return h.primary })
		s.Replica = s.Primary
		s.Replica.CPU = list[at].apply
	}
	return s
}
