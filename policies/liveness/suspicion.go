package liveness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// suspicion is how far the inquiry into a suspect has come.
type suspicion struct {
	broken  int64 // tick of the last break of its connection; -1: none
	partial bool  // others reach it, or it answers redials, though no heartbeat comes...
	lostAt  int64 // ...which was found out in this tick
	deaf    bool  // its heartbeats come, or came, and no answer to them reaches it
	stays   bool  // it has been said why the lead is not handed on for its sake

	redialing bool
	redialAt  int64 // the next redial
	redialBy  int64 // when the one under way counts as unanswered
	reached   bool  // its own epoch answered the last redial

	asked    []shards.NodeID // probers of the present round; empty: none under way
	alone    bool            // there was nobody to ask at the last round
	probeAt  int64           // the next round
	probeBy  int64           // when the round under way ends
	rounds   int             // that have ended
	verdicts []verdict       // sorted by prober; the last of each
	probed   []probed        // that have not been told of, the oldest first
}

// probed is a prober, and what it said.
type probed struct {
	by       shards.NodeID
	asked    int64
	answered int64 // 0: not yet
	reached  bool
}

type verdict struct {
	by      shards.NodeID
	round   int // counted from 0
	reached bool
	once    bool // it does not reach it, and did a round ago: one answer that was late is none
}

func (s *suspicion) note(by shards.NodeID, reached bool, now int64) {
	for i := len(s.probed) - 1; i >= 0; i-- {
		if x := &s.probed[i]; x.by == by && x.answered == 0 {
			x.answered, x.reached = now, reached
			break
		}
	}
	i, found := slices.BinarySearchFunc(s.verdicts, by, func(v verdict, by shards.NodeID) int {
		return strings.Compare(string(v.by), string(by))
	})
	if !found {
		s.verdicts = slices.Insert(s.verdicts, i, verdict{})
	}
	last := s.verdicts[i]
	s.verdicts[i] = verdict{by, s.rounds, reached, !reached && last.reached && last.round >= s.rounds-1}
	s.asked = slices.DeleteFunc(s.asked, func(id shards.NodeID) bool { return id == by })
	if len(s.asked) == 0 && s.probeBy > 0 {
		s.closeRound()
	}
}

func (s *suspicion) closeRound() {
	s.asked, s.probeBy = nil, 0
	s.rounds++
}

// tally counts the verdicts of the round that ended last and of the one under way, and names the probers that reached nobody. A prober that
// has reached the suspect a round before counts for nothing until it says once more that it does not: where there is but one, a single late
// answer would be the death of who is cut off from the leader alone. Who has failed is reached by nobody from the first round on.
func (s *suspicion) tally() (unreachable, answered int, by []string) {
	for _, v := range s.verdicts {
		if v.round < s.rounds-1 || v.once {
			continue
		}
		answered++
		if !v.reached {
			unreachable++
			by = append(by, string(v.by))
		}
	}
	return unreachable, answered, by
}

func (d *Detector) suspect(n *node, reason string) {
	from := n.shown()
	n.enter(Suspect, d.now, reason)
	n.suspicion.probeAt = d.now + 1 // the redial comes first: it is quicker, and may prove more
	d.tell(n, from, Change{})
	d.redial(n)
}

func (d *Detector) redial(n *node) {
	s := &n.suspicion
	if s.redialing {
		return
	}
	timeout := int64(d.c.RedialTimeout) + d.adapt(n)
	s.redialing, s.redialBy, n.dialed = true, d.now+timeout, n.member.Peer
	d.ready.Redials = append(d.ready.Redials, Redial{n.member.ID, n.member.Epoch, n.member.Peer, timeout})
}

// pursue carries the inquiry into a suspect on by one tick, and ends it if the evidence is enough.
func (d *Detector) pursue(n *node) {
	s := &n.suspicion
	if s.deaf && d.now-n.heard <= d.limit(n) {
		d.despair(n)
		return
	}
	if s.redialing && d.now >= s.redialBy {
		s.redialing, s.reached, s.redialAt = false, false, d.now
	}
	if !s.redialing && d.now >= s.redialAt && d.now > n.since {
		d.redial(n)
	}
	if s.probeBy > 0 && d.now >= s.probeBy {
		s.closeRound()
	}
	if s.probeBy == 0 && d.now >= s.probeAt {
		d.ask(n)
	}
	d.conclude(n)
}

// ask begins a round of probes.
func (d *Detector) ask(n *node) {
	s := &n.suspicion
	timeout := int64(d.c.ProbeTimeout) + d.adapt(n)
	s.probeAt = d.now + max(int64(d.c.ProbeEvery), timeout)
	probers := d.probers(n)
	s.alone = len(probers) == 0
	if s.alone {
		s.rounds++
		return
	}
	s.probeBy = d.now + timeout + d.slowest(probers)
	for _, p := range probers {
		s.asked = append(s.asked, p.member.ID)
		if len(s.probed) == maxProbed {
			s.probed = s.probed[1:]
		}
		s.probed = append(s.probed, probed{by: p.member.ID, asked: d.now})
		d.ready.Probes = append(d.ready.Probes, Probe{p.member.ID, n.member.ID, n.member.Epoch, n.member.Peer, timeout})
	}
}

