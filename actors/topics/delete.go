package topics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// A topic that is deleted goes in this order; so does one of the same name that is made meanwhile:
//
//	topic orders ── one commit: it is gone ──┬── delete? ─► partition: refuses, tells subscribers, removes some, and the rest turn by turn
//	                                         └── gone ────► group: lets go of its partitions and offsets
//	topic orders ◄── left: until all have said it nobody makes one of that name
//	topic orders ── created again ─── configure ──► partition: waits until nothing of the old one is left

// ErrHasMembers says that a group has members, and was not deleted.
var ErrHasMembers = errors.New("topics: the group has members")

// The reasons by which a client knows a refusal.
const (
	reasonNoTopic = "no-topic"
	reasonGoing   = "going"
	reasonMembers = "members"
)

// served refuses what is asked of a partition whose topic was deleted, or which has not heard of its topic yet.
func (p *partition) served(name string) error {
	if p.Config.Partitions > 0 {
		return nil
	}
	return virtual.Fail(reasonNoTopic, "partition %s belongs to no topic: it was deleted, or is just being made", name)
}

// deleteTopic asks the partitions to go; false: there is no such topic.
func deleteTopic(c *virtual.Context[topic], _ struct{}) (was bool, err error) {
	n := c.State.Config.Partitions
	if n == 0 { // groups may wait for it
		return false, nil
	}
	for _, group := range c.State.Followers {
		if err := c.Tell(groupID(group), "partitions", counted{Topic: c.Self().Name, Gone: true}); err != nil {
			return false, err
		}
	}
	*c.State = topic{Going: map[uint64]int{}}
	for i := range n {
		if err := again(c, i); err != nil {
			return false, err
		}
	}
	return true, nil
}

// askAgain is when a partition is asked again that has refused to go, since its node runs an earlier release, say.
const askAgain = 10 * time.Second

// left takes the word of a partition that it is of no topic any more.
func left(c *virtual.Context[topic], a virtual.Answer[struct{}]) error {
	number, asked := c.State.Going[a.Token]
	switch {
	case !asked:
		return nil
	case a.Refused != nil:
		return c.Remind("again/"+strconv.Itoa(number), askAgain, 0, "again", number)
	}
	delete(c.State.Going, a.Token)
	return clearTopic(c)
}

// again asks a partition to go, whether or not it was asked before.
func again(c *virtual.Context[topic], number int) error {
	maps.DeleteFunc(c.State.Going, func(_ uint64, n int) bool { return n == number })
	token, err := c.Ask(partitionID(c.Self().Name, number), "delete", struct{}{}, "left")
	if err == nil {
		c.State.Going[token] = number
	}
	return err
}

// clearTopic lets go of the name, if nobody has made the topic and nobody waits for it.
func clearTopic(c *virtual.Context[topic]) error {
	if s := c.State; s.Config.Partitions > 0 || len(s.Followers) > 0 || len(s.Going) > 0 {
		return nil
	}
	return c.Clear()
}

// end lets go of everything, and says so to those that are pushed to.
func end(c *virtual.Context[partition]) error {
	topic, number, err := parsePartition(c.Self().Name)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.State.Pushed)) {
		p := c.State.Pushed[name]
		if p.To.Check(p.Method) != nil {
			continue
		}
		if err := c.Tell(p.To, p.Method, Delivery{Topic: topic, Partition: number, Subscriber: name, Ended: true}); err != nil {
			return err
		}
	}
	*c.State = partition{Ending: true}
	return purge(c)
}

// purge removes some of what a partition keeps whose topic was deleted, and all else with the last of it.
func purge(c *virtual.Context[partition]) error {
	if !c.State.Ending { // it is of a topic
		return nil
	}
	if done, err := c.ClearSome(trimmed); done || err != nil {
		return err
	}
	return c.Remind("purge", 0, 0, "purge", struct{}{})
}

// hear takes in how many partitions a topic has, or that it is gone.
func hear(c *virtual.Context[group], n counted) error {
	g := c.State
	parts, wanted := g.Topics[n.Topic]
	if n.Gone || n.Born != 0 && n.Born != g.Born[n.Topic] { // what was committed is of another one
		if err := forgetOffsets(c, n.Topic); err != nil {
			return err
		}
		delete(g.Born, n.Topic)
		parts = nil
	}
	switch {
	case !wanted:
		return nil
	case n.Gone: // its members learn with their next heartbeat, which asks for it anew, that they have nothing of it
		delete(g.Topics, n.Topic)
		for name, m := range g.Members {
			m.Topics = slices.DeleteFunc(m.Topics, func(topic string) bool { return topic == n.Topic })
			g.Members[name] = m
		}
		g.rebalance()
		return nil
	}
	if n.Born != 0 {
		if g.Born == nil {
			g.Born = map[string]int64{}
		}
		g.Born[n.Topic] = n.Born
	}
	if n.Partitions > len(parts) {
		g.Topics[n.Topic] = append(parts, make([]share, n.Partitions-len(parts))...)
		g.rebalance()
	}
	return nil
}

