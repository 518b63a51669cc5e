package virtual

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
	rules "github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/tracing"
)

// activation is an actor in memory. Its goroutine runs while there are messages.
type activation struct {
	host  *Host
	id    ID
	kind  *Kind
	shard shards.ShardID
	calls *tracing.Calls
	waits *tracing.Latency

	mu      sync.Mutex
	queue   []*delivery
	first   [1]*delivery // room for the queue of most actors
	running bool
	leaving bool   // when nothing is left to do it leaves memory
	method  string // that is being handled, if running
	gone    bool   // it is not in Host.active any more
	used    time.Time
	holding bool     // when next was called last, the actor waited for an answer, and its kind holds messages off
	freed   []uint64 // questions whose answers were set aside: to be taken out of open
	timers  map[string]*timer
	kept    int // of the timers those that keep it in memory

	size int64 // its part of Host.memory

	// The goroutine's own, and the lock's if it is not running.
	core    rules.Core // what makes it safe that there may be others
	current *delivery  // that is being handled
	began   time.Time  // when that was
	exited  error      // what becomes of it: its handler has ended the goroutine
	awake   bool       // the kind has been told that it is active
	stored  []byte     // the state as it is kept; nil: there is none yet
	unsure  bool       // a write of which nobody knows the outcome may yet change it
	foreign bool       // it was written before this activation, perhaps by another release
	expires bool       // the state has a TTL: unless it gets another it goes
	decoded any        // the state, if no handler that failed has touched it; nil: decode again
	open    questions  // if the kind holds messages off for them

	view viewed
}

// delivery is a message that waits for its reply.
type delivery struct {
	ctx   context.Context
	m     *message
	done  chan struct{}   // closed with the answer; nil if whoever waits is who runs the actor, and if nobody waits
	lends bool            // whoever waits for it may run the actor
	at    time.Time       // of its arrival; of a timer's message zero
	span  *tracing.Active // nil unless it is traced; of whoever closes done
	from  *timer          // nil: the message does not come from one
	seen  bool            // by the sweep, which refuses it when it comes again
	known bool            // that it was not handled before: it may be held off
	begun bool            // its span says so
	turn  bool            // it is handled in its turn, also if it only reads
	keys  [2]string       // room for what is read before it is handled
	body  []byte          // the reply
	err   error
}

// find gives an actor's activation, nil if it is not in memory, and its shard.
func (h *Host) find(id ID, k *Kind) (*activation, shards.ShardID, error) {
	if found, there := h.active.Load(id); there {
		if a := found.(*activation); a.kind == k { // else it is of a kind that was unregistered, and perhaps in another keyspace
			return a, a.shard, nil
		}
	}
	shard, _, err := h.c.Storage.Locate(k.keyspace, id.key("s", ""))
	return nil, shard, err
}

// activate brings an actor into memory, if it is not there.
func (h *Host) activate(id ID, k *Kind, shard shards.ShardID) *activation {
	fresh := &activation{host: h, id: id, kind: k, shard: shard, calls: h.c.Figures.Calls(k.name), waits: h.c.Figures.MailboxWaits(k.name)}
	size := fresh.weight() // once it is stored others find it, and fresh.size is theirs as well
	fresh.queue, fresh.size = fresh.first[:0], size
	found, there := h.active.LoadOrStore(id, fresh)
	if !there {
		h.count.Add(1)
		h.weigh(size)
		h.c.Figures.Activated(k.name)
	}
	return found.(*activation)
}

// enqueue puts a message into the mailbox; false if the activation is gone. If d.done is nil then, the caller runs the actor: see lend.
func (a *activation) enqueue(k *Kind, d *delivery) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return false
	}
	a.used = time.Now()
	d.at = a.used
	if d.lends && !a.running && len(a.queue) == 0 && a.kind == k && a.host.lend() {
		a.queue, a.running = append(a.queue, d), true
		return true
	}
	d.done = make(chan struct{})
	if a.kind != k { // it was unregistered, and another registered: what is left of it leaves memory
		if !a.running {
			a.leave()
		}
		d.refuse(&shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("virtual: kind %s is another since a moment ago, and actor %s is about to leave memory", k.name, a.id)})
		return true
	}
	a.take(d)
	return true
}

