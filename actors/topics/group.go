package topics

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

func groupID(name string) virtual.ID { return virtual.ID{Kind: KindGroup, Name: name} }

// group is the state of a consumer group's actor. Its data:
//
//	o/TOPIC/PARTITION    the offset where the group goes on (8 bytes, little-endian)
//
// Invariants: Generation rises when members, topics or partitions change, and whenever a partition gets another owner; a partition's
// Generation is that of the group when its owner got it, so no two ownerships of a partition have the same.
type group struct {
	Generation uint64
	Members    map[string]member
	Topics     map[string][]share // by partition
	Born       map[string]int64   `json:",omitempty"` // which topic of that name the group has committed offsets of: topic.Born
	ExpireAt   int64              // Unix ms of the reminder that looks for members that are gone; 0: there is none
}

// member is one that takes part.
type member struct {
	Topics  []string // in order
	Timeout int64    // ms
	Until   int64    // Unix ms: then it is gone, unless it is heard. Moved at most four times in a Timeout, so most heartbeats write nothing
}

// Assignment is a partition that a member works on.
type Assignment struct {
	Topic      string
	Partition  int
	Generation uint64 // of the group, when the member got it: goes with each commit
	Offset     uint64 // what the group has committed: where to go on
}

// heartbeat is what a member says: who it is, what it wants, and what it works on at this moment.
type heartbeat struct {
	Member  string
	Topics  []string
	Timeout int64 // ms
	Holds   []Assignment
	Counts  []counted `json:",omitempty"` // of its topics, as these have told the member: see learn
}

// directive is what it hears: the partitions to work on, and no others.
type directive struct {
	Generation uint64
	Assigned   []Assignment
	Waits      bool // for partitions that it is to get: a topic has not told how many it has, or another member has not given one up
	Asks       bool `json:",omitempty"` // how many partitions its topics have
}

// progress asks to commit offsets.
type progress struct {
	Member  string
	Offsets []Assignment
}

// outcome says which were not committed, since the member does not own them by that generation.
type outcome struct {
	Fenced     []Assignment
	Generation uint64
}

// Bounds of a session timeout, and the default.
const (
	minTimeout     = time.Second
	maxTimeout     = time.Hour
	defaultTimeout = 10 * time.Second
)

func groupKind(options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[group](KindGroup, options...)
	virtual.Handle(k, "heartbeat", beat)
	virtual.Handle(k, "leave", func(c *virtual.Context[group], name string) (struct{}, error) {
		if _, there := c.State.Members[name]; !there {
			return struct{}{}, nil
		}
		return struct{}{}, dismiss(c, name)
	})
	virtual.Handle(k, "partitions", func(c *virtual.Context[group], n counted) (struct{}, error) { return struct{}{}, hear(c, n) })
	virtual.Handle(k, "follow", func(c *virtual.Context[group], f following) (struct{}, error) {
		learnt, err := follow(c, f.Counts)
		if learnt {
			c.State.rebalance()
		}
		return struct{}{}, err
	})
	virtual.Handle(k, "delete", deleteGroup)
	virtual.Handle(k, "commit", commit)
	virtual.Handle(k, "committed", func(c *virtual.Context[group], a Assignment) (uint64, error) {
		return offsetOf(c, a.Topic, a.Partition)
	})
	virtual.Handle(k, "expire", expire)
	virtual.HandleRead(k, "status", groupLook)
	virtual.Handle(k, "look", func(c *virtual.Context[group], _ struct{}) (group, error) { return *c.State, nil })
	return k.Kind
}

func offsetKey(topic string, partition int) string {
	return "o/" + topic + "/" + strconv.Itoa(partition)
}

func offsetOf(c *virtual.Context[group], topic string, partition int) (uint64, error) {
	kept, found, err := c.Get(offsetKey(topic, partition))
	if err != nil || !found || len(kept) != 8 {
		return 0, err
	}
	return binary.LittleEndian.Uint64(kept), nil
}

