package guest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// Turn is what a message of an actor reads and changes: *virtual.Turn on a node, a Rehearsal where scripts are played. What is changed takes
// effect if Handle returns no error, and is forgotten else.
type Turn interface {
	Get(key string) ([]byte, bool, error)
	Scan(prefix string) iter.Seq2[virtual.Entry, error]
	Set(key string, value []byte)
	Delete(key string)
	Tell(to virtual.ID, method string, request any) error
	Ask(to virtual.ID, method string, request any, replyMethod string) (token uint64, err error)
	Remind(name string, after, every time.Duration, method string, request any) error
	Forget(name string)
}

// Request is a message for a guest.
type Request struct {
	act.Envelope
	Event act.Event
	Data  int // the layout that the actor's data has, as the manifest of whoever wrote it says; 0: it has none
}

// message is a request while it is handled.
type message struct {
	turn    Turn
	limits  act.Limits // of these, so much is left
	migrate bool       // act_migrate is running
	dice    act.Dice
	changes changes
	cursors []*cursor
	reply   []byte
	reason  string // why it is refused, if it is
	broken  error  // of the turn: the node cannot read the actor's data. It is no fault of the guest's
}

// Handle has the guest handle a message, and gives its reply; none is empty. Errors are *virtual.Error if the guest refused, trapped or passed
// a limit, and what the turn or the context said otherwise. Fuel is what it used, room for a large envelope and the migration included.
func (m *Module) Handle(ctx context.Context, turn Turn, r *Request) (reply []byte, fuel uint64, err error) {
	defer func() { m.count(fuel, err) }()
	if err := m.admit(r); err != nil {
		return nil, 0, err
	}
	poolErr := m.pool.Do(ctx, func(i *wasm.Instance) error {
		reply, fuel, err = m.run(i, turn, r)
		m.restore(i)
		return nil
	})
	if errors.Is(poolErr, context.Canceled) || errors.Is(poolErr, context.DeadlineExceeded) || errors.Is(poolErr, wasm.ErrClosed) {
		return nil, 0, poolErr
	}
	if poolErr != nil { // an instance could not be made, although one could when the module was loaded
		return nil, 0, refuse(virtual.CodePanicked, "%s does not start: %v", m.name(), poolErr)
	}
	return reply, fuel, err
}

// admit refuses what no guest needs to see.
func (m *Module) admit(r *Request) error {
	if _, known := m.Manifest.Methods[r.Method]; !known && r.Event != act.Reply {
		return refuse(virtual.CodeUnknown, "%s has no such method", m.name())
	}
	if newer := m.newer(r.Data); newer != "" {
		return refuse(virtual.CodeFailed, "%s", newer)
	}
	if len(r.Payload) > act.MaxPayload {
		return refuse(virtual.CodeTooLarge, "the request has %d bytes; an actor that is WebAssembly takes at most %d", len(r.Payload), act.MaxPayload)
	}
	return nil
}

// newer says that data of a layout is newer than what the module reads; empty: it is not.
func (m *Module) newer(layout int) string {
	if layout <= m.Manifest.Data {
		return ""
	}
	return fmt.Sprintf("its data was written in layout %d, and %s reads layout %d: push a module that reads it; nothing is lost", layout, m.name(), m.Manifest.Data)
}

// run is Handle on an instance.
func (m *Module) run(i *wasm.Instance, turn Turn, r *Request) (reply []byte, fuel uint64, err error) {
	c := i.Bound().(*cell)
	at := c.inbox
	if size := r.Size(); size > firstInbox {
		at, err = c.room(i, size, m.Manifest.Limits.Fuel)
		if fuel = i.FuelUsed(); err != nil {
			return nil, fuel, refuse(virtual.CodeTooLarge, "%s: %v", m.name(), err)
		}
	}
	g := &message{turn: turn, dice: act.NewDice(r.Seed)}
	defer g.end()
	c.at = g
	defer func() { c.at = nil }()
	if m.migrates && r.Data != 0 && r.Data < m.Manifest.Data {
		g.limits, g.migrate = m.Manifest.Limits, true
		used, err := m.call(i, c, c.migrate, at, r, uint64(r.Data))
		fuel += used
		if err != nil {
			return nil, fuel, err
		}
	}
	g.limits, g.migrate = m.Manifest.Limits, false
	used, err := m.call(i, c, c.handle, at, r, uint64(r.Event))
	fuel += used
	if err != nil {
		return nil, fuel, err
	}
	g.changes.flush(turn)
	return g.reply, fuel, nil
}

// call has one export of the guest run on the envelope.
func (m *Module) call(i *wasm.Instance, c *cell, f *wasm.Func, at uint32, r *Request, first uint64) (fuel uint64, err error) {
	inbox, err := i.View(at, uint32(r.Size()))
	if err != nil { // it was there before: memory does not shrink
		return 0, refuse(virtual.CodePanicked, "%s: %v", m.name(), err)
	}
	r.Put(inbox)
	c.at.reason = ""
	c.stack[0], c.stack[1] = first, uint64(r.Size())
	err = f.Call(m.Manifest.Limits.Fuel, c.stack[:])
	fuel = i.FuelUsed()
	switch {
	case c.at.broken != nil:
		return fuel, c.at.broken
	case err != nil:
		return fuel, m.fault(err)
	case uint32(c.stack[0]) != 0:
		return fuel, refusal(int32(c.stack[0]), c.at.reason, i.Said())
	}
	return fuel, nil
}

// fault is what a trap is for the caller.
func (m *Module) fault(err error) error {
	var over *overLimit
	if errors.As(err, &over) {
		return refuse(virtual.CodeTooLarge, "%s: %s", m.name(), over.text)
	}
	text := err.Error()
	var trap *wasm.Trap
	if errors.As(err, &trap) && trap.Trace != "" {
		text += "; in " + strings.ReplaceAll(trap.Trace, "\n", ", ")
	}
	return refuse(virtual.CodePanicked, "%s: %s", m.name(), clip(text))
}

// refusal is what the caller is told when the guest gives another number than 0.
func refusal(number int32, reason, said string) error {
	reason, said = strings.ToValidUTF8(reason, "?"), clip(strings.ToValidUTF8(said, "?"))
	if said == "" {
		return virtual.Fail(reason, "it was refused with code %d, without a text", number)
	}
	return virtual.Fail(reason, "%s (code %d)", said, number)
}

// clip bounds what a guest has its callers read.
func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), act.MaxText)], "") }

func refuse(code virtual.Code, format string, args ...any) error {
	return &virtual.Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// end stops what the message has open.
func (g *message) end() {
	for _, c := range g.cursors {
		c.stop()
	}
}