// overload is why a message was refused without being handled.
const overload = "overload"

// take puts a message into the mailbox. The caller holds the lock.
func (a *activation) take(d *delivery) {
	if len(a.queue) >= a.kind.mailbox && !(a.kind.holds && a.passes(d)) { // else its answer would wait for those who wait for it
		a.host.c.Figures.Rejected(a.kind.name, overload)
		d.refuse(failed(a.id, d.m.Method, CodeBusy, fmt.Sprintf("%d messages wait for it; that is its limit", len(a.queue))))
		return
	}
	a.queue = append(a.queue, d)
	if a.running || len(a.open) > 0 && !a.looks(d) && !a.crosses(d) && !a.outdated() {
		return
	}
	a.work()
}

// work has the messages of the mailbox handled, or refused if the host is closed. The caller holds the lock, and nobody is at it.
func (a *activation) work() {
	if a.running = a.host.employ(a); a.running {
		return
	}
	for _, d := range a.queue {
		d.refuse(errClosed)
	}
	a.queue = nil
}

// begin notes when the message's turn came. It may be handled again after that, on another state.
func (d *delivery) begin() {
	if !d.begun {
		d.begun = true
		d.span.Event("its turn")
	}
}

// refuse answers a message that is not handled.
func (d *delivery) refuse(err error) {
	d.err = err
	end(d.span, err)
	d.answered()
}

// answered tells whoever waits for the reply.
func (d *delivery) answered() {
	if d.done != nil {
		close(d.done)
	}
}

// withdraw takes a message back that nobody waits for any more; false if it is being handled, or was.
func (a *activation) withdraw(d *delivery) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := slices.Index(a.queue, d)
	if at >= 0 {
		a.queue = slices.Delete(a.queue, at, at+1)
	}
	return at >= 0
}

// mostIdle bounds the goroutines that wait for an actor. One that has run has a stack that is large enough, which a new one would
// have to grow: that is a quarter of what a call costs.
const mostIdle = 64

// job is what a goroutine of the host does, for as long as run takes.
type job interface {
	run()
	// cut is called if a handler has ended the goroutine while it was at run.
	cut()
}

// employ has a job done, by a goroutine that has nothing to do or by a new one; false if the host is closed.
func (h *Host) employ(j job) bool {
	select {
	case h.jobs <- j:
		return true
	default:
	}
	return h.hire(j)
}

// hire begins a goroutine that does a job, and then others if there are some.
func (h *Host) hire(at job) bool {
	return h.start(func() {
		defer func() {
			if at != nil {
				at.cut()
			}
		}()
		for {
			at.run()
			at = nil
			if h.idle.Add(1) > mostIdle {
				h.idle.Add(-1)
				return
			}
			select {
			case at = <-h.jobs:
				h.idle.Add(-1)
			case <-h.ctx.Done():
				return
			}
		}
	})
}

// lend runs the actor, of which nobody else has heard that it is idle no more, on the goroutine of the one that waits for d, until that is
// answered: to hand it to another and to be woken by that would cost more than most handlers do. What else has come by then is handled by a
// goroutine of the host.
func (a *activation) lend(d *delivery) {
	defer a.host.work.Done()
	whole := false
	defer func() {
		if !whole {
			a.cut()
		}
	}()
	a.runUntil(d)
	whole = true
}

// lend counts a goroutine that is not the host's among those that it waits for; false if the host is closed.
func (h *Host) lend() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !h.closed {
		h.work.Add(1)
	}
	return !h.closed
}

// run handles messages until none waits.
func (a *activation) run() { a.runUntil(nil) }

