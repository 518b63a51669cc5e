package liveness

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Detector finds out which members are alive. It runs on the placement leader and begins anew with each reign: New is called
// when the reign begins, with tick 0, and the leases of the reign before are taken to have been granted at that moment.
//
// Call Members with the cluster state and whenever it changes, Tick in every tick, the other inputs as they come, and then
// carry out what Ready returns. It reads no clock, throws no dice and keeps no goroutine; one goroutine at a time.
//
// Invariants, checked by check after every tick and in tests after every input:
//
//  1. Nodes are sorted by ID, each once; the detector's own node is never suspect.
//  2. A node that was declared dead without proof was so after its last lease had certainly ended, by a leader that was one
//     since it began to miss the node, and never gets another in that epoch.
//  3. Only suspects are redialed, but for the first time, and probed, but in a search for an heir; no node is asked to probe
//     itself, and nobody asks the detector's own node.
//  4. Epochs of a node never go back; limits, ill health and holds stay within their bounds.
//  5. The lead is handed to a voter only that is alive and not grey, and that has reached more members than this leader does.
type Detector struct {
	c      Config
	now    int64
	nodes  []*node
	ready  Ready
	health int   // how ill the detector itself is; multiplies limits
	well   int64 // punctual ticks since the last late one
	ear    int   // 1 while most members are silent at once
	turn   int   // whom to ask next, so that all members take part in probing
	voters []uint64
	search search

	follows   int64 // ticks that the reign before lasted; -1: not known
	former    int64 // tick by which all leases of leaders before have certainly ended, where those are longer than this one's; 0: they are not
	confirmed int64 // tick in which a majority has last confirmed that this leader leads; 0: nothing has been said of that
}

// node is one member.
type node struct {
	member cluster.Member
	state  State // Alive, Suspect or Dead; grey is kept beside it
	grey   bool
	since  int64
	reason string
	proof  bool
	newer  shards.Epoch // a life after Epoch that has been heard and has not joined yet

	heard      int64
	met        bool   // heard in this epoch at all
	unsure     bool   // it is redialed though it is not suspect
	dialed     string // where it was redialed last
	granted    int64  // no lease of this epoch was granted after this tick
	complains  bool   // its last heartbeat says that no answer has come for a lease...
	complained int64  // ...as all have since this tick...
	unanswered int64  // ...and that the last one came before this one
	deviation  eighths
	roundTrip  eighths

	suspicion suspicion
	sickness  sick
	illness   string // why it is grey
	lives     int    // returns in short order
	livesFrom int64  // when the next of them begins to be forgotten
	offers    int    // how often it was offered the lead in this reign, up to maxOffers
	offered   int64  // tick until which it is not offered it again
	held      int64  // 0: not held
	holding   string // why, to be added to the reason
}

// New begins a detector for a reign of c.Self. It hands the lead to nobody before it is told of Voters.
func New(c Config) (*Detector, error) {
	c, err := c.Validate()
	if err != nil {
		return nil, err
	}
	return &Detector{c: c, follows: -1}, nil
}

// Config is the configuration with its defaults.
func (d *Detector) Config() Config { return d.c }

// Now is how many ticks have passed.
func (d *Detector) Now() int64 { return d.now }

// Inherits says, at the beginning of a reign, for how many ticks a lease may last that a leader before has granted: it may have been started with
// another length than this one, as while nodes are restarted with a shorter one.
func (d *Detector) Inherits(lease int) {
	if lease > d.c.Lease {
		d.former = int64(lease) + margin(lease, d.c.DriftPPM)
	}
}

// free says whether the last lease that a node was granted in its epoch has certainly ended at a tick.
func (d *Detector) free(n *node, at int64) bool {
	return leaseOver(n.granted, at, d.c.Lease, d.c.DriftPPM) && at >= d.former
}

// Tick says that a tick has passed. late is how many whole ticks it came too late, as the shell's clock tells: a detector that
// was itself held up gives others more time. However late it comes it counts as one tick, so that silence through which
// the detector slept is nobody's fault.
func (d *Detector) Tick(late int64) {
	d.now++
	d.heal(late)
	d.listen()
	for _, n := range d.nodes {
		d.judge(n)
	}
	d.seekHeir()
	d.check()
}

