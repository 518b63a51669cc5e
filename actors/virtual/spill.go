package virtual

// spill is what a link holds no more. A link that rests, since its receiver does not take what it is sent, keeps the first message alone, and is not
// counted: however many wait for a receiver that is away, there is room for what is sent to others.
//
//	queue, worker ── does not work ──► rest: the first ── delivered ──► refill from the shard: those behind the last ── all ──► queue
//	                                     ▲                                                    ▲       │
//	                                     └─ sent meanwhile: in the shard alone ───────────────┘       └─ more: refill
type spill struct {
	last    uint64 // number of the message that was delivered last
	resting bool   // its queue has one message at most, which is not counted
	spilled bool   // there are more in the shard, or may be
	missed  bool   // one was sent since they were looked for
}

// maxRefill bounds what is read at once for a link that has spilled.
const maxRefill = 1024

// behind says that what is sent now, or was found, stays in the shard alone. The caller holds chores.mu.
func (s *spill) behind() bool {
	if s.resting || s.spilled {
		s.spilled, s.missed = true, true
	}
	return s.spilled
}

// sleep lets go of all messages but the first. The caller holds chores.mu.
func (k *link) sleep() {
	l := k.ledger
	l.held -= len(k.queue)
	k.resting = true
	k.spilled = k.spilled || len(k.queue) > 1 || !l.live // then the shard may have more than the link has heard of
	if len(k.queue) > 1 {
		k.queue = []kept{k.queue[0]}
	}
}

// wake counts what is left. The caller holds chores.mu.
func (k *link) wake() {
	if k.resting {
		k.resting = false
		k.ledger.held += len(k.queue)
	}
}

// refill reads what has been spilled, or some of it, once the queue is empty.
func (k *link) refill(h *Host) error {
	c := &h.chores
	c.mu.Lock()
	spilled := k.spilled
	k.missed = false
	c.mu.Unlock()
	if !spilled {
		return nil
	}
	list, whole, err := k.sent(h)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k.queue, k.tries = append(k.queue, list...), 0
	k.ledger.held += len(list)
	k.spilled = !whole || k.missed
	return nil
}

// sent reads the pair's messages behind the last that was delivered, and says whether that is all.
func (k *link) sent(h *Host) (list []kept, whole bool, err error) {
	kind := h.kind(k.from.Kind)
	if kind == nil { // when it is registered the shard is looked at again
		return nil, true, nil
	}
	for e, err := range h.c.Storage.Scan(h.ctx, kind.keyspace, Span{Prefix: k.from.key("o", "/"), From: k.from.sentKey("o", k.last+1)}) {
		if err != nil {
			return nil, false, err
		}
		m, err := keptOf(&e)
		switch {
		case err != nil, m.To != k.to: // what cannot be read is told by the scan of its shard
		case len(list) == maxRefill:
			return list, false, nil
		default:
			list = append(list, m)
		}
	}
	return list, true, nil
}

// waits are the pairs whose messages are found when their receivers take any. The caller holds chores.mu.
func (l *ledger) waits() map[pair]bool {
	pairs := map[pair]bool{}
	for p, k := range l.links {
		if k.resting || k.spilled {
			pairs[p] = true
		}
	}
	return pairs
}
