package member

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// reign is what a node has while it leads.
type reign struct {
	term     uint64
	detector *liveness.Detector
	showAt   int64                          // tick from which evidence is shown anew though nothing changed
	heard    map[shards.NodeID]shards.Epoch // whose heartbeats have been shown
	left     map[shards.NodeID]shards.Epoch // lives that said that they stop

	complaints map[shards.NodeID]complaint // of members, to be taken with their next heartbeat

	ledger  *ledger
	loadsAt int64                  // tick from which the ledger is summed up anew, if anything has come
	full    map[shards.NodeID]Full // nodes that take no writes that grow
	flood   flood                  // the same, for the members

	settings  []cluster.Setting // by which the detector is tuned
	heirUntil int64             // tick until which full may hold what the reign before has said
}

// complaint is for how long a life has had no answer.
type complaint struct {
	epoch shards.Epoch
	unanswered
}

// loadsEvery is how many ticks lie between two sums of the loads: deciders look at them every few seconds.
const loadsEvery = 20

// loads is what the members have reported, a second old at most.
func (r *reign) loads() *policies.Loads {
	if now := r.detector.Now(); now >= r.loadsAt {
		r.loadsAt = now + loadsEvery
		return r.ledger.loads()
	}
	return r.ledger.shown
}

// tune has the detector go by the cluster's settings, if they are others than the last.
func (r *reign) tune(own liveness.Config, s *cluster.State) {
	if !cluster.Same(s.Settings, r.settings) {
		r.settings = s.Settings
		r.detector.Tune(own.Tuned(s))
	}
}

// lead begins a reign, or ends the one that there is.
func (m *Member) lead(won bool, term uint64) {
	if !won {
		m.reign = nil
		m.show()
		return
	}
	if m.reign != nil && m.reign.term >= term {
		return
	}
	d, err := liveness.New(m.c.Liveness)
	if err != nil {
		panic(err) // validated in Start
	}
	m.reign = &reign{term: term, detector: d, ledger: newLedger(), full: m.inherit(), heard: map[shards.NodeID]shards.Epoch{}, left: map[shards.NodeID]shards.Epoch{},
		complaints: map[shards.NodeID]complaint{}}
	m.reign.flood, m.reign.heirUntil = newFlood(m.reign.full), d.Now()+heirPeriods*int64(m.c.LoadPeriod/m.c.Liveness.TickLength)
	m.reigns.Leads(m.lease.now(), m.c.Self, term)
	d.Confirmed(0) // its own first entry was, as it began: from here on silence may be its own
	d.Inherits(int((m.longest + m.c.Liveness.TickLength - 1) / m.c.Liveness.TickLength))
	if before, known := m.reigns.Before(); known {
		d.Follows(before / int64(m.c.Liveness.TickLength))
	}
	state := m.c.Group.State()
	m.reign.tune(m.c.Liveness, state)
	d.Members(state.Members)
	d.Voters(state.Voters)
	for _, n := range state.Members {
		if _, connected := m.up[n.ID]; !connected && n.ID != m.c.Self {
			d.Unsure(n.ID, n.Epoch)
		}
	}
	m.gaugeAll() // of what it has taken over, the dead and those who are no members count no more
	m.carryOut()
	m.beatIn = 0 // its own lease, at once
}

// reignConnection tells the detector of a connection.
func (m *Member) reignConnection(c transport.Change) {
	d := m.reign.detector
	switch s, known := d.Status(c.Node); {
	case !known:
	case !c.Up:
		cause := "no cause is known"
		if c.Cause != nil {
			cause = c.Cause.Error()
		}
		if errors.Is(c.Cause, transport.ErrLeft) {
			m.reign.left[c.Node] = c.Epoch
		}
		d.Broken(c.Node, c.Epoch, cause)
	case c.Epoch > s.Epoch:
		d.Redialed(c.Node, s.Epoch, liveness.Answered, c.Epoch)
	}
	m.carryOut()
}

// hear takes a heartbeat. The first of a life is shown at once.
func (r *reign) hear(node shards.NodeID, epoch shards.Epoch, h liveness.Health) liveness.Standing {
	standing := r.detector.Heard(node, epoch, h)
	if standing == liveness.Granted && r.heard[node] != epoch {
		r.heard[node], r.showAt = epoch, 0
	}
	return standing
}

// complained notes what a member says before a heartbeat.
func (m *Member) complained(peer transport.Hello, u unanswered, err error) {
	switch {
	case err != nil:
		m.complain(peer, err)
	case m.reign != nil:
		m.reign.complaints[peer.Node] = complaint{peer.Epoch, u}
	}
}

