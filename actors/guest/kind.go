package guest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// Which version handles a message is what the actor's shard says, under a marker that all of its actors share:
//
//	guest/KIND     1 u8 │ edition u64 │ version u32 │ SHA-256 of the module, 64 hexadecimal digits     little-endian
//
//	log of the shard:   … m m m │ marker: edition 7, version 2 + m │ m m m …
//	handled by:         version 1                     version 2
//
// The first message that is handled after the cluster state has another version in use sets the marker, in the same commit as its own
// changes. All messages depend on the marker that they have read: one that was being handled meanwhile is handled again. A new primary
// finds the marker in its copy, and goes on with that version even if it has not heard of it yet. Editions only rise, so that a node
// that is late never takes a shard back.
//
// With each actor the layout of its data is kept, as its state: that of the manifest of whichever version wrote it last.

// record is the state of an actor, as package virtual keeps it.
type record struct {
	Layout int `json:",omitempty"` // 0: it keeps nothing yet
}

// mark is what a shard says of a kind.
type mark struct {
	edition uint64
	version uint32
	digest  cluster.Digest
}

const (
	markFormat = 1
	markHeader = 13
)

func (m *mark) encode() []byte {
	b := binary.LittleEndian.AppendUint64([]byte{markFormat}, m.edition)
	b = binary.LittleEndian.AppendUint32(b, m.version)
	return append(b, m.digest...)
}

// decodeMark reads a mark; none is that of edition 0.
func decodeMark(b []byte) (m mark, err error) {
	if len(b) == 0 {
		return m, nil
	}
	if b[0] != markFormat || len(b) < markHeader {
		return m, fmt.Errorf("guest: the shard's mark of the kind has %d bytes of format %d; this release reads format %d", len(b), b[0], markFormat)
	}
	return mark{binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint32(b[9:]), cluster.Digest(b[markHeader:])}, nil
}

// virtualKind is a kind of the cluster as the Host knows it.
func (s *Shell) virtualKind(k *cluster.ActorKind) *virtual.Kind {
	name := k.Name
	v := virtual.NewKind[record](name, virtual.InKeyspace(k.Keyspace), virtual.ReadyWhen(func() (<-chan struct{}, string) { return s.unready(name) }))
	virtual.HandleAny(v, func(c *virtual.Context[record], m virtual.Message) (json.RawMessage, error) {
		return s.handle(name, c, m)
	})
	return v.Kind
}

