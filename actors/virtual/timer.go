package virtual

import (
	"encoding/json"
	"fmt"
	"time"
)

// Timer is a message that an actor gets from itself while it is in memory.
type Timer struct {
	Name    string        // among the actor's timers; a timer takes the place of one with the same name
	After   time.Duration // until it comes first
	Every   time.Duration // and then again and again; 0: it comes once
	Method  string
	Request any // what encoding/json can write
	// KeepAlive keeps the actor in memory while the timer is set, however long nobody calls it. Without, messages of timers do not
	// count: the actor goes to sleep after its idle time, and the timer with it.
	KeepAlive bool
}

// Bounds of timers.
const (
	MaxTimers = 64                    // of one actor
	MinEvery  = 10 * time.Millisecond // between messages of one timer
)

// SetTimer sets a timer, together with the change of the state. Timers live in memory only: they are gone when the actor leaves it, for
// idleness, for want of memory or because its node dies, and are set again in OnActivate if need be; what must come is a reminder
// (Remind). The message of a timer is handled like others, in turn; while one waits in the mailbox the timer sends no other. One that
// fails changes nothing, is told in the log, and not repeated. A method that the kind has not, or that takes answers, is refused.
func (t *Turn) SetTimer(timer Timer) error {
	if err := t.used(); err != nil {
		return err
	}
	m := t.kind.method(timer.Method)
	switch {
	case timer.Name == "":
		return fmt.Errorf("virtual: a timer of %s has no name", t.self)
	case m.run == nil:
		return fmt.Errorf("virtual: timer %s: kind %s has no method %q", timer.Name, t.kind.name, timer.Method)
	case t.kind.methods[timer.Method].answers:
		return fmt.Errorf("virtual: timer %s: method %q of kind %s takes answers only", timer.Name, timer.Method, t.kind.name)
	case timer.Every != 0 && timer.Every < MinEvery:
		return fmt.Errorf("virtual: timer %s of %s comes every %v; every %v is the most", timer.Name, t.self, timer.Every, MinEvery)
	}
	payload, err := json.Marshal(timer.Request)
	if err != nil {
		return fmt.Errorf("virtual: timer %s of %s: %w", timer.Name, t.self, err)
	}
	if len(payload) > MaxPayload {
		return fmt.Errorf("virtual: timer %s of %s sends %d bytes; at most %d", timer.Name, t.self, len(payload), MaxPayload)
	}
	if t.timers == nil {
		t.timers = map[string]*timerChange{}
	}
	t.timers[timer.Name] = &timerChange{timer, payload}
	return nil
}

// StopTimer takes a timer back; one that is not there is no error. A message of it that waits in the mailbox comes nevertheless.
func (t *Turn) StopTimer(name string) {
	if t.late("StopTimer") {
		return
	}
	if t.timers == nil {
		t.timers = map[string]*timerChange{}
	}
	t.timers[name] = nil
}

// timerChange sets a timer.
type timerChange struct {
	Timer
	payload []byte
}

// timer is one that is set. All but what timed has is under the activation's lock.
type timer struct {
	timed
	a *activation
	*timerChange
	over    bool // it is not set any more
	waiting bool // a message of it is in the mailbox
}

// tooManyTimers says how many timers the actor would have, if that is too much.
func (a *activation) tooManyTimers(t *Turn) int {
	if len(t.timers) == 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.timers)
	for name, change := range t.timers {
		_, has := a.timers[name]
		switch {
		case change == nil && has:
			n--
		case change != nil && !has:
			n++
		}
	}
	if n <= MaxTimers {
		return 0
	}
	return n
}

// setTimers carries out what a message has changed about timers.
func (a *activation) setTimers(t *Turn) {
	if len(t.timers) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &a.host.chores
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for name, change := range t.timers {
		if old := a.timers[name]; old != nil {
			c.clock.remove(&old.timed)
			old.end()
		}
		if change == nil {
			continue
		}
		if a.timers == nil {
			a.timers = map[string]*timer{}
		}
		set := &timer{a: a, timerChange: change}
		a.timers[name] = set
		if set.KeepAlive {
			a.kept++
		}
		c.clock.set(&set.timed, set, now.Add(set.After))
	}
	c.nudge()
}

// end takes a timer out of its activation, whose lock the caller holds.
func (m *timer) end() {
	m.over = true
	delete(m.a.timers, m.Name)
	if m.KeepAlive {
		m.a.kept--
	}
}

// stopTimers ends all. The caller holds the lock.
func (a *activation) stopTimers() {
	if len(a.timers) == 0 {
		return
	}
	c := &a.host.chores
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range a.timers {
		c.clock.remove(&m.timed)
		m.end()
	}
}

// do sends a timer's message, and sets when it comes again.
func (m *timer) do(h *Host) {
	a := m.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.over {
		return
	}
	if full := len(a.queue) >= a.kind.mailbox; !full && !m.waiting {
		m.waiting = true
		d := &delivery{from: m, m: &message{To: a.id, Method: m.Method, Payload: m.payload, Event: EventTimer}}
		d.ctx, d.span = h.handling(h.ctx, d.m)
		a.take(d)
	} else if full && m.Every == 0 {
		m.again(h, firstRest)
		return
	}
	if m.Every == 0 {
		m.end()
		return
	}
	m.again(h, m.Every)
}

func (m *timer) again(h *Host, after time.Duration) {
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	h.chores.clock.set(&m.timed, m, time.Now().Add(after))
	h.chores.nudge()
}

// report tells the log that a timer's message was not handled.
func (m *timer) report(err error) {
	if err != nil && m.a.host.ctx.Err() == nil {
		m.a.host.c.Log.Warn("the message of a timer was not handled", "actor", m.a.id.String(), "timer", m.Name, "method", m.Method, "error", err)
	}
}
