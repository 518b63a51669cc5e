package topics

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// partition is the state of a partition's actor. Its data:
//
//	m/OFFSET        a message: time (Unix ms, 8 bytes), length of the key (4), key, value; little-endian
//	c/SUBSCRIBER    where a subscriber goes on (8 bytes)
//	p/PRODUCER      its last publication: Seq, offset, time (Unix ms), 8 bytes each
//
// OFFSET has 16 hexadecimal digits: the order of the keys is that of the messages. Every offset from First until Next is there.
type partition struct {
	Config Config
	First  uint64
	Next   uint64
	TrimAt int64           // Unix ms of the reminder that removes what is too old; 0: there is none
	Pushed map[string]push // by subscriber
	SendAt int64           // Unix ms of the reminder that sends again what was not acknowledged; 0: there is none
	Ending bool            `json:",omitempty"` // its topic was deleted, and its data goes
	Swept  string          `json:",omitempty"` // the first producer, as a key, to be looked at when the next one comes
}

// Message is a message in its partition.
type Message struct {
	Offset uint64
	Time   time.Time // when it was published, by the clock of the partition's node
	Key    string
	Value  []byte
}

func (m *Message) size() int { return len(m.Key) + len(m.Value) }

func messageKey(offset uint64) string { return fmt.Sprintf("m/%016x", offset) }

const messageHead = 12

func (m *Message) encode() []byte {
	b := make([]byte, 0, messageHead+m.size())
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Time.UnixMilli()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Key)))
	return append(append(b, m.Key...), m.Value...)
}

func decodeMessage(offset uint64, b []byte) (m Message, err error) {
	if len(b) < messageHead || len(b)-messageHead < int(binary.LittleEndian.Uint32(b[8:])) {
		return m, fmt.Errorf("message %d has %d bytes, which is none", offset, len(b))
	}
	until := messageHead + int(binary.LittleEndian.Uint32(b[8:]))
	return Message{offset, time.UnixMilli(int64(binary.LittleEndian.Uint64(b))), string(b[messageHead:until]), b[until:]}, nil
}

// publication asks a partition to add messages.
type publication struct {
	Messages []Record
	Producer string
	Seq      uint64
}

// position is where something stands.
type position struct {
	Subscriber string
	Offset     uint64
}

// request asks for messages.
type request struct {
	Offset uint64
	Max    int
}

// Batch is what a Poll gave.
type Batch struct {
	Messages []Message
	First    uint64 // the oldest offset that is there; if it is above what was asked for, retention has removed some
	Next     uint64 // of the next message that is published
}

func partitionKind(options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[partition](KindPartition, options...)
	virtual.Handle(k, "configure", func(c *virtual.Context[partition], config Config) (struct{}, error) {
		if c.State.Ending { // the new topic begins with nothing of the old one
			return struct{}{}, c.Postpone("what partition %s had before its topic was deleted is still being removed", c.Self().Name)
		}
		if c.State.Config.KeepFor != config.KeepFor {
			c.State.TrimAt = 0 // it is set for what the bound was
		}
		c.State.Config = config
		return struct{}{}, trim(c)
	})
	virtual.Handle(k, "publish", publish)
	virtual.Handle(k, "poll", func(c *virtual.Context[partition], r request) (Batch, error) {
		if err := c.State.served(c.Self().Name); err != nil {
			return Batch{}, err
		}
		b := Batch{First: c.State.First, Next: c.State.Next}
		var err error
		b.Messages, err = read(c, r.Offset, min(max(r.Max, 1), MaxBatch), maxReply)
		return b, err
	})
	virtual.Handle(k, "commit", func(c *virtual.Context[partition], p position) (struct{}, error) {
		if err := c.State.served(c.Self().Name); err != nil {
			if c.Event() == virtual.EventTell { // an actor has acknowledged what it got last
				err = nil
			}
			return struct{}{}, err
		}
		if p.Offset > c.State.Next {
			return struct{}{}, fmt.Errorf("subscriber %s commits offset %d; the next message is %d", p.Subscriber, p.Offset, c.State.Next)
		}
		if _, pushed := c.State.Pushed[p.Subscriber]; pushed {
			return struct{}{}, acknowledged(c, p)
		}
		c.Set("c/"+p.Subscriber, binary.LittleEndian.AppendUint64(nil, p.Offset))
		return struct{}{}, nil
	})
	virtual.Handle(k, "committed", func(c *virtual.Context[partition], subscriber string) (uint64, error) {
		if err := c.State.served(c.Self().Name); err != nil {
			return 0, err
		}
		if p, pushed := c.State.Pushed[subscriber]; pushed {
			return p.Next, nil
		}
		kept, found, err := c.Get("c/" + subscriber)
		if err != nil || !found || len(kept) != 8 {
			return 0, err
		}
		return binary.LittleEndian.Uint64(kept), nil
	})
	virtual.Handle(k, "trim", func(c *virtual.Context[partition], _ struct{}) (struct{}, error) {
		c.State.TrimAt = 0
		return struct{}{}, trim(c)
	})
	virtual.Handle(k, "subscribe", subscribe)
	virtual.Handle(k, "delete", func(c *virtual.Context[partition], _ struct{}) (struct{}, error) { return struct{}{}, end(c) })
	virtual.Handle(k, "purge", func(c *virtual.Context[partition], _ struct{}) (struct{}, error) { return struct{}{}, purge(c) })
	virtual.HandleRead(k, "status", partitionLook)
	virtual.Handle(k, "resend", func(c *virtual.Context[partition], _ struct{}) (struct{}, error) {
		c.State.SendAt = 0
		return struct{}{}, sendAll(c)
	})
	return k.Kind
}

