package sim

import (
	"slices"

	"github.com/troupe-actors/troupe/shards/radix"
)

// In worlds with Options.Hold the first actor holds messages off while it waits for an answer, as kinds with HoldWhileAsking do. Its
// questions are kept in its shard, so that a node that activates it looks for them first:
//
//	load: state, then questions ─► is one open? ── no ──► handle
//	                                   │ yes
//	                                   ▼
//	        answers, reminders, what it sends itself: handled · all others wait until none is open, in their order
//
// One alone does: several could wait for each other, and none would be refused here.

// holder is the actor that holds messages off; empty: none does.
func (w *World) holder() string {
	if !w.o.Hold || len(w.acts.names) == 0 {
		return ""
	}
	return w.acts.names[0]
}

// passes says whether a message is handled while its actor waits for an answer.
func (a *acts) passes(actor string, at token) bool {
	return at.lane == heardLane || a.bells[at.client] == actor || a.from[at.client] == actor
}

// passes is the same of a message in the mailbox.
func (k *awake) passes(d *delivery) bool {
	at := d.m.token()
	if k.a.p.n.bug(BugHoldOwn) && k.a.p.n.w.acts.from[at.client] == k.name {
		return false
	}
	return k.a.p.n.w.acts.passes(k.name, at)
}

// turn is the place of the message that is next; -1: none may be handled now.
func (k *awake) turn() int {
	if len(k.open) == 0 {
		return 0
	}
	at := slices.IndexFunc(k.queue, k.passes)
	if term, leads := k.leads(); at < 0 && leads && term != k.core.Term() {
		k.drop() // it waited in another reign: somebody else may have handled the answer
		return 0
	}
	return at
}

// look goes on where another reign waits for nothing, and sends those elsewhere who wait where the actor lives no more.
func (k *awake) look() {
	h := k.a.p.copies.held[k.shard]
	if _, leads := k.leads(); leads || k.busy {
		k.next()
		return
	}
	waiting := k.queue
	k.queue = nil
	for _, d := range waiting {
		r := acted{err: errUnavailable}
		if h != nil {
			r.err = h.elsewhere()
		}
		d.answer(r)
	}
}

// drop forgets what is known of the actor: it may be another by now.
func (k *awake) drop() {
	k.core.Drop()
	k.open = nil
}

// loadQuestions finds what the actor waits for. What is asked or answered after its state was read changes that, which ends whatever was
// begun on it.
func (k *awake) loadQuestions() {
	k.open = nil
	n := k.a.p.n
	h := k.a.p.copies.held[k.shard]
	if n.w.holder() != k.name || n.bug(BugForgetHold) || h == nil {
		return
	}
	k.open = map[uint64]bool{}
	h.store.Scan(n.wall(), nil, []byte(keyOf('o', k.name, "/")), 1<<10, func(key []byte, it radix.Item) bool {
		_, _, rest, _ := readKey(string(key))
		if l, err := decodeLetter(rest, it.Value); err == nil && l.asks {
			k.open[l.number] = true
		}
		return true
	})
}

// heldOff puts a message back that is not to be handled yet; false if it is to be.
func (k *awake) heldOff(d *delivery) bool {
	if len(k.open) == 0 || k.passes(d) {
		return false
	}
	d.tries, k.busy = 0, false
	k.queue = slices.Insert(k.queue, 0, d)
	k.next()
	return true
}

// asked notes what a message that was committed has asked, or answered.
func (k *awake) asked(d *delivery, mail []letter) {
	if k.open == nil {
		return
	}
	for i := range mail {
		if mail[i].asks {
			k.open[mail[i].number] = true
		}
	}
	if d.m.heard != nil {
		delete(k.open, d.m.heard.number)
	}
}

// undisturbed holds an actor to its waiting: invariant 19.
func (a *acts) undisturbed(w *World, l *line, at token, what string) {
	if len(l.asked) > 0 && w.holder() == l.name && !a.passes(l.name, at) && !a.forgiven(w, l) {
		w.Fail(invariantHolds, "actor %s waits for the answers to %v, and %s message %x", l.name, l.asked, what, at)
	}
}
