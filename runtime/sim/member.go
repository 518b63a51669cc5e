package sim

import (
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// member is the shell of liveness: heartbeats and the lease on every node, the detector on the one that leads.
type member struct {
	p      *process
	holder *liveness.Holder
	beats  int    // ticks since the last heartbeat
	asked  uint64 // the leader that the last heartbeat went to
	waits  int64  // when the first heartbeat left since that one's last answer; 0: none has

	detector *liveness.Detector // nil: this node does not lead
	term     uint64             // of the reign that the detector belongs to
	settings []cluster.Setting  // that the detector goes by
	reigns   *liveness.Succession
	links    map[shards.NodeID]link2
}

// link2 is what is known of the connection to a peer.
type link2 struct {
	epoch shards.Epoch
	up    bool
}

const (
	beatTicks  = 5
	leaseTicks = 30
	driftPPM   = 1000
)

// beat is a heartbeat, grant the leader's answer.
type beat struct {
	sent   int64
	health liveness.Health
}

type grant struct {
	liveness.Grant
	standing liveness.Standing
}

// probing asks a member to redial another one, probed is what it met.
type probing struct {
	target  shards.NodeID
	epoch   shards.Epoch
	timeout time.Duration
}

type probed struct {
	target  shards.NodeID
	epoch   shards.Epoch
	reached bool
}

func newMember(p *process) *member {
	return &member{p: p, holder: liveness.NewHolder(driftPPM), reigns: liveness.NewSuccession(), links: map[shards.NodeID]link2{}}
}

// leased says whether this node may serve reads now.
func (m *member) leased() bool { return m.holder.Valid(int64(m.p.n.monotonic())) }

func (m *member) tick() {
	if m.beats++; m.beats >= beatTicks {
		m.beats = 0
		m.beat()
	}
	if m.detector != nil {
		m.detector.Tick(0)
		m.drive()
	}
}

// beat asks the leader for a lease; the leader asks itself, and hears the same answers.
func (m *member) beat() {
	lead := m.p.meta.core.Lead()
	now := int64(m.p.n.monotonic())
	if lead.Number == 0 || !m.p.present() {
		return
	}
	m.holder.Sent(now)
	if lead.Number != m.asked || m.waits == 0 {
		m.asked, m.waits = lead.Number, now
	}
	b := &beat{sent: now, health: liveness.Health{Fsync: m.p.n.health()}}
	if waits := now - m.waits; waits > int64(leaseTicks*tickLength) {
		b.health.Unanswered = time.Duration(waits)
	}
	if to := m.p.n.w.nodeByRaft(lead.Number); to == m.p.n {
		m.answer(m.p.n, m.p.epoch, b)
	} else if to != nil {
		m.p.send(to, classControl, "beat", b)
	}
}

// age is how long ago this leader was last confirmed.
func (m *member) age() (int64, bool) {
	at, ok := m.p.meta.confirmed()
	if !ok {
		return 0, false
	}
	return liveness.Age(int64(m.p.n.monotonic()), int64(at), int64(leaseTicks*tickLength))
}

func (m *member) receive(from *Node, epoch shards.Epoch, body any) {
	switch x := body.(type) {
	case *beat:
		m.answer(from, epoch, x)
	case *grant:
		m.granted(x)
	case *probing:
		m.probe(x.target, x.epoch, x.timeout, func(a liveness.Answer, by shards.Epoch) {
			m.p.answer(from, classCall, "probed", &probed{target: x.target, epoch: x.epoch, reached: a == liveness.Answered && by == x.epoch})
		})
	case *probed:
		if m.detector != nil {
			m.detector.ProbeResult(from.ID, x.target, x.epoch, x.reached)
			m.drive()
		}
	}
}

// answer grants a lease, as leader, to a member that is alive.
func (m *member) answer(from *Node, epoch shards.Epoch, b *beat) {
	if m.detector == nil {
		return
	}
	g := &grant{standing: m.detector.Heard(from.ID, epoch, b.health)}
	if g.standing == liveness.Granted {
		age, ok := m.age()
		if !ok {
			m.detector.Unproven(from.ID)
			m.drive()
			return
		}
		g.Grant = liveness.Grant{Sent: b.sent, Age: age, Lease: int64(leaseTicks * tickLength), Term: m.term}
	}
	m.drive()
	if from == m.p.n {
		if g.standing == liveness.Granted {
			m.detector.Confirmed(g.Age)
		}
		m.granted(g)
		return
	}
	m.p.send(from, classControl, "grant", g)
}

func (m *member) granted(g *grant) {
	switch g.standing {
	case liveness.Granted:
		m.waits = 0
		m.holder.Granted(g.Grant)
	case liveness.Withheld:
		m.waits, m.beats = 0, beatTicks
	case liveness.Declared:
		m.end()
	}
}

// end ends a life that the cluster holds to be over, and begins another.
func (m *member) end() {
	n := m.p.n
	n.w.Note("%s was declared dead, and begins another life", n.ID)
	n.crash(false)
	n.w.After(200*time.Millisecond, n.start)
}

// lead begins or ends the detector with a reign.
func (m *member) lead() {
	lead := m.p.meta.core.Lead()
	if n := m.p.n.w.nodeByRaft(lead.Number); n != nil {
		m.reigns.Leads(int64(m.p.n.monotonic()), n.ID, lead.Term)
	}
	if !lead.Won {
		m.detector = nil
		return
	}
	if m.detector != nil && m.term == lead.Term {
		return
	}
	d, err := liveness.New(m.config())
	if err != nil {
		m.p.n.w.Fail(0, "%s: %v", m.p.n.ID, err)
		return
	}
	m.detector, m.term, m.settings = d, lead.Term, nil
	d.Confirmed(0)
	if before, known := m.reigns.Before(); known {
		d.Follows(before / int64(tickLength))
	}
	m.state(m.p.meta.core.State())
	for _, other := range m.p.meta.core.State().Members {
		if l := m.links[other.ID]; other.ID != m.p.n.ID && !l.up {
			d.Unsure(other.ID, other.Epoch)
		}
	}
	m.drive()
	m.beats = beatTicks // its own lease, at once
}

func (m *member) config() liveness.Config {
	return liveness.Config{Self: m.p.n.ID, Heartbeat: beatTicks, Lease: leaseTicks, DriftPPM: driftPPM, TickLength: tickLength}
}

// tune has the detector go by the settings of a state.
func (m *member) tune(s *cluster.State) {
	if cluster.Same(s.Settings, m.settings) {
		return
	}
	m.settings = s.Settings
	c, err := m.config().Validate()
	if err != nil {
		m.p.n.w.Fail(0, "%s: %v", m.p.n.ID, err)
		return
	}
	m.detector.Tune(c.Tuned(s))
}

// state takes a new cluster state, and says whether this life goes on.
func (m *member) state(s *cluster.State) bool {
	if self := s.Member(m.p.n.ID); self != nil && self.Down && self.Epoch == m.p.epoch {
		m.end()
		return false
	}
	if m.detector != nil {
		m.detector.Members(s.Members)
		m.detector.Voters(s.Voters)
		m.tune(s)
		m.drive()
	}
	return true
}

// drive carries out what the detector wants, and tells the placement what it found.
func (m *member) drive() {
	d := m.detector
	for d != nil && d == m.detector {
		ready := d.Ready()
		if ready.Empty() {
			return
		}
		for _, r := range ready.Redials {
			m.probe(r.Node, r.Epoch, time.Duration(r.Timeout)*tickLength, func(a liveness.Answer, by shards.Epoch) {
				if m.detector == d {
					d.Redialed(r.Node, r.Epoch, a, by)
					m.drive()
				}
			})
		}
		for _, r := range ready.Probes {
			if by := m.p.n.w.nodeByID(r.By); by != nil {
				m.p.send(by, classCall, "probe", &probing{target: r.Target, epoch: r.Epoch, timeout: time.Duration(r.Timeout) * tickLength})
			}
		}
		for _, c := range ready.Changes {
			if c.From != 0 {
				m.p.n.w.Note("%s takes %s (epoch %d) for %v: %s", m.p.n.ID, c.Node, c.Epoch, c.State, c.Reason)
			}
		}
		if len(ready.Changes) > 0 {
			m.p.place.wake()
		}
		m.handOn(ready.Heir)
	}
}

// handOn gives the lead to a voter that reaches more members.
func (m *member) handOn(heir liveness.Heir) {
	to := m.p.n.w.nodeByID(heir.Node)
	if to == nil {
		return
	}
	m.p.n.w.Note("%s hands the lead to %s: %s", m.p.n.ID, heir.Node, heir.Reason)
	m.p.meta.input(func() {
		if err := m.p.meta.core.TransferTo(to.raftNumber()); err != nil {
			m.p.n.w.Note("%s does not: %v", m.p.n.ID, err)
		}
	})
}

// probe dials a node and says who answered.
func (m *member) probe(target shards.NodeID, epoch shards.Epoch, timeout time.Duration, found func(liveness.Answer, shards.Epoch)) {
	to := m.p.n.w.nodeByID(target)
	if to == nil {
		return
	}
	m.p.n.w.probe(m.p.n, to, timeout, func(a *answer) {
		switch {
		case a == nil:
			found(liveness.NoAnswer, 0)
		case a.Refused:
			found(liveness.Refused, 0)
		default:
			found(liveness.Answered, a.Epoch)
		}
	})
}

// connection tells the detector of a broken connection. Where it was the leader's, its death is looked into: the metadata
// group need not wait for its silence if its address refuses.
func (m *member) connection(peer *Node, epoch shards.Epoch, up bool) {
	if l := m.links[peer.ID]; epoch < l.epoch {
		return
	}
	m.links[peer.ID] = link2{epoch: epoch, up: up}
	if up {
		return
	}
	if m.detector != nil {
		m.detector.Broken(peer.ID, epoch, "the connection broke")
		m.drive()
		return
	}
	m.inquire(peer, epoch)
}

// inquire redials a leader whose connection broke, until there is proof that it is dead, or another leader, for one lease.
func (m *member) inquire(peer *Node, epoch shards.Epoch) {
	lead := m.p.meta.core.Lead()
	if lead.Number != peer.raftNumber() {
		return
	}
	tries := leaseTicks / 2
	var again func()
	again = func() {
		if tries--; tries < 0 || m.p.meta.core.Lead().Number != peer.raftNumber() || m.links[peer.ID].up && m.links[peer.ID].epoch == epoch {
			return
		}
		m.probe(peer.ID, epoch, 400*time.Millisecond, func(a liveness.Answer, by shards.Epoch) {
			if a == liveness.Refused || a == liveness.Answered && by > epoch {
				m.p.meta.input(func() { m.p.meta.core.LeaderGone(lead.Number) })
				m.stand(3)
				return
			}
			m.p.n.after(2*tickLength, again)
		})
	}
	again()
}

// stand stands for election after a random pause, and again if nothing comes of it.
func (m *member) stand(tries int) {
	m.p.n.after(time.Duration(m.p.n.chance.Int64N(int64(100*time.Millisecond))), func() {
		m.p.meta.input(func() {
			if m.p.meta.core.Lead().Number == 0 && m.p.meta.core.Votes() && tries > 0 {
				m.p.meta.core.Campaign()
				m.stand(tries - 1)
			}
		})
	})
}
