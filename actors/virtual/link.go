package virtual

import (
	"cmp"
	"context"
	"hash/fnv"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// link is what one actor has sent another and is not delivered yet. While it holds something it is ready, with a worker, or at rest.
type link struct {
	ledger *ledger
	pair
	timed
	spill
	queue []kept
	done  []Op      // deletes what was delivered
	tries int       // of the first in queue, or of its answer
	since time.Time // of the first of these tries, or when the last of which nobody knows the outcome can arrive no more
	reply *reply    // to the first in queue
}

// link adds a message to its link. One that is there already, or comes before one that is, is not added: a scan and a commit may
// both tell of it. The caller holds chores.mu.
func (h *Host) link(l *ledger, k kept) {
	p := pair{k.from, k.To}
	to := l.links[p]
	if to == nil {
		to = &link{ledger: l, pair: p}
		l.links[p] = to
		h.enter(to)
	}
	if n := len(to.queue); to.behind() || n > 0 && to.queue[n-1].number >= k.number {
		return
	}
	to.queue = append(to.queue, k)
	l.held++
}

// next is the message to deliver; nil: none, and the link is gone.
func (k *link) next(h *Host) *kept {
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	l := k.ledger
	k.wake()
	switch {
	case l.over:
		return nil
	case len(k.queue) == 0 && len(k.done) == 0 && !k.spilled:
		delete(l.links, k.pair)
		h.rescan(l)
		return nil
	case len(k.queue) == 0:
		return &kept{}
	}
	return &k.queue[0]
}

// do delivers messages in order, until all are, or one must wait.
func (k *link) do(h *Host) {
	for visited := 0; ; visited++ {
		m := k.next(h)
		if m == nil {
			return
		}
		if !h.c.Storage.Leads(k.ledger.shard) {
			h.left(k.ledger)
			return
		}
		if m.number == 0 || visited >= maxVisit {
			if err := h.forget(k.from, k.done); err != nil {
				k.pause(h, err)
				return
			}
			k.done = nil
			if m.number == 0 { // perhaps there is more by now
				if err := k.refill(h); err != nil {
					k.pause(h, err)
					return
				}
				continue
			}
			h.chores.mu.Lock()
			h.enter(k)
			h.chores.mu.Unlock()
			return
		}
		if err := k.deliver(h, m); err != nil {
			k.pause(h, err)
			return
		}
		h.chores.mu.Lock()
		k.last = m.number
		k.queue, k.tries, k.reply = k.queue[1:], 0, nil
		k.ledger.held--
		h.chores.mu.Unlock()
	}
}

// deliver has the receiver handle a message, and the sender the answer if it asks for one; an error says that it is to be tried again.
func (k *link) deliver(h *Host, m *kept) error {
	if k.reply != nil {
		return k.giveBack(h, m)
	}
	ctx, cancel := context.WithTimeout(h.ctx, 2*h.c.Patience)
	defer cancel()
	if k.tries == 0 {
		k.since = time.Now()
	}
	event := EventTell
	if m.Answer != "" {
		event = EventCall
	}
	ctx, span := h.delivering(ctx, m)
	body, err := h.deliver(ctx, &message{
		To: m.To, From: k.from, Method: m.Method, Payload: m.Payload, Event: event,
		Client: clientOf("o", k.from.String()), Seq: m.number, Repeated: true, Unsure: true, // a deposed primary may be sending it, too
	})
	end(span, err)
	if kindOf(err) == shards.KindOutcomeUnknown {
		k.since = time.Now().Add(2 * h.c.Patience)
	}
	if m.Answer != "" {
		refused := k.refused(h, m, err)
		if err != nil && refused == nil {
			return err
		}
		k.reply, k.tries = &reply{body, refused}, 0
		return k.giveBack(h, m)
	}
	key := k.from.sentKey("o", m.number)
	if err == nil {
		k.done = append(k.done, Op{Key: key, Delete: true})
		return nil
	}
	if h.ctx.Err() != nil || k.tries+1 < triesFor(err) {
		return err
	}
	return h.setAside(k.from, key, &Aside{Event: EventTell, From: k.from, To: m.To, Method: m.Method, Payload: m.Payload, Reason: err.Error(), Tries: k.tries + 1})
}

// pause leaves the link alone for a while.
func (k *link) pause(h *Host, err error) {
	k.tries++
	if k.tries > 1 && h.ctx.Err() == nil {
		h.c.Log.Warn("messages between actors wait", "from", k.from.String(), "to", k.to.String(), "tries", k.tries, "error", err)
	}
	if err := h.forget(k.from, k.done); err == nil {
		k.done = nil
	}
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	k.sleep()
	h.rest(k, &k.timed, k.tries)
	h.rescan(k.ledger)
}

// How often a message is tried before it is set aside. MOVING.md says for each code what that comes to.
const (
	triesRefused = 5  // its handler fails: the reason may pass
	triesBusy    = 20 // the receiver is overrun, or its kind or method is not known there yet, or cannot run there: about six minutes
	noEnd        = 1 << 30
)

func triesFor(err error) int {
	switch CodeOf(err) {
	case 0:
		if passing(err) || short(err) {
			return noEnd // it did not reach its actor: its shard will be led again, or have room
		}
		return triesBusy // nobody knows why: more tries would end no better
	case CodeAsking, codeCrossing, codeUnready:
		return noEnd // its question will be answered, or its kind be ready
	case CodeBusy, CodeNoKind, CodeUnknown, CodeUnable:
		return triesBusy
	case CodeBadRequest, CodeTooLarge:
		return 1
	}
	return triesRefused
}

// clientOf is the client of messages that do not come from a caller who waits.
func clientOf(class, name string) uint64 {
	f := fnv.New64a()
	f.Write([]byte(class))
	f.Write([]byte(name))
	return cmp.Or(f.Sum64(), 1)
}
