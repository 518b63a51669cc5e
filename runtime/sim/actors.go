package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/shards/store"
)

// actors are a life's part of the virtual actors: what actors/virtual does with goroutines and calls, in events. The rules are those
// of shards/activation, as there.
//
//	caller ───► calling: try, and again ───► node that leads ───► awake: one message at a time ───► answer
//	courier ──┘   letters of actors here
type actors struct {
	p       *process
	client  uint64 // this life, as a caller
	lane    uint32
	seq     uint64
	awake   map[string]*awake
	names   []string // of awake, in order
	mail    map[shards.ShardID]*courier
	calling map[uint64]*calling // by number: tries that are under way to other nodes
	tries   uint64
	ticks   int
}

// message is what an actor gets.
type message struct {
	to    string
	do    deed
	mail  []letter // that it sends
	bell  *bell    // that it sets; Due is from then on
	heard *heard   // it is the answer to a question
	call  activation.Call
	told  shards.SeqNo // as in request
	floor uint64       // the actor's newest count that any caller knew when this call began
}

// answer of an actor: its outcome, or why there is none.
type acted struct {
	outcome
	seq shards.SeqNo // of the write
	err error
}

// ask is a message on its way to another node, tell what comes back on the same connection: to nobody, if the life has ended that
// asked.
type ask struct {
	life   uint64 // actors.client of who asks
	number uint64
	m      message
	taken  bool // a stream does not double what it carries
}

type tell struct {
	life, number uint64
	acted        acted
}

func newActors(p *process) *actors {
	a := &actors{
		p: p, client: p.n.acting.Uint64() | 1, awake: map[string]*awake{}, mail: map[shards.ShardID]*courier{}, calling: map[uint64]*calling{},
	}
	if len(p.n.w.acts.names) > 0 {
		for range callers {
			c := &caller{a: a, lane: a.newLane()}
			p.n.after(time.Duration(p.n.acting.Int64N(int64(time.Second))), c.next)
		}
	}
	return a
}

func (a *actors) newLane() uint32 {
	a.lane++
	return a.lane
}

// Times of actors, in ticks.
const (
	mailTicks  = 2
	sweepTicks = 200
	idleTicks  = 20 // after which every second actor leaves memory
)

// tick delivers letters, and puts to sleep who has had nothing to do for a while, or is not led here any more.
func (a *actors) tick() {
	a.ticks++
	if a.ticks%mailTicks == 0 {
		a.deliverMail()
		if k := a.awake[a.p.n.w.holder()]; k != nil {
			k.look()
		}
	}
	if a.ticks%idleTicks != 0 {
		return
	}
	for _, name := range slices.Clone(a.names) {
		k := a.awake[name]
		_, leads := k.leads()
		busy := k.busy || len(k.queue) > 0
		swept := a.ticks%sweepTicks == 0 && !leads
		if idle := name[len(name)-1]%2 == 1 && a.ticks-k.used > idleTicks; !busy && (idle || swept) || idle && a.p.n.bug(BugSleepBusy) {
			delete(a.awake, name)
			a.names = slices.DeleteFunc(a.names, func(n string) bool { return n == name })
		}
	}
}

// receive takes what another node sends.
func (a *actors) receive(from *Node, body any) {
	switch x := body.(type) {
	case *ask:
		if x.taken {
			return
		}
		x.taken = true
		m := x.m
		m.call.Repeated = true
		a.handle(m, func(r acted) { a.p.answer(from, classCall, "acted", &tell{x.life, x.number, r}) })
	case *tell:
		if c := a.calling[x.number]; c != nil && x.life == a.client {
			delete(a.calling, x.number)
			c.answered(x.acted)
		}
	}
}

// handle has a message handled by an actor that lives here.
func (a *actors) handle(m message, answer func(acted)) {
	shard, ok := a.shardOf(m.to)
	if !ok {
		answer(acted{err: errUnavailable})
		return
	}
	if h := a.p.copies.held[shard]; h == nil {
		answer(acted{err: errUnavailable})
		return
	} else if _, leads := h.leads(); !leads {
		answer(acted{err: h.elsewhere()})
		return
	}
	k := a.awake[m.to]
	if k == nil {
		k = &awake{a: a, name: m.to, shard: shard, core: activation.Core{Bug: a.p.n.w.o.Rules}}
		a.awake[m.to] = k
		at, _ := slices.BinarySearch(a.names, m.to)
		a.names = slices.Insert(a.names, at, m.to)
	}
	k.used = a.ticks
	k.queue = append(k.queue, &delivery{m: m, answer: answer})
	k.next()
}

// shardOf finds an actor's shard by this node's table.
func (a *actors) shardOf(actor string) (shards.ShardID, bool) {
	key := keyOf('s', actor, "")
	space := a.p.n.w.spaceOf(a.p.table(), key)
	if space == nil {
		return 0, false
	}
	return shards.NewShardID(space.ID, space.ShardOf(shards.SlotOf([]byte(key)))), true
}

// do runs a transaction on a shard that is led here, and goes on with its results in a step of its own.
func (a *actors) do(shard shards.ShardID, txn store.Txn, told shards.SeqNo, then func(response)) {
	work := work{q: &request{shard: shard, txn: txn, told: told}, answer: func(r response) { a.p.n.after(0, func() { then(r) }) }}
	h := a.p.copies.held[shard]
	if h == nil {
		work.answer(response{err: errUnavailable})
		return
	}
	h.request(work)
}

// passing says that an error may be gone at another try; unknown that the message may have been handled.
func passing(err error) bool {
	var other *shards.NotPrimaryError
	return errors.As(err, &other) || errors.Is(err, errUnavailable) || errors.Is(err, errUnknown)
}
