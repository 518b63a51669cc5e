package sim

import (
	"math"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// meta is the shell of a node's member of the Raft group: what actors/metadata.Group does with goroutines and calls, in
// events.
//
//	input ─► core ─► Begin: early messages ─► Finish: log written ─► fsync takes its time ─► the other messages, outcomes
//	  ▲                                                                     │
//	  └──────────────────── inputs wait ◄───────────────────────────────────┘
type meta struct {
	p      *process
	core   *metadata.Core
	log    raftDisk
	busy   bool     // an fsync is under way
	inputs []func() // that came meanwhile

	sequence uint64
	asked    []*asking
	rounds   []round // ReadIndex rounds that nobody has confirmed yet, oldest first
	proven   time.Duration
	provenAt uint64 // term in which it was
}

// asking is a command that this node wants applied, and has not seen applied.
type asking struct {
	proposal metadata.Proposal
	done     func(*cluster.Outcome) // nil: given up, it may or may not have been applied
	until    time.Duration
	next     time.Duration // when it is sent again
}

// round is a ReadIndex round under way, and when it was issued, by the node's own clock.
type round struct {
	number uint64
	term   uint64
	at     time.Duration
}

// Times of a proposal.
const (
	proposeAgain = 300 * time.Millisecond
	proposeUntil = 4 * time.Second
	forever      = time.Duration(math.MaxInt64)
)

func newMeta(p *process) *meta {
	m := &meta{p: p, log: p.n.raft}
	core, err := metadata.NewCore(metadata.CoreConfig{
		Number: p.n.raftNumber(), Epoch: p.epoch, Log: m.log, SnapshotEntries: 64, Logf: nil,
	})
	if err != nil {
		p.n.w.Fail(0, "%s: its metadata log cannot be opened: %v", p.n.ID, err)
		return nil
	}
	m.core = core
	return m
}

// input lets the core have something, as soon as it is not writing.
func (m *meta) input(do func()) {
	if m.busy {
		m.inputs = append(m.inputs, do)
		return
	}
	do()
	m.drive()
}

// drive carries out what the core wants, until it waits for the disk or for the world.
func (m *meta) drive() {
	for !m.busy && m.p.n.proc == m.p {
		if !m.core.Pending() {
			if len(m.inputs) == 0 {
				return
			}
			next := m.inputs[0]
			m.inputs = m.inputs[1:]
			next()
			continue
		}
		m.send(m.core.Begin())
		out, err := m.core.Finish()
		if err != nil {
			m.p.n.w.Fail(0, "%s: metadata: %v", m.p.n.ID, err)
			return
		}
		if !m.log.waits() {
			m.release(&out)
			continue
		}
		m.busy = true
		m.p.n.wait(func() {
			m.log.sync()
			m.busy = false
			m.release(&out)
			m.drive()
		})
	}
}

func (m *meta) send(messages []*raftpb.Message) {
	for _, msg := range messages {
		if to := m.p.n.w.nodeByRaft(msg.GetTo()); to != nil {
			m.p.send(to, classControl, "raft", msg)
		}
	}
}

// release lets out what a step brought about, now that it is durable.
func (m *meta) release(out *metadata.Output) {
	m.needed()
	m.send(out.Messages)
	for i := range out.Applied {
		m.answer(&out.Applied[i])
	}
	for _, r := range out.Reads {
		m.confirm(r.Round)
	}
	if out.Changed {
		m.p.n.w.committed(m.p.n, m.core.State())
	}
	if out.Lead {
		lead := m.core.Lead()
		m.p.n.w.Note("%s: term %d, leader %d, won %v", m.p.n.ID, lead.Term, lead.Number, lead.Won)
	}
	if out.Changed || out.Lead {
		m.p.changed(out.Changed, out.Lead)
	}
}

// answer ends the command of this node that has been applied.
func (m *meta) answer(a *metadata.Applied) {
	if a.ID.Proposer != m.p.n.raftNumber() || a.ID.Epoch != m.p.epoch {
		return
	}
	for i, q := range m.asked {
		if q.proposal.ID == a.ID {
			m.asked = append(m.asked[:i:i], m.asked[i+1:]...)
			outcome := a.Outcome
			q.done(&outcome)
			return
		}
	}
}

// propose has a command applied, by whoever leads. done may be nil.
func (m *meta) propose(c *cluster.Command, done func(*cluster.Outcome)) {
	if done == nil {
		done = func(*cluster.Outcome) {}
	}
	m.sequence++
	now := m.p.n.monotonic()
	until := now + proposeUntil
	if c.HandOver != nil { // as long as it is not known what became of it its primary answers no reads
		until = forever
	}
	q := &asking{
		proposal: metadata.Proposal{ID: metadata.ProposalID{Proposer: m.p.n.raftNumber(), Epoch: m.p.epoch, Sequence: m.sequence}, Command: c},
		done:     done, until: until, next: now + proposeAgain,
	}
	m.asked = append(m.asked, q)
	m.offer(q)
}

// offer gives a command to the leader, or, if none is known, to some node that may know.
func (m *meta) offer(q *asking) {
	proposal := q.proposal
	q.proposal.Since = max(1, m.core.Applied())
	lead := m.core.Lead()
	if lead.Number == m.p.n.raftNumber() {
		m.input(func() { m.accept(&proposal) })
		return
	}
	to := m.p.n.w.nodeByRaft(lead.Number)
	if to == nil {
		to = m.p.n.w.nodes[m.p.n.chance.IntN(len(m.p.n.w.nodes))]
	}
	m.p.send(to, classCall, "propose", &forward{proposal: proposal, hops: 2})
}

// forward is a command on its way to the leader.
type forward struct {
	proposal metadata.Proposal
	hops     int
}

// accept takes a command as leader; its proposer repeats what is refused.
func (m *meta) accept(p *metadata.Proposal) {
	if p.Command.Reroute != nil && p.ID.Proposer != m.p.n.raftNumber() {
		m.p.n.w.Fail(invariantDeposed, "%s proposes a plan that %d made", m.p.n.ID, p.ID.Proposer)
	}
	_ = m.core.Propose(*p) // refused: it is offered again
}

// pass takes a command that another node wants applied.
func (m *meta) pass(f *forward) {
	lead := m.core.Lead()
	if lead.Number == m.p.n.raftNumber() {
		if !m.stranger(f) {
			m.accept(&f.proposal)
		}
		return
	}
	if to := m.p.n.w.nodeByRaft(lead.Number); to != nil && f.hops > 0 {
		m.p.send(to, classCall, "propose", &forward{proposal: f.proposal, hops: f.hops - 1})
	}
}

// tick is 50 ms of the node's clock.
func (m *meta) tick() {
	m.input(m.core.Tick)
	now := m.p.n.monotonic()
	for _, q := range append([]*asking(nil), m.asked...) {
		switch {
		case now > q.until:
			m.forget(q)
			q.done(nil)
		case now > q.next:
			q.next = now + proposeAgain
			if q.proposal.Command.Reroute == nil { // a plan is its leader's: it is not repeated, the next one looks again
				m.offer(q)
			}
		}
	}
	if m.core.Lead().Won {
		m.input(func() {
			if lead := m.core.Lead(); lead.Won {
				at := m.p.n.monotonic()
				m.rounds = append(m.rounds, round{number: m.core.ReadIndex(), term: lead.Term, at: at})
			}
		})
	}
	if len(m.rounds) > 64 {
		m.rounds = m.rounds[len(m.rounds)-64:]
	}
}

func (m *meta) forget(q *asking) {
	for i := range m.asked {
		if m.asked[i] == q {
			m.asked = append(m.asked[:i:i], m.asked[i+1:]...)
			return
		}
	}
}

// confirm notes that a quorum followed this leader when the round was issued.
func (m *meta) confirm(number uint64) {
	for i, r := range m.rounds {
		if r.number == number {
			m.proven, m.provenAt = r.at, r.term
			m.rounds = m.rounds[i+1:]
			return
		}
	}
}

// confirmed is when this leader issued the newest round that was confirmed in its present term; false: none was.
func (m *meta) confirmed() (time.Duration, bool) {
	lead := m.core.Lead()
	return m.proven, lead.Won && m.provenAt == lead.Term
}