func (d *Detector) heal(late int64) {
	if worse := worsen(d.health, late, d.c.LateUnit, d.c.MaxHealth); worse > d.health {
		d.health, d.well = worse, 0
		return
	}
	if d.well++; d.well >= int64(d.c.HealthDecay) {
		d.health, d.well = max(0, d.health-1), 0
	}
}

// listen notices when most members are silent at once.
func (d *Detector) listen() {
	silent, living := 0, 0
	for _, n := range d.nodes {
		if n.state == Dead || d.own(n) {
			continue
		}
		living++
		if d.now-n.heard > silence(d.c.Misses, d.c.Heartbeat, 0, d.adapt(n)) {
			silent++
		}
	}
	d.ear = 0
	if mostSilent(silent, living) {
		d.ear = 1
	}
}

func (d *Detector) judge(n *node) {
	if n.state == Dead {
		return
	}
	n.lives, n.livesFrom = forgotten(n.lives, n.livesFrom, d.now, d.c.FlapDecay)
	if n.held != 0 && d.now >= n.held {
		n.held, n.holding = 0, ""
		n.reason = "it has stayed for long enough to be used again"
		d.tell(n, n.shown(), Change{})
	}
	if d.own(n) {
		return
	}
	if silent := d.now - n.heard; n.state == Alive && silent > d.limit(n) {
		d.suspect(n, fmt.Sprintf("no heartbeat for %v, with a limit of %v", d.span(silent), d.span(d.limit(n))))
	}
	if n.state == Suspect {
		d.pursue(n)
	}
}

// Standing is how a heartbeat is to be answered.
type Standing uint8

// The standings.
const (
	Stranger Standing = iota // no member, or not in this epoch: no lease until it has joined
	Bygone                   // of a life that is over: no lease
	Declared                 // this life was declared dead: no lease; the node must begin another
	Granted                  // a lease may be granted, now
	Withheld                 // an answer and no lease: it says that it has had none for long, and is to say so when it has
)

// Heard takes a heartbeat of a member in an epoch, the leader's own included: it too may be sick, or have been declared dead
// before it was elected, and may then not serve what others have taken over. Only if it answers Granted may a lease be granted
// for that heartbeat, and only before the next call of Tick. Granted and Withheld are answered; see Unproven if they cannot be.
func (d *Detector) Heard(id shards.NodeID, epoch shards.Epoch, h Health) Standing {
	n := d.find(id)
	if n == nil {
		return Stranger
	}
	switch {
	case epoch < n.member.Epoch:
		return Bygone
	case epoch > n.member.Epoch:
		d.succeeded(n, epoch)
		return Stranger
	case n.state == Dead:
		return Declared
	}
	gap := d.now - n.heard
	n.deviation = n.deviation.smooth(deviationOf(gap, d.c.Heartbeat))
	n.roundTrip = n.roundTrip.smooth(inTicks(h.RoundTrip, d.c.TickLength))
	if !n.met {
		n.met, n.reason = true, "its heartbeats come"+n.holding
	}
	n.heard, n.unsure = d.now, false
	if d.deafened(n, h, gap) {
		d.weigh(n, h)
		return Withheld
	}
	n.granted = d.now
	if n.state == Suspect && n.suspicion.broken != d.now {
		reason := fmt.Sprintf("a heartbeat came after %v", d.span(gap))
		if n.suspicion.deaf && !n.complains {
			reason = "its heartbeats come, and say that it has answers again"
		}
		d.refute(n, reason)
	}
	d.weigh(n, h)
	return Granted
}

// Confirmed says for how long, in nanoseconds, no majority has confirmed by now that this leader leads. One that cannot know whether it still
// does declares nobody dead without proof: it may be the one who hears nobody, while what it proposes reaches all.
func (d *Detector) Confirmed(age int64) {
	ticks := (age + int64(d.c.TickLength) - 1) / int64(d.c.TickLength)
	d.confirmed = max(d.confirmed, d.now-ticks, 1)
}

// doubted says whether a member that is suspect may have been missed because this leader hears nobody, and leads no more.
func (d *Detector) doubted(n *node) bool { return d.confirmed != 0 && d.confirmed <= n.since }