// probes takes out what is to be told of those who were asked about a node: those who have answered, or all.
func (d *Detector) probes(n *node, all bool) (list []Probed) {
	s := &n.suspicion
	s.probed = slices.DeleteFunc(s.probed, func(x probed) bool {
		if x.answered == 0 && !all {
			return false
		}
		told := Probed{By: x.by, Name: string(x.by), Asked: d.span(d.now - x.asked), Answered: x.answered != 0, Reached: x.reached}
		if told.Answered {
			told.Took = d.span(x.answered - x.asked)
		}
		if by := d.find(x.by); by != nil {
			told.Name = by.label()
		}
		list = append(list, told)
		return true
	})
	return list
}

// probers chooses whom to ask about a suspect: members that are alive, those first that were heard lately, in turns.
func (d *Detector) probers(suspect *node) []*node {
	var fresh, stale []*node
	for i := range d.nodes {
		n := d.nodes[(d.turn+i)%len(d.nodes)]
		switch {
		case n == suspect || n.state != Alive || d.own(n):
		case d.now-n.heard <= 2*int64(d.c.Heartbeat)+d.adapt(n):
			fresh = append(fresh, n)
		default:
			stale = append(stale, n)
		}
	}
	d.turn = (d.turn + 1) % len(d.nodes)
	if len(fresh) == 0 {
		fresh = stale
	}
	return fresh[:min(len(fresh), d.c.Probers)]
}

// slowest is what a round waits longer, so that question and answer can travel.
func (d *Detector) slowest(probers []*node) int64 {
	wait := int64(1)
	for _, p := range probers {
		wait = max(wait, d.adapt(p))
	}
	return wait
}

// conclude declares a suspect dead without proof, if all holds: it has been silent for longer than its limit; the last lease
// that it may hold has certainly ended; nobody answers the redials; of the other members that were asked, and did answer,
// most cannot reach it; and a majority has confirmed since it became suspect that this leader leads. With nobody to ask, the detector's
// own word is enough. Answers to redials are not life for ever: a filter may let through what the leader opens and drop what the member does, so one that has sent no heartbeat for MuteAfter is dead although it
// answers. Until then there was time to hand the lead to somebody who perhaps hears it.
func (d *Detector) conclude(n *node) {
	s := &n.suspicion
	silent := d.now - n.heard
	if silent <= d.limit(n) || !d.free(n, d.now) || s.rounds == 0 || d.doubted(n) {
		return
	}
	unreachable, answered, by := s.tally()
	switch {
	case s.reached && silent > int64(d.c.MuteAfter):
		d.die(n, false, fmt.Sprintf("no heartbeat for %v, and its lease has ended: that it answers when it is redialed does not count for longer than %v",
			d.span(silent), d.span(int64(d.c.MuteAfter))))
	case s.reached || answered > 0 && !confirmed(unreachable, answered):
		d.partial(n, reaching(s.reached, answered-unreachable, answered), Suspect)
	case answered > 0:
		d.die(n, false, fmt.Sprintf("no heartbeat for %v, its lease has ended, and %d of %d members asked cannot reach it: %s",
			d.span(silent), unreachable, answered, d.labels(by)))
	case s.alone:
		d.die(n, false, fmt.Sprintf("no heartbeat for %v, its lease has ended, and there is no other member to ask", d.span(silent)))
	}
}

// partial notes that the network, and not the node, is at fault, and says why.
func (d *Detector) partial(n *node, why string, from State) {
	s := &n.suspicion
	if s.partial {
		return
	}
	s.partial, s.lostAt = true, d.now
	n.reason += why
	d.tell(n, from, Change{Probes: d.probes(n, false)})
}

// reaching says who reaches a silent node.
func reaching(leader bool, reach, answered int) string {
	if leader {
		return "; yet it answers when it is redialed, so it is not declared dead"
	}
	return fmt.Sprintf("; yet %d of %d members asked reach it, so it is not declared dead", reach, answered)
}

// refute ends a suspicion: the node is alive.
func (d *Detector) refute(n *node, reason string) {
	took := d.now - n.since
	if n.grey {
		reason += "; it is " + n.illness
	}
	probes := d.probes(n, true)
	n.enter(Alive, d.now, reason)
	d.tell(n, Suspect, Change{Outcome: OutcomeRefuted, Took: took, Probes: probes})
}

// die declares a node dead in its epoch.
func (d *Detector) die(n *node, proof bool, reason string) {
	change, from := Change{Outcome: OutcomeTimeout}, n.shown()
	if proof {
		change.Outcome = OutcomeProof
	}
	if n.state == Suspect {
		change.Took, change.Probes = d.now-n.since, d.probes(n, true)
	}
	if !proof && !d.free(n, d.now) {
		panic("liveness: a node may still hold a lease and is declared dead without proof")
	}
	n.enter(Dead, d.now, reason)
	n.proof = proof
	d.tell(n, from, change)
}

func (d *Detector) labels(ids []string) string {
	for i, id := range ids {
		if n := d.find(shards.NodeID(id)); n != nil {
			ids[i] = n.label()
		}
	}
	return strings.Join(ids, ", ")
}
