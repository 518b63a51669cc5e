package liveness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// search finds a voter that reaches more members than the leader does, by asking one voter after the other whom it reaches.
//
//	a member is partial for HandOnAfter ──► ask a voter about all members that the leader hears, or that others reach
//	        ▲                                  │ ▲                │
//	        │ a pause later                    │ └── the next ────┤ it does not reach them all
//	        │                                  ▼                  ▼ no voter is left
//	        └──────────────────────── it is the heir ◄──── the one that reaches most, if that is more than the leader does
//
// Who is handed the lead has answered for more members than the leader reaches, so each transfer makes the number of those who
// are out of reach smaller, as long as the network stays as it is. Where it does not, and where who answers is not heard by the next leader
// either, Settle bounds how often the lead moves.
type search struct {
	began   int64           // the newest one
	pause   int64           // from its beginning to the next; 0: whenever one is needed
	lost    []shards.NodeID // for whose sake; others are looked for an heir without the long pause
	voters  []shards.NodeID // to be asked yet
	asked   shards.NodeID   // who is being asked; empty: no search is under way
	by      int64           // when its time is over
	targets []shards.NodeID // of whom it has said nothing yet
	reached int
	wanted  int // how many it was asked about
	best    shards.NodeID
	missing int // of whom best does not reach so many
}

// Voters says which members vote in the metadata group, by their Raft numbers: the lead is handed on among these only.
func (d *Detector) Voters(numbers []uint64) { d.voters = numbers }

// Follows says, at the beginning of a reign, for how many ticks the one before lasted, as far as this node knows. One that
// follows a short one, which has perhaps handed it the lead, keeps it for Settle.
func (d *Detector) Follows(ticks int64) {
	d.follows = ticks
}

// rests says whether a reign keeps the lead for now. It began with tick 0.
func (d *Detector) rests() bool {
	return d.follows >= 0 && d.follows < int64(d.c.Settle) && d.now < int64(d.c.Settle)
}

// lost are the members that this leader does not hear, and that others reach, or that answer its redials: what they send on their own
// perhaps comes to others.
func (d *Detector) lost() (ids []shards.NodeID) {
	for _, n := range d.nodes {
		if n.state == Suspect && n.suspicion.partial {
			ids = append(ids, n.member.ID)
		}
	}
	return ids
}

// lasting says whether a member has been lost for long enough to look for an heir.
func (d *Detector) lasting() bool {
	return slices.ContainsFunc(d.nodes, func(n *node) bool {
		s := &n.suspicion
		return n.state == Suspect && s.partial && d.now-s.lostAt >= int64(d.c.HandOnAfter)
	})
}

// seekHeir carries the search on by one tick.
func (d *Detector) seekHeir() {
	s := &d.search
	if h := d.find(d.ready.Heir.Node); h == nil || !d.fit(h) {
		d.ready.Heir = Heir{} // nobody has taken it from Ready, and it has fallen ill meanwhile
	}
	switch {
	case d.rests() || !d.lasting():
		s.asked, s.voters = "", nil
	case s.asked != "":
		if len(s.targets) == 0 || d.now >= s.by {
			d.compare()
		}
	case d.now >= s.began+s.pause || d.now >= s.began+int64(d.c.HandOnAfter) && !slices.Equal(s.lost, d.lost()):
		d.search.begin(d)
	}
}

// begin asks all who may be handed the lead. Each search in a row that was fruitless for the same members doubles the pause up to Settle.
func (s *search) begin(d *Detector) {
	lost, first := d.lost(), int64(d.c.HandOnAfter)
	if s.voters = d.eligible(); len(s.voters) > 0 && s.pause > 0 && slices.Equal(s.lost, lost) {
		s.pause = min(2*s.pause, max(first, int64(d.c.Settle)))
	} else {
		s.pause = first
	}
	s.began, s.lost, s.best, s.missing = d.now, lost, "", len(lost)
	d.question()
}

// eligible lists who may be handed the lead: voters that are alive, and well, and that were heard lately. Those that may leave
// soon come last.
func (d *Detector) eligible() (ids []shards.NodeID) {
	var leaving []shards.NodeID
	for _, n := range d.nodes {
		switch {
		case !d.fit(n) || d.now < n.offered || d.now-n.heard > 2*int64(d.c.Heartbeat)+d.adapt(n):
		case n.member.Draining || n.member.Maintained:
			leaving = append(leaving, n.member.ID)
		default:
			ids = append(ids, n.member.ID)
		}
	}
	return append(ids, leaving...)
}

func (d *Detector) fit(n *node) bool {
	return n.state == Alive && !n.grey && n.met && !d.own(n) && slices.Contains(d.voters, n.member.Raft)
}

