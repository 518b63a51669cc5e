package virtual

import (
	"bytes"
	"strings"

	rules "github.com/troupe-actors/troupe/shards/activation"
)

// Clear has the actor keep nothing: the state becomes the zero value, data and reminders go, together with what else the handler does, or
// not at all. Ten minutes later the actor's key is gone as well, unless it has got a state again by then; before, what is left of calls that
// were tried again could take it for one that never was. Messages that it has sent stay on their way, and timers are set until StopTimer.
//
// What the handler does after Clear counts: a state that is not zero then is kept, and so is what is Set and reminded. It removes at most
// MaxOps keys: of an actor with more ClearSome does, in several messages.
func (c *Context[S]) Clear() error {
	if err := c.Turn.clear(); err != nil {
		return err
	}
	if c.State == nil {
		c.State = new(S)
	}
	var zero S
	*c.State = zero
	return nil
}

// ClearSome is Clear for an actor that may have more than one message removes: it removes so many keys of data at most, from 1 to MaxOps, and with the
// last of them does what Clear does. done is false while there are more: then state and reminders stay as the handler leaves them, and another message
// goes on. Its errors are those of Scan.
func (c *Context[S]) ClearSome(most int) (done bool, err error) {
	n := 0
	for e, err := range c.Scan("") {
		if err != nil {
			return false, err
		}
		if n == most {
			return false, nil
		}
		c.Delete(e.Key)
		n++
	}
	if n > 0 { // else nothing is won by another message
		reminders, err := c.keptReminders()
		if err != nil || len(c.ops)+len(c.remind)+reminders > MaxOps {
			return false, err
		}
	}
	return true, c.Clear()
}

// keptReminders counts the reminders that the actor had before this message.
func (t *Turn) keptReminders() (n int, err error) {
	for _, err := range t.host.c.Storage.Scan(t.ctx, t.kind.keyspace, Span{Prefix: t.self.key("m", "/")}) {
		if err != nil {
			return 0, t.told(err)
		}
		n++
	}
	return n, nil
}

// clear takes back data and reminders.
func (t *Turn) clear() error {
	for e, err := range t.Scan("") {
		if err != nil {
			return err
		}
		t.Delete(e.Key)
	}
	prefix := t.self.key("m", "/")
	for e, err := range t.host.c.Storage.Scan(t.ctx, t.kind.keyspace, Span{Prefix: prefix}) {
		if err != nil {
			return t.told(err)
		}
		t.Forget(strings.TrimPrefix(e.Key, prefix))
	}
	for _, op := range t.remind { // ranges over those that were there when it began
		t.Forget(strings.TrimPrefix(op.Key, prefix))
	}
	t.cleared = true
	return nil
}

// Bare says whether the actor keeps no data and has no reminder, as the handler has left it so far: but for its state nothing would be lost by
// Context.Clear.
func (t *Turn) Bare() (bool, error) {
	for _, err := range t.Scan("") {
		return false, err
	}
	prefix := t.self.key("m", "/")
	set := t.remindersLeft()
	for _, is := range set {
		if is {
			return false, nil
		}
	}
	for e, err := range t.host.c.Storage.Scan(t.ctx, t.kind.keyspace, Span{Prefix: prefix}) {
		if err != nil {
			return false, t.told(err)
		}
		if _, changed := set[e.Key]; !changed {
			return false, nil
		}
	}
	return true, nil
}

// remindersLeft says by their keys which of the reminders that the message has touched are set in the end: the last word on each counts.
func (t *Turn) remindersLeft() map[string]bool {
	left := map[string]bool{}
	for i := range t.remind {
		left[t.remind[i].Key] = !t.remind[i].Delete
	}
	return left
}

// clears says whether a message has cleared the actor, and leaves it no data and no reminder.
func (t *Turn) clears() bool {
	if !t.cleared {
		return false
	}
	left := t.remindersLeft()
	for i := range t.ops {
		left[t.ops[i].Key] = !t.ops[i].Delete
	}
	for _, stays := range left {
		if stays {
			return false
		}
	}
	return true
}

// stateOp keeps a state, or sees to it that one which says nothing goes.
func (a *activation) stateOp(value []byte, goes bool) Op {
	op := Op{Key: a.id.key("s", ""), Value: value}
	if goes && a.blank(value) {
		op.TTL = max(replyTTL, 2*a.host.c.Patience)
	}
	return op
}

// blank says whether a state is what a new actor's is.
func (a *activation) blank(value []byte) bool { return a.says(value) == a.says(a.kind.zero) }

// says is the state without the number before it.
func (a *activation) says(value []byte) string {
	_, text, err := rules.State(value)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(text))
}