// heard answers a member's heartbeat.
func (m *Member) heard(peer transport.Hello, h heartbeat, err error) {
	if err != nil {
		m.complain(peer, err)
		return
	}
	if m.reign == nil {
		return
	}
	if c := m.reign.complaints[peer.Node]; c.epoch == peer.Epoch {
		h.health.Unanswered = time.Duration(c.unanswered)
	}
	delete(m.reign.complaints, peer.Node)
	standing := m.reign.hear(peer.Node, peer.Epoch, h.health)
	m.carryOut()
	r := reply{epoch: peer.Epoch, standing: standing, grant: liveness.Grant{Sent: h.sent, Term: m.reign.term}, version: m.c.Group.State().Version}
	switch standing {
	case liveness.Granted:
		grant, ok := m.grant(h.sent)
		if !ok {
			m.reign.detector.Unproven(peer.Node)
			return
		}
		r.grant = grant
		r.report, r.flood = m.reign.ledger.number(peer.Node, peer.Epoch), m.reign.flood
		if h.flood == r.flood.hash {
			r.flood.list = nil
		}
	case liveness.Declared, liveness.Withheld:
	default:
		return // it has to join first, or is history
	}
	if err := m.c.Wire.Send(peer.Node, transport.Control, transport.KindHeartbeatReply, r.encode()); err != nil {
		m.c.Log.Debug("no reply was sent", "peer", peer.Node, "error", err)
	}
}

// hearSelf is heard and answered without a wire between.
func (m *Member) hearSelf(h heartbeat) {
	if m.reign == nil {
		return // elected, but not yet in office
	}
	standing := m.reign.hear(m.c.Self, m.c.Epoch, h.health)
	grant, ok := m.grant(h.sent)
	if ok {
		m.reign.detector.Confirmed(grant.Age)
	}
	m.carryOut()
	switch standing {
	case liveness.Declared:
		m.end("it leads, and the cluster state says that it is down")
	case liveness.Granted:
		if ok && m.holder.Granted(grant) {
			m.lease.grant(m.holder.Until(), grant.Lease)
			m.flooded(m.reign.flood)
			m.heardBack(grant.Term, m.reign.ledger.number(m.c.Self, m.c.Epoch), grant.Sent)
		}
	}
}

// grant is what the reign can grant now. Confirmed is read before Leader: a round of a later term than this reign's then
// shows in the term.
func (m *Member) grant(sent int64) (liveness.Grant, bool) {
	confirmed := m.c.Group.Confirmed()
	leader, term := m.c.Group.Leader()
	if confirmed.IsZero() || leader != m.c.Self || term != m.reign.term {
		return liveness.Grant{}, false
	}
	lease := m.span(int64(m.c.Liveness.Lease))
	age, ok := liveness.Age(m.lease.now(), m.lease.at(confirmed), int64(lease))
	return liveness.Grant{Sent: sent, Age: age, Lease: int64(lease), Term: term}, ok
}

