package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// Event is what happens in a conversation, as it lies in a user's inbox and travels to the client.
type Event struct {
	Pos          uint64 // in the inbox of the user who gets it; from 1
	Kind         string // message, receipt, joined
	Conversation string
	Seq          uint64    // message: its number in the conversation, from 1; receipt: all up to it have arrived
	From         string    // who wrote, received or joined
	Ref          uint64    // message: the writer's own number of it
	Text         string    `json:",omitempty"`
	At           time.Time `json:",omitzero"`
}

// Bounds.
const (
	maxMembers = 200
	maxText    = 16 << 10
	maxPage    = 100
)

// conversation is the state of a conversation's actor. Its data:
//
//	m/SEQ     a message, an Event as JSON
//	r/USER    the highest Ref of a user (8 bytes): what is sent again after a broken connection is not said twice
type conversation struct {
	Members []string // in order
	Last    uint64   // sequence number of the last message
}

// line is something that a user says.
type line struct {
	User string
	Ref  uint64 // rises with each message of the user in the conversation
	Text string
}

// after asks for what comes after a position.
type after struct {
	User string
	Pos  uint64
}

func userID(name string) virtual.ID         { return virtual.ID{Kind: "user", Name: name} }
func conversationID(name string) virtual.ID { return virtual.ID{Kind: "conversation", Name: name} }
func gatewayID(name string) virtual.ID      { return virtual.ID{Kind: "gateway", Name: name} }

func key(class string, n uint64) string { return fmt.Sprintf("%s/%016x", class, n) }

