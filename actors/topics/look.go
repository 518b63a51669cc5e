package topics

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// What operators see. Everything is read, nothing changed, and nobody waits for it: the methods do not wait for their turn.

// ErrNoGroup says that nobody has joined a group yet.
var ErrNoGroup = errors.New("topics: there is no such group; the first member that polls makes it")

// View is what a topic is like, and how its partitions stand.
type View struct {
	Topic string
	Config
	Groups     []string // that have members which consume it, in order
	Partitions []PartitionView
}

// PartitionView is how a partition stands.
type PartitionView struct {
	Actor          virtual.ID
	First, Next    uint64 // the oldest offset that is there, and that of the next message
	Oldest, Newest time.Time
	Subscribers    []SubscriberView // in order, at most MaxLooked
	More           bool             // subscribers than those
	Err            error            // why it could not be asked; nothing else is known then
}

// Lag is how many messages lie before one that goes on at an offset. What retention has removed does not count.
func (p *PartitionView) Lag(offset uint64) uint64 { return p.Next - min(max(offset, p.First), p.Next) }

// SubscriberView is where a subscriber goes on.
type SubscriberView struct {
	Subscriber string
	Offset     uint64
	To         virtual.ID // the actor that messages are pushed to; zero: it polls
	Method     string
	Tries      int // how often the batch in flight was sent; 0: none is
}

// GroupView is who takes part in a group, and how far it has come.
type GroupView struct {
	Group      string
	Generation uint64
	Members    []MemberView // by name
	Shares     []ShareView  // by topic and partition: what its members want, and what it has committed without a member
	More       bool         // shares than MaxLooked
}

// MemberView is one member.
type MemberView struct {
	Member  string
	Topics  []string
	Timeout time.Duration
	Until   time.Time // then it is dismissed, if it is not heard
}

// ShareView is a partition in a group.
type ShareView struct {
	Topic         string
	Partition     int
	Owner, Target string // who works on it, and who is to; empty: nobody
	Generation    uint64 // of the group, when Owner got it
	Offset        uint64 // what the group has committed
}

// MaxLooked bounds the lists of a view.
const MaxLooked = 4096

// partitionStatus is what a partition tells of itself.
type partitionStatus struct {
	First, Next    uint64
	Oldest, Newest int64 // Unix ms; 0: there is no message
	Subscribers    []SubscriberView
	More           bool
}

// partitionLook answers how a partition stands.
func partitionLook(c *virtual.Reading[partition], _ struct{}) (s partitionStatus, err error) {
	s.First, s.Next = c.State.First, c.State.Next
	if s.First < s.Next {
		if s.Oldest, err = timeOf(c, s.First); err == nil {
			s.Newest, err = timeOf(c, s.Next-1)
		}
		if err != nil {
			return s, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.State.Pushed)) {
		p := c.State.Pushed[name]
		v := SubscriberView{Subscriber: name, Offset: p.Next, To: p.To, Method: p.Method}
		if p.Sent != 0 {
			v.Tries = p.Tries
		}
		s.Subscribers = append(s.Subscribers, v)
	}
	for e, err := range c.Scan("c/") {
		if err != nil {
			return s, err
		}
		name := strings.TrimPrefix(e.Key, "c/")
		if _, pushed := c.State.Pushed[name]; pushed || len(e.Value) != 8 {
			continue
		}
		if s.More = len(s.Subscribers) >= MaxLooked; s.More {
			break
		}
		s.Subscribers = append(s.Subscribers, SubscriberView{Subscriber: name, Offset: binary.LittleEndian.Uint64(e.Value)})
	}
	slices.SortFunc(s.Subscribers, func(a, b SubscriberView) int { return strings.Compare(a.Subscriber, b.Subscriber) })
	return s, nil
}

func timeOf(c *virtual.Reading[partition], offset uint64) (int64, error) {
	kept, found, err := c.Get(messageKey(offset))
	if err != nil || !found {
		return 0, err
	}
	m, err := decodeMessage(offset, kept)
	return m.Time.UnixMilli(), err
}

// groupStatus is what a group tells of itself.
type groupStatus struct {
	Group  group
	Shares []ShareView
	More   bool
}