// succeeded notes that a later life of a node than the one that is a member has shown itself.
func (d *Detector) succeeded(n *node, epoch shards.Epoch) {
	if epoch > n.newer {
		n.newer = epoch
	}
	if n.state != Dead {
		d.die(n, true, fmt.Sprintf("epoch %d of it answers, so epoch %d is over", epoch, n.member.Epoch))
	}
}

// Unsure says, at the beginning of a reign, that nothing is known of a connection to a member: it is redialed once, without
// being suspect, so that who died before the reign, or with the leader before, is found out at once.
func (d *Detector) Unsure(id shards.NodeID, epoch shards.Epoch) {
	n := d.find(id)
	if n == nil || n.member.Epoch != epoch || n.state != Alive || n.met || d.own(n) {
		return
	}
	n.unsure, n.dialed = true, n.member.Peer
	d.ready.Redials = append(d.ready.Redials, Redial{n.member.ID, epoch, n.member.Peer, int64(d.c.RedialTimeout)})
}

// Broken says that the connection to a member's life broke. cause is for people.
func (d *Detector) Broken(id shards.NodeID, epoch shards.Epoch, cause string) {
	n := d.find(id)
	if n == nil || n.member.Epoch != epoch || n.state == Dead || d.own(n) {
		return
	}
	if n.state == Alive {
		d.suspect(n, "its connection broke: "+cause)
	}
	n.suspicion.broken = d.now
	d.redial(n)
}

// Redialed takes the answer to a Redial; by is the epoch of who answered, if somebody did.
func (d *Detector) Redialed(id shards.NodeID, epoch shards.Epoch, answer Answer, by shards.Epoch) {
	n := d.find(id)
	if n == nil || n.member.Epoch != epoch || n.state == Dead || d.own(n) {
		return
	}
	if answer == Answered && by > epoch {
		d.succeeded(n, by)
		return
	}
	if n.state != Suspect && !n.unsure {
		return // it has been heard since it was redialed
	}
	n.unsure = false
	s := &n.suspicion
	s.redialing, s.reached, s.redialAt = false, false, d.now+int64(d.c.RedialEvery)
	switch {
	case answer == Refused && !d.c.NoProof && n.dialed == n.member.Peer: // it may have moved since
		d.die(n, true, fmt.Sprintf("nobody listens on %s, where epoch %d listened", n.member.Peer, epoch))
	case answer == Answered && by == epoch:
		s.reached = true // still suspect until its next heartbeat: it may be closing down, and its listener goes last
	}
}

// ProbeResult takes another member's answer to a Probe: whether the target, in the epoch that was asked for, greeted it.
func (d *Detector) ProbeResult(by, target shards.NodeID, epoch shards.Epoch, reached bool) {
	n := d.find(target)
	if n == nil || n.member.Epoch != epoch || d.find(by) == nil {
		return
	}
	d.search.note(by, target, reached)
	if n.state == Suspect {
		n.suspicion.note(by, reached, d.now)
	}
}

// Members takes the members of a cluster state, sorted by ID.
func (d *Detector) Members(list []cluster.Member) {
	if !slices.IsSortedFunc(list, func(a, b cluster.Member) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
		panic("liveness: members are not sorted by ID")
	}
	next := make([]*node, 0, len(list))
	for _, m := range list {
		n := d.find(m.ID)
		if n == nil {
			n = &node{}
			d.begin(n, m, "it is a member and has not been heard yet")
		}
		d.update(n, m)
		next = append(next, n)
	}
	d.nodes = next
}

// update takes what a newer cluster state says of a node.
func (d *Detector) update(n *node, m cluster.Member) {
	if m.Epoch < n.member.Epoch {
		panic(fmt.Sprintf("liveness: epoch of node %s went back from %d to %d", m.ID, n.member.Epoch, m.Epoch))
	}
	if m.Epoch > n.member.Epoch {
		n.lives++
		d.begin(n, m, fmt.Sprintf("it joined with epoch %d", m.Epoch))
	}
	n.member = m
	if m.Down && n.state != Dead {
		from := n.shown()
		n.enter(Dead, d.now, declared)
		d.tell(n, from, Change{})
	}
}

