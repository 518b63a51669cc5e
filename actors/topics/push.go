package topics

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
)

// push is a subscription that a partition sends to an actor.
//
//	Next ─┬─ in flight, unless Sent is 0 ─┬─ Sent ── waits ── partition.Next
//	      └─ Delivery, sent at At, Tries ─┘
//
// One batch is in flight at a time. Its subscriber acknowledges it by a commit of its end; until then it is sent again.
type push struct {
	To     virtual.ID
	Method string
	Next   uint64 // all before it was acknowledged
	Sent   uint64
	At     int64 // Unix ms
	Tries  int
}

// Delivery is what a subscribed actor gets: messages in order.
type Delivery struct {
	Topic      string
	Partition  int
	Subscriber string
	Messages   []Message
	Ended      bool `json:",omitempty"` // the topic was deleted: there are no Messages, and no Delivery follows
}

// Done acknowledges a delivery. What the handler has changed and the acknowledgement are one write: so a handler that remembers, in its
// state, the last offset of each partition and skips what it has seen has its effects exactly once.
func (d *Delivery) Done(t *virtual.Turn) error {
	if len(d.Messages) == 0 {
		return nil
	}
	next := d.Messages[len(d.Messages)-1].Offset + 1
	return t.Tell(partitionID(d.Topic, d.Partition), "commit", position{d.Subscriber, next})
}

// Pushed batches are small: they are kept until they have arrived.
const (
	pushMessages = 100
	pushBytes    = 256 << 10
	pushAgain    = 5 * time.Second // doubled with each try
	pushLongest  = 2 * time.Minute
	pushTurn     = 1 << 20 // bytes after which the other subscribers wait for the next turn
)

// subscription asks a partition to push, or to stop that.
type subscription struct {
	Subscriber string
	To         virtual.ID
	Method     string
	From       uint64
	Ended      bool
}

// check refuses a subscription that could never be pushed, with a *shards.Error of KindInvalid.
func (s *subscription) check() error {
	if s.Subscriber == "" || len(s.Subscriber) > virtual.MaxName {
		return &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("topics: %.64q with %d bytes is no subscriber: its name has at least 1 byte, at most %d", s.Subscriber, len(s.Subscriber), virtual.MaxName)}
	}
	if err := virtual.CheckText("subscriber", s.Subscriber); err != nil {
		return err
	}
	return s.To.Check(s.Method)
}

// subscribe begins to push. To do so again changes nothing but the actor that gets it.
func subscribe(c *virtual.Context[partition], s subscription) (struct{}, error) {
	if s.Ended {
		delete(c.State.Pushed, s.Subscriber)
		return struct{}{}, nil
	}
	if err := c.State.served(c.Self().Name); err != nil {
		return struct{}{}, err
	}
	if err := s.check(); err != nil {
		return struct{}{}, err
	}
	p, there := c.State.Pushed[s.Subscriber]
	if !there && len(c.State.Pushed) >= MaxSubscribed {
		return struct{}{}, fmt.Errorf("%d subscriptions are pushed; that is the most", MaxSubscribed)
	}
	if !there {
		p.Next = min(s.From, c.State.Next)
	}
	p.To, p.Method = s.To, s.Method
	if c.State.Pushed == nil {
		c.State.Pushed = map[string]push{}
	}
	c.State.Pushed[s.Subscriber] = p
	return struct{}{}, sendAll(c)
}

// acknowledged notes that a subscriber has what was sent, and sends on.
func acknowledged(c *virtual.Context[partition], at position) error {
	p := c.State.Pushed[at.Subscriber]
	last := p.Sent != 0 && at.Offset >= p.Sent
	if at.Offset <= p.Next && !last { // of a delivery that came twice
		return nil
	}
	p.Next, p.Tries = max(p.Next, at.Offset), 0 // retention may have removed what was in flight
	if p.Sent <= p.Next {
		p.Sent = 0
	}
	c.State.Pushed[at.Subscriber] = p
	return sendAll(c)
}

