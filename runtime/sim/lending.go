package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Lenders are clients of keys that expire: each key has a value and a deadline, by the clocks of the nodes, which are not those of the
// clients, and jump. What such a key may answer is in lent.
//
//	lend, claim ──► value, deadline ──► extend, persist, append ──► gone at the deadline, by some node's clock, for good
const (
	lenders     = 2               // in a world that has them
	lentKeys    = 2               // of each keyspace
	longestLoan = 3 * time.Second // from a lend to its deadline, at most
	expireTicks = 2               // between two looks of a primary for what has expired
	overdueTime = time.Second     // that a key may stay in a copy's memory after its deadline, once the world has healed
)

// The actions of lenders, beside Get, Append and Delete.
const (
	Lend    Action = iota + Append + 1 // put with a deadline
	Claim                              // the same, if there is none
	Extend                             // another deadline
	Persist                            // no deadline any more
)

// loans are the ways in which lenders use a key, the more often the more often it stands here.
var loans = []Action{Get, Get, Get, Get, Get, Lend, Lend, Lend, Claim, Claim, Append, Append, Extend, Extend, Persist, Delete}

// lends says whether a world has lenders: one of four does, so that the others stay what they were.
func lends(seed uint64) bool { return stream(seed, streamLenders, 0).IntN(4) == 0 }

// lend begins a lender's next operation.
func (c *client) lend() {
	key := c.w.lent[c.chance.IntN(len(c.w.lent))]
	action := loans[c.chance.IntN(len(loans))]
	c.call.until, c.call.least = 0, c.w.slowest()
	if action == Lend || action == Claim || action == Extend {
		c.call.until = worldBegins + (c.w.now + time.Duration(c.chance.Int64N(int64(longestLoan)))).Milliseconds()
	}
	c.do(action, key)
}

// loan is the operation of an action that only lenders know.
func (c *call) loan(op store.Op) store.Op {
	op.Kind, op.ExpireAt = store.OpSet, c.until
	switch c.action {
	case Claim:
		op.If = store.IfAbsent
	case Extend, Persist:
		op.Kind, op.Value = store.OpExpireAt, nil
	}
	return op
}

// furthest is the latest time that any node's clock has shown, slowest the earliest that any shows now, but for its jumps.
func (w *World) furthest() int64 {
	for _, n := range w.nodes {
		w.clocks.furthest = max(w.clocks.furthest, n.wall())
	}
	return w.clocks.furthest
}

func (w *World) slowest() int64 {
	least := int64(math.MaxInt64)
	for _, n := range w.nodes {
		least = min(least, worldBegins+n.monotonic().Milliseconds())
	}
	return least
}

// clocks are what the wall clocks of a world's nodes have come to.
type clocks struct {
	furthest int64         // see there
	behind   time.Duration // the furthest back that one has jumped: not above 0
}

// skew has a node's wall clock jump.
func (n *Node) skew(d time.Duration) {
	n.w.furthest()
	n.wallSkew = d
	n.w.furthest()
	n.w.clocks.behind = min(n.w.clocks.behind, d)
}

// bound notes between which times, of some node, a lender's operation took effect.
func (w *World) bound(c *call) {
	c.least += w.clocks.behind.Milliseconds()
	c.latest = w.furthest()
	if c.got.unknown {
		c.least, c.latest = 0, math.MaxInt64
	}
}

// lent is the state of a key that expires.
type lent struct {
	found bool
	value string
	until int64 // 0: for ever
}

// borrowed is the sequential model of one such key. Whether it has expired at a time between the earliest and the latest that any clock shows is
// anybody's guess; but once it has, it is gone.
var borrowed = (&porcupine.NondeterministicModel{
	Partition: byKey,
	Init:      func() []any { return []any{lent{}} },
	Step: func(state, input, output any) (next []any) {
		s, c, r := state.(lent), input.(*call), output.(*reply)
		if !s.gone(c.least) {
			next = s.act(next, c, r)
		}
		if s.gone(c.latest) {
			next = lent{}.act(next, c, r)
		}
		return next
	},
	DescribeOperation: register.DescribeOperation,
}).ToModel()

// gone says that a key has expired at a time.
func (s lent) gone(now int64) bool { return s.until != 0 && s.until <= now }

// act appends the state that follows, if the key may answer so in this one.
func (s lent) act(all []any, c *call, r *reply) []any {
	fits, next := true, s
	switch c.action {
	case Get:
		fits = r.found == s.found && r.value == s.value && r.until == s.until
	case Append:
		next.found, next.value = true, s.value+c.value
		fits = r.length == int64(len(next.value))
	case Delete:
		fits, next = r.found == s.found, lent{}
	case Lend:
		next = lent{true, c.value, c.until}
	case Claim:
		if fits = r.done == !s.found; !s.found {
			next = lent{true, c.value, c.until}
		}
	case Extend, Persist:
		if fits = r.done == s.found && r.until == s.until; s.found {
			next.until = c.until
		}
	}
	if fits || r.unknown {
		all = append(all, next)
	}
	return all
}

// lendAll gives a world its lenders.
func (w *World) lendAll() {
	for _, k := range w.o.Spaces {
		for i := range lentKeys {
			w.lent = append(w.lent, fmt.Sprintf("%s:lent%d", k.Name, i))
		}
	}
	for i := range max(0, w.o.Lenders) {
		w.addLender(stream(w.o.Seed, streamLenders, i+1))
	}
}

func (w *World) addLender(chance *rand.Rand) {
	c := w.newClient(chance)
	c.lends = true
	w.After(time.Duration(chance.Int64N(int64(100*time.Millisecond))), c.next)
}

// expire orders the end of what has expired, as primary.
func (h *holding) expire() {
	now := h.c.p.n.wall()
	if h.reign == 0 || h.failed || !h.store.Due(now) || !h.alone.solo && h.core.Writable() != nil || !h.c.p.member.leased() || h.c.p.n.bug(BugForgetExpired) {
		return
	}
	q := &request{shard: h.shard, txn: store.Txn{Ops: []store.Op{{Kind: store.OpExpireDue, Int: expireBudget}}}}
	h.request(work{q: q, answer: func(response) {}})
}

// uncertain says that a read would find a key gone only by the clock of this node: nobody else knows that yet. So the end of it is ordered before
// the read is answered, else the next primary, whose clock may be behind, would bring it back, and so would a write under way that prolongs it.
func (h *holding) uncertain(k *work) bool {
	for i := range k.q.txn.Ops {
		var r store.Result
		h.store.Read(0, &k.q.txn.Ops[i], &r)
		if r.Found && r.ExpireAt != 0 && r.ExpireAt <= k.at {
			return true
		}
	}
	return false
}

// expireBudget is small, so that a shard needs more than one.
const expireBudget = 2

// overdue says what a copy keeps in memory long after its deadline, if anything.
func (w *World) overdue(shard shards.ShardID, h *holding) {
	if next := h.store.NextExpiry(); next != 0 && next < w.slowest()-overdueTime.Milliseconds() {
		w.Fail(invariantExpiry, "shard %v: %s keeps a key that expired at %d, %d ms ago", shard, h.c.p.n.ID, next, w.slowest()-next)
	}
}
