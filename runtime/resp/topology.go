package resp

import (
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// topology is the cluster for one keyspace, laid out as Redis' clients read it. Redis knows masters with slots and replicas
// of a master; here each shard has copies of its own, so a node leads some slots and follows others.
//
//	slots   0 ──────── 5460 5461 ────── 10922 10923 ───── 16383
//	leads   n1              n2                n3
//	follow  n2              n3                n1                 each node is a master in CLUSTER NODES
type topology struct {
	nodes  []Node  // this node first
	ranges []owned // ascending; neighbours of one master and the same replicas are one
}

// owned is a range of slots with those who hold it.
type owned struct {
	first, last shards.Slot
	master      *Node
	replicas    []*Node // that live, in the order of nodes
}

func (c *conn) topology() *topology { return topologyOf(c.s.backend.Nodes(c.space)) }

func topologyOf(nodes []Node) *topology {
	t := &topology{nodes: nodes}
	places := make(map[string]int, len(t.nodes))
	for i := range t.nodes {
		places[t.nodes[i].ID] = i
	}
	for i := range t.nodes {
		for _, r := range t.nodes[i].Ranges {
			master := t.master(i)
			t.ranges = append(t.ranges, owned{r.First, r.Last, master, t.replicas(r.Replicas, places, master)})
		}
	}
	slices.SortFunc(t.ranges, func(a, b owned) int { return int(a.first) - int(b.first) })
	merged := t.ranges[:0]
	for _, r := range t.ranges {
		if n := len(merged); n > 0 && merged[n-1].last+1 == r.first && merged[n-1].master == r.master && slices.Equal(merged[n-1].replicas, r.replicas) {
			merged[n-1].last = r.last
			continue
		}
		merged = append(merged, r)
	}
	t.ranges = merged
	return t
}

// master is the node that clients shall ask for the slots of a node: itself, or this one if they cannot reach it.
func (t *topology) master(i int) *Node {
	if t.nodes[i].Port == 0 {
		i = 0
	}
	return &t.nodes[i]
}

// replicas are those of the nodes with these ids that clients may ask.
func (t *topology) replicas(ids []string, places map[string]int, master *Node) (live []*Node) {
	var found []int
	for _, id := range ids {
		if i, known := places[id]; known && !t.nodes[i].Down && t.nodes[i].Port != 0 && &t.nodes[i] != master {
			found = append(found, i)
		}
	}
	slices.Sort(found)
	for _, i := range found {
		live = append(live, &t.nodes[i])
	}
	return live
}

// named finds a node by its id; nil if there is none.
func (t *topology) named(id []byte) *Node {
	for i := range t.nodes {
		if t.nodes[i].ID == string(id) {
			return &t.nodes[i]
		}
	}
	return nil
}

// leads says whether a node is master of any slot.
func (t *topology) leads(n *Node) bool {
	return slices.ContainsFunc(t.ranges, func(r owned) bool { return r.master == n })
}

// followers are the nodes that hold a replica of any slot that a node leads, in the order of nodes.
func (t *topology) followers(n *Node) (all []*Node) {
	for i := range t.nodes {
		other := &t.nodes[i]
		if slices.ContainsFunc(t.ranges, func(r owned) bool { return r.master == n && slices.Contains(r.replicas, other) }) {
			all = append(all, other)
		}
	}
	return all
}

// follows says whether a node holds a replica of any slot.
func (t *topology) follows(n *Node) bool {
	return slices.ContainsFunc(t.ranges, func(r owned) bool { return slices.Contains(r.replicas, n) })
}

// followed is the master that a node is a replica of, in Redis' sense: nil if it leads slots itself, or follows none; else the
// one of which it holds replicas of the most slots.
func (t *topology) followed(n *Node) (master *Node) {
	if t.leads(n) {
		return nil
	}
	slots := make(map[*Node]int)
	for _, r := range t.ranges {
		if !slices.Contains(r.replicas, n) {
			continue
		}
		slots[r.master] += int(r.last-r.first) + 1
		if master == nil || slots[r.master] > slots[master] {
			master = r.master
		}
	}
	return master
}

// served counts the slots that have a master, those whose master is suspected, and the masters.
func (t *topology) served() (assigned, suspected, masters int) {
	for i := range t.nodes {
		masters += btoi(t.leads(&t.nodes[i]))
	}
	for _, r := range t.ranges {
		n := int(r.last-r.first) + 1
		assigned += n
		if r.master.Suspect {
			suspected += n
		}
	}
	return assigned, suspected, masters
}

// group is a set of slots with one master and the same replicas: what Redis 7 calls a shard.
type group struct {
	master   *Node
	replicas []*Node
	slots    []owned
}

// groups are the sets, in the order of their first slots. A node that leads and follows nothing is one of its own.
func (t *topology) groups() (all []group) {
	index := make(map[string]int)
	for _, r := range t.ranges {
		key := r.master.ID
		for _, replica := range r.replicas {
			key += " " + replica.ID
		}
		at, known := index[key]
		if !known {
			at = len(all)
			index[key] = at
			all = append(all, group{master: r.master, replicas: r.replicas})
		}
		all[at].slots = append(all[at].slots, r)
	}
	for i := range t.nodes {
		if n := &t.nodes[i]; n.Port != 0 && !t.leads(n) && t.followed(n) == nil {
			all = append(all, group{master: n})
		}
	}
	return all
}

// flags are a node's, as CLUSTER NODES has them.
func (t *topology) flags(n *Node) string {
	var words []string
	if n == &t.nodes[0] {
		words = append(words, "myself")
	}
	if t.followed(n) != nil {
		words = append(words, "slave")
	} else {
		words = append(words, "master")
	}
	switch {
	case n.Down:
		words = append(words, "fail")
	case n.Suspect:
		words = append(words, "fail?")
	}
	if n.Host == "" || n.Port == 0 {
		words = append(words, "noaddr")
	}
	return strings.Join(words, ",")
}
