package sim

import (
	"errors"
	"time"

	"github.com/troupe-actors/troupe/shards/activation"
)

// caller is somebody on a node who calls one actor after another, and waits for each answer.
type caller struct {
	a    *actors
	lane uint32
}

const callers = 2 // on each node

// next begins a call.
func (c *caller) next() {
	w, chance := c.a.p.n.w, c.a.p.n.acting
	if w.quiet {
		return
	}
	m := message{to: w.acts.names[chance.IntN(len(w.acts.names))], do: w.o.Deeds[chance.IntN(len(w.o.Deeds))]}
	if name, any := w.acts.unserved(w); any {
		m.to, m.do = name, add
	}
	shard, ok := c.a.shardOf(m.to)
	if !ok {
		c.pause()
		return
	}
	c.adorn(&m)
	c.a.seq++
	m.call = activation.Call{Client: c.a.client, Lane: c.lane, Seq: c.a.seq}
	m.told, m.floor = w.watch.shard(shard).told, w.acts.lines[m.to].told
	errand := w.acts.begin(c.a.p.n, &m)
	c.a.deliver(m, clientPatience, func(r acted) {
		w.acts.ended(w, errand, shard, r)
		if errand.end == unknown {
			c.lane = c.a.newLane() // what is left of the call may yet be handled, and its reply would take the place of another's
		}
		c.pause()
	})
}

// calls are what callers ask for, the more often the more often it stands here.
var calls = []deed{look, look, look, look, add, add, add, even, even, odd, send, send, wonder, wonder, remind}

// adorn adds the letters, questions or the reminder that a message has its actor send.
func (c *caller) adorn(m *message) {
	chance, names := c.a.p.n.acting, c.a.p.n.w.acts.names
	for range 1 + chance.IntN(3) {
		l := letter{to: names[chance.IntN(len(names))], do: []deed{add, add, odd, even}[chance.IntN(4)], asks: m.do == wonder}
		switch {
		case m.do == send && l.do == even: // of a letter nobody hears that it was refused
			l.do = odd
			fallthrough
		case m.do == send, m.do == wonder:
			m.mail = append(m.mail, l)
		}
	}
	if m.do == remind {
		m.bell = &bell{name: bellNames[chance.IntN(len(bellNames))]}
		m.bell.Due, m.bell.Every = chance.Int64N(3000), []int64{0, 1000, 2500}[chance.IntN(3)]
	}
}

func (c *caller) pause() {
	c.a.p.n.after(time.Duration(c.a.p.n.acting.Int64N(int64(4*c.a.p.n.w.o.Think)+1)), c.next)
}

// calling is a message that is tried until it is answered.
type calling struct {
	a       *actors
	m       message
	until   time.Duration
	attempt int
	unknown bool // a try was not answered: it may have been handled
	ended   func(acted)
}

// deliver has an actor handle a message, wherever it lives.
func (a *actors) deliver(m message, patience time.Duration, ended func(acted)) {
	c := &calling{a: a, m: m, until: a.p.n.w.now + patience, ended: ended}
	c.try()
}

func (c *calling) try() {
	p := c.a.p
	if c.attempt > 0 && p.n.w.now >= c.until {
		err := error(errUnavailable)
		if c.unknown {
			err = errUnknown
		}
		c.end(acted{err: err})
		return
	}
	c.attempt++
	c.m.call.Unsure = c.m.call.Unsure || c.unknown
	to := c.target()
	if to == nil {
		c.again(acted{err: errUnavailable})
		return
	}
	m, this := c.m, c.attempt
	c.m.call.Repeated = true
	if to == p.n {
		c.a.handle(m, func(r acted) { c.take(this, r) })
		return
	}
	c.a.tries++
	number := c.a.tries
	c.a.calling[number] = c
	p.send(to, classCall, "act", &ask{life: c.a.client, number: number, m: m})
	p.n.after(clientTimeout, func() {
		if c.a.calling[number] == c {
			delete(c.a.calling, number)
			c.take(this, acted{err: errUnknown})
		}
	})
}

// target is the node that leads the actor's shard, by this node's table.
func (c *calling) target() *Node {
	shard, ok := c.a.shardOf(c.m.to)
	if !ok {
		return nil
	}
	row := c.a.p.table().Shard(shard)
	if row == nil || row.PrimaryCopy() == nil {
		return nil
	}
	return c.a.p.n.w.nodeByID(row.PrimaryCopy().Node)
}

// answered takes what another node has answered to the try that is under way.
func (c *calling) answered(r acted) { c.take(c.attempt, r) }

func (c *calling) take(attempt int, r acted) {
	if c.attempt != attempt {
		return
	}
	if r.err == nil || !passing(r.err) {
		c.end(r)
		return
	}
	c.again(r)
}

// again tries once more, after a pause.
func (c *calling) again(r acted) {
	c.unknown = c.unknown || errors.Is(r.err, errUnknown)
	c.attempt++
	c.a.p.n.after(5*time.Millisecond+time.Duration(c.a.p.n.acting.Int64N(int64(30*time.Millisecond))), c.try)
}

func (c *calling) end(r acted) {
	c.attempt++
	c.ended(r)
}
