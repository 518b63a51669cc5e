package sim

import (
	"bytes"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/store"
)

// courier delivers the letters that lie in a shard, in one reign: to each receiver those of a sender one after another. What it has
// delivered it removes. A question has come when its asker has handled the answer, which removes it. Reminders that are due it delivers, too.
type courier struct {
	a       *actors
	shard   shards.ShardID
	term    shards.Term
	ways    map[[2]string]*way // by sender and receiver
	forgets bool               // letters are being removed
	ringing map[string]bool    // reminders that are being delivered, by key
	begun   int64              // by the node's wall clock
}

// way is from one actor to another.
type way struct {
	through uint64 // the last letter that was delivered
	begun   uint64 // the last one that is or was being delivered
	busy    bool
}

// deliverMail looks after all shards that are led here.
func (a *actors) deliverMail() {
	for _, id := range a.p.copies.order {
		term, leads := a.p.copies.held[id].leads()
		c := a.mail[id]
		if !leads {
			delete(a.mail, id)
			continue
		}
		if c == nil || c.term != term {
			c = &courier{a: a, shard: id, term: term, ways: map[[2]string]*way{}, ringing: map[string]bool{}, begun: a.p.n.wall()}
			a.mail[id] = c
		}
		c.look()
	}
}

// look begins to deliver what is next on each way, and removes what has come.
func (c *courier) look() {
	n := c.a.p.n
	h := c.a.p.copies.held[c.shard]
	space := n.w.watch.newest.Keyspace(c.shard.Keyspace()).Name
	var come []store.Op
	h.store.Scan(n.wall(), nil, []byte(space+":o/"), 1<<10, func(key []byte, it radix.Item) bool {
		_, from, rest, ok := readKey(string(key))
		l, err := decodeLetter(rest, it.Value)
		if !ok || err != nil {
			n.w.Fail(invariantLetters, "%s cannot read the letter %s: %v", n.ID, key, err)
			return false
		}
		at := c.ways[[2]string{from, l.to}]
		if at == nil {
			at = &way{}
			c.ways[[2]string{from, l.to}] = at
		}
		switch {
		case l.number <= at.through:
			come = append(come, store.Op{Kind: store.OpDelete, Key: bytes.Clone(key)})
		case !at.busy && l.number > at.begun:
			c.deliver(from, l, at)
		}
		return true
	})
	c.lookForBells(space)
	if len(come) > 0 && !c.forgets {
		c.forgets = true
		c.a.do(c.shard, store.Txn{Atomic: true, Ops: come}, 0, func(response) { c.forgets = false })
	}
}

// deliver has the receiver handle a letter. Another reign may deliver it, too.
func (c *courier) deliver(from string, l letter, at *way) {
	at.begun, at.busy = l.number, !c.a.p.n.bug(BugSendAhead)
	patience := 2 * clientPatience
	if c.a.p.n.bug(BugForgetLetter) {
		patience = 0
	}
	call := activation.Call{Client: clientOf(from), Seq: l.number, Repeated: true, Unsure: true, Again: !l.asks}
	c.a.deliver(message{to: l.to, do: l.do, call: call}, patience, func(r acted) {
		if l.asks && r.err == nil && !c.a.p.n.bug(BugForgetQuestion) {
			c.giveBack(from, l, at, r.outcome)
			return
		}
		at.busy = false
		if r.err == nil || c.a.p.n.bug(BugForgetLetter) {
			at.through = max(at.through, l.number)
		}
		at.begun = at.through
		if c.a.mail[c.shard] == c {
			c.a.deliverMail()
		}
	})
}
