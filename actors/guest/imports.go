package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// overLimit stops a message that does too much of something.
type overLimit struct{ text string }

func (e *overLimit) Error() string { return e.text }

// errIdle stops a guest that calls while no message is handled.
var errIdle = errors.New("imports of module act may be called while a message is handled, and not while the module starts or gives its inbox")

// call is a function of module act that is being called.
type call struct {
	name     string
	instance *wasm.Instance
	message  *message
	limits   act.Limits // of the manifest, for sentences
}

// offer is module act.
var offer = func() wasm.Offer {
	o := wasm.Offer{Module: act.Module, Functions: map[string]wasm.HostFunc{}}
	run := map[string]func(c *call, p []uint64) error{
		act.ImportGet: (*call).get, act.ImportPut: (*call).put, act.ImportDelete: (*call).del, act.ImportScan: (*call).scan, act.ImportNext: (*call).next,
		act.ImportReply: (*call).reply, act.ImportTell: (*call).tell, act.ImportAsk: (*call).ask, act.ImportRemind: (*call).remind,
		act.ImportForget: (*call).forget, act.ImportRandom: (*call).random,
		act.ImportReason: (*call).reason,
	}
	for name, s := range act.Imports() {
		f := run[name]
		o.Functions[name] = wasm.HostFunc{Params: s.Params, Result: s.Result, Run: func(i *wasm.Instance, p []uint64) error {
			at, _ := i.Bound().(*cell)
			if at == nil || at.at == nil {
				return fmt.Errorf("act.%s: %w", name, errIdle)
			}
			return f(&call{name, i, at.at, at.module.Manifest.Limits}, p)
		}}
	}
	return o
}()

func (c *call) wrong(format string, args ...any) error {
	return fmt.Errorf("act.%s: %w", c.name, fmt.Errorf(format, args...))
}

// op charges a state operation.
func (c *call) op() error {
	if c.message.limits.Ops--; c.message.limits.Ops < 0 {
		return &overLimit{fmt.Sprintf("a message has more than %d operations on data; do less in one, or raise ops in the manifest's limits", c.limits.Ops)}
	}
	return nil
}

// bytes charges what a message leaves behind.
func (c *call) bytes(n int) error {
	if c.message.limits.Bytes -= n; c.message.limits.Bytes < 0 {
		return &overLimit{fmt.Sprintf("a message keeps, sends and answers more than %d bytes; do less in one, or raise bytes in the manifest's limits", c.limits.Bytes)}
	}
	return nil
}

// send charges a message or a reminder.
func (c *call) send() error {
	if c.message.limits.Sends--; c.message.limits.Sends < 0 {
		return &overLimit{fmt.Sprintf("a message sends and reminds more than %d times; do less in one, or raise sends in the manifest's limits", c.limits.Sends)}
	}
	return nil
}

// view is a part of the guest's memory, charged for and not copied.
func (c *call) view(ptr, length uint64) ([]byte, error) {
	view, err := c.instance.View(uint32(ptr), uint32(length))
	if err != nil {
		return nil, fmt.Errorf("act.%s: %w", c.name, err)
	}
	c.instance.Charge(length)
	return view, nil
}

// text copies a string out of the guest.
func (c *call) text(ptr, length uint64, what string, least, most uint64) (string, error) {
	if length < least || length > most {
		return "", c.wrong("the %s has %d bytes; must be %d to %d", what, length, least, most)
	}
	view, err := c.view(ptr, length)
	return string(view), err
}

// payload copies JSON out of the guest; nothing stands for null.
func (c *call) payload(ptr, length uint64, what string) (json.RawMessage, error) {
	if length == 0 {
		return json.RawMessage("null"), nil
	}
	if length > act.MaxPayload {
		return nil, &overLimit{fmt.Sprintf("the %s has %d bytes; at most %d", what, length, act.MaxPayload)}
	}
	view, err := c.view(ptr, length)
	if err != nil {
		return nil, err
	}
	if err := c.bytes(len(view)); err != nil {
		return nil, err
	}
	if !json.Valid(view) {
		return nil, c.wrong("the %s %.80q is no JSON", what, view)
	}
	return bytes.Clone(view), nil
}

// reason notes why the message is refused, if it is.
func (c *call) reason(p []uint64) (err error) {
	c.message.reason, err = c.text(p[0], p[1], "reason", 1, act.MaxMethod)
	return err
}

// give gives a value to the guest, if it has the room.
func (c *call) give(value []byte, out, room uint64) error {
	if uint64(len(value)) > room {
		return nil
	}
	view, err := c.instance.View(uint32(out), uint32(len(value)))
	if err != nil {
		return fmt.Errorf("act.%s: %w", c.name, err)
	}
	c.instance.Charge(uint64(len(value)))
	copy(view, value)
	return nil
}

// broken notes that the turn has failed, which is no fault of the guest's, and stops it.
func (c *call) broken(err error) error {
	c.message.broken = err
	return fmt.Errorf("act.%s: %w", c.name, err)
}

func (c *call) get(p []uint64) error {
	if err := c.op(); err != nil {
		return err
	}
	key, err := c.text(p[0], p[1], "key", 1, act.MaxKey)
	if err != nil {
		return err
	}
	own, changed := c.message.changes.values[key]
	value, found := own.value, !own.deleted
	if !changed {
		if value, found, err = c.message.turn.Get(key); err != nil {
			return c.broken(err)
		}
	}
	if !found {
		p[0] = act.None
		return nil
	}
	err = c.give(value, p[2], p[3])
	p[0] = uint64(len(value))
	return err
}