// handle has a guest handle a message of an actor that lives here.
func (s *Shell) handle(name string, c *virtual.Context[record], m virtual.Message) (json.RawMessage, error) {
	volume, fresh, err := s.choose(name, c)
	if err != nil {
		return nil, err
	}
	module := volume.module
	r := request(c, &m)
	r.Data = c.State.Layout
	if newer := module.newer(r.Data); newer != "" { // until another version is in use; what actors send waits for it
		return nil, c.Postpone("%s", newer)
	}
	turn := &turn{Turn: c.Turn}
	reply, _, err := module.Handle(patience{c.Turn}, turn, r)
	switch {
	case errors.Is(err, wasm.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, c.Later("kind %s: %w", name, err)
	case err != nil:
		s.tell(volume, c, &m, err)
		return nil, err
	}
	if turn.wrote {
		c.State.Layout = module.Manifest.Data
	}
	if turn.deleted { // perhaps the last of what it keeps
		if err := clearBare(c); err != nil {
			return nil, err
		}
	}
	if fresh != nil {
		if err := c.SetMarker(MarkerOf(name), fresh.encode()); err != nil {
			return nil, err
		}
		s.c.Log.Info("a shard changes to another version of a kind", "kind", name, "version", fresh.version, "module", fresh.digest.Short(), "actor", c.Self().String())
	}
	return reply, nil
}

// clearBare has an actor keep nothing at all that has neither data nor reminders any more: it is as one that never was.
func clearBare(c *virtual.Context[record]) error {
	bare, err := c.Bare()
	if err != nil || !bare {
		return err
	}
	return c.Clear()
}

// tell logs a message that trapped or passed a limit: its caller learns of it, but not who looks after the node.
func (s *Shell) tell(v *volume, c *virtual.Context[record], m *virtual.Message, err error) {
	if code := virtual.CodeOf(err); code != virtual.CodePanicked && code != virtual.CodeTooLarge {
		return
	}
	switch v.faults.take(time.Now()) {
	case within:
		s.c.Log.Warn("a message of an actor was stopped; nothing of what it did is kept", "actor", c.Self().String(), "method", m.Method, "reason", err)
	case first:
		s.c.Log.Warn("more messages of actors of a kind are stopped; the others of this second are not told", "kind", c.Self().Kind)
	}
}

// MarkerOf is the name of the marker by which a shard says which version of a kind handles the messages of its actors.
func MarkerOf(kind string) string { return "guest/" + kind }

// MarkedVersion is the version that such a marker names; 0: none yet, or it cannot be read.
func MarkedVersion(marker []byte) uint32 {
	m, err := decodeMark(marker)
	if err != nil {
		return 0
	}
	return m.version
}

// choose finds what handles the messages of an actor. fresh is what its shard is to be told with the message's commit; nil: nothing.
func (s *Shell) choose(name string, c *virtual.Context[record]) (v *volume, fresh *mark, err error) {
	text, err := c.Marker(MarkerOf(name))
	if err != nil {
		return nil, nil, err
	}
	now, err := decodeMark(text)
	if err != nil {
		return nil, nil, err
	}
	shelf, state := s.shelf.Load(), s.c.Group.State()
	k := state.Kind(name)
	if k == nil {
		return nil, nil, refuse(virtual.CodeNoKind, "kind %s was forgotten a moment ago", name)
	}
	active := k.At(k.Active)
	if k.Edition > now.edition && active != nil {
		next := mark{k.Edition, active.Number, active.Digest}
		if v := shelf.modules[next.digest]; v != nil && v.module != nil {
			return v, &next, nil
		}
		if now.edition == 0 || shelf.late[next.digest] && shelf.modules[now.digest] == nil {
			now = next // say of it why it cannot be
		}
	}
	// A marker outlives its kind. One that this state cannot know yet is of a node that is ahead of this one.
	if now.edition == 0 || active == nil && now.edition <= state.KindsAt {
		return nil, nil, refuse(virtual.CodeUnknown, "no version of kind %s is in use: troupe actor use %s", name, name)
	}
	switch v := shelf.modules[now.digest]; {
	case v == nil && shelf.late[now.digest]:
		return nil, nil, c.Later("version %d of kind %s (module %s) could not be compiled in %v on the node where the actor lives; it is tried again", now.version, name, now.digest.Short(), compileLimit)
	case v == nil:
		return nil, nil, c.Later("version %d of kind %s (module %s) is not ready on the node where the actor lives", now.version, name, now.digest.Short())
	case v.module == nil:
		return nil, nil, refuse(virtual.CodeUnable, "version %d of kind %s cannot run on the node where the actor lives: %s", now.version, name, v.problem)
	default:
		return v, nil, nil
	}
}

// unready says what messages of a kind wait for on this node: the version that is in use must be compiled, or have been tried. What
// comes of it choose finds out.
func (s *Shell) unready(name string) (again <-chan struct{}, reason string) {
	k := s.c.Group.State().Kind(name)
	if k == nil {
		return nil, ""
	}
	active, shelf, busy := k.At(k.Active), s.shelf.Load(), s.busy.Load()
	if active == nil || shelf.modules[active.Digest] != nil || shelf.late[active.Digest] {
		return nil, ""
	}
	reason = fmt.Sprintf("version %d of kind %s (module %s) is not ready on the node where the actor lives: ", active.Number, name, active.Digest.Short())
	switch {
	case busy == nil:
		return shelf.changed, reason + "it is about to be compiled"
	case busy.digest != active.Digest:
		return shelf.changed, reason + "another module is compiled before it"
	}
	return shelf.changed, fmt.Sprintf("%sit has been compiled for %v", reason, time.Since(busy.begun).Round(time.Millisecond))
}

// events are those of package virtual as guests know them.
var events = map[virtual.Event]act.Event{
	virtual.EventCall: act.Call, virtual.EventTell: act.Tell, virtual.EventReply: act.Reply, virtual.EventReminder: act.Reminder,
}

func request(c *virtual.Context[record], m *virtual.Message) *Request {
	r := &Request{Event: events[c.Event()], Envelope: act.Envelope{
		Now: c.Now().UnixMilli(), Seed: rand.Uint64(), Token: m.Token, Number: c.Number(), Self: c.Self().String(), Method: m.Method, Payload: m.Payload,
	}}
	if from := c.Sender(); from.Kind != "" {
		r.Sender = from.String()
	}
	if r.Event == act.Reminder {
		r.Sender = r.Self
	}
	if m.Refused != nil {
		text, _ := json.Marshal(m.Refused.Error()) // a string always can be
		r.Status, r.Payload = act.Refused, text
	}
	return r
}

// turn notes whether a message has changed data.
type turn struct {
	*virtual.Turn
	wrote   bool
	deleted bool
}

// Set is part of Turn.
func (t *turn) Set(key string, value []byte) {
	t.wrote = true
	t.Turn.Set(key, value)
}

// Delete is part of Turn.
func (t *turn) Delete(key string) {
	t.wrote, t.deleted = true, true
	t.Turn.Delete(key)
}

// patience is the context of a turn, which is made only when a message has to wait for an instance.
type patience struct{ *virtual.Turn }

// Deadline is part of context.Context, as the methods below are.
func (p patience) Deadline() (time.Time, bool) { return p.Context().Deadline() }

// Done is closed when nobody waits for the reply any more.
func (p patience) Done() <-chan struct{} { return p.Context().Done() }

// Err says why.
func (p patience) Err() error { return p.Context().Err() }

// Value gives what the context carries.
func (p patience) Value(key any) any { return p.Context().Value(key) }
