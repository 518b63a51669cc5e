package virtual

import (
	"context"
	"encoding/json"
	"time"
)

// alarm is a reminder in memory: when it is due, and where it is kept.
type alarm struct {
	ledger *ledger
	timed
	key   string
	tries int
}

// setAlarm notes a reminder as it is kept now; without a value it is forgotten. The caller holds chores.mu.
func (h *Host) setAlarm(l *ledger, key string, value []byte) {
	c := &h.chores
	if old := l.alarms[key]; old != nil {
		c.clock.remove(&old.timed)
		delete(l.alarms, key)
	}
	var r reminder
	if len(value) == 0 {
		return
	}
	if err := json.Unmarshal(value, &r); err != nil {
		h.c.Log.Error("a reminder cannot be read, and is left where it is", "key", key, "error", err)
		return
	}
	a := &alarm{ledger: l, key: key}
	l.alarms[key] = a
	c.clock.set(&a.timed, a, time.UnixMilli(r.Due))
	c.nudge()
}

// do delivers a reminder that is due, and sets when it comes again.
func (a *alarm) do(h *Host) {
	if !a.known(h) {
		return
	}
	if !h.c.Storage.Leads(a.ledger.shard) {
		h.left(a.ledger)
		return
	}
	err := a.deliver(h)
	if err != nil {
		a.tries++
		if a.tries > 1 && h.ctx.Err() == nil {
			h.c.Log.Warn("a reminder waits", "key", a.key, "tries", a.tries, "error", err)
		}
	}
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	switch {
	case a.ledger.over || a.ledger.alarms[a.key] != a: // its actor has replaced it meanwhile, or it is set anew
	case err != nil:
		h.rest(a, &a.timed, a.tries)
	default:
		delete(a.ledger.alarms, a.key)
	}
}

// known says whether the alarm still stands for its reminder.
func (a *alarm) known(h *Host) bool {
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	return !a.ledger.over && a.ledger.alarms[a.key] == a
}

// deliver has the actor handle its reminder; an error says that it is to be tried again.
func (a *alarm) deliver(h *Host) error {
	id, name, _ := idOf(a.key)
	k := h.kind(id.Kind)
	if k == nil {
		return failed(id, "", CodeNoKind, "its kind is not registered on this node")
	}
	values, err := h.c.Storage.Read(h.ctx, k.keyspace, []string{a.key})
	if err != nil {
		return err
	}
	var r reminder
	if values[0].Version == 0 {
		return nil
	}
	if err := json.Unmarshal(values[0].Bytes, &r); err != nil {
		return err
	}
	if time.UnixMilli(r.Due).After(time.Now()) { // it came, or was replaced, after this alarm was set
		h.chores.mu.Lock()
		defer h.chores.mu.Unlock()
		if a.ledger.alarms[a.key] == a && !a.ledger.over {
			h.setAlarm(a.ledger, a.key, values[0].Bytes)
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(h.ctx, 2*h.c.Patience)
	defer cancel()
	call := r.Call(clientOf("m", id.String()+name))
	m := &message{To: id, Method: r.Method, Payload: r.Payload, Event: EventReminder, Client: call.Client, Lane: call.Lane, Seq: call.Seq, Repeated: call.Repeated}
	if _, err := h.deliver(ctx, m); err != nil {
		if h.ctx.Err() != nil || a.tries+1 < triesFor(err) {
			return err
		}
		if r.Every == 0 && a.known(h) {
			return h.setAside(id, a.key, &Aside{Event: EventReminder, From: id, To: id, Method: r.Method, Payload: r.Payload, Reason: err.Error(), Tries: a.tries + 1})
		}
		h.c.Log.Warn("a reminder was refused; it comes again in its time", "actor", id.String(), "method", r.Method, "error", err)
	}
	return a.renew(h, k, values[0].Version, &r)
}

// renew keeps when a reminder comes again, or drops it, unless its actor has replaced it meanwhile.
func (a *alarm) renew(h *Host, k *Kind, version uint64, r *reminder) (err error) {
	op := Op{Key: a.key, Delete: r.Every == 0}
	if !op.Delete {
		r.Again(time.Now().UnixMilli())
		if op.Value, err = withPayloads(r); err != nil {
			return err
		}
	}
	// Stale, it was replaced, or another alarm for it, from before a scan, has renewed it: what stands there now is looked at.
	if _, err = h.c.Storage.Commit(h.ctx, k.keyspace, []Op{op}, Guard{a.key, version}); err != nil {
		return err
	}
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	if a.ledger.alarms[a.key] == a && !a.ledger.over {
		h.setAlarm(a.ledger, a.key, op.Value)
	}
	return nil
}
