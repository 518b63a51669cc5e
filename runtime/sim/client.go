package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// client does one operation after another and repeats each until it has an answer or its time is up. It stands outside
// the network that is cut: it reaches every node that runs, a deposed primary too, and believes any node's table.
//
//	choose ─► look up in some node's table ─► ask ─► answer ─► note it ─► pause ─► choose
//	                    ▲                      │
//	                    └── no, no answer ◄────┘   the same (client, number): applied once
type client struct {
	w       *World
	number  int
	chance  *rand.Rand
	life    uint64 // the Client of its transactions
	numbers map[shards.ShardID]uint64

	call    call
	shard   shards.ShardID
	seq     uint64
	until   time.Duration // of the operation
	attempt int           // of the operation; an answer to an earlier one is ignored if a later one has answered
	hint    shards.NodeID // where the last refusal pointed
	busy    bool
	told    shards.SeqNo
	sent    time.Duration // when the attempt was made that was answered
	key     string        // if set, the only one that this client cares for
	reads   bool          // it only reads
	lends   bool          // it is one of those who use keys that expire
	written int           // values so far
}

// Times of a client.
const (
	clientPatience = 6 * time.Second        // for one operation
	clientTimeout  = 400 * time.Millisecond // for one attempt
)

// request is one attempt, as a node gets it.
type request struct {
	shard shards.ShardID
	txn   store.Txn
	told  shards.SeqNo // the newest write of the shard that any client knew to be done when this operation began
}

// response is what a node answers to it.
type response struct {
	seq     shards.SeqNo // of a write
	err     error
	results []store.Result // one for each operation; a Value is the receiver's
}

func (w *World) addClient(key string) {
	c := w.newClient(stream(w.o.Seed, streamClients, len(w.clients)))
	c.key = key
	w.After(time.Duration(c.chance.Int64N(int64(100*time.Millisecond))), c.next)
}

func (w *World) newClient(chance *rand.Rand) *client {
	c := &client{w: w, number: len(w.clients), chance: chance, numbers: map[shards.ShardID]uint64{}, life: chance.Uint64() | 1}
	w.clients = append(w.clients, c)
	return c
}

// next begins an operation.
func (c *client) next() {
	if c.w.quiet {
		return
	}
	if c.lends {
		c.lend()
		return
	}
	if c.w.unserved != nil {
		if key, any := c.w.unserved(); any {
			c.do(Append, key)
			return
		}
	}
	key := c.key
	if key == "" {
		key = c.w.keys[c.chance.IntN(len(c.w.keys))]
	}
	if c.reads {
		c.do(Get, key)
		return
	}
	c.do(Action([]Action{Get, Get, Get, Put, Put, Append, Append, Append, Swap, Delete}[c.chance.IntN(10)]), key)
}

// do begins the given operation.
func (c *client) do(a Action, key string) {
	state := c.w.anyTable(c.chance)
	space := c.w.spaceOf(state, key)
	if space == nil {
		c.pause(50 * time.Millisecond)
		return
	}
	c.written++
	c.shard = shards.NewShardID(space.ID, space.ShardOf(shards.SlotOf([]byte(key))))
	c.call = call{client: c.number, action: a, key: key, begun: c.w.history.tick(), value: fmt.Sprintf("c%d.%d;", c.number, c.written), until: c.call.until, least: c.call.least}
	if a == Swap {
		c.call.compare = c.w.lastRead[key]
	}
	c.numbers[c.shard]++
	c.seq = c.numbers[c.shard]
	c.until = c.w.now + clientPatience
	c.hint, c.busy, c.told = "", true, c.w.watch.shard(c.shard).told
	c.try()
}

// try sends the operation to whoever is believed to lead its shard.
func (c *client) try() {
	if c.w.now >= c.until {
		c.finish(reply{unknown: true})
		return
	}
	c.attempt++
	this := c.attempt
	c.sent = c.w.now
	n := c.target()
	if n == nil || !n.alive {
		c.again(this, c.backoff())
		return
	}
	c.w.After(clientTimeout, func() { c.again(this, 0) })
	q := &request{shard: c.shard, txn: c.txn(), told: c.told}
	life := n.life
	c.w.push(c.trip(), n, life, func() {
		n.proc.request(q, func(r response) { c.w.After(c.trip(), func() { c.answer(this, n, r) }) })
	})
}

// target is the node that leads the shard, by a refusal's hint or by the table that some node has.
func (c *client) target() *Node {
	if c.hint != "" {
		n := c.w.nodeByID(c.hint)
		c.hint = ""
		return n
	}
	state := c.w.anyTable(c.chance)
	if state == nil {
		return nil
	}
	row := state.Shard(c.shard)
	if row == nil {
		return nil
	}
	for _, copy := range row.Copies {
		if copy.ID == row.Primary {
			return c.w.nodeByID(copy.Node)
		}
	}
	return nil
}