// runUntil is run on the goroutine that waits for a message, for the host's if it is nil.
func (a *activation) runUntil(lent *delivery) {
	for before := a.resume(); ; {
		a.mu.Lock()
		if before != nil {
			a.used, a.leaving = time.Now(), false
			if before.err != errBeside {
				a.calls.Observe(a.used.Sub(before.at), outcome(before.err), before.span.Carrier())
			}
		}
		if lent != nil && before == lent && len(a.queue) > 0 {
			a.work()
			a.mu.Unlock()
			return
		}
		if a.leaving && len(a.queue) == 0 {
			a.mu.Unlock()
			a.unload() // a message that comes now waits until the kind has been told, and then wakes the actor
			a.mu.Lock()
			if a.leaving = false; len(a.queue) == 0 {
				a.depart()
			}
		}
		d := a.next()
		if d == nil && len(a.queue) > 0 && a.outdated() {
			a.mu.Unlock()
			a.unload() // then nothing is held off until it is known what the actor waits for now
			before = nil
			continue
		}
		if d == nil {
			if a.running = false; len(a.queue) == 0 {
				a.queue = a.first[:0]
			}
			a.mu.Unlock()
			return
		}
		a.method = d.m.Method
		a.began = a.used
		if before == nil && lent == nil { // it has slept since; who lends its goroutine has just come
			a.began = time.Now()
		}
		if d.from != nil {
			d.from.waiting = false
		}
		a.mu.Unlock()
		before = a.serve(d)
	}
}

// serve handles a message, and answers it. It gives it back, unless the message is put off or nobody has called.
func (a *activation) serve(d *delivery) *delivery {
	a.current = d
	if d.ctx.Err() == nil {
		d.body, d.err = a.process(d)
	} else { // nobody waits for it any more, and it has not begun
		d.err = ended(d.ctx, d.m)
	}
	a.current, a.exited = nil, nil
	if d.err == errHeld {
		d.err = nil
		a.hold(d)
		return nil
	}
	if d.from == nil {
		a.waits.Observe(a.began.Sub(d.at), tracing.Carrier{})
	}
	if d.err != errBeside {
		end(d.span, d.err)
	}
	d.answered()
	if d.from != nil {
		d.from.report(d.err)
		return nil
	}
	return d
}

// resume goes on with the message whose handler has ended the goroutine that was at it, if there is one: it comes to the same place again, and finds
// there what became of it.
func (a *activation) resume() *delivery {
	d := a.current
	if d == nil {
		return nil
	}
	if a.exited == nil && d.m.Client != 0 { // it was not the handler, but the kind when it was told that the actor leaves memory: perhaps after a commit
		d.m.Repeated, d.m.Unsure = true, true
	}
	return a.serve(d)
}

// cut hands the actor to another goroutine.
func (a *activation) cut() {
	if a.host.hire(a) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil {
		a.current.refuse(errClosed)
	}
	a.current, a.running = nil, false
	for _, d := range a.queue {
		d.refuse(errClosed)
	}
	a.queue = nil
}

// hurry refuses messages that a sweep has seen in the mailbox before: an actor that hangs, in a call to itself perhaps, holds
// nobody up for longer than two sweeps.
func (a *activation) hurry() {
	waits := false
	a.queue = slices.DeleteFunc(a.queue, func(d *delivery) bool {
		if a.holding && !a.passes(d) {
			return false // it is put off in its time
		}
		if d.seen {
			a.host.c.Figures.Rejected(a.kind.name, overload)
			d.refuse(failed(a.id, d.m.Method, CodeBusy, fmt.Sprintf("it waited %v behind others; now the actor handles %s", sweepPause, a.method)))
			if d.from != nil {
				d.from.waiting = false
				d.from.report(d.err)
			}
		}
		seen := d.seen
		d.seen, waits = true, true
		return seen
	})
	if took := time.Since(a.began); waits && len(a.queue) > 0 && took >= sweepPause/2 {
		a.host.c.Log.Warn("messages wait behind one that an actor has handled for long: does its handler call the actor itself, by way of others perhaps? Calls with Turn.Context are refused at once",
			"actor", a.id.String(), "method", a.method, "took", took.Round(time.Millisecond), "waiting", len(a.queue))
	}
}
