//go:build !wasip1

package actor

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// World is all actors of this kind in memory, for native tests; no actor has any data, and it is 2026.
//
//	w := actor.NewWorld()
//	reply, err := w.Call("ann", "add", 5)      // "5", or a *Refusal
//	w.Settle()                                 // delivers what was told and asked, until nothing is left
//	w.Advance(time.Minute)                     // lets time pass: reminders come, and what they send settles
//	count := w.Data("ann", "count")            // "5"
//	sent, _ := w.Sent()                        // the next message to another kind, which is not here
//	w.Answer(sent, true, nil)
//
// Messages to actors of this kind arrive in the order in which they were sent, each once. One World is in use at a time: the one that was made last.
type World struct {
	Refused []error // what tells and reminders were refused with: a cluster tries again, and sets them aside in the end

	data      map[string]map[string]string
	reminders map[reminderKey]reminder
	sent      []Sent
	now       int64
	number    uint64
	token     uint64

	// Of the message that is being handled.
	self    string
	pending []Sent
	cursors []cursor
	reply   string
	said    string
	reason  string
	dice    uint64
	word    uint64
	left    int // bytes of word
}

// Sent is a message that is on its way. Its payload is JSON.
type Sent struct {
	To, From, Method, Payload string

	event   Event
	token   uint64
	refused bool
}

type (
	cursor struct {
		prefix, last string
		begun        bool
	}
	reminderKey struct{ actor, name string }
	reminder    struct {
		due, every      int64
		method, payload string
	}
)

// NewWorld makes one. It takes the place of the last.
func NewWorld() *World {
	world = &World{data: map[string]map[string]string{}, reminders: map[reminderKey]reminder{}, now: 1767225600000}
	return world
}

// Now is the world's time.
func (w *World) Now() time.Time { return time.UnixMilli(w.now).UTC() }

// Data is what an actor keeps under a key; "" is nothing.
func (w *World) Data(name, key string) string { return w.data[kind.name+"/"+name][key] }

// Keys are those of an actor's data, in order.
func (w *World) Keys(name string) []string { return w.keys(kind.name + "/" + name) }

func (w *World) keys(actor string) []string { return slices.Sorted(maps.Keys(w.data[actor])) }

// Call calls an actor by its name. The reply is JSON.
func (w *World) Call(name, method string, request any) (reply string, err error) {
	return w.CallAs("", name, method, request)
}

// CallAs has an actor of any kind, as kind/name, call one; Call comes from outside of actors.
func (w *World) CallAs(sender, name, method string, request any) (reply string, err error) {
	return w.deliver(Sent{To: kind.name + "/" + name, From: sender, Method: method, Payload: string(must(encode(request))), event: Called})
}

// Settle delivers what is on its way to actors of this kind, and what comes of that.
func (w *World) Settle() {
	for {
		i := slices.IndexFunc(w.sent, func(m Sent) bool { return kindOf(m.To) == kind.name })
		if i < 0 {
			return
		}
		m := w.sent[i]
		w.sent = slices.Delete(w.sent, i, i+1)
		reply, err := w.deliver(m)
		switch {
		case m.event == Called:
			w.back(m, reply, err)
		case err != nil:
			w.Refused = append(w.Refused, err)
		}
	}
}

// Sent takes the next message that went to another kind.
func (w *World) Sent() (m Sent, found bool) {
	i := slices.IndexFunc(w.sent, func(m Sent) bool { return kindOf(m.To) != kind.name })
	if i < 0 {
		return m, false
	}
	m = w.sent[i]
	w.sent = slices.Delete(w.sent, i, i+1)
	return m, true
}

// Answer answers what was asked, or refuses it.
func (w *World) Answer(asked Sent, reply any, refusal error) {
	w.back(asked, string(must(encode(reply))), refusal)
}

func (w *World) back(asked Sent, reply string, refusal error) {
	if refusal != nil {
		reply = string(must(encode(refusal.Error())))
	}
	w.sent = append(w.sent, Sent{To: asked.From, From: asked.To, Method: asked.Method, Payload: reply, event: Answer, token: asked.token, refused: refusal != nil})
}

// Advance lets time pass.
func (w *World) Advance(d time.Duration) {
	end := w.now + d.Milliseconds()
	for {
		var next reminderKey
		for key, r := range w.reminders {
			if first, some := w.reminders[next]; r.due <= end && (!some || r.due < first.due || r.due == first.due && key.actor+key.name < next.actor+next.name) {
				next = key
			}
		}
		r, some := w.reminders[next]
		if !some {
			break
		}
		w.now = max(w.now, r.due)
		if due := r.due + r.every; r.every > 0 {
			w.reminders[next] = reminder{due, r.every, r.method, r.payload}
		} else {
			delete(w.reminders, next)
		}
		if _, err := w.deliver(Sent{To: next.actor, From: next.actor, Method: r.method, Payload: r.payload, event: Reminded}); err != nil {
			w.Refused = append(w.Refused, err)
		}
		w.Settle()
	}
	w.now = end
}

// Migrate runs the function of Migrate on an actor, as for a message that comes to data of an older version.
func (w *World) Migrate(name string, from int) error {
	_, err := w.hand(Sent{To: kind.name + "/" + name, event: Called}, func(e []byte) int32 { return migrated(int32(from), e) })
	return err
}

func (w *World) deliver(m Sent) (reply string, err error) {
	if _, listed := kind.listed[m.Method]; !listed && m.event != Answer {
		return "", &Refusal{Code: -1, Text: "the manifest has no method " + m.Method + ": a cluster refuses the message"}
	}
	return w.hand(m, func(e []byte) int32 { return handle(m.event, e) })
}

// hand gives one message to the actor, as a host does.
func (w *World) hand(m Sent, f func(envelope []byte) int32) (string, error) {
	w.number++
	w.self, w.pending, w.cursors, w.reply, w.dice, w.left = m.To, nil, nil, "null", w.number, 0
	w.reason = ""
	reminders, data := maps.Clone(w.reminders), maps.Clone(w.data[m.To])
	if code := f(w.envelope(m)); code != 0 {
		w.reminders, w.data[m.To] = reminders, data
		return "", &Refusal{Code: int(code), Text: w.said, Reason: w.reason}
	}
	w.sent = append(w.sent, w.pending...)
	return w.reply, nil
}

func (w *World) envelope(m Sent) []byte {
	order := binary.LittleEndian
	e := order.AppendUint64([]byte("TACT\x01\x00\x50\x00"), uint64(w.now))
	for _, v := range []uint64{w.number, m.token, w.number} {
		e = order.AppendUint64(e, v)
	}
	parts, at := [...]string{m.To, m.From, m.Method, m.Payload}, 80
	for _, part := range parts {
		e = order.AppendUint32(order.AppendUint32(e, uint32(at)), uint32(len(part)))
		at += len(part)
	}
	status := uint64(0)
	if m.refused {
		status = 1
	}
	e = order.AppendUint64(e, status)
	for _, part := range parts {
		e = append(e, part...)
	}
	return e
}
