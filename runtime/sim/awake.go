package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/shards/store"
)

// awake is an activation: an actor in the memory of a node.
//
//	prepare: read what the core does not know ─► handle: takes its time ─► finish: confirm or write ─► next
//	   ▲                                                                        │ stale
//	   └────────────────────────────────────────────────────────────────────────┘
type awake struct {
	a     *actors
	name  string
	shard shards.ShardID
	core  activation.Core
	sum   sum
	queue []*delivery
	busy  bool
	used  int             // when the last message came, in ticks
	open  map[uint64]bool // questions that it waits for; nil: not known, or it holds nothing off for them
}

// delivery is a message that waits for its answer.
type delivery struct {
	m      message
	answer func(acted)
	tries  int
}

func (k *awake) leads() (shards.Term, bool) {
	h := k.a.p.copies.held[k.shard]
	if h == nil {
		return 0, false
	}
	return h.leads()
}

func (k *awake) next() {
	if k.busy || len(k.queue) == 0 {
		return
	}
	if at := k.turn(); at >= 0 {
		d := k.queue[at]
		k.queue = slices.Delete(k.queue, at, at+1)
		k.busy = true
		k.prepare(d)
	}
}

// done answers a message, and goes on with the next.
func (k *awake) done(d *delivery, r acted) {
	if r.err == nil && !r.refused {
		k.a.p.n.w.acts.answers(k.a.p.n.w, k.a.p.n, d, r)
	}
	k.busy = false
	d.answer(r)
	k.next()
}

// prepare brings the state into memory, and finds the reply to a message that was handled before.
func (k *awake) prepare(d *delivery) {
	if d.tries++; d.tries > activation.Tries {
		k.done(d, acted{err: errUnavailable})
		return
	}
	state, reply := k.core.Reads(d.m.call)
	var keys []string
	term, leads := k.leads()
	if state {
		if !leads {
			k.done(d, acted{err: errUnavailable})
			return
		}
		keys = append(keys, keyOf('s', k.name, ""))
	}
	asked := d.m.heard != nil && !k.a.p.n.bug(BugAnswerTwice)
	switch {
	case asked:
		keys = append(keys, keyOf('o', k.name, d.m.heard.rest()))
	case reply:
		keys = append(keys, replyKey(k.name, d.m.call))
	}
	if len(keys) == 0 {
		k.handle(d)
		return
	}
	txn := store.Txn{}
	for _, key := range keys {
		txn.Ops = append(txn.Ops, store.Op{Kind: store.OpGet, Key: []byte(key)})
	}
	k.a.do(k.shard, txn, d.m.told, func(r response) {
		if r.err != nil {
			k.done(d, acted{err: r.err})
			return
		}
		if state {
			k.load(term, &r.results[0])
			k.loadQuestions()
		}
		switch last := &r.results[len(r.results)-1]; {
		case asked && !last.Found: // the question is gone: its answer was handled
			delete(k.open, d.m.heard.number)
			k.nobody(d)
			return
		case reply:
			if kept, known := d.m.call.Answered(last.Value); known {
				k.known(d, kept)
				return
			}
		}
		if !k.heldOff(d) {
			k.handle(d)
		}
	})
}

// load takes the state as it was read.
func (k *awake) load(term shards.Term, r *store.Result) {
	sent := uint64(0)
	k.sum = sum{}
	if r.Found {
		n, state, err := activation.State(r.Value)
		if err != nil || len(state) != 16 {
			k.a.p.n.w.Fail(invariantActs, "%s cannot read the state of actor %s: %v", k.a.p.n.ID, k.name, err)
			return
		}
		sent, k.sum = n, decodeSum(state)
	}
	k.core.Loaded(term, r.Version, sent)
}

// known answers a message as it was answered before.
func (k *awake) known(d *delivery, kept activation.Reply) {
	o, ok := replied(kept)
	if !ok { // a later one of its lane was
		k.nobody(d)
		return
	}
	k.done(d, acted{outcome: o})
}

// nobody ends a message whose answer nobody waits for.
func (k *awake) nobody(d *delivery) {
	k.busy = false
	d.answer(acted{})
	k.next()
}