// beat notes that a member lives, takes back what it has given up, and says what it is to work on.
func beat(c *virtual.Context[group], h heartbeat) (d directive, err error) {
	g := c.State
	slices.Sort(h.Topics)
	h.Topics = slices.Compact(h.Topics)
	timeout := time.Duration(h.Timeout) * time.Millisecond
	m, there := g.Members[h.Member]
	switch {
	case h.Member == "" || len(h.Topics) == 0:
		return d, fmt.Errorf("a member has a name and at least one topic")
	case timeout < minTimeout || timeout > maxTimeout:
		return d, fmt.Errorf("session timeout %v of member %s; at least %v, at most %v", timeout, h.Member, minTimeout, maxTimeout)
	case !there && len(g.Members) >= MaxMembers:
		return d, fmt.Errorf("group %s has %d members; that is the most", c.Self().Name, MaxMembers)
	}
	changed := !there || !slices.Equal(m.Topics, h.Topics)
	unasked := slices.ContainsFunc(h.Topics, func(topic string) bool { _, known := g.Topics[topic]; return !known })
	m.Topics, m.Timeout = h.Topics, h.Timeout
	m.Until = until(m.Until, c.Now(), timeout)
	if g.Members == nil {
		g.Members, g.Topics = map[string]member{}, map[string][]share{}
	}
	g.Members[h.Member] = m
	if changed || unasked {
		learnt, err := follow(c, h.Counts)
		if err != nil {
			return d, err
		}
		changed = changed || learnt
	}
	if changed {
		g.rebalance()
	}
	g.release(&h)
	if err := watch(c); err != nil {
		return d, err
	}
	d.Generation = g.Generation
	d.Waits = g.waits(h.Member, h.Topics)
	d.Asks = slices.ContainsFunc(h.Topics, func(topic string) bool { return len(g.Topics[topic]) == 0 })
	d.Assigned, err = assigned(c, h.Member)
	return d, err
}

// waits says whether a member is to get partitions that it has not got yet.
func (g *group) waits(name string, topics []string) bool {
	return slices.ContainsFunc(topics, func(topic string) bool {
		parts := g.Topics[topic]
		return len(parts) == 0 || slices.ContainsFunc(parts, func(p share) bool { return p.Target == name && p.Owner != name })
	})
}

// until moves the time when a member is gone, in quarters of its timeout: it is never less than that from now.
func until(was int64, now time.Time, timeout time.Duration) int64 {
	if ms := now.Add(timeout).UnixMilli(); was < ms {
		return ms + timeout.Milliseconds()/4
	}
	return was
}

// release takes partitions from a member that is to give them up and does not hold them any more.
func (g *group) release(h *heartbeat) {
	freed := false
	for topic, parts := range g.Topics {
		for i := range parts {
			p := &g.Topics[topic][i]
			if p.Owner != h.Member || p.Target == h.Member {
				continue
			}
			if !slices.ContainsFunc(h.Holds, func(a Assignment) bool {
				return a.Topic == topic && a.Partition == i && a.Generation == p.Generation
			}) {
				p.Owner, freed = "", true
			}
		}
	}
	if freed {
		g.Generation++
		g.give()
	}
}

// assigned lists what a member works on, in order.
func assigned(c *virtual.Context[group], name string) (list []Assignment, err error) {
	for _, topic := range slices.Sorted(maps.Keys(c.State.Topics)) {
		for i, p := range c.State.Topics[topic] {
			if p.Owner != name || p.Target != name {
				continue
			}
			a := Assignment{Topic: topic, Partition: i, Generation: p.Generation}
			if a.Offset, err = offsetOf(c, topic, i); err != nil {
				return nil, err
			}
			list = append(list, a)
		}
	}
	return list, nil
}

// mostTold is how many topics one message tells that the group follows them, or does not any more. The rest hear of the next.
const mostTold = 500

// following has a group follow what its members want.
type following struct {
	Counts []counted `json:",omitempty"`
}