// question asks the next voter about everybody, passing over those that have left or fallen ill since the search began; if there is none,
// the search ends.
func (d *Detector) question() {
	s := &d.search
	s.voters = slices.DeleteFunc(s.voters, func(id shards.NodeID) bool {
		n := d.find(id)
		return n == nil || !d.fit(n)
	})
	if len(s.voters) == 0 {
		d.settle()
		return
	}
	s.asked, s.voters = s.voters[0], s.voters[1:]
	s.targets, s.reached, s.wanted = nil, 0, 0
	wait := int64(0)
	for _, n := range d.nodes {
		if d.own(n) || n.member.ID == s.asked || n.state != Alive && !n.suspicion.partial {
			continue
		}
		timeout := int64(d.c.ProbeTimeout) + d.adapt(n)
		wait = max(wait, timeout)
		s.targets = append(s.targets, n.member.ID)
		d.ready.Probes = append(d.ready.Probes, Probe{s.asked, n.member.ID, n.member.Epoch, n.member.Peer, timeout})
	}
	s.wanted = len(s.targets)
	s.by = d.now + wait + max(1, d.adapt(d.find(s.asked)))
}

// note takes the answer of the voter that is being asked.
func (s *search) note(by, target shards.NodeID, reached bool) {
	i := slices.Index(s.targets, target)
	if by != s.asked || i < 0 {
		return
	}
	s.targets = slices.Delete(s.targets, i, i+1)
	if reached {
		s.reached++
	}
}

// compare takes what a voter has said, or has not in its time, and asks the next one unless nobody can reach more.
func (d *Detector) compare() {
	s := &d.search
	if missing := s.wanted - s.reached; missing < s.missing {
		s.best, s.missing = s.asked, missing
	}
	if s.best != "" && s.missing == 0 {
		s.voters = nil
	}
	d.question()
}

// settle ends a search: the best voter is the heir, if it is better placed than the leader still.
func (d *Detector) settle() {
	s, lost := &d.search, d.lost()
	s.asked = ""
	n := d.find(s.best)
	if n == nil || !d.fit(n) || s.missing >= len(lost) {
		d.stay(lost)
		return
	}
	n.offered = d.now + min(int64(d.c.HandOnAfter)<<n.offers, int64(d.c.Settle))
	n.offers = min(n.offers+1, maxOffers)
	reaches := "it reaches all members"
	if s.missing > 0 {
		reaches += fmt.Sprintf(" but %d", s.missing)
	}
	s.pause = int64(d.c.HandOnAfter) // how often it is offered has a pause of its own
	d.ready.Heir = Heir{n.member.ID, fmt.Sprintf("%s, and this leader does not %s %s", reaches, d.lacks(lost), strings.Join(d.names(lost), ", "))}
}

// lacks is what the leader cannot do of members that it has lost.
func (d *Detector) lacks(lost []shards.NodeID) string {
	if slices.ContainsFunc(lost, func(id shards.NodeID) bool { return d.find(id).suspicion.reached }) {
		return "hear"
	}
	return "reach"
}

// maxOffers bounds what the pause between two offers is doubled by.
const maxOffers = 10

// stay says of those that are out of reach, once, that nobody does better; it does not where somebody would, who has been offered
// the lead and did not take it.
func (d *Detector) stay(lost []shards.NodeID) {
	if slices.ContainsFunc(d.nodes, func(n *node) bool { return n.offers > 0 }) {
		return
	}
	for _, id := range lost {
		if n := d.find(id); !n.suspicion.stays {
			n.suspicion.stays = true
			n.reason += "; no voter reaches more members than the leader does, so the lead stays here"
			d.tell(n, Suspect, Change{})
		}
	}
}

func (d *Detector) names(ids []shards.NodeID) (names []string) {
	for _, id := range ids {
		names = append(names, d.find(id).label())
	}
	return names
}

// Succession is what a node knows of the changes of the lead, whoever had it: how long the leader before the present one led.
// Times are nanoseconds of the node's own monotonic clock.
type Succession struct {
	leader shards.NodeID
	term   uint64 // the newest of the leader
	since  int64  // when this node heard that it leads
	past   int64  // how long the one before led; -1: not known
}

// NewSuccession knows of no leader.
func NewSuccession() *Succession { return &Succession{past: -1} }

// Leads says who leads in a term; the empty id, and older terms, say nothing. A leader that wins another term after its own goes on.
func (s *Succession) Leads(now int64, leader shards.NodeID, term uint64) {
	if leader == "" || term < s.term {
		return
	}
	if leader != s.leader {
		if s.leader != "" {
			s.past = now - s.since
		}
		s.leader, s.since = leader, now
	}
	s.term = term
}

// Before is for how long the one led who led before the present leader; false if this node does not know.
func (s *Succession) Before() (nanoseconds int64, known bool) { return s.past, s.past >= 0 }
