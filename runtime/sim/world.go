package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// World is one simulated cluster: a heap of events, nodes, the network between them, and everything that is known about
// what happened. It is one goroutine's: nothing in it waits, sleeps, or looks at a clock.
//
//	     ┌────────────── heap: (time, sequence, what) ◄──────────────┐
//	     ▼                                                           │
//	next event ─► node's shell ─► core ─► messages, fsyncs, timers ──┘
//	     │
//	     └─► watch: the numbered invariants, after each event
//
// Invariants: (1) the clock never goes back; (2) two events of one time happen in the order in which they were asked for;
// (3) an event that belongs to one life of a node does nothing after that life has ended; (4) all chance comes from
// generators that the seed fixes, so equal options give equal events, and an equal Hash.
type World struct {
	o     Options
	now   time.Duration // since the world began
	heap  []event
	asked uint64 // events asked for so far
	nodes []*Node
	net   network
	watch watch
	story story
	acts  acts

	keys      []string
	lent      []string // keys that expire
	clocks    clocks
	clients   []*client
	history   history
	loans     history                            // of keys that expire
	lastRead  map[string]string                  // by key, what a client last read: what a swap compares with
	finished  func(*client)                      // is told each operation that ends
	stepped   func(before, after *cluster.State) // is told each newest cluster state
	unserved  func() (string, bool)              // a key that clients write before all others, if there is one
	quiet     bool                               // clients begin nothing any more
	healed    bool                               // faults have ended, for good
	alone     int                                // how often a copy has taken the short way
	forgotten int                                // nodes that were forgotten, and have come back as others
	accepted  int                                // losses that an operator has accepted

	chance  *rand.Rand // what belongs to nothing else
	failure *Failure   // the first; the world ends with it
	events  int
}

// event is something that happens at one time. host nil: to the world itself.
type event struct {
	at   time.Duration
	seq  uint64
	host *Node
	life int // of host; another life: nothing happens
	do   func()
}

// streams of chance: each part of the world draws from a generator of its own, so that leaving out a fault does not change
// the loss of every later packet.
const (
	streamWorld = iota + 1
	streamNetwork
	streamFaults
	streamClients
	streamDisk    // plus the node's number, shifted
	streamNode    // likewise
	streamActors  // likewise; without it, how many there are
	streamLenders // 0: whether there are any; else plus the number of one
)

func stream(seed uint64, which, node int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(which)|uint64(node)<<8))
}

// After has the world do something later. It happens whatever becomes of any node.
func (w *World) After(d time.Duration, do func()) { w.push(d, nil, 0, do) }

func (w *World) push(d time.Duration, host *Node, life int, do func()) {
	if d < 0 {
		d = 0
	}
	w.asked++
	e := event{at: w.now + d, seq: w.asked, host: host, life: life, do: do}
	w.heap = append(w.heap, e)
	i := len(w.heap) - 1
	for i > 0 && before(&w.heap[i], &w.heap[(i-1)/2]) {
		w.heap[i], w.heap[(i-1)/2] = w.heap[(i-1)/2], w.heap[i]
		i = (i - 1) / 2
	}
}

func before(a, b *event) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

func (w *World) pop() event {
	first := w.heap[0]
	last := len(w.heap) - 1
	w.heap[0] = w.heap[last]
	w.heap[last] = event{}
	w.heap = w.heap[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if before(&w.heap[c], &w.heap[least]) {
				least = c
			}
		}
		if least == i {
			return first
		}
		w.heap[i], w.heap[least] = w.heap[least], w.heap[i]
		i = least
	}
}

// Run lets the world go on until the given time, or until its first failure. It says whether it got there.
func (w *World) Run(until time.Duration) bool {
	for w.failure == nil && len(w.heap) > 0 && w.heap[0].at <= until {
		w.step()
	}
	if w.failure == nil && w.now < until {
		w.now = until
	}
	return w.failure == nil
}

// Until lets the world go on until a condition holds, looked at after every event, for at most the given time. It says
// whether it came to hold, and how long that took.
func (w *World) Until(most time.Duration, holds func() bool) (time.Duration, bool) {
	begun := w.now
	for !holds() {
		if w.failure != nil || len(w.heap) == 0 || w.heap[0].at > begun+most {
			return w.now - begun, false
		}
		w.step()
	}
	return w.now - begun, w.failure == nil
}

func (w *World) step() {
	e := w.pop()
	w.now = e.at
	if e.host != nil && !e.host.accepts(e.life, e.do) {
		return
	}
	w.events++
	w.story.fold(uint64(e.at), e.seq)
	w.guard(e.host, e.do)
	if w.failure == nil {
		w.afterStep(e.host)
	}
}

// guard runs a step and turns a core's panic, which is a broken invariant of its own, into the world's failure.
func (w *World) guard(host *Node, do func()) {
	if !w.o.Panics {
		defer func() {
			if r := recover(); r != nil {
				w.Fail(0, "a core panicked on %s: %v\n%s", nameOf(host), r, stack())
			}
		}()
	}
	do()
}

func nameOf(n *Node) string {
	if n == nil {
		return "the world"
	}
	return string(n.ID)
}

// Fail notes a broken invariant by its number (0: a panic); the world then stops. Only the first one counts.
func (w *World) Fail(invariant int, format string, a ...any) {
	if w.failure == nil {
		w.failure = &Failure{Invariant: invariant, At: w.now, What: fmt.Sprintf(format, a...)}
	}
}

// Note tells the story of the world: rare events that a reader of a failure wants to see. It is part of the Hash.
func (w *World) Note(format string, a ...any) { w.story.note(w.now, format, a...) }

// Hash stands for everything that happened: equal options give an equal one.
func (w *World) Hash() uint64 { return w.story.hash }

// Now is the time since the world began.
func (w *World) Now() time.Duration { return w.now }
