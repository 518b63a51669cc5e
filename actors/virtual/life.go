package virtual

import (
	"fmt"
	"math/bits"
	"runtime/debug"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// An activation comes and goes:
//
//	message ─► in memory ─► state is read ─► OnActivate ─► messages ─► OnPassivate ─► out of memory, or again from "state is read"
//	                                                          │
//	            idle · memory short · shard led elsewhere · the state is not what it was · the node stops

// OnActivate has f run when an actor's state has been read into memory, before the message that was the reason for it: the place to set
// timers. It is like the handler of a message of its own: what it changes is committed before that message is handled. If it fails,
// the message is refused and the next one tries again. It runs once in each activation: again after a failover, and after a commit
// of which nobody knows whether it has happened.
func OnActivate[S any](k *KindOf[S], f func(c *Context[S]) error) {
	if k.activated.run != nil {
		panic(fmt.Sprintf("virtual: kind %s is told already when an actor is activated", k.name))
	}
	k.activated.run = func(t *Turn, state any, _ []byte) (any, error) {
		c := &Context[S]{Turn: t, State: state.(*S)}
		return nil, c.settle(state.(*S), f(c))
	}
}

// OnPassivate has f run when an actor that OnActivate was told of, or that has handled a message, is about to leave memory: the place to
// let go of what the program holds for it. f gets the state as it was committed last, as far as this node knows; what it does with
// it is kept nowhere, and it cannot send. No message is handled meanwhile, but methods of HandleRead may still run. It does not
// run when the node dies. It should be quick: when the node stops all of them have 5 s together.
func OnPassivate[S any](k *KindOf[S], f func(id ID, state *S)) {
	if k.passivating != nil {
		panic(fmt.Sprintf("virtual: kind %s is told already when an actor is passivated", k.name))
	}
	k.passivating = func(id ID, state any) { f(id, state.(*S)) }
}

// wake tells the kind that an actor is active.
func (a *activation) wake(d *delivery) error {
	if a.awake {
		return nil
	}
	if a.kind.activated.run != nil {
		if _, err := a.turn(d.ctx, &message{To: a.id, Method: "OnActivate", Event: EventActivate}); err != nil {
			return err
		}
	}
	a.awake = true
	a.publish()
	return nil
}

// unload forgets the state: the next message reads it again. It is for the activation's goroutine.
func (a *activation) unload() {
	defer func() { // also if what the kind does ends the goroutine: else the next would find the same state, and tell the kind again
		a.view.hide()
		a.core.Drop()
		a.awake, a.stored, a.decoded, a.open = false, nil, nil, nil
		a.mu.Lock()
		defer a.mu.Unlock()
		a.stopTimers()
	}()
	if a.awake && a.kind.passivating != nil {
		a.passivate()
	}
}

func (a *activation) passivate() {
	defer func() {
		if reason := recover(); reason != nil {
			a.host.c.Log.Error("a kind panicked when it was told that an actor leaves memory", "actor", a.id.String(), "reason", reason, "stack", string(debug.Stack()))
		}
	}()
	state, err := a.state()
	if err != nil {
		a.host.c.Log.Error("an actor leaves memory, and its kind is not told: its state cannot be read", "actor", a.id.String(), "error", err)
		return
	}
	a.kind.passivating(a.id, state)
}

// leave takes an activation that is not running out of memory. The caller holds its lock.
func (a *activation) leave() {
	if !a.awake || a.kind.passivating == nil {
		a.depart()
		return
	}
	a.leaving = true
	a.running = a.host.employ(a) // if the host is closed, Close tells the kind
}

// depart ends an activation. The caller holds its lock.
func (a *activation) depart() {
	a.gone = true
	for _, d := range a.queue { // held off, else there is none: whoever waits tries again, perhaps elsewhere
		d.refuse(&shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("virtual: actor %s has just left memory", a.id)})
	}
	a.queue = nil
	a.view.hide()
	a.stopTimers()
	a.host.active.Delete(a.id)
	a.host.count.Add(-1)
	a.host.memory.Add(-a.size)
	a.host.c.Figures.Passivated(a.kind.name)
}

// sweepPause is how often idle activations are looked for.
const sweepPause = 10 * time.Second

// sweep puts activations to sleep that have been idle, or whose shard has gone elsewhere, and tells those who wait for one that
// does not get on. When memory is short it does not wait for them to be idle for long.
func (h *Host) sweep() {
	tick := time.NewTicker(sweepPause)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.full:
			h.shed()
			select { // what has just come in may be running still: look again, but not all the time
			case <-h.ctx.Done():
				return
			case <-time.After(shedPause):
			}
		case now := <-tick.C:
			h.forgetUnsure()
			h.each(func(a *activation) {
				leave := a.kept == 0 && now.Sub(a.used) > a.kind.idle || !h.c.Storage.Leads(a.shard) || h.kind(a.id.Kind) != a.kind
				switch {
				case a.running:
					a.hurry()
					a.leaving = a.leaving || leave // perhaps only a timer keeps it busy
				case leave:
					a.leave()
				}
			})
		}
	}
}

// each visits the activations, and holds the lock of the one it is at.
func (h *Host) each(f func(a *activation)) {
	h.active.Range(func(_, value any) bool {
		a := value.(*activation)
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.gone {
			f(a)
		}
		return true
	})
}

// What an activation is taken to need, in bytes, beside its name and twice its state: as it is kept, and as handlers see it.
const activationBytes = 768

func (a *activation) weight() int64 {
	return int64(activationBytes + 2*(len(a.id.Kind)+len(a.id.Name)) + 2*len(a.stored))
}

// weigh counts bytes that activations take more, or less.
func (h *Host) weigh(delta int64) {
	if h.memory.Add(delta) <= h.c.Memory || delta <= 0 {
		return
	}
	select {
	case h.full <- struct{}{}:
	default:
	}
}

// shedPause is how long the host waits after it has made room before it does so again.
const shedPause = 100 * time.Millisecond

// shed puts those actors to sleep that have been idle for longest, until a tenth of the memory for activations is free.
func (h *Host) shed() {
	over := h.memory.Load() - h.c.Memory*9/10
	if over <= h.c.Memory/10 {
		return
	}
	now := time.Now()
	var byAge [ageClasses]int64
	h.each(func(a *activation) {
		if !a.running && len(a.queue) == 0 {
			byAge[ageClass(now.Sub(a.used))] += a.size
		}
	})
	oldest, sum := ageClasses-1, byAge[ageClasses-1]
	for ; oldest > 0 && sum < over; sum += byAge[oldest] {
		oldest--
	}
	for _, last := range []bool{false, true} { // of the class where it is enough, only as many as it takes
		h.each(func(a *activation) {
			class := ageClass(now.Sub(a.used))
			if !a.running && len(a.queue) == 0 && (class > oldest && !last || class == oldest && last && over > 0) {
				over -= a.size
				a.leave()
			}
		})
	}
}

// ageClasses is how many kinds of idle times are told apart: eight for each doubling, in milliseconds.
const ageClasses = 8 * 48

// ageClass is the class of an idle time: the longer, the higher.
func ageClass(idle time.Duration) int {
	ms := uint64(max(0, idle.Milliseconds()))
	if ms < 8 {
		return int(ms)
	}
	doublings := bits.Len64(ms) - 4 // so that the value shifted by it has four bits, of which the first is 1
	return min(8*(doublings+1)+int(ms>>doublings)-8, ageClasses-1)
}
