package topics

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// The names of the kinds.
const (
	KindTopic     = "topic"
	KindPartition = "partition"
	KindGroup     = "consumer-group"
)

// Kinds are the kinds of actors that topics and groups are made of. They should be registered on every node that holds copies of
// their keyspace.
func Kinds(options ...virtual.Option) []*virtual.Kind {
	return []*virtual.Kind{topicKind(options), partitionKind(options), groupKind(options)}
}

// Bounds.
const (
	MaxPartitions = 512     // of a topic
	MaxFollowers  = 512     // groups that consume a topic
	MaxMembers    = 1000    // of a group
	MaxSubscribed = 64      // subscriptions that one partition pushes to
	MaxBatch      = 1000    // messages of one Publish or Poll
	MaxValue      = 1 << 20 // bytes of a message, its key included
)

// Config is what a topic is like. What exceeds one of its bounds is removed, the oldest first.
type Config struct {
	Partitions   int           // default 1. They may become more, never fewer; then keys move to other partitions, and publications that another Client tries again: see Once
	KeepMessages uint64        // in each partition; 0: no bound
	KeepFor      time.Duration // 0: for ever
}

func (c *Config) validate(topic string) error {
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	if err := virtual.CheckText("the name of topic", topic); err != nil {
		return err
	}
	switch {
	case topic == "":
		return fmt.Errorf("topics: a topic has a name")
	case c.Partitions < 0 || c.Partitions > MaxPartitions:
		return fmt.Errorf("topics: topic %q with %d partitions; at least 1, at most %d", topic, c.Partitions, MaxPartitions)
	case c.KeepFor < 0 || c.KeepFor > 0 && c.KeepFor < time.Second:
		return fmt.Errorf("topics: topic %q keeps messages for %v; at least a second, or 0 for ever", topic, c.KeepFor)
	}
	return nil
}

func topicID(topic string) virtual.ID { return virtual.ID{Kind: KindTopic, Name: topic} }

// PartitionName is how a partition's actor is called.
func PartitionName(topic string, partition int) string { return topic + "/" + strconv.Itoa(partition) }

func partitionID(topic string, partition int) virtual.ID {
	return virtual.ID{Kind: KindPartition, Name: PartitionName(topic, partition)}
}

// parsePartition reads the name of a partition.
func parsePartition(name string) (topic string, partition int, err error) {
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return "", 0, fmt.Errorf("topics: %q is no partition: write TOPIC/NUMBER", name)
	}
	partition, err = strconv.Atoi(name[at+1:])
	return name[:at], partition, err
}

// topic is the state of a topic's actor.
type topic struct {
	Config    Config
	Born      int64    `json:",omitempty"` // Unix µs when it was created; 0: by an earlier release. Groups tell it by that from one of the same name before
	Followers []string // groups that are told how many partitions there are, in order

	Going map[uint64]int `json:",omitempty"` // partitions that have not said yet that they are of no topic, since it was deleted, by the token of the question
}

// follower is a group that wants to know, or no more.
type follower struct {
	Group string
	Ended bool

	Partitions int   `json:",omitempty"` // that it takes the topic to have; 0: it asks
	Born       int64 `json:",omitempty"`
}

// described is what a topic says of itself.
type described struct {
	Config
	Born int64 `json:",omitempty"`
}

// counted tells a group how many partitions a topic has.
type counted struct {
	Topic      string
	Partitions int
	Born       int64 `json:",omitempty"`
	Gone       bool  `json:",omitempty"` // it was deleted: what the group has committed of it goes, too
}

func topicKind(options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[topic](KindTopic, options...)
	virtual.Handle(k, "create", func(c *virtual.Context[topic], config Config) (Config, error) {
		if err := config.validate(c.Self().Name); err != nil {
			return config, err
		}
		if n := len(c.State.Going); n > 0 {
			return config, virtual.Fail(reasonGoing, "topic %s was deleted, and %d of its partitions have not heard of that yet", c.Self().Name, n)
		}
		config.Partitions = max(config.Partitions, c.State.Config.Partitions)
		if config == c.State.Config {
			return config, nil
		}
		grown := config.Partitions != c.State.Config.Partitions
		if c.State.Config.Partitions == 0 {
			c.State.Born = c.Now().UnixMicro()
		}
		c.State.Config = config
		for i := range config.Partitions {
			if err := c.Tell(partitionID(c.Self().Name, i), "configure", config); err != nil {
				return config, err
			}
		}
		for _, group := range c.State.Followers {
			if !grown {
				break
			}
			if err := tellCount(c, follower{Group: group}); err != nil {
				return config, err
			}
		}
		return config, nil
	})
	virtual.Handle(k, "look", func(c *virtual.Context[topic], _ struct{}) (described, error) {
		return described{c.State.Config, c.State.Born}, nil
	})
	virtual.HandleRead(k, "status", func(c *virtual.Reading[topic], _ struct{}) (topic, error) { return *c.State, nil })
	virtual.Handle(k, "follow", func(c *virtual.Context[topic], f follower) (struct{}, error) {
		at, there := slices.BinarySearch(c.State.Followers, f.Group)
		switch {
		case f.Partitions > 0 && c.State.Config.Partitions == 0: // what the group has heard is of one that was deleted
			return struct{}{}, errors.Join(c.Tell(groupID(f.Group), "partitions", counted{Topic: c.Self().Name, Gone: true}), clearTopic(c))
		case f.Ended && there:
			c.State.Followers = slices.Delete(c.State.Followers, at, at+1)
		case !f.Ended && !there && len(c.State.Followers) >= MaxFollowers:
			return struct{}{}, fmt.Errorf("topic %s has %d groups; that is the most", c.Self().Name, MaxFollowers)
		case !f.Ended && !there:
			c.State.Followers = slices.Insert(c.State.Followers, at, f.Group)
		}
		return struct{}{}, errors.Join(tellCount(c, f), clearTopic(c))
	})
	virtual.Handle(k, "delete", deleteTopic)
	virtual.HandleAnswer(k, "left", left)
	virtual.Handle(k, "again", func(c *virtual.Context[topic], number int) (struct{}, error) { return struct{}{}, again(c, number) })
	return k.Kind
}

// tellCount tells a group that follows how many partitions there are, if it does not know that.
func tellCount(c *virtual.Context[topic], f follower) error {
	if f.Ended || f.Partitions > 0 && f.Partitions == c.State.Config.Partitions && f.Born == c.State.Born {
		return nil
	}
	return c.Tell(groupID(f.Group), "partitions", counted{Topic: c.Self().Name, Partitions: c.State.Config.Partitions, Born: c.State.Born})
}
