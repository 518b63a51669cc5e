package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Fault is one thing that goes wrong, and for how long. Its victims are found when it begins, since who leads is not known before.
type Fault struct {
	At, For time.Duration
	Kind    FaultKind
	Who     int     // picks the victim, Other a second one: numbers of nodes, taken modulo how many there are
	Other   int     //
	Amount  float64 // 0 to 1: how bad
}

// FaultKind says what goes wrong.
type FaultKind uint8

// The faults.
const (
	FaultCrash    FaultKind = iota // a process dies, its host answers for it
	FaultGone                      // a machine vanishes
	FaultLeader                    // the placement leader's process dies
	FaultPair                      // the leader and another one die together
	FaultAll                       // all processes die, and come back one after another
	FaultPause                     // a process is stopped and goes on
	FaultCut                       // one node is cut off, both ways
	FaultDeaf                      // one node hears nothing; it is heard
	FaultMute                      // one node is not heard; it hears
	FaultLink                      // two nodes do not reach each other
	FaultOneWay                    // one direction between two nodes is dead
	FaultFirewall                  // connections that one node opens to another are dropped, those that the other opens are not; or all that it opens, or that are opened to it
	FaultSplit                     // some nodes on one side, the others on the other
	FaultStorm                     // packets are lost, late and doubled
	FaultSlow                      // a disk takes its time
	FaultRot                       // a bit flips in a log, or a copy vanishes, and the process restarts on that
	FaultClock                     // a wall clock jumps by up to an hour, either way
	FaultFlap                      // a process dies and comes back, five times
	FaultTransfer                  // an operator moves the leadership
	FaultDrain                     // an operator drains a node, and takes it back
	FaultHand                      // an operator asks primaries to hand over
	FaultStop                      // an operator stops a node, which writes everything out first, and starts it again
	FaultJoin                      // a new node joins, and stays
	FaultReplicas                  // an operator changes a keyspace's number of replicas
	FaultForget                    // a node dies or is cut off, an operator has the cluster forget it, and its machine comes back with another folder, or its own
	FaultAccept                    // all copies in sync of a shard die, the primary's last; an operator accepts the loss, and they come back. Only where it is asked for
	faultKinds
)

// faultNames name the kinds for readers and scenarios; faultWeights say how often each comes, relative to the others.
var (
	faultNames = [faultKinds]string{
		"crash", "gone", "crash-leader", "crash-pair", "crash-all", "pause", "cut", "deaf", "mute", "link", "one-way", "firewall", "split", "storm",
		"slow-disk", "rot", "clock", "flap", "transfer", "drain", "hand-over", "stop", "join", "replicas", "forget", "accept",
	}
	faultWeights = [faultKinds]int{10, 4, 6, 4, 2, 8, 8, 3, 3, 4, 4, 6, 6, 5, 7, 3, 2, 2, 3, 3, 6, 4, 1, 2, 0, 0}
)

// String is the fault as a reader of a failure sees it.
func (f Fault) String() string {
	return fmt.Sprintf("at %v for %v: %s (who %d, other %d, amount %.2f)",
		f.At.Round(time.Millisecond), f.For.Round(time.Millisecond), faultNames[f.Kind], f.Who, f.Other, f.Amount)
}

// settleTime is what a world has to form its cluster before the first fault.
const settleTime = 3 * time.Second

// Faults invents the faults of a world: one every quarter of a second to five seconds, by its temper, so that some overlap.
// Each takes 30 ms to 9 s, spread evenly over the orders of magnitude.
func Faults(o Options) []Fault {
	chance := stream(o.Seed, streamFaults, 0)
	weights := temper(o, chance)
	total := 0
	for _, w := range weights {
		total += w
	}
	var all []Fault
	pace := time.Duration(1+chance.IntN(4)) * time.Second
	for at := settleTime; at < settleTime+o.Length; at += pace/4 + time.Duration(chance.Int64N(int64(pace))) {
		f := Fault{At: at, Who: chance.IntN(64), Other: chance.IntN(64), Amount: chance.Float64()}
		f.For = time.Duration(math.Pow(300, chance.Float64()) * float64(30*time.Millisecond))
		roll := chance.IntN(total)
		for roll >= weights[f.Kind] {
			roll -= weights[f.Kind]
			f.Kind++
		}
		all = append(all, f)
	}
	return all
}

// temper gives a world faults of its own mixture: three kinds come five times as often as elsewhere, so that what only a
// conjunction of the same few brings about is met as well.
func temper(o Options, chance *rand.Rand) [faultKinds]int {
	weights := faultWeights
	for range 3 {
		weights[chance.IntN(int(FaultForget))] *= 5 // it and what follows have no weight: worlds of before stay as they were
	}
	for _, kind := range o.Temper {
		weights[kind] = 100
	}
	return weights
}

// plan has the faults happen: all, or those that Options.Only lists.
func (w *World) plan(faults []Fault) {
	for i, f := range faults {
		if w.o.Only == nil || slices.Contains(w.o.Only, i) {
			w.After(f.At-w.now, func() {
				if !w.healed {
					w.Note("fault %d: %v", i, f)
					w.begin(f)
				}
			})
		}
	}
}