// follow asks topics that are new to the group to tell how many partitions they have, if that is not what a member says, and lets go of those that
// nobody wants: some of them, and what is left then in another message to itself. learnt: a member has said it of some.
func follow(c *virtual.Context[group], counts []counted) (learnt bool, err error) {
	told := 0
	said := map[string]counted{}
	for _, n := range counts {
		said[n.Topic] = n
	}
	rest := func() error {
		left := following{slices.DeleteFunc(slices.Clone(counts), func(n counted) bool { _, known := c.State.Topics[n.Topic]; return known })}
		return c.Tell(c.Self(), "follow", left)
	}
	wanted := map[string]bool{}
	for _, m := range c.State.Members {
		for _, topic := range m.Topics {
			wanted[topic] = true
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(wanted)) {
		if _, known := c.State.Topics[topic]; known {
			continue
		}
		if told++; told > mostTold {
			return learnt, rest()
		}
		f := follower{Group: c.Self().Name}
		knows, err := learn(c, topic, said[topic])
		if err != nil {
			return learnt, err
		}
		if knows {
			learnt, f.Partitions, f.Born = true, said[topic].Partitions, said[topic].Born
		}
		if err := c.Tell(topicID(topic), "follow", f); err != nil {
			return learnt, err
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(c.State.Topics)) {
		if wanted[topic] {
			continue
		}
		if told++; told > mostTold {
			return learnt, rest()
		}
		delete(c.State.Topics, topic)
		if err := c.Tell(topicID(topic), "follow", follower{Group: c.Self().Name, Ended: true}); err != nil {
			return learnt, err
		}
	}
	return learnt, nil
}

// dismiss ends memberships.
func dismiss(c *virtual.Context[group], names ...string) error {
	for _, name := range names {
		delete(c.State.Members, name)
	}
	if _, err := follow(c, nil); err != nil {
		return err
	}
	c.State.rebalance()
	return watch(c)
}

// commit keeps offsets, each if it comes from the owner by the generation at which it became that. They only rise: with a later one the group is done
// with all before it.
func commit(c *virtual.Context[group], p progress) (o outcome, err error) {
	o.Generation = c.State.Generation
	for _, a := range p.Offsets {
		parts := c.State.Topics[a.Topic]
		if a.Partition < 0 || a.Partition >= len(parts) || parts[a.Partition].Owner != p.Member || parts[a.Partition].Generation != a.Generation {
			o.Fenced = append(o.Fenced, a)
			continue
		}
		if at, err := offsetOf(c, a.Topic, a.Partition); err != nil {
			return o, err
		} else if a.Offset <= at {
			continue
		}
		c.Set(offsetKey(a.Topic, a.Partition), binary.LittleEndian.AppendUint64(nil, a.Offset))
	}
	return o, nil
}

// overdue is how far behind its time a reminder is that will not come any more: it was set aside, say, since too many messages waited for the group.
const overdue = time.Minute

// watch sees to it that the group looks when its first member may be gone. A reminder that comes too early sets the next.
func watch(c *virtual.Context[group]) error {
	first := int64(0)
	for _, m := range c.State.Members {
		if first == 0 || m.Until < first {
			first = m.Until
		}
	}
	now := c.Now().UnixMilli()
	if at := c.State.ExpireAt; first == 0 || at != 0 && at <= first && at > now-overdue.Milliseconds() {
		return nil
	}
	c.State.ExpireAt = max(first, now)
	return c.Remind("expire", time.Duration(max(1, first-now))*time.Millisecond, 0, "expire", first)
}

// late is how far behind its time a reminder comes that tells of the group's own absence.
const late = 500 * time.Millisecond

// expire dismisses those that were not heard in time. If the group itself was away, while its shard failed over or no node ran, nobody
// could have been heard: then all get their timeout anew.
func expire(c *virtual.Context[group], due int64) (struct{}, error) {
	now := c.Now()
	c.State.ExpireAt = 0
	if now.Sub(time.UnixMilli(due)) > late {
		for name, m := range c.State.Members {
			m.Until = until(m.Until, now, time.Duration(m.Timeout)*time.Millisecond)
			c.State.Members[name] = m
		}
		return struct{}{}, watch(c)
	}
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(c.State.Members)) {
		if c.State.Members[name].Until <= now.UnixMilli() {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return struct{}{}, watch(c)
	}
	return struct{}{}, dismiss(c, gone...)
}
