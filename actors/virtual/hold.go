package virtual

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// HoldWhileAsking has the actors of a kind hold other messages off while they wait for an answer (Turn.Ask): from the commit of the
// question to that of its answer the state is nobody else's. Without it other messages come between.
//
//	a ── Ask b ──┐ commit                                  ┌── answer handled, committed
//	             ▼                                         ▼
//	calls, messages, questions of others ───── wait ──────►│ handled in the order in which they came
//	its answers · its timers and reminders · methods that only read · what it sends itself: handled meanwhile
//
// That holds wherever the actor lives: the question is kept in the shard, and a node that activates the actor looks for it first.
//
// What waits for longer than the node's patience (5 s) is refused with CodeAsking: a call hears of it, a question is answered with it, and a
// message of another actor comes again until it is handled. So actors that wait for each other in a circle do not wait for ever. Of two
// of such kinds that have asked each other the question to the one whose name comes first is refused after four tries, in about a second.
// An actor that must not wait for long sets a reminder, and in it abandons the question (Turn.Abandon).
func HoldWhileAsking() Option { return func(k *Kind) { k.holds = true } }

// Abandon has the actor wait no more, from the commit of this message on, for the answer to a question of its own, by the token that Ask gave. An
// answer that comes nevertheless is dropped. The question may be handled all the same, or have been, and what the actor has sent the same
// receiver since goes on waiting for its turn behind it. A question that is not open is no error. Of keys, reminders and questions one
// message changes at most MaxOps.
func (t *Turn) Abandon(token uint64) {
	if !t.late("Abandon") {
		t.abandoned = append(t.abandoned, token)
	}
}

// questions are what an actor has asked and is not answered yet: whom, by number. nil: not known.
type questions map[uint64]ID

// errHeld says that a message is not to be handled yet.
var errHeld = errors.New("virtual: the actor waits for an answer")

// loadQuestions finds the questions that an actor of a kind that holds messages off has open. What is asked or answered after its state was
// read changes the version of that, which ends whatever was begun on it.
func (a *activation) loadQuestions(ctx context.Context) error {
	a.open = questions{}
	for e, err := range a.host.c.Storage.Scan(ctx, a.kind.keyspace, Span{Prefix: a.id.key("o", "/")}) {
		if err != nil {
			return err
		}
		if k, err := keptOf(&e); err == nil && k.Answer != "" { // what cannot be read is told by the scan of its shard
			a.open[k.number] = k.To
		}
	}
	return nil
}

// asked notes what a turn that was committed has asked, what it has answered, and what it waits for no more.
func (a *activation) asked(t *Turn) {
	for i := range t.outbox {
		if m := &t.outbox[i]; m.Answer != "" {
			a.open[m.number] = m.To
		}
	}
	if t.m.answer != nil {
		delete(a.open, t.m.Seq)
	}
	for _, token := range t.abandoned {
		delete(a.open, token)
	}
}

// passes says whether a message is handled while the actor waits for an answer.
func (a *activation) passes(d *delivery) bool {
	switch m := d.m; m.Event {
	case EventReply, EventTimer, EventReminder, EventActivate, eventMend:
		return true
	default:
		return m.From == a.id || a.kind.method(m.Method).reads
	}
}

// looks says whether a message is taken out of the mailbox while the actor waits for an answer: it passes, or may have been handled before,
// and then its reply is kept, which no refusal may take the place of.
func (a *activation) looks(d *delivery) bool {
	return a.passes(d) || d.m.Repeated && d.m.Client != 0 && !d.known
}

// crosses says whether a message that waits is a question of an actor that waits for this one, and is the one of the two to give way. An
// actor of a kind that holds nothing off takes the question of this one meanwhile: it is not waited for in a circle.
func (a *activation) crosses(d *delivery) bool {
	if d.m.Event != EventCall || d.m.From.Kind == "" || a.id.String() > d.m.From.String() {
		return false
	}
	if k := a.host.kind(d.m.From.Kind); k == nil || !k.holds {
		return false
	}
	for _, to := range a.open {
		if to == d.m.From {
			return true
		}
	}
	return false
}

// outdated says whether what the actor is taken to wait for is what it waited for in an earlier reign: another node may have handled the answer
// since. The caller holds the lock, and the actor is its own.
func (a *activation) outdated() bool {
	term, err := a.host.c.Storage.Reign(a.shard)
	return err == nil && term != a.core.Term()
}

