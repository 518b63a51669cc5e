package member

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Member is one node's part in knowing who is alive. Its exported methods may be called from any goroutine; those that take
// news (Lead, Applied, Changed, Receive) return at once.
type Member struct {
	c     Config
	lease *Lease
	inbox inbox
	wake  chan struct{}
	seen  atomic.Pointer[Evidence]

	ctx    context.Context // of redials and probes; ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // the loop, redials, probes

	// Owned by the loop.
	holder    *liveness.Holder
	over      bool                           // this life was declared dead
	up        map[shards.NodeID]shards.Epoch // peers that are connected
	leader    shards.NodeID                  // whom the last heartbeat went to
	reigns    *liveness.Succession
	longest   time.Duration // of the leases that leaders have granted this node
	beatIn    int           // ticks until the next heartbeat
	until     int           // ticks from the last one to a heartbeat that is in step with what else the node does as often
	late      time.Duration // worst lateness of the ticker since the last heartbeat
	busy      time.Duration // how long after a tick was due the loop was through with what it did last
	roundTrip time.Duration
	awaits    bool   // the last heartbeat was not answered yet
	waits     int64  // when the first heartbeat left since the leader's last answer, on the lease's clock; 0: none has
	reign     *reign // nil unless this node leads
	doubt     *doubt // nil unless the connection to the leader is broken
	malformed map[shards.NodeID]bool
	teller    teller
	measuring bool   // a goroutine measures loads
	loadIn    int    // ticks until the next measurement
	refresh   int    // measurements after which the node's figures are told though they have hardly changed
	flood     uint64 // hash of the list of full nodes that the node was told of...
	floods    []Flood
	floodAt   int64   // ...and when it was told last, on the lease's clock
	pending   []reply // grants that wait for the state that they speak of, in the order in which they came
}

// Start begins. The caller then passes on what the group and the transport tell, and in the end calls Close.
func Start(c Config) (*Member, error) {
	c, err := c.validate()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &Member{
		c: c, wake: make(chan struct{}, 1), ctx: ctx, cancel: cancel,
		holder: liveness.NewHolder(c.Liveness.DriftPPM), reigns: liveness.NewSuccession(), up: map[shards.NodeID]shards.Epoch{}, malformed: map[shards.NodeID]bool{},
		flood: unheard, refresh: int(max(1, c.LoadRefresh/c.LoadPeriod)),
	}
	m.lease = newLease(time.Now(), m.lone)
	m.inbox.filled = make(chan struct{}, 1)
	m.seen.Store(&Evidence{})
	m.work.Add(1)
	go m.run()
	return m, nil
}

// Close drops the lease, ends all redials and probes and returns when nothing of the Member runs any more.
func (m *Member) Close() {
	m.cancel()
	m.work.Wait()
}

// Lease is the node's lease.
func (m *Member) Lease() *Lease { return m.lease }

// Lead says that this node has won a term, and has applied all that was committed before it; or that it does not lead any more.
func (m *Member) Lead(won bool, term uint64) {
	m.inbox.put(func() {
		m.lead(won, term)
		m.settleAlone()
	})
}

// Applied says that there is a newer cluster state, or that somebody else leads.
func (m *Member) Applied(*cluster.State) {
	m.inbox.put(func() { m.applied(m.c.Group.State()) })
}

// Changed takes the transport's news of a connection.
func (m *Member) Changed(c transport.Change) { m.inbox.put(func() { m.connection(c) }) }

// Receive takes a heartbeat and what comes with it, a reply or a report of loads; other kinds are none of its business, and false is returned.
func (m *Member) Receive(peer transport.Hello, kind transport.Kind, body []byte) bool {
	switch kind {
	case transport.KindHeartbeat:
		h, err := decodeHeartbeat(body)
		m.inbox.offer(func() { m.heard(peer, h, err) })
	case transport.KindUnanswered:
		u, err := decodeUnanswered(body)
		m.inbox.offer(func() { m.complained(peer, u, err) })
	case transport.KindHeartbeatReply:
		at := m.lease.now()
		r, err := decodeReply(body)
		m.inbox.offer(func() { m.answered(peer, r, at, err) })
	case transport.KindLoads:
		r, err := decodeReport(body)
		m.inbox.offer(func() { m.reported(peer, r, err) })
	default:
		return false
	}
	return true
}