func (c *client) trip() time.Duration {
	return 50*time.Microsecond + time.Duration(c.chance.Int64N(int64(500*time.Microsecond)))
}

func (c *client) backoff() time.Duration {
	return 5*time.Millisecond + time.Duration(c.chance.Int64N(int64(30*time.Millisecond)))
}

// again tries once more, unless this attempt is over.
func (c *client) again(attempt int, pause time.Duration) {
	if !c.busy || c.attempt != attempt {
		return
	}
	c.attempt++ // what still comes of this attempt is too late
	now := c.attempt
	c.w.After(pause, func() {
		if c.busy && c.attempt == now {
			c.try()
		}
	})
}

func (c *client) txn() store.Txn {
	op := store.Op{Key: []byte(c.call.key), Value: []byte(c.call.value)}
	switch c.call.action {
	case Get:
		return store.Txn{Ops: []store.Op{{Kind: store.OpGet, Key: op.Key}}}
	case Put:
		op.Kind = store.OpSet
	case Append:
		op.Kind = store.OpAppend
	case Delete:
		op.Kind, op.Value = store.OpDelete, nil
	case Swap:
		op.Kind, op.If, op.Compare = store.OpSet, store.IfEqual, []byte(c.call.compare)
	default:
		op = c.call.loan(op)
	}
	return store.Txn{Client: c.life, Seq: c.seq, Ops: []store.Op{op}}
}

// answer takes what came back from an attempt.
func (c *client) answer(attempt int, from *Node, r response) {
	if !c.busy || c.attempt != attempt {
		return
	}
	var other *shards.NotPrimaryError
	switch {
	case r.err == nil:
		l := c.w.watch.shard(c.shard)
		l.told = max(l.told, r.seq)
		c.finish(c.understand(&r.results[0]))
	case errors.As(r.err, &other):
		if other.Primary != from.ID {
			c.hint = other.Primary
		}
		c.again(attempt, c.backoff())
	default:
		c.again(attempt, c.backoff())
	}
}

func (c *client) understand(r *store.Result) reply {
	switch {
	case errors.Is(r.Err, store.ErrResultLost), errors.Is(r.Err, store.ErrTooOld):
		return reply{unknown: true}
	case r.Err != nil && !errors.Is(r.Err, store.ErrConflict):
		c.w.Fail(invariantLinear, "client %d: %v: the store answers %v", c.number, &c.call, r.Err)
	}
	got := reply{found: r.Found, value: string(r.Value), done: r.Err == nil, length: r.Int, until: r.ExpireAt}
	if c.call.action == Extend || c.call.action == Persist {
		got.done = r.Changed
	}
	return got
}

// finish notes the operation and goes on after a pause.
func (c *client) finish(r reply) {
	c.busy = false
	c.attempt++
	c.call.got = r
	c.call.ended = c.w.history.tick()
	if c.lends {
		c.w.bound(&c.call)
		c.w.loans.note(c.call)
	} else {
		c.w.history.note(c.call)
	}
	if c.call.action == Get && r.found {
		c.w.lastRead[c.call.key] = r.value
	}
	c.w.story.fold(uint64(c.number), c.seq, uint64(len(r.value)))
	if c.w.finished != nil {
		c.w.finished(c)
	}
	c.pause(time.Duration(c.chance.Int64N(int64(c.w.o.Think) + 1)))
}

func (c *client) pause(d time.Duration) { c.w.After(d, c.next) }

// anyTable is the newest cluster state that some running node has applied; nil if that node has none yet.
func (w *World) anyTable(chance *rand.Rand) *cluster.State {
	for range 4 {
		n := w.nodes[chance.IntN(len(w.nodes))]
		if n.running() && n.proc != nil {
			return n.proc.table()
		}
	}
	return nil
}

// spaceOf finds the keyspace of a key by what stands before its colon.
func (w *World) spaceOf(state *cluster.State, key string) *cluster.Keyspace {
	if state == nil {
		return nil
	}
	for i := range state.Keyspaces {
		if k := &state.Keyspaces[i]; len(key) > len(k.Name) && key[:len(k.Name)] == k.Name && key[len(k.Name)] == ':' {
			return k
		}
	}
	return nil
}

func (w *World) nodeByID(id shards.NodeID) *Node {
	for _, n := range w.nodes {
		if n.ID == id {
			return n
		}
	}
	return nil
}