// publish adds messages at the end.
func publish(c *virtual.Context[partition], p publication) (position, error) {
	if err := c.State.served(c.Self().Name); err != nil {
		return position{}, err
	}
	if n := len(p.Messages); n == 0 || n > MaxBatch {
		return position{}, fmt.Errorf("%d messages at once; at least 1, at most %d", n, MaxBatch)
	}
	if at, again, err := published(c, &p); again || err != nil {
		return position{Offset: at}, err
	}
	first := c.State.Next
	for i := range p.Messages {
		m := Message{first + uint64(i), c.Now(), p.Messages[i].Key, p.Messages[i].Value}
		if m.size() > MaxValue {
			return position{}, fmt.Errorf("a message has %d bytes; at most %d", m.size(), MaxValue)
		}
		c.Set(messageKey(m.Offset), m.encode())
	}
	c.State.Next += uint64(len(p.Messages))
	if err := trim(c); err != nil {
		return position{}, err
	}
	return position{Offset: first}, sendAll(c)
}

// producerTTL is how long a partition remembers a producer that says nothing.
const producerTTL = 24 * time.Hour

// published says whether a producer has published this already, and where; else it notes that it does now.
func published(c *virtual.Context[partition], p *publication) (offset uint64, again bool, err error) {
	if p.Producer == "" {
		return 0, false, nil
	}
	kept, known, err := c.Get("p/" + p.Producer)
	if err != nil {
		return 0, false, err
	}
	if known && len(kept) == 24 {
		last, at := binary.LittleEndian.Uint64(kept), binary.LittleEndian.Uint64(kept[8:])
		switch {
		case last == p.Seq:
			return at, true, nil
		case last > p.Seq:
			return 0, false, fmt.Errorf("producer %s publishes number %d after %d: its numbers rise", p.Producer, p.Seq, last)
		}
	}
	now := c.Now()
	if !known { // one comes, others may go
		if err := forgetProducers(c, now); err != nil {
			return 0, false, err
		}
	}
	b := binary.LittleEndian.AppendUint64(nil, p.Seq)
	b = binary.LittleEndian.AppendUint64(b, c.State.Next)
	c.Set("p/"+p.Producer, binary.LittleEndian.AppendUint64(b, uint64(now.UnixMilli())))
	return 0, false, nil
}

// producersSwept are the producers that one publication looks at: each new one adds one, and a message changes only so many keys, of
// which MaxBatch may be added and trimmed removed besides.
const producersSwept = 100

// forgetProducers forgets those who have been silent for long, among some behind those that the last publication looked at.
func forgetProducers(c *virtual.Context[partition], now time.Time) error {
	looked := 0
	for e, err := range c.Range(virtual.Span{Prefix: "p/", From: c.State.Swept}) {
		if err != nil {
			return err
		}
		if looked++; looked > producersSwept {
			c.State.Swept = e.Key
			return nil
		}
		if len(e.Value) != 24 || now.Sub(time.UnixMilli(int64(binary.LittleEndian.Uint64(e.Value[16:])))) > producerTTL {
			c.Delete(e.Key)
		}
	}
	c.State.Swept = ""
	return nil
}

// maxReply bounds the bytes of messages in one reply; as text they are a third more.
const maxReply = 1 << 20

// read gives messages from an offset, or from the oldest one if that is gone: at least one if there is one.
func read(c *virtual.Context[partition], from uint64, most, bytes int) (list []Message, err error) {
	for e, err := range c.Range(virtual.Span{Prefix: "m/", From: messageKey(max(from, c.State.First))}) {
		if err != nil {
			return nil, err
		}
		var offset uint64
		if _, err := fmt.Sscanf(e.Key, "m/%x", &offset); err != nil {
			return nil, err
		}
		m, err := decodeMessage(offset, e.Value)
		if err != nil {
			return nil, err
		}
		if bytes -= m.size(); len(list) == most || bytes < 0 && len(list) > 0 {
			return list, nil
		}
		list = append(list, m)
	}
	return list, nil
}

// trimmed bounds the messages that one turn removes. The rest is left to the next.
const trimmed = 2 * MaxBatch

// trim removes what is beyond the topic's bounds, and sees to it that what grows too old is removed then.
func trim(c *virtual.Context[partition]) error {
	s, keep, removed := c.State, &c.State.Config, 0
	remove := func() {
		c.Delete(messageKey(s.First))
		s.First++
		removed++
	}
	for keep.KeepMessages > 0 && s.Next-s.First > keep.KeepMessages && removed < trimmed {
		remove()
	}
	if removed == trimmed {
		return trimAt(c, c.Now().Add(time.Millisecond))
	}
	if keep.KeepFor == 0 || s.TrimAt > c.Now().UnixMilli() { // later, all at once
		return nil
	}
	for s.First < s.Next {
		kept, found, err := c.Get(messageKey(s.First))
		if err != nil || !found {
			return fmt.Errorf("message %d: there %v, %w", s.First, found, err)
		}
		m, err := decodeMessage(s.First, kept)
		if err != nil {
			return err
		}
		if old := m.Time.Add(keep.KeepFor); removed == trimmed || old.After(c.Now()) {
			return trimAt(c, old)
		}
		remove()
	}
	return nil
}

// trimPause is how long at least lies between two removals of what is too old.
const trimPause = time.Second

func trimAt(c *virtual.Context[partition], at time.Time) error {
	wait := at.Sub(c.Now())
	if wait > time.Millisecond {
		wait = max(wait, trimPause)
	}
	wait = max(wait, time.Millisecond)
	c.State.TrimAt = c.Now().Add(wait).UnixMilli()
	return c.Remind("trim", wait, 0, "trim", struct{}{})
}