// sendAll sends to those that wait for messages, and to those that have not acknowledged theirs in time. Subscriptions that cannot be pushed, as
// earlier releases took them, hold nobody up.
func sendAll(c *virtual.Context[partition]) error {
	now := c.Now().UnixMilli()
	next, bytes := int64(0), 0
	var onTheirWay map[virtual.ID]int // nil: not known
	for _, name := range slices.Sorted(maps.Keys(c.State.Pushed)) {
		p := c.State.Pushed[name]
		if p.To.Check(p.Method) != nil {
			delete(c.State.Pushed, name)
			continue
		}
		p.Next = max(p.Next, c.State.First)
		due := p.Sent == 0 && p.Next < c.State.Next || p.Sent != 0 && p.again() <= now
		switch {
		case due && bytes >= pushTurn:
			next = now + 1
			continue
		case due && p.Sent != 0:
			sent, err := sendAgain(c, name, &p, &onTheirWay)
			if err != nil {
				return err
			}
			bytes += sent
		case due:
			sent, err := send(c, name, &p)
			if err != nil {
				return err
			}
			bytes += sent
		}
		if p.Sent != 0 && (next == 0 || p.again() < next) {
			next = p.again()
		}
		c.State.Pushed[name] = p
	}
	if next == 0 || c.State.SendAt != 0 && c.State.SendAt <= next && c.State.SendAt > now {
		return nil
	}
	c.State.SendAt = next
	return c.Remind("resend", time.Duration(max(1, next-now))*time.Millisecond, 0, "resend", struct{}{})
}

// again is when a batch is sent anew.
func (p *push) again() int64 {
	return p.At + min(pushLongest, pushAgain<<min(max(p.Tries-1, 0), 10)).Milliseconds()
}

// sendAgain is send for a batch that was not acknowledged in time. One that is still on its way, as to an actor whose shard nobody leads, is not sent
// beside itself: it is looked for again after a while.
func sendAgain(c *virtual.Context[partition], name string, p *push, onTheirWay *map[virtual.ID]int) (bytes int, err error) {
	if *onTheirWay == nil {
		if *onTheirWay, err = c.OnTheirWay(); err == nil {
			err = dropOld(c)
		}
		if err != nil {
			return 0, err
		}
	}
	if (*onTheirWay)[p.To] > 0 {
		p.At = c.Now().UnixMilli()
		return 0, nil
	}
	return send(c, name, p)
}

// mostDropped bounds the batches that one turn drops: an earlier release has left thousands.
const mostDropped = 100

// dropOld drops batches that were set aside, and were sent again and set aside since: of each subscription the newest stays, for people to see. A
// subscriber that never takes what it is sent would have the partition keep thousands of copies.
func dropOld(c *virtual.Context[partition]) error {
	newer := map[string]bool{}
	return c.DropAsides(mostDropped, func(a *virtual.Aside) bool {
		var d struct {
			Subscriber string
			Ended      bool
		}
		if err := json.Unmarshal(a.Payload, &d); err != nil || d.Ended {
			return false
		}
		old := newer[d.Subscriber]
		newer[d.Subscriber] = true
		return old
	})
}

// send gives the bytes of the messages that it sends.
func send(c *virtual.Context[partition], name string, p *push) (bytes int, err error) {
	topic, number, err := parsePartition(c.Self().Name)
	if err != nil {
		return 0, err
	}
	list, err := read(c, p.Next, pushMessages, pushBytes)
	if err != nil || len(list) == 0 {
		p.Sent = 0
		return 0, err
	}
	for i := range list {
		bytes += list[i].size()
	}
	p.Sent, p.At, p.Tries = list[len(list)-1].Offset+1, c.Now().UnixMilli(), p.Tries+1
	return bytes, c.Tell(p.To, p.Method, Delivery{Topic: topic, Partition: number, Subscriber: name, Messages: list})
}