func (c *call) put(p []uint64) error {
	if err := c.op(); err != nil {
		return err
	}
	key, err := c.text(p[0], p[1], "key", 1, act.MaxKey)
	if err != nil {
		return err
	}
	if p[3] > act.MaxPayload {
		return &overLimit{fmt.Sprintf("a value has %d bytes; at most %d", p[3], act.MaxPayload)}
	}
	value, err := c.view(p[2], p[3])
	if err != nil {
		return err
	}
	if err := c.bytes(len(key) + len(value)); err != nil {
		return err
	}
	c.message.changes.set(key, change{value: append([]byte{}, value...)})
	return nil
}

func (c *call) del(p []uint64) error {
	if err := c.op(); err != nil {
		return err
	}
	key, err := c.text(p[0], p[1], "key", 1, act.MaxKey)
	if err != nil {
		return err
	}
	c.message.changes.set(key, change{deleted: true})
	return nil
}

func (c *call) scan(p []uint64) error {
	if err := c.op(); err != nil {
		return err
	}
	prefix, err := c.text(p[0], p[1], "prefix", 0, act.MaxKey)
	if err != nil {
		return err
	}
	if len(c.message.cursors) >= act.MaxCursors {
		return c.wrong("%d cursors are open, and a message has no more; they end with it", act.MaxCursors)
	}
	p[0] = uint64(len(c.message.cursors))
	c.message.cursors = append(c.message.cursors, c.message.open(prefix))
	return nil
}

func (c *call) next(p []uint64) error {
	if err := c.op(); err != nil {
		return err
	}
	if p[0] >= uint64(len(c.message.cursors)) {
		return c.wrong("%d is no cursor that act.scan gave", p[0])
	}
	at := c.message.cursors[p[0]]
	e, done, err := at.peek(&c.message.changes)
	if err != nil {
		return c.broken(err)
	}
	if done {
		p[0] = act.None
		return nil
	}
	size := uint64(4 + len(e.Key) + len(e.Value))
	if size <= p[2] {
		if err = c.give(act.Entry(nil, e.Key, e.Value), p[1], p[2]); err != nil {
			return err
		}
		at.pass(e.Key)
	}
	p[0] = size
	return nil
}

func (c *call) reply(p []uint64) error {
	if c.message.migrate {
		return c.wrong("act_migrate answers nobody")
	}
	reply, err := c.payload(p[0], p[1], "reply")
	c.message.reply = reply
	return err
}

// target reads whom a message is for, its method and its payload.
func (c *call) target(p []uint64) (to virtual.ID, method string, payload json.RawMessage, err error) {
	if err = c.send(); err != nil {
		return to, "", nil, err
	}
	name, err := c.text(p[0], p[1], "target", 1, act.MaxTarget)
	if err != nil {
		return to, "", nil, err
	}
	if to, err = virtual.ParseID(name); err != nil {
		return to, "", nil, c.wrong("%w", err)
	}
	if method, err = c.text(p[2], p[3], "method", 1, act.MaxMethod); err != nil {
		return to, "", nil, err
	}
	payload, err = c.payload(p[4], p[5], "payload")
	return to, method, payload, err
}

func (c *call) tell(p []uint64) error {
	to, method, payload, err := c.target(p)
	if err != nil {
		return err
	}
	if err := c.message.turn.Tell(to, method, payload); err != nil {
		return c.wrong("%w", err)
	}
	return nil
}

func (c *call) ask(p []uint64) error {
	if c.message.migrate {
		return c.wrong("act_migrate can wait for no answer")
	}
	to, method, payload, err := c.target(p)
	if err != nil {
		return err
	}
	token, err := c.message.turn.Ask(to, method, payload, method)
	if err != nil {
		return c.wrong("%w", err)
	}
	p[0] = token
	return nil
}

func (c *call) remind(p []uint64) error {
	if err := c.send(); err != nil {
		return err
	}
	name, err := c.text(p[0], p[1], "reminder's name", 1, act.MaxMethod)
	if err != nil {
		return err
	}
	after, every := int64(p[2]), int64(p[3])
	const most = int64(100 * 365 * 24 * time.Hour / time.Millisecond)
	if after < 0 || after > most || every != 0 && every < act.MinEvery || every > most {
		return c.wrong("reminder %q comes after %d ms and every %d ms; must be from 0, and 0 or from %d, to a hundred years", name, after, every, act.MinEvery)
	}
	method, err := c.text(p[4], p[5], "method", 1, act.MaxMethod)
	if err != nil {
		return err
	}
	payload, err := c.payload(p[6], p[7], "payload")
	if err != nil {
		return err
	}
	if err := c.message.turn.Remind(name, time.Duration(after)*time.Millisecond, time.Duration(every)*time.Millisecond, method, payload); err != nil {
		return c.wrong("%w", err)
	}
	return nil
}

func (c *call) forget(p []uint64) error {
	if err := c.send(); err != nil {
		return err
	}
	name, err := c.text(p[0], p[1], "reminder's name", 1, act.MaxMethod)
	if err != nil {
		return err
	}
	c.message.turn.Forget(name)
	return nil
}

func (c *call) random(p []uint64) error {
	out, err := c.view(p[0], p[1])
	if err != nil {
		return err
	}
	c.message.dice.Fill(out)
	return nil
}