func conversations() *virtual.Kind {
	k := virtual.NewKind[conversation]("conversation")
	virtual.Handle(k, "join", func(c *virtual.Context[conversation], user string) (uint64, error) {
		at, there := slices.BinarySearch(c.State.Members, user)
		switch {
		case user == "":
			return 0, fmt.Errorf("a member has a name")
		case there:
			return c.State.Last, nil
		case len(c.State.Members) >= maxMembers:
			return 0, fmt.Errorf("%d are in this conversation; that is the most", maxMembers)
		}
		c.State.Members = slices.Insert(c.State.Members, at, user)
		return c.State.Last, tellMembers(c, Event{Kind: "joined", From: user, Seq: c.State.Last}, "")
	})
	virtual.Handle(k, "say", func(c *virtual.Context[conversation], l line) (struct{}, error) {
		if _, member := slices.BinarySearch(c.State.Members, l.User); !member {
			return struct{}{}, fmt.Errorf("%s is not in this conversation: join it first", l.User)
		}
		if len(l.Text) > maxText {
			return struct{}{}, fmt.Errorf("a message has %d bytes; at most %d", len(l.Text), maxText)
		}
		kept, known, err := c.Get("r/" + l.User)
		if err != nil || known && binary.LittleEndian.Uint64(kept) >= l.Ref {
			return struct{}{}, err // it was said before
		}
		c.Set("r/"+l.User, binary.LittleEndian.AppendUint64(nil, l.Ref))
		c.State.Last++
		e := Event{Kind: "message", Conversation: c.Self().Name, Seq: c.State.Last, From: l.User, Ref: l.Ref, Text: l.Text, At: c.Now()}
		text, err := json.Marshal(e)
		if err != nil {
			return struct{}{}, err
		}
		c.Set(key("m", e.Seq), text)
		return struct{}{}, tellMembers(c, e, "")
	})
	virtual.Handle(k, "receipt", func(c *virtual.Context[conversation], a after) (struct{}, error) {
		return struct{}{}, tellMembers(c, Event{Kind: "receipt", From: a.User, Seq: a.Pos}, a.User)
	})
	virtual.Handle(k, "history", func(c *virtual.Context[conversation], a after) (list []Event, err error) {
		if _, member := slices.BinarySearch(c.State.Members, a.User); !member {
			return nil, fmt.Errorf("%s is not in this conversation", a.User)
		}
		for seq := a.Pos + 1; seq <= c.State.Last && len(list) < maxPage; seq++ {
			kept, there, err := c.Get(key("m", seq))
			if err != nil || !there {
				return nil, fmt.Errorf("message %d: there %v, %w", seq, there, err)
			}
			var e Event
			if err := json.Unmarshal(kept, &e); err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	})
	return k.Kind
}

// tellMembers sends an event to all members but one. Each gets the events of a conversation in order.
func tellMembers(c *virtual.Context[conversation], e Event, but string) error {
	e.Conversation = c.Self().Name
	for _, user := range c.State.Members {
		if user == but {
			continue
		}
		if err := c.Tell(userID(user), "event", e); err != nil {
			return err
		}
	}
	return nil
}

// user is the state of a user's session actor. Its data:
//
//	i/POS    an event that the user's client has not acknowledged, as JSON: the inbox, which waits while the user is away
type user struct {
	First, Last uint64 // positions in the inbox: those above First, up to Last, wait
	Gateway     string // where the user's client is; empty: nowhere
}

// attachment is a gateway that has a user's client.
type attachment struct {
	Gateway string
	Acked   uint64
}

func users() *virtual.Kind {
	k := virtual.NewKind[user]("user")
	virtual.Handle(k, "event", func(c *virtual.Context[user], e Event) (struct{}, error) {
		c.State.Last++
		e.Pos = c.State.Last
		text, err := json.Marshal(e)
		if err != nil {
			return struct{}{}, err
		}
		c.Set(key("i", e.Pos), text)
		if c.State.Gateway == "" {
			return struct{}{}, nil
		}
		return struct{}{}, c.Tell(gatewayID(c.State.Gateway), "wake", c.Self().Name)
	})
	virtual.Handle(k, "attach", func(c *virtual.Context[user], a attachment) (uint64, error) {
		c.State.Gateway = a.Gateway
		return c.State.First, acknowledge(c, a.Acked)
	})
	virtual.Handle(k, "detach", func(c *virtual.Context[user], gateway string) (struct{}, error) {
		if c.State.Gateway == gateway {
			c.State.Gateway = ""
		}
		return struct{}{}, nil
	})
	virtual.Handle(k, "pull", func(c *virtual.Context[user], pos uint64) (list []Event, err error) {
		for pos = max(pos, c.State.First) + 1; pos <= c.State.Last && len(list) < maxPage; pos++ {
			e, err := inbox(c, pos)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	})
	virtual.Handle(k, "ack", func(c *virtual.Context[user], pos uint64) (struct{}, error) { return struct{}{}, acknowledge(c, pos) })
	return k.Kind
}

func inbox(c *virtual.Context[user], pos uint64) (e Event, err error) {
	kept, there, err := c.Get(key("i", pos))
	if err != nil || !there {
		return e, fmt.Errorf("event %d: there %v, %w", pos, there, err)
	}
	return e, json.Unmarshal(kept, &e)
}

// acknowledge forgets events that the client has, and tells the conversations of the messages among them how far it is. It does so for
// a part of a very long inbox: the next acknowledgement goes on.
func acknowledge(c *virtual.Context[user], pos uint64) error {
	arrived := map[string]uint64{}
	for n := 0; c.State.First < min(pos, c.State.Last) && n < 10*maxPage; n++ {
		e, err := inbox(c, c.State.First+1)
		if err != nil {
			return err
		}
		c.State.First++
		c.Delete(key("i", c.State.First))
		if e.Kind == "message" && e.From != c.Self().Name {
			arrived[e.Conversation] = e.Seq
		}
	}
	var names []string
	for name := range arrived {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := c.Tell(conversationID(name), "receipt", after{c.Self().Name, arrived[name]}); err != nil {
			return err
		}
	}
	return nil
}

// gatewayMail is the state of a gateway's actor: users who have something in their inbox. The gateway takes them all at once.
type gatewayMail struct {
	Users []string // in order
	All   bool     // there were too many to name
}

// maxNamed bounds the users that are named: a gateway that is gone is told of no more.
const maxNamed = 2000

func gateways() *virtual.Kind {
	k := virtual.NewKind[gatewayMail]("gateway")
	virtual.Handle(k, "wake", func(c *virtual.Context[gatewayMail], name string) (struct{}, error) {
		at, there := slices.BinarySearchFunc(c.State.Users, name, strings.Compare)
		switch {
		case there || c.State.All:
		case len(c.State.Users) >= maxNamed:
			c.State.Users, c.State.All = nil, true
		default:
			c.State.Users = slices.Insert(c.State.Users, at, name)
		}
		return struct{}{}, nil
	})
	virtual.Handle(k, "take", func(c *virtual.Context[gatewayMail], _ struct{}) (gatewayMail, error) {
		m := *c.State
		*c.State = gatewayMail{}
		return m, nil
	})
	return k.Kind
}