// carryOut does what the detector wants done, and tells what it found out.
func (m *Member) carryOut() {
	r := m.reign.detector.Ready()
	for _, redial := range r.Redials {
		m.redial(redial)
	}
	for _, probe := range r.Probes {
		m.probe(probe)
	}
	if r.Heir.Node != "" {
		m.handOn(r.Heir)
	}
	if now := m.reign.detector.Now(); len(r.Changes) > 0 || now >= m.reign.showAt {
		m.reign.showAt = now + int64(m.c.Liveness.Heartbeat)
		m.show()
	}
	for _, c := range r.Changes {
		m.tell(c)
		if c.State == liveness.Dead && m.gauge(c.Node) {
			m.reign.flood = newFlood(m.reign.full)
		}
	}
	if len(r.Changes) > 0 {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// handOn gives the lead to a voter that reaches more members than this node. If that comes to nothing the reign goes on, and its
// detector looks again.
func (m *Member) handOn(heir liveness.Heir) {
	m.c.Log.Warn("the lead is handed on", "to", heir.Node, "term", m.reign.term, "reason", heir.Reason)
	m.background(m.span(int64(m.c.Liveness.Lease)), func(ctx context.Context) func() {
		if err := m.c.Group.TransferTo(ctx, heir.Node); err != nil {
			m.c.Log.Warn("the lead was not handed on", "to", heir.Node, "error", err)
		}
		return nil
	})
}

func (m *Member) tell(c liveness.Change) {
	level := slog.LevelInfo
	switch {
	case c.From == 0:
		level = slog.LevelDebug // the leader has begun to look at it
	case m.maintained(c.Node), m.reign.hasLeft(c.Node, c.Epoch): // whoever stops it has said so before, or it has itself
	case c.State == liveness.Suspect || c.State == liveness.Dead:
		level = slog.LevelWarn
	}
	m.c.Log.Log(m.ctx, level, "a member is "+c.State.String(), "node", c.Name, "id", c.Node, "epoch", c.Epoch,
		"was", c.From, "reason", c.Reason, "outcome", c.Outcome, "took", m.span(c.Took))
	m.c.Changed(m.reign.term, c)
}

// hasLeft says whether a life has said that it stops.
func (r *reign) hasLeft(node shards.NodeID, epoch shards.Epoch) bool {
	last, known := r.left[node]
	return known && last == epoch
}

// maintained says whether a node may be away.
func (m *Member) maintained(node shards.NodeID) bool {
	known := m.c.Group.State().Member(node)
	return known != nil && known.Maintained
}

func (m *Member) span(ticks int64) time.Duration {
	return time.Duration(ticks) * m.c.Liveness.TickLength
}

// background does work in a goroutine of its own, with a limit, and hands its result to the loop.
func (m *Member) background(limit time.Duration, work func(context.Context) (news func())) {
	m.work.Add(1)
	go func() {
		defer m.work.Done()
		ctx, cancel := context.WithTimeout(m.ctx, limit)
		defer cancel()
		if news := work(ctx); news != nil {
			m.inbox.put(news)
		}
	}()
}

func (m *Member) redial(r liveness.Redial) {
	of := m.reign
	m.background(m.span(r.Timeout), func(ctx context.Context) func() {
		answer, by := m.insist(ctx, r.Node, r.Address)
		return m.during(of, func() { of.detector.Redialed(r.Node, r.Epoch, answer, by) })
	})
}

// during gives news that count only while the reign lasts in which they were asked for.
func (m *Member) during(of *reign, news func()) func() {
	return func() {
		if m.reign == of {
			news()
			m.carryOut()
		}
	}
}

// probe asks another member to look at a suspect. What it cannot say is no verdict.
func (m *Member) probe(p liveness.Probe) {
	of := m.reign
	m.background(m.span(2*p.Timeout), func(ctx context.Context) func() {
		question := probe{target: p.Target, epoch: p.Epoch, timeout: m.span(p.Timeout)}
		body, err := m.c.Wire.Call(ctx, p.By, transport.KindProbe, question.encode())
		if err != nil {
			m.c.Log.Debug("a member was asked and did not answer", "member", p.By, "about", p.Target, "error", err)
			return nil
		}
		seen, err := decodeProbed(body)
		if err != nil {
			m.c.Log.Warn("a member's answer to a probe is malformed", "member", p.By, "error", err)
			return nil
		}
		return m.during(of, func() {
			if seen.answer == liveness.Answered && seen.epoch > p.Epoch {
				of.detector.Redialed(p.Target, p.Epoch, seen.answer, seen.epoch)
				return
			}
			of.detector.ProbeResult(p.By, p.Target, p.Epoch, seen.answer == liveness.Answered && seen.epoch == p.Epoch)
		})
	})
}

// ServeProbe answers another node's call of transport.KindProbe. It dials none but members, at the address that the cluster
// state gives.
func (m *Member) ServeProbe(ctx context.Context, body []byte) ([]byte, error) {
	p, err := decodeProbe(body)
	if err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	if p.target == m.c.Self {
		return probed{liveness.Answered, m.c.Epoch}.encode(), nil
	}
	target := m.c.Group.State().Member(p.target)
	if target == nil || target.Epoch < p.epoch {
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("member: this node does not know that life of " + string(p.target) + " yet")}
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answer, by := m.look(ctx, p.target, target.Peer)
	return probed{answer, by}.encode(), nil
}

// look finds out who listens at a node's address.
func (m *Member) look(ctx context.Context, node shards.NodeID, address string) (liveness.Answer, shards.Epoch) {
	hello, err := m.c.Wire.Probe(ctx, address)
	switch {
	case errors.Is(err, transport.ErrRefused):
		return liveness.Refused, 0
	case (err == nil || errors.Is(err, transport.ErrRejected)) && hello.Node == node:
		return liveness.Answered, hello.Epoch // it lives, even if it does not want to talk
	}
	return liveness.NoAnswer, 0
}

// insist is look that tries again for a moment when a connection breaks off: a process that is being killed takes
// connections until the system comes to its listener.
func (m *Member) insist(ctx context.Context, node shards.NodeID, address string) (answer liveness.Answer, by shards.Epoch) {
	for pause := time.Millisecond; ; pause *= 2 {
		answer, by = m.look(ctx, node, address)
		if answer != liveness.NoAnswer || pause > 16*time.Millisecond {
			return answer, by
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return answer, by
		}
	}
}
