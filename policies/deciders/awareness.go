package deciders

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Awareness spreads the copies of a shard over the values of attributes, so that a zone or a rack that fails takes few of
// them. With three copies, and three zones of which the nodes say that they are in one:
//
//	zone a     zone b     zone c
//	n1  n2     n3  n4     n5  n6       at most ⌈copies / values⌉ in each, here one
//	 ▓  ▓       ·  ·       ▓  ▓        a copy on n1, and one on n6
//
// Settings cluster.routing.allocation.awareness.attributes, and …awareness.force.ATTRIBUTE.values with values that there should
// be: without these the zones that stay take over what one held that is dead or drained, and with them they do not. A keyspace may name other
// attributes for itself. A node that does not say the attribute holds nothing. Of too many copies in one place the youngest
// move. The copy that is to be replaced is not counted, nor are copies on nodes that are down.
type Awareness struct{}

// attribute is one that copies are spread over.
type attribute struct {
	name   string
	from   string   // the setting that named it
	values []string // sorted: those of nodes that stay, and those that there should be
	of     []int    // by node: the place of its value, unsaid, or unseen
	nodes  [][]int  // by value: the nodes that say it
	silent []int    // nodes that do not say the attribute
}

// What nodes without a place among the values are.
const (
	unsaid = -1 // it does not say the attribute
	unseen = -2 // it is down, leaves or holds no data, and nobody else says its value: others judge it
)

// aware is how a keyspace's copies are spread.
type aware struct {
	attributes []attribute
	place      []uint64 // by node: nodes with the same values in all attributes have the same number, from 1
	places     uint64
}

var awareness = perValue(cluster.SettingAwareness, func(v *policies.View, k *cluster.Keyspace) aware {
	list, from := v.Setting(k, cluster.SettingAwareness)
	var a aware
	for _, name := range cluster.Names(list) {
		a.attributes = append(a.attributes, readAttribute(v, name, from))
	}
	if len(a.attributes) == 0 {
		return a
	}
	numbers := map[string]uint64{}
	var key []byte
	a.place = make([]uint64, len(v.Nodes))
	for n := range v.Nodes {
		key = key[:0]
		for i := range a.attributes {
			key = append(strconv.AppendInt(key, int64(a.attributes[i].of[n]), 10), ',')
		}
		number, known := numbers[string(key)]
		if !known {
			number = uint64(len(numbers) + 1)
			numbers[string(key)] = number
		}
		a.place[n] = number
	}
	a.places = uint64(len(numbers))
	return a
})

func readAttribute(v *policies.View, name, from string) attribute {
	a := attribute{name: name, from: from, of: make([]int, len(v.Nodes))}
	forced, _ := v.Setting(nil, cluster.SettingAwarenessForce+name+cluster.SettingAwarenessForceEnd)
	a.values = cluster.Names(forced)
	slices.Sort(a.values)
	a.values = slices.Compact(a.values)
	for n := range v.Nodes {
		if value := v.Nodes[n].Attribute(name); value != "" && !v.Nodes[n].Down && !v.Nodes[n].Draining && v.Nodes[n].Has(cluster.RoleData) {
			if at, found := slices.BinarySearch(a.values, value); !found {
				a.values = slices.Insert(a.values, at, value)
			}
		}
	}
	a.nodes = make([][]int, len(a.values))
	for n := range v.Nodes {
		value := v.Nodes[n].Attribute(name)
		at, found := slices.BinarySearch(a.values, value)
		switch {
		case found:
			a.of[n] = at
			a.nodes[at] = append(a.nodes[at], n)
		case value == "":
			a.of[n] = unsaid
			a.silent = append(a.silent, n)
		default:
			a.of[n] = unseen
		}
	}
	return a
}

// most is how many copies one value may have.
func (a *attribute) most(k *cluster.Keyspace) int {
	n := max(1, len(a.values))
	return (k.Copies() + n - 1) / n
}

// Name is awareness.
func (Awareness) Name() string { return "awareness" }

// PerShard is true: the answer is about where the shard's copies are.
func (Awareness) PerShard() bool { return true }

// fewPlaces is how many places there may be for rows to be worth keeping: of more, few shards have the same, and what a shard's
// own copies refuse are few nodes.
const fewPlaces = 16