// next takes the message that is handled next out of the mailbox; nil: none may be now. The caller holds the lock, and the actor is its own.
func (a *activation) next() (d *delivery) {
	for _, number := range a.freed {
		delete(a.open, number)
	}
	a.freed, a.holding = nil, len(a.open) > 0
	if !a.holding && len(a.queue) > 0 {
		d, a.queue[0] = a.queue[0], nil
		a.queue = a.queue[1:]
		return d
	}
	for at := 0; at < len(a.queue); {
		switch d = a.queue[at]; {
		case a.looks(d):
			d.known = true
			a.queue = slices.Delete(a.queue, at, at+1)
			return d
		case a.crosses(d):
			a.queue = slices.Delete(a.queue, at, at+1)
			d.refuse(failed(a.id, d.m.Method, codeCrossing, fmt.Sprintf("it waits for the answer of %s, which waits for its: one of the two must do without", d.m.From)))
		default:
			at++
		}
	}
	return nil
}

// hold puts a message back that was not to be handled yet, where it was.
func (a *activation) hold(d *delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d.known = true
	at := slices.IndexFunc(a.queue, func(other *delivery) bool { return other.at.After(d.at) })
	if at < 0 {
		at = len(a.queue)
	}
	a.queue = slices.Insert(a.queue, at, d)
}

// free notes that the answer to a question will never be handled: it was set aside.
func (h *Host) free(id ID, number uint64) {
	found, there := h.active.Load(id)
	if !there {
		return
	}
	a := found.(*activation)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.kind.holds || a.gone {
		return
	}
	if a.freed = append(a.freed, number); !a.running && len(a.queue) > 0 {
		a.work()
	}
}

// putOff takes a message back that has waited long enough for an actor that waits for an answer; the error says so. nil: it is being
// handled, or is about to be.
func (a *activation) putOff(d *delivery) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := slices.Index(a.queue, d)
	text := "it waits for an answer, and its kind holds other messages off meanwhile"
	switch {
	case at < 0:
		return nil
	case a.running:
		if !a.holding || a.passes(d) {
			return nil
		}
	case a.outdated():
		a.work()
		return nil
	default:
		for _, to := range a.open {
			text = fmt.Sprintf("it waits for the answer of %s to one of %d questions, and its kind holds other messages off meanwhile", to, len(a.open))
			break
		}
	}
	a.queue = slices.Delete(a.queue, at, at+1)
	return failed(a.id, d.m.Method, CodeAsking, text)
}

// aMoment is how long a message that comes again is held off before it is refused, so that one who comes in a short wait keeps its turn.
const aMoment = 50 * time.Millisecond

// awaitHeld waits for the reply of an actor whose kind may hold the message off: not for longer than this node is patient, nor than it
// leads the shard. What comes again does not wait: it would keep a worker from bringing what is waited for.
func (h *Host) awaitHeld(ctx context.Context, a *activation, d *delivery) (body []byte, err error) {
	limit := h.c.Patience
	if d.m.chore() {
		limit = min(limit, aMoment)
	}
	until := time.Now().Add(limit)
	moment := time.NewTimer(aMoment) // most are handled before: then nothing else need be watched
	defer moment.Stop()
	select {
	case <-d.done:
		return d.body, d.err
	case <-moment.C:
	case <-ctx.Done():
	case <-h.ctx.Done():
	}
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	for err == nil {
		p := h.watch(a.shard)
		if p == nil {
			return h.giveUp(ctx, a, d)
		}
		select {
		case <-d.done:
		case <-ctx.Done():
		case <-h.ctx.Done():
		case <-p.lost:
			if a.withdraw(d) { // else it is being handled, and may be put back
				err = &shards.NotPrimaryError{Shard: a.shard}
			}
		case <-over.C:
			err = a.putOff(d)
			over.Reset(limit)
		}
		h.vigil.leave(p)
		select {
		case <-d.done:
			return d.body, d.err
		default:
		}
		if err == nil && (ctx.Err() != nil || h.ctx.Err() != nil) {
			return h.giveUp(ctx, a, d)
		}
	}
	end(d.span, err)
	return nil, err
}
