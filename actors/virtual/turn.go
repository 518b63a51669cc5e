package virtual

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Turn is the handling of one message. It belongs to the handler until that returns. What is set, sent and reminded takes effect
// together with the change of the state, or not at all.
type Turn struct {
	ctx     context.Context
	self    ID
	now     time.Time
	storage Storage
	kind    *Kind
	sent    uint64 // messages that the actor has sent in its life
	ops     []Op   // data, in the order in which it was changed
	outbox  []outgoing
	remind  []Op
	touched map[string]*[]byte // data as the handler has changed it; nil: deleted
}

// Bounds of what one message may do.
const (
	MaxOps     = 4096    // changes of data
	MaxSends   = 1024    // messages to other actors
	MaxPayload = 4 << 20 // bytes of a request, of a reply, of a state
)

// Self is the actor's name.
func (t *Turn) Self() ID { return t.self }

// Now is when the handling of the message began, by the clock of the node.
func (t *Turn) Now() time.Time { return t.now }

// Context ends when nobody waits for the reply any more. What the handler has changed is kept nevertheless, unless it returns an error.
func (t *Turn) Context() context.Context { return t.ctx }

func (t *Turn) dataKey(key string) string { return t.self.key("d", "/"+key) }

// Get reads what the actor has set under a key; false if there is nothing.
func (t *Turn) Get(key string) ([]byte, bool, error) {
	if value, touched := t.touched[key]; touched {
		if value == nil {
			return nil, false, nil
		}
		return *value, true, nil
	}
	values, err := t.storage.Read(t.ctx, t.kind.keyspace, []string{t.dataKey(key)})
	if err != nil {
		return nil, false, err
	}
	return values[0].Bytes, values[0].Version != 0, nil
}

// Set keeps a value under a key. Keys are ordered: see Scan.
func (t *Turn) Set(key string, value []byte) { t.change(key, &value) }

// Delete removes a key; one that is not there is no error.
func (t *Turn) Delete(key string) { t.change(key, nil) }

func (t *Turn) change(key string, value *[]byte) {
	if t.touched == nil {
		t.touched = map[string]*[]byte{}
	}
	t.touched[key] = value
	op := Op{Key: t.dataKey(key), Delete: value == nil}
	if value != nil {
		op.Value = *value
	}
	t.ops = append(t.ops, op)
}

// Entry is a key with its value.
type Entry struct {
	Key   string
	Value []byte
}

// Scan visits the keys that begin with prefix, in order, as the handler has left them so far.
func (t *Turn) Scan(prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		own := t.changed(prefix)
		strip := len(t.dataKey(""))
		for e, err := range t.storage.Scan(t.ctx, t.kind.keyspace, t.dataKey(prefix)) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e.Key = e.Key[strip:]
			for len(own) > 0 && own[0] <= e.Key {
				key := own[0]
				own = own[1:]
				if !t.yield(key, yield) {
					return
				}
			}
			if _, changed := t.touched[e.Key]; !changed && !yield(e, nil) {
				return
			}
		}
		for _, key := range own {
			if !t.yield(key, yield) {
				return
			}
		}
	}
}

// changed lists the keys with a prefix that the handler has touched, in order.
func (t *Turn) changed(prefix string) (keys []string) {
	for key := range t.touched {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (t *Turn) yield(key string, yield func(Entry, error) bool) bool {
	value := t.touched[key]
	return value == nil || yield(Entry{key, *value}, nil)
}

// outgoing is a message to another actor, as it is kept until that has handled it.
type outgoing struct {
	To      ID
	Method  string
	Payload json.RawMessage
}

// Tell sends a message to another actor, or to this one. It is delivered after this message has been committed, in the order of
// the sends, at least once even if nodes die, and handled once. Nobody waits for it: a reply or an error goes nowhere.
func (t *Turn) Tell(to ID, method string, request any) error {
	if err := to.validate(); err != nil {
		return err
	}
	if len(t.outbox) >= MaxSends {
		return fmt.Errorf("virtual: actor %s sends more than %d messages while it handles one", t.self, MaxSends)
	}
	payload, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("virtual: a message to %s: %w", to, err)
	}
	t.outbox = append(t.outbox, outgoing{to, method, payload})
	return nil
}

// reminder is a message of an actor to itself that is to come.
type reminder struct {
	Due     int64 // Unix milliseconds
	Every   int64 // milliseconds; 0: once
	Method  string
	Payload json.RawMessage
}

// Remind has the actor get a message after a while, and then again and again if every is above 0. Reminders survive failovers and
// restarts; those that came due meanwhile come as one. The same name replaces a reminder.
func (t *Turn) Remind(name string, after, every time.Duration, method string, request any) error {
	payload, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("virtual: reminder %s of %s: %w", name, t.self, err)
	}
	if every != 0 && every < time.Second {
		return fmt.Errorf("virtual: reminder %s of %s comes every %v; once a second is the most", name, t.self, every)
	}
	value, err := json.Marshal(reminder{Due: t.now.Add(after).UnixMilli(), Every: every.Milliseconds(), Method: method, Payload: payload})
	if err != nil {
		return err
	}
	t.remind = append(t.remind, Op{Key: t.self.key("m", "/"+name), Value: value})
	return nil
}

// Forget takes a reminder back; one that is not there is no error.
func (t *Turn) Forget(name string) {
	t.remind = append(t.remind, Op{Key: t.self.key("m", "/"+name), Delete: true})
}