const declared = "the cluster state says that it is down"

// begin starts a life of a node: of one that is new here, or in a newer epoch.
func (d *Detector) begin(n *node, m cluster.Member, reason string) {
	change := Change{}
	from := n.shown()
	if n.state == Suspect {
		change.Outcome, change.Took = OutcomeReplaced, d.now-n.since
	}
	*n = node{member: m, lives: n.lives, livesFrom: d.now, heard: d.now, granted: d.now}
	n.enter(Alive, d.now, reason)
	if m.Down {
		n.enter(Dead, d.now, declared)
	}
	if h := hold(n.lives, d.c.HoldBase, d.c.HoldMax); h > 0 && !m.Down {
		n.held = d.now + h
		n.holding = fmt.Sprintf("; it has come back %d times in short order, so nothing goes there for %v", n.lives, d.span(h))
		n.reason += n.holding
	}
	d.tell(n, from, change)
}

func (n *node) enter(s State, now int64, reason string) {
	n.state, n.since, n.reason, n.proof = s, now, reason, false
	n.suspicion = suspicion{broken: -1}
}

// shown is the state that others see; 0 for a node that is not known yet.
func (n *node) shown() State {
	if n.state == Alive && n.grey {
		return Grey
	}
	return n.state
}

// tell reports a change of a node that had a state before.
func (d *Detector) tell(n *node, from State, change Change) {
	if change.Status, change.From, change.Unheard = d.status(n), from, !n.met; n.complains {
		change.Unanswered = d.span(d.now - n.unanswered)
	}
	d.ready.Changes = append(d.ready.Changes, change)
}

// Ready returns what is to be done and has not been returned yet. The lists are the caller's.
func (d *Detector) Ready() Ready {
	r := d.ready
	d.ready = Ready{}
	return r
}

// Rest is for how many ticks, one or more, nothing changes by itself: ticks only count until then, if nothing is heard.
func (d *Detector) Rest() int64 {
	rest := int64(d.c.Lease)
	for _, n := range d.nodes {
		switch {
		case n.state == Suspect || n.unsure:
			return 1
		case n.state == Alive && !d.own(n):
			rest = min(rest, n.heard+d.limit(n)+1-d.now)
		}
		if n.held != 0 {
			rest = min(rest, n.held-d.now)
		}
	}
	return max(1, rest)
}

// Status is what is known of a member; false for one that is none.
func (d *Detector) Status(id shards.NodeID) (Status, bool) {
	if n := d.find(id); n != nil {
		return d.status(n), true
	}
	return Status{}, false
}

// All is the status of every member, sorted by ID.
func (d *Detector) All() []Status {
	out := make([]Status, len(d.nodes))
	for i, n := range d.nodes {
		out[i] = d.status(n)
	}
	return out
}

func (d *Detector) status(n *node) Status {
	return Status{
		Node: n.member.ID, Name: n.member.Name, Epoch: n.member.Epoch, State: n.shown(), Since: n.since, Heard: n.heard,
		Limit: n.heard + d.limit(n), Reason: n.reason, Proof: n.proof, Partial: n.suspicion.partial, Held: n.held,
	}
}

func (d *Detector) find(id shards.NodeID) *node {
	i, found := slices.BinarySearchFunc(d.nodes, id, func(n *node, id shards.NodeID) int {
		return strings.Compare(string(n.member.ID), string(id))
	})
	if !found {
		return nil
	}
	return d.nodes[i]
}

func (d *Detector) own(n *node) bool { return n.member.ID == d.c.Self }

func (d *Detector) adapt(n *node) int64 { return adaptation(n.deviation, n.roundTrip, d.c.MaxAdapt) }

// limit is how long a node may be silent now.
func (d *Detector) limit(n *node) int64 {
	return silence(d.c.Misses, d.c.Heartbeat, min(d.health+d.ear, d.c.MaxHealth), d.adapt(n))
}

// span is a number of ticks as people read it.
func (d *Detector) span(ticks int64) time.Duration { return time.Duration(ticks) * d.c.TickLength }

func (n *node) label() string {
	if n.member.Name != "" {
		return n.member.Name
	}
	return string(n.member.ID)
}