// begin has one fault happen.
func (w *World) begin(f Fault) {
	a := w.nodes[f.Who%len(w.nodes)]
	b := w.nodes[(f.Who+1+f.Other%(len(w.nodes)-1))%len(w.nodes)]
	if f.Kind == FaultLeader || f.Kind == FaultPair {
		if leader := w.leader(); leader != nil {
			a = leader
		}
		if b == a {
			b = w.nodes[(a.number+1)%len(w.nodes)]
		}
	}
	switch f.Kind {
	case FaultCrash, FaultLeader:
		w.crashFor(a, f.For, false)
	case FaultGone:
		w.crashFor(a, f.For, true)
	case FaultPair:
		w.crashFor(a, f.For, false)
		w.crashFor(b, f.For+time.Duration(f.Amount*float64(time.Second)), f.Amount < 0.3)
	case FaultAll:
		for i, n := range w.nodes {
			w.crashFor(n, f.For+time.Duration(float64(i)*f.Amount*float64(time.Second)), false)
		}
	case FaultFlap:
		for i := range 5 {
			w.After(time.Duration(i)*f.For, func() { w.crashFor(a, f.For/2, false) })
		}
	case FaultPause:
		a.pause()
		w.undo(f.For, a.resume)
	case FaultStorm, FaultSlow, FaultRot, FaultClock:
		w.spoil(f, a)
	case FaultStop:
		a.stop()
		w.undo(f.For, a.start)
	case FaultJoin:
		if len(w.nodes) < mostNodes {
			w.AddNode().start()
		}
	case FaultTransfer, FaultDrain, FaultHand, FaultReplicas:
		w.operate(f, a)
	case FaultFirewall:
		w.fence(f, a, b)
	case FaultForget:
		w.forget(f, a)
	case FaultAccept:
		w.accept(f)
	default:
		w.isolate(f, a, b)
	}
}

// mostNodes bounds a world that new nodes join.
const mostNodes = 7

// undo ends a fault after its time, unless all of them have been ended before.
func (w *World) undo(d time.Duration, do func()) {
	w.After(d, func() {
		if !w.healed {
			do()
		}
	})
}

func (w *World) crashFor(n *Node, d time.Duration, silent bool) {
	if w.healed {
		return
	}
	n.crash(silent)
	w.undo(d, n.start)
}

// spoil has a fault of the weather, a disk or a clock happen.
func (w *World) spoil(f Fault, a *Node) {
	switch f.Kind {
	case FaultStorm:
		before := w.net.weather
		w.net.weather = rough
		w.net.weather.Loss = 0.02 + 0.3*f.Amount
		w.net.weather.Most = time.Duration((1 + 60*f.Amount) * float64(time.Millisecond))
		w.undo(f.For, func() { w.net.weather = before })
	case FaultSlow:
		a.slow = int(math.Pow(10000, f.Amount))
		w.undo(f.For, func() { a.slow = 0 })
	case FaultClock:
		a.skew(time.Duration((f.Amount*2 - 1) * float64(time.Hour)))
		w.undo(f.For, func() { a.skew(0) })
	case FaultRot:
		w.rot(a, f.Amount < 0.5)
		w.crashFor(a, f.For, false)
	}
}

// isolate has a fault of the network happen, and undoes exactly the cuts that it made.
func (w *World) isolate(f Fault, a, b *Node) {
	var cuts [][2]*Node
	both := func(x, y *Node) { cuts = append(cuts, [2]*Node{x, y}, [2]*Node{y, x}) }
	switch f.Kind {
	case FaultLink:
		both(a, b)
	case FaultOneWay:
		cuts = append(cuts, [2]*Node{a, b})
	case FaultCut, FaultDeaf, FaultMute:
		for _, n := range w.nodes {
			switch {
			case n == a:
			case f.Kind == FaultCut:
				both(a, n)
			case f.Kind == FaultDeaf:
				cuts = append(cuts, [2]*Node{n, a})
			default:
				cuts = append(cuts, [2]*Node{a, n})
			}
		}
	case FaultSplit:
		for _, x := range w.nodes {
			for _, y := range w.nodes[x.number+1:] {
				if f.Other>>x.number&1 != f.Other>>y.number&1 {
					both(x, y)
				}
			}
		}
	}
	for _, c := range cuts {
		w.cut(c[0], c[1], 1)
	}
	w.undo(f.For, func() {
		for _, c := range cuts {
			w.cut(c[0], c[1], -1)
		}
	})
}

// fence has a firewall between two nodes, or one that lets a node open no connection, or nobody open any to it. It stays for three times as long as
// other faults: what it does to a lease shows late.
func (w *World) fence(f Fault, a, b *Node) {
	if l := w.leader(); l != nil && f.Amount > 0 && f.Amount <= 0.3 {
		a, b = l, w.listener(l, b)
	}
	walls := [][2]*Node{{a, b}}
	if f.Amount > 0.6 {
		walls = nil
		for _, n := range w.nodes {
			switch {
			case n == a:
			case f.Amount > 0.8:
				walls = append(walls, [2]*Node{n, a})
			default:
				walls = append(walls, [2]*Node{a, n})
			}
		}
	}
	for _, c := range walls {
		w.wall(c[0], c[1], 1)
	}
	w.undo(3*f.For, func() {
		for _, c := range walls {
			w.wall(c[0], c[1], -1)
		}
	})
}