// Class is where the copies that count are, as a number of which each digit is one of them.
func (Awareness) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	a := awareness.of(v, q.Keyspace)
	if len(a.attributes) == 0 {
		return 0, true
	}
	if a.places > fewPlaces {
		return 0, false
	}
	var digits [cluster.MaxCopies]uint64
	held := digits[:0]
	for i := range q.Shard.Copies {
		if n := counted(v, q, &q.Shard.Copies[i]); n >= 0 {
			held = append(held, a.place[n])
		}
	}
	slices.Sort(held)
	for _, digit := range held {
		if class > (1<<62)/(a.places+1) {
			return 0, false
		}
		class = class*(a.places+1) + digit
	}
	return class, true
}

// counted is the node of a copy that takes its part of a value from the one in question, or -1. Asked where a copy may remain,
// the older ones do.
func counted(v *policies.View, q *policies.Question, c *cluster.Copy) int {
	n := v.Node(c.Node)
	switch {
	case n < 0 || v.Nodes[n].Down || policies.Replaced(q.Shard, c.ID):
	case q.Copy != nil && (c.ID == q.Copy.ID || c.Source == q.Copy.ID):
	case q.Capability == policies.Remain && q.Copy != nil && c.ID > q.Copy.ID:
	default:
		return n
	}
	return -1
}

// The codes of its reasons: from each on, one for every attribute.
const (
	awareFull    = 1
	awareMissing = 32
	awareMost    = 31 // attributes with a code of their own; the others share the last
)

// Allocate says NO where a value has its part of the copies.
func (Awareness) Allocate(v *policies.View, q *policies.Question, r policies.Row) { spread(v, q, r) }

// Remain says NO where the older copies have all of a value's part.
func (Awareness) Remain(v *policies.View, q *policies.Question, r policies.Row) { spread(v, q, r) }

func spread(v *policies.View, q *policies.Question, r policies.Row) {
	a := awareness.of(v, q.Keyspace)
	if len(a.attributes) == 0 {
		return
	}
	var list [cluster.MaxCopies]int
	held := list[:0]
	for i := range q.Shard.Copies {
		if n := counted(v, q, &q.Shard.Copies[i]); n >= 0 {
			held = append(held, n)
		}
	}
	for i := range a.attributes {
		attribute := &a.attributes[i]
		most, code := attribute.most(q.Keyspace), uint8(min(i, awareMost-1))
		for _, n := range attribute.silent {
			r.Raise(n, policies.Say(policies.No, awareMissing+code))
		}
		for _, n := range held {
			if value := attribute.of[n]; value >= 0 && attribute.count(held, value) >= most {
				for _, n := range attribute.nodes[value] {
					r.Raise(n, policies.Say(policies.No, awareFull+code))
				}
			}
		}
	}
}

// count is how many of these nodes say a value.
func (a *attribute) count(nodes []int, value int) (n int) {
	for _, node := range nodes {
		if a.of[node] == value {
			n++
		}
	}
	return n
}

// held is how many copies are at a value.
func (a *attribute) held(v *policies.View, q *policies.Question, value int) (n int) {
	for i := range q.Shard.Copies {
		if node := counted(v, q, &q.Shard.Copies[i]); node >= 0 && a.of[node] == value {
			n++
		}
	}
	return n
}

// Reason names the attribute, its value, the copies there and how many there may be.
func (Awareness) Reason(v *policies.View, q *policies.Question, node int, answer policies.Answer) string {
	list := awareness.of(v, q.Keyspace).attributes
	i, missing := int(answer.Code())-awareFull, answer.Code() >= awareMissing
	if missing {
		i = int(answer.Code()) - awareMissing
	}
	a, name := &list[i], v.Nodes[node].Name
	if missing {
		return fmt.Sprintf("node %s does not say which %s it is in, and setting %s is %s", name, a.name, a.from, settingOf(v, q.Keyspace, cluster.SettingAwareness))
	}
	value, which := a.of[node], ""
	if q.Capability == policies.Remain {
		which = "older "
	}
	return fmt.Sprintf("node %s is in %s %s, where %scopies of shard %s are %d already: of %d copies at most %d may be in one of the values %s; setting %s is %s",
		name, a.name, a.values[value], which, v.State.ShardName(q.Shard.ID), a.held(v, q, value), q.Keyspace.Copies(), a.most(q.Keyspace),
		strings.Join(a.values, ", "), a.from, settingOf(v, q.Keyspace, cluster.SettingAwareness))
}

func settingOf(v *policies.View, k *cluster.Keyspace, name string) string {
	value, _ := v.Setting(k, name)
	return value
}