// groupLook answers how a group stands. What it has committed outlives its members.
func groupLook(c *virtual.Reading[group], _ struct{}) (s groupStatus, err error) {
	s.Group = *c.State
	offsets := map[string]uint64{}
	for e, err := range c.Scan("o/") {
		if err != nil {
			return s, err
		}
		topic, number, found := cutLast(strings.TrimPrefix(e.Key, "o/"))
		if !found || len(e.Value) != 8 {
			continue
		}
		offset := binary.LittleEndian.Uint64(e.Value)
		if number < len(c.State.Topics[topic]) {
			offsets[e.Key] = offset
			continue
		}
		if len(s.Shares) >= MaxLooked {
			s.More = true
			continue // those of partitions that are there come as well
		}
		s.Shares = append(s.Shares, ShareView{Topic: topic, Partition: number, Offset: offset})
	}
	for topic, parts := range c.State.Topics {
		for i, p := range parts {
			s.Shares = append(s.Shares, ShareView{topic, i, p.Owner, p.Target, p.Generation, offsets[offsetKey(topic, i)]})
		}
	}
	slices.SortFunc(s.Shares, func(a, b ShareView) int {
		if n := strings.Compare(a.Topic, b.Topic); n != 0 {
			return n
		}
		return a.Partition - b.Partition
	})
	s.Group.Topics = nil // they are the shares
	s.More = s.More || len(s.Shares) > MaxLooked
	s.Shares = s.Shares[:min(len(s.Shares), MaxLooked)]
	return s, nil
}

func cutLast(name string) (topic string, number int, ok bool) {
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return "", 0, false
	}
	number, err := strconv.Atoi(name[at+1:])
	return name[:at], number, err == nil && number >= 0
}

// asked is how many partitions are asked at the same time.
const asked = 32

// Look tells what a topic is like, and how its partitions stand. ErrNoTopic if there is no such topic: Groups are those that wait for it.
func (c *Client) Look(ctx context.Context, name string) (v View, err error) {
	s, err := virtual.Call[struct{}, topic](ctx, c.host, topicID(name), "status", struct{}{})
	v = View{Topic: name, Config: s.Config, Groups: s.Followers, Partitions: make([]PartitionView, s.Config.Partitions)}
	if err == nil && len(v.Partitions) == 0 {
		err = fmt.Errorf("%w: %q", ErrNoTopic, name)
	}
	var work sync.WaitGroup
	room := make(chan struct{}, asked)
	for i := range v.Partitions {
		room <- struct{}{}
		work.Go(func() {
			v.Partitions[i] = c.lookPartition(ctx, name, i)
			<-room
		})
	}
	work.Wait()
	return v, err
}

func (c *Client) lookPartition(ctx context.Context, topic string, number int) PartitionView {
	id := partitionID(topic, number)
	s, err := virtual.Call[struct{}, partitionStatus](ctx, c.host, id, "status", struct{}{})
	v := PartitionView{Actor: id, First: s.First, Next: s.Next, Subscribers: s.Subscribers, More: s.More, Err: err}
	if s.First < s.Next {
		v.Oldest, v.Newest = time.UnixMilli(s.Oldest), time.UnixMilli(s.Newest)
	}
	return v
}

// LookGroup tells who takes part in a group, and what it has committed; ErrNoGroup if nobody ever has.
func (c *Client) LookGroup(ctx context.Context, name string) (v GroupView, err error) {
	s, err := virtual.Call[struct{}, groupStatus](ctx, c.host, groupID(name), "status", struct{}{})
	switch {
	case err != nil:
		return v, err
	case s.Group.Generation == 0:
		return v, fmt.Errorf("%w: %q", ErrNoGroup, name)
	}
	v = GroupView{Group: name, Generation: s.Group.Generation, Shares: s.Shares, More: s.More}
	for _, member := range slices.Sorted(maps.Keys(s.Group.Members)) {
		m := s.Group.Members[member]
		v.Members = append(v.Members, MemberView{member, m.Topics, time.Duration(m.Timeout) * time.Millisecond, time.UnixMilli(m.Until)})
	}
	return v, nil
}