// listener is a node that does not vote, and so goes on to send heartbeats to a leader that it does not hear; if all vote, any but the leader.
func (w *World) listener(leader, start *Node) *Node {
	s := leader.proc.meta.core.State()
	found := start
	for i := range w.nodes {
		n := w.nodes[(start.number+i)%len(w.nodes)]
		switch {
		case n == leader:
		case s.Member(n.ID) != nil && !slices.Contains(s.Voters, n.raftNumber()):
			return n
		case found == leader:
			found = n
		}
	}
	return found
}

// heal ends all that is wrong with the world, for good.
func (w *World) heal() {
	w.Note("all faults end")
	w.healed = true
	clear(w.net.cuts)
	clear(w.net.walls)
	w.net.weather = calm
	for _, n := range w.nodes {
		n.slow = 0
		n.skew(0)
		n.resume()
		if n.alive && w.isForgotten(n) {
			w.leave(n)
		}
		n.start()
	}
	w.relink()
}

// rot damages a copy, of a shard of which another copy is in sync and sound: a bit flips in its log, or all of it, with the
// record that it was there, is gone. Only of a copy in sync everything goes: of another one nobody could tell afterwards.
func (w *World) rot(n *Node, bit bool) {
	if w.watch.newest == nil {
		return
	}
	for i := range w.watch.newest.Shards {
		row := &w.watch.newest.Shards[(i+n.number)%len(w.watch.newest.Shards)]
		c, l := row.CopyOn(n.ID), w.watch.shard(row.ID)
		sound := slices.ContainsFunc(row.Copies, func(o cluster.Copy) bool { return o.Node != n.ID && o.InSync && !l.damaged[o.ID] && !l.gone[o.ID] })
		switch {
		case c == nil || !sound || !bit && !c.InSync:
			continue
		case bit && !n.disk.rot(row.ID, n.chance):
			continue
		case bit:
			w.Note("a bit flips in the log of shard %v on %s", row.ID, n.ID)
		default:
			w.Note("all that %s had of shard %v vanishes", n.ID, row.ID)
			n.disk.vanish(row.ID)
			l.gone[c.ID] = true
		}
		l.damaged[c.ID] = true
		return
	}
}

// operate has an operator do something.
func (w *World) operate(f Fault, a *Node) {
	leader := w.leader()
	if leader == nil || !leader.running() {
		return
	}
	meta := leader.proc.meta
	if f.Kind == FaultTransfer {
		w.push(0, leader, leader.life, func() { meta.input(func() { meta.core.Transfer() }) })
		return
	}
	if f.Kind == FaultHand {
		w.push(0, leader, leader.life, func() { w.handAround(leader, f) })
		return
	}
	if f.Kind == FaultReplicas {
		w.push(0, leader, leader.life, func() { w.resize(leader, f) })
		return
	}
	drain := func(yes bool) {
		if l := w.leader(); l != nil && l.running() {
			w.push(0, l, l.life, func() {
				l.proc.meta.propose(&cluster.Command{Member: &cluster.MemberChange{Node: a.ID, Draining: &yes}}, nil)
			})
		}
	}
	drain(true)
	w.After(f.For, func() { drain(false) })
}

// handAround asks up to three primaries to hand over to another copy in sync.
func (w *World) handAround(leader *Node, f Fault) {
	s := leader.proc.table()
	if s == nil {
		return
	}
	r := &cluster.Reroute{}
	for i := range s.Shards {
		row := &s.Shards[i]
		for _, c := range row.Copies {
			if c.InSync && c.ID != row.Primary && row.Primary != 0 && row.HandTo == 0 && len(r.Rows) < 1+f.Other%3 {
				r.Rows = append(r.Rows, cluster.RowChange{Shard: row.ID, Base: row.Version, Moves: []cluster.Move{{Kind: cluster.MoveHandTo, Copy: c.ID, Reason: "an operator asks"}}})
				break
			}
		}
	}
	if len(r.Rows) > 0 {
		leader.proc.meta.propose(&cluster.Command{Reroute: r}, nil)
	}
}

// resize gives a keyspace another number of replicas: as many as it has copies to be in sync, and nodes to hold them.
func (w *World) resize(leader *Node, f Fault) {
	s := leader.proc.table()
	if s == nil || len(s.Keyspaces) == 0 {
		return
	}
	space := s.Keyspaces[f.Other%len(s.Keyspaces)].Keyspace
	space.Replicas = 1 + f.Who%2
	if f.Amount > 0 && f.Amount < 0.4 {
		space.Replicas = shards.NoReplicas
	}
	if space.MinInSync > space.Copies() {
		return
	}
	leader.proc.meta.propose(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: space}}, nil)
}