// handle lets the handler take its time: now and then so long that the world is another one afterwards.
func (k *awake) handle(d *delivery) {
	n := k.a.p.n
	took := time.Duration(n.acting.Int64N(int64(2 * time.Millisecond)))
	if n.acting.IntN(12) == 0 {
		took = time.Duration(n.acting.Int64N(int64(1500 * time.Millisecond)))
	}
	if slow := n.w.acts.slow[k.name]; slow > 0 {
		took = slow
		delete(n.w.acts.slow, k.name)
		n.w.Note("%s begins to %s actor %s, for %v", n.ID, deedNames[d.m.do], k.name, took)
	}
	n.after(took, func() { k.finish(d) })
}

// finish ends the handling of a message.
func (k *awake) finish(d *delivery) {
	o := d.m.do.do(k.sum, d.m.token())
	switch ending := k.core.Ending(d.m.call, o.done, o.refused); ending {
	case activation.Confirm:
		term, leads := k.leads()
		switch sure := k.core.Confirm(term, leads); {
		case sure:
			k.a.p.n.w.acts.confirms(k.a.p.n.w, k.a.p.n, d, k.sum)
			k.done(d, acted{outcome: o})
		case !leads:
			k.done(d, acted{err: errUnavailable})
		default:
			k.prepare(d)
		}
	default:
		k.write(d, o, ending)
	}
}

// write commits what a message has changed, or its reply alone.
func (k *awake) write(d *delivery, o outcome, ending activation.Ending) {
	n := k.a.p.n
	numbers := k.core.Numbers()
	txn := store.Txn{Atomic: true}
	set := func(key string, value []byte) {
		txn.Ops = append(txn.Ops, store.Op{Kind: store.OpSet, Key: []byte(key), Value: value})
	}
	if !n.bug(BugUnguarded) {
		txn.Guards = []store.Guard{{If: store.IfVersion, Key: []byte(keyOf('s', k.name, "")), Version: k.core.Version()}}
	}
	if ending == activation.Keep { // the state is the first, either way
		set(keyOf('s', k.name, ""), k.sum.encode(activation.AppendState(nil, k.core.Sent())))
	}
	var mail []letter
	if ending == activation.Commit {
		for _, l := range d.m.mail {
			l.number = numbers.Next(n.wall() * 1000)
			mail = append(mail, l)
		}
		var rings bell
		if d.m.bell != nil {
			rings = *d.m.bell
			rings.Number, rings.Due = numbers.Next(n.wall()*1000), n.wall()+rings.Due
		}
		set(keyOf('s', k.name, ""), o.sum.encode(activation.AppendState(nil, numbers.Last())))
		for i := range mail {
			set(mail[i].key(k.name), mail[i].encode())
		}
		if d.m.bell != nil {
			set(rings.key(k.name), rings.encode())
		}
	}
	if d.m.heard != nil {
		set(keyOf('d', k.name, heardKey), d.m.token().encode())
		txn.Ops = append(txn.Ops, store.Op{Kind: store.OpDelete, Key: []byte(keyOf('o', k.name, d.m.heard.rest()))})
	} else {
		set(replyKey(k.name, d.m.call), activation.AppendReply(nil, d.m.call.Seq, o.reply()))
	}
	if n.bug(BugAnswerAhead) {
		d.answer(acted{outcome: o})
		d.answer = func(acted) {}
	}
	k.a.do(k.shard, txn, 0, func(r response) {
		switch {
		case r.err != nil:
			k.drop() // whether it was written or not: look again
			k.done(d, acted{err: r.err})
			return
		case errors.Is(r.results[0].Err, store.ErrConflict):
			k.drop()
			k.prepare(d)
			return
		}
		if ending == activation.Commit {
			k.sum = o.sum
		}
		k.core.Committed(r.results[0].Version, numbers.Last())
		k.asked(d, mail)
		if len(d.m.mail) > 0 || d.m.bell != nil {
			k.a.deliverMail()
		}
		k.done(d, acted{outcome: o, seq: r.seq})
	})
}