func (m *Member) run() {
	defer m.work.Done()
	defer m.lease.revoke()
	ticker := actors.NewTicker(m.c.Self, m.c.Liveness.TickLength)
	defer ticker.Stop()
	m.applied(m.c.Group.State())
	for resting := 1; ; {
		var passed int
		select {
		case <-m.ctx.Done():
			return
		case <-ticker.C:
			passed = m.lapse(ticker)
		case <-m.inbox.filled:
			passed = m.lapse(ticker)
			for _, news := range m.inbox.take() {
				news()
			}
		}
		m.busy = max(0, time.Since(ticker.Due()))
		if rest := m.rest(); passed > 0 || rest != resting {
			resting = rest
			ticker.Rest(rest)
		}
	}
}

// rest is for how many ticks the loop need not wake if nothing comes: until the next heartbeat, unless somebody is looked after
// or may soon be suspect.
func (m *Member) rest() int {
	switch {
	case m.doubt != nil:
		return 1
	case m.reign != nil:
		return max(1, min(m.beatIn, int(m.reign.detector.Rest())))
	}
	return max(1, m.beatIn)
}

// lapse lets the ticks pass that have, before what came after them is looked at. It was late if the timer was, or if the loop was
// still busy when a tick was due.
func (m *Member) lapse(ticker *actors.Ticker) (passed int) {
	late := max(m.busy, time.Since(ticker.Wakes()))
	if passed = ticker.Take(); passed > 0 {
		m.until = ticker.Until(m.c.Liveness.Heartbeat)
		m.tick(passed, late)
	}
	return passed
}

// tick is what happens with every tick, of which some have passed: the detector's, then the heartbeat's. The last came late.
func (m *Member) tick(passed int, late time.Duration) {
	length := m.c.Liveness.TickLength
	m.late = max(m.late, late)
	if m.reign != nil {
		for range passed - 1 {
			m.reign.detector.Tick(0)
		}
		m.reign.detector.Tick(int64(late / length))
		m.carryOut()
	}
	if m.doubt != nil {
		m.pursue()
	}
	m.beatIn -= passed
	m.attend()
	if m.loadIn -= passed; m.loadIn <= 0 {
		m.loadIn = int(m.c.LoadPeriod / length)
		m.measure()
		if m.reign != nil {
			m.gaugeAll()
		}
	}
}

// attend sends a heartbeat if one is due, or if somebody else leads than the last one went to.
func (m *Member) attend() {
	leader, term := m.c.Group.Leader()
	m.reigns.Leads(m.lease.now(), leader, term)
	if leader != m.leader {
		m.waits = 0
	}
	if m.beatIn <= 0 || leader != m.leader {
		m.beatIn, m.leader = m.until, leader
		m.beat()
	}
}

// applied takes a newer cluster state, or hears that somebody else leads.
func (m *Member) applied(s *cluster.State) {
	m.settleAlone()
	if leader, _ := m.c.Group.Leader(); leader != m.leader {
		m.attend()
	}
	if self := s.Member(m.c.Self); self != nil && self.Down && self.Epoch == m.c.Epoch {
		m.end("the cluster state says that it is down")
	}
	if m.reign != nil {
		m.reign.tune(m.c.Liveness, s)
		m.reign.detector.Members(s.Members)
		m.reign.detector.Voters(s.Voters)
		m.reign.ledger.members(s.Members)
		m.gaugeAll()
		m.carryOut()
	}
	m.catchUp(s.Version)
}

// settleAlone says whether the lease lasts for ever: this node leads, and is the only member.
func (m *Member) settleAlone() { m.lease.setAlone(m.reign != nil && !m.over && m.lone()) }

func (m *Member) lone() bool {
	s := m.c.Group.State()
	return len(s.Members) == 1 && s.Members[0].ID == m.c.Self
}

// connection takes what the transport says of a connection.
func (m *Member) connection(c transport.Change) {
	if c.Up {
		m.up[c.Node] = c.Epoch
	} else {
		delete(m.up, c.Node)
	}
	if m.reign != nil {
		m.reignConnection(c)
	}
	m.leaderConnection(c)
}

// inbox is what the loop has to do, in order. Messages that will be repeated are dropped when it is long; news are not, of
// which there is a handful for each connection and command.
type inbox struct {
	mu     sync.Mutex
	queue  []func()
	filled chan struct{}
}

const inboxLength = 8192

func (i *inbox) put(news func()) { i.append(news, false) }

func (i *inbox) offer(news func()) { i.append(news, true) }

func (i *inbox) append(news func(), droppable bool) {
	i.mu.Lock()
	if !droppable || len(i.queue) < inboxLength {
		i.queue = append(i.queue, news)
	}
	i.mu.Unlock()
	select {
	case i.filled <- struct{}{}:
	default:
	}
}

func (i *inbox) take() []func() {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := i.queue
	i.queue = nil
	return q
}
