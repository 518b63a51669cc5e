package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Node is a machine with a disk and a clock, on which one life of the process after another runs.
//
//	start ──► alive ◄──► paused      crash: everything but the disk is forgotten, and of that what was not synced
//	  ▲          │
//	  └── down ◄─┘
type Node struct {
	ID     shards.NodeID
	number int // from 0, its place in World.nodes
	w      *World
	disk   disk
	raft   raftDisk
	chance *rand.Rand // the disk's and the process'
	acting *rand.Rand // of actors and their callers

	alive    bool
	paused   bool // as by SIGSTOP: nothing is delivered, time goes on
	hostGone bool // down, and nobody there to say so
	life     int  // raised at each start and each stop
	epoch    shards.Epoch
	stalled  []func() // what came while paused

	drift    float64       // of its monotonic clock: 0.0005 gains 0.5 ms a second
	wallSkew time.Duration // of its wall clock against the world's
	slow     int           // fsyncs take this many times longer; 0: as usual
	proc     *process
	roles    cluster.Roles
	member   bool          // it has been a member
	out      bool          // the cluster has forgotten it, and its folder is not used any more
	clean    bool          // the last life ended in order
	worst    time.Duration // the longest fsync that has ended since the last heartbeat
	figure   time.Duration // what the node says of it
	old      int           // for how many heartbeats there has been none
}

// monotonic is the node's own clock, which no jump touches.
func (n *Node) monotonic() time.Duration {
	return n.w.now + time.Duration(float64(n.w.now)*n.drift)
}

// wall is what the node takes for the time of day, in Unix milliseconds.
func (n *Node) wall() int64 {
	return worldBegins + (n.monotonic() + n.wallSkew).Milliseconds()
}

// worldBegins is 2026-01-01 in Unix milliseconds.
const worldBegins = 1767225600000

// running says whether the node does anything.
func (n *Node) running() bool { return n.alive && !n.paused }

// accepts says whether an event of the given life may happen now; a paused node keeps it for later.
func (n *Node) accepts(life int, do func()) bool {
	if !n.alive || n.life != life {
		return false
	}
	if n.paused {
		n.stalled = append(n.stalled, do)
		return false
	}
	return true
}

// after has the node do something in this life, by its own clock.
func (n *Node) after(d time.Duration, do func()) {
	n.w.push(time.Duration(float64(d)/(1+n.drift)), n, n.life, do)
}

// start begins a life of the process, with what the disk holds.
func (n *Node) start() {
	if n.alive || n.out {
		return
	}
	n.alive, n.paused, n.hostGone, n.stalled, n.worst, n.figure = true, false, false, nil, 0, 0
	n.life++
	if n.epoch == 0 || !n.bug(BugKeepEpoch) {
		n.epoch++
	}
	n.w.Note("%s starts, epoch %d", n.ID, n.epoch)
	n.proc, n.clean = newProcess(n), false
	n.w.push(0, n, n.life, n.proc.boot)
	n.w.relink()
}

// crash ends the life of the process, and loses what the disk had not synced. Silent: the whole machine is gone, so that
// nobody resets its connections.
func (n *Node) crash(silent bool) {
	if !n.alive {
		return
	}
	n.w.Note("%s crashes%s", n.ID, map[bool]string{true: ", and its machine with it"}[silent])
	n.w.watch.died(n.w, n)
	n.alive, n.paused, n.stalled, n.hostGone = false, false, nil, silent
	n.w.lose(n, silent)
	n.life++
	n.proc = nil
	if err := errors.Join(n.disk.crash(n.chance), n.raft.crash(n.chance)); err != nil {
		n.w.Fail(0, "%s: its disk cannot be opened after a crash: %v", n.ID, err)
	}
}

// stop ends the life of the process in order: everything is written out, and the next life says so.
func (n *Node) stop() {
	if !n.running() {
		return
	}
	if n.proc.copies != nil {
		n.proc.copies.log.flush()
	}
	if err := n.disk.Sync(); err != nil {
		n.w.Fail(0, "%s: %v", n.ID, err)
	}
	n.raft.sync()
	n.clean = true
	n.crash(false)
}

// pause stops the process without ending it.
func (n *Node) pause() {
	if n.running() {
		n.w.Note("%s is paused", n.ID)
		n.paused = true
	}
}

// resume lets it go on: everything that came meanwhile comes at once, in its order.
func (n *Node) resume() {
	if !n.paused {
		return
	}
	n.w.Note("%s goes on, with %d events waiting", n.ID, len(n.stalled))
	n.paused = false
	for _, do := range n.stalled {
		n.w.push(0, n, n.life, do)
	}
	n.stalled = nil
	n.w.relink()
}

// wait is one fsync's time.
func (n *Node) wait(done func()) {
	took := n.syncTime()
	n.after(took, func() {
		n.worst = max(n.worst, took)
		done()
	})
}

// health is the figure of an fsync: the newest there is, for up to twenty heartbeats.
func (n *Node) health() time.Duration {
	if n.old++; n.worst > 0 || n.old > 20 {
		n.figure, n.old = n.worst, 0
	}
	n.worst = 0
	return n.figure
}

// fsync makes durable what the disk has been given so far, and then says so. It takes as long as this disk takes.
func (n *Node) fsync(done func(error)) { n.wait(func() { done(n.disk.Sync()) }) }

// slowest bounds one fsync: a disk that takes longer has to be taken for dead.
const slowest = 4 * time.Second

func (n *Node) syncTime() time.Duration {
	took := 100*time.Microsecond + time.Duration(n.chance.Int64N(int64(400*time.Microsecond)))
	if n.chance.IntN(100) == 0 {
		took += time.Duration(n.chance.Int64N(int64(50 * time.Millisecond)))
	}
	if n.slow > 0 {
		took = min(took*time.Duration(n.slow), slowest)
	}
	return took
}

// AddNode makes a node whose disk is empty. It does not start it.
func (w *World) AddNode() *Node {
	number := len(w.nodes)
	n := &Node{
		ID: shards.NodeID(fmt.Sprintf("n%d", number+1)), number: number, w: w,
		chance: stream(w.o.Seed, streamNode, number), roles: cluster.DefaultRoles,
	}
	n.acting = stream(w.o.Seed, streamActors, number)
	n.disk, n.raft = newForgetful(w.o.Bugs), newRaftLog(w.o.Bugs)
	if w.o.Pebble {
		n.disk, n.raft = w.o.disks(n)
	}
	if w.o.Drift > 0 {
		n.drift = (n.chance.Float64()*2 - 1) * w.o.Drift
	}
	w.nodes = append(w.nodes, n)
	return n
}