// learn takes a member's word for how many partitions a topic has that is new to the group: else each of its topics would have the group share everything
// out anew, and write all that it is. The topic is told what was said, and answers if it is not so. Where the group has committed offsets, which may be of
// another topic of that name, that is left to the topic.
func learn(c *virtual.Context[group], topic string, n counted) (learnt bool, err error) {
	g := c.State
	g.Topics[topic] = nil
	if n.Partitions < 1 || n.Partitions > MaxPartitions || n.Born == 0 {
		return false, nil
	}
	if g.Born[topic] != n.Born {
		for _, err := range c.Scan("o/" + topic + "/") {
			return false, err
		}
		if g.Born == nil {
			g.Born = map[string]int64{}
		}
		g.Born[topic] = n.Born
	}
	g.Topics[topic] = make([]share, n.Partitions)
	return true, nil
}

// forgetOffsets removes what a group has committed of a topic.
func forgetOffsets(c *virtual.Context[group], topic string) error {
	prefix := "o/" + topic + "/"
	for e, err := range c.Scan(prefix) {
		if err != nil {
			return err
		}
		if _, err := strconv.Atoi(strings.TrimPrefix(e.Key, prefix)); err == nil { // else of a topic whose name begins like this one's
			c.Delete(e.Key)
		}
	}
	return nil
}

// deletedGroup says what became of the deletion of a group.
type deletedGroup struct {
	Was  bool // there was one
	More bool // is there: once more
}

// forgotten bounds the offsets of a group that one message removes.
const forgotten = 500

// deleteGroup removes a group that nobody belongs to, or some of it if it has many offsets.
func deleteGroup(c *virtual.Context[group], _ struct{}) (d deletedGroup, err error) {
	if n := len(c.State.Members); n > 0 {
		return d, virtual.Fail(reasonMembers, "group %s has members, %d of them: close them, or wait until they are not heard for their session timeouts", c.Self().Name, n)
	}
	if d.Was = c.State.Generation > 0; !d.Was {
		return d, nil
	}
	done, err := c.ClearSome(forgotten)
	d.More = !done
	return d, err
}

// Delete removes a topic with its messages, and what subscribers and groups have committed of it; ErrNoTopic if there is none, or not any more. When
// it returns the topic is gone for whoever asks for it, and its partitions hear that at once: then they refuse to publish and to read with
// ErrNoTopic, also clients that knew the topic; who is pushed to gets a last Delivery that has Ended; members of groups get ErrNoTopic from their next Polls, and what
// they commit is fenced. What is published until a partition has heard goes with it. The data is removed in the background.
//
// It may be tried again after an error: what was deleted stays so. A topic of the same name may be made at once, and Create waits until all partitions
// have heard; it begins with offset 0, and who keeps offsets outside begins anew as well.
func (c *Client) Delete(ctx context.Context, topic string) error {
	was, err := virtual.Call[struct{}, bool](ctx, c.host, topicID(topic), "delete", struct{}{})
	c.forget(topic)
	if err == nil && !was {
		err = fmt.Errorf("%w: %q", ErrNoTopic, topic)
	}
	return err
}

// going says that an error of create may pass soon.
func going(err error) bool { return virtual.ReasonOf(err) == reasonGoing }

// DeleteGroup removes a consumer group with all that it has committed: who joins one of that name begins with the oldest messages. ErrHasMembers if it
// has any, since they would make it again; ErrNoGroup if there is none, or not any more. It may be tried again after an error.
func (c *Client) DeleteGroup(ctx context.Context, group string) error {
	for was := false; ; {
		d, err := virtual.Call[struct{}, deletedGroup](ctx, c.host, groupID(group), "delete", struct{}{})
		was = was || d.Was
		switch {
		case virtual.ReasonOf(err) == reasonMembers:
			return fmt.Errorf("%w: %w", ErrHasMembers, err)
		case err == nil && !was:
			return fmt.Errorf("%w: %q", ErrNoGroup, group)
		case err != nil || !d.More:
			return err
		}
	}
}
