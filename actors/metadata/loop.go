package metadata

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
)

// How a node stands for election once it knows that the leader is dead: at once but for a short random delay, so that not all
// do it at the same moment, and again while nobody leads, since the others may not know yet.
const (
	standDelay = 20 * time.Millisecond
	standAgain = 40 * time.Millisecond
	standTries = 12
	large      = 64 << 10 // bytes of a message that heartbeats shall not wait behind
	mostTasks  = 256      // of callers, between two writes of the log
)

// loop is the goroutine that owns the Core. All of its fields are its own.
type loop struct {
	group *Group
	core  *Core

	waiting   map[ProposalID][]*waiter
	barriers  map[uint64]chan struct{} // round -> closed when it is confirmed
	issued    map[uint64]time.Time     // round -> when; of rounds while this node leads
	ticks     int
	silent    int                                 // ticks since the leader was heard last
	book      map[shards.NodeID]transport.Address // learnt from others, and not in the state, or older there
	numbers   map[uint64]shards.NodeID            // who has said that it is which number
	connected []transport.Address
	lost      []uint64                // to whom entries could not be sent
	lostWhole []uint64                // to whom a snapshot could not be sent
	dead      map[shards.NodeID]grave // leaders' lives that are proven to have ended
	stand     *time.Timer
	tries     int
	voters    voterKeeper
	broken    error // why this node can take no part any more
	heeds     bool  // it has a log, and has not asked the others yet: no part in elections; see ballot.go

	led        bool      // a leader has been known
	leaderless time.Time // since when none is, if one has been; zero: one is
}

// grave is of a leader's life that is proven to have ended.
type grave struct {
	epoch shards.Epoch
	at    time.Time
}

// lastWords is how long messages of such a life may be on their way.
const lastWords = 3 * time.Second

// waiter waits for what becomes of a command.
type waiter struct {
	heard chan answer // holds one
	term  uint64      // of this node's lead under which it was proposed here; 0: elsewhere, perhaps
}

func newLoop(g *Group, core *Core) loop {
	stand := time.NewTimer(time.Hour)
	stand.Stop()
	return loop{
		group: g, core: core, waiting: map[ProposalID][]*waiter{}, barriers: map[uint64]chan struct{}{}, issued: map[uint64]time.Time{},
		book: map[shards.NodeID]transport.Address{}, numbers: map[uint64]shards.NodeID{}, dead: map[shards.NodeID]grave{}, stand: stand, heeds: core.Member(),
	}
}

// replay applies what the log says is committed, before anybody looks: the snapshot that a life begins from may be thousands of entries old, and
// lack this node itself. Nothing leaves, since nothing was heard yet.
func (l *loop) replay() error {
	for l.core.Pending() {
		l.core.Begin()
		if _, err := l.core.Finish(); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) run() {
	g := l.group
	defer close(g.done)
	ticker := actors.NewTicker(g.config.Self.ID, g.config.Tick)
	defer ticker.Stop()
	defer l.stand.Stop()
	resting := 1
	for {
		var passed int
		select {
		case <-g.ctx.Done():
			return
		case r := <-g.inbox:
			passed = l.lapse(ticker)
			l.receive(r)
			for range len(g.inbox) { // what has come meanwhile shares one write of the log
				l.receive(<-g.inbox)
			}
		case t := <-g.tasks:
			passed = l.lapse(ticker)
			l.serve(t)
		case dead := <-g.gone:
			l.leaderGone(dead.node, dead.epoch)
		case <-ticker.C:
			passed = l.lapse(ticker)
		case <-l.stand.C:
			l.campaign()
		}
		if err := l.pump(); err != nil {
			g.fail(err)
			g.config.Fatal(err)
			return
		}
		if rest := l.rest(); passed > 0 || rest != resting {
			resting = rest
			ticker.Rest(rest)
		}
	}
}

// lapse lets the ticks pass that have, before what came after them is looked at.
func (l *loop) lapse(ticker *actors.Ticker) (passed int) {
	passed = ticker.Take()
	for range passed {
		l.tick()
	}
	return passed
}

// rest is for how many ticks the loop need not wake if nothing comes. A leader wakes for its heartbeats. A follower that hears
// from its leader does nothing but count, until half of the shortest election timeout has passed in silence. A member without
// others has nobody to tell anything.
func (l *loop) rest() int {
	c := &l.group.config
	half := c.ElectionTicks / 2
	switch lead := l.core.Lead().Number; {
	case lead == 0:
		return 1
	case lead != c.Self.Raft:
		return max(1, half-l.silent)
	case len(l.core.State().Members) == 1:
		return max(1, half)
	}
	return c.HeartbeatTicks - l.ticks%c.HeartbeatTicks
}

// serve does what callers want, all who wait: their commands share one write of the log.
func (l *loop) serve(t task) {
	for n := 0; ; n++ {
		t.do(l.core)
		close(t.done)
		if n == mostTasks {
			return
		}
		select {
		case t = <-l.group.tasks:
		default:
			return
		}
	}
}

// pump carries out all that the Core has to do.
func (l *loop) pump() error {
	if l.broken != nil {
		return l.broken
	}
	for l.core.Pending() {
		l.group.committed.Store(l.core.Committed())
		l.send(l.core.Begin())
		out, err := l.core.Finish()
		if err != nil {
			return err
		}
		l.send(out.Messages)
		l.take(&out)
		l.reportLost()
	}
	return nil
}

func (l *loop) reportLost() {
	for _, number := range l.lost {
		l.core.Unreachable(number)
	}
	for _, number := range l.lostWhole {
		l.core.SnapshotLost(number)
	}
	l.lost, l.lostWhole = l.lost[:0], l.lostWhole[:0]
}

// take hands out what a step brought. The state is visible before anybody hears of a command.
func (l *loop) take(out *Output) {
	if out.Lead && l.core.Lead().Number != l.group.config.Self.Raft { // and who sees that it leads no longer finds it confirmed no longer
		clear(l.issued)
		l.group.confirmed.Store(nil)
	}
	if out.Changed || out.Lead || l.core.Applied() != l.group.status.Load().Applied {
		l.group.publish()
	}
	if out.Changed {
		l.connect()
	}
	for i := range out.Applied {
		a := &out.Applied[i]
		l.tell(a.ID, answer{verdict: verdictApplied, applied: *a})
	}
	if out.Restored {
		for id := range l.waiting {
			if a, known := l.core.Outcome(id); known {
				l.tell(id, answer{verdict: verdictApplied, applied: a})
			}
		}
	}
	if out.Lead {
		l.leadChanged()
	}
	for _, r := range out.Reads {
		l.confirm(r.Round)
	}
}

// tell answers those who wait for a command.
func (l *loop) tell(id ProposalID, a answer) {
	for _, w := range l.waiting[id] {
		w.heard <- a
	}
	delete(l.waiting, id)
}

// leadChanged lets those go who wait for a leader that leads no longer.
func (l *loop) leadChanged() {
	lead := l.core.Lead()
	ours := lead.Number == l.group.config.Self.Raft
	for id, list := range l.waiting {
		l.waiting[id] = slices.DeleteFunc(list, func(w *waiter) bool {
			lost := w.term != 0 && !(ours && w.term == lead.Term)
			if lost {
				w.heard <- answer{verdict: verdictUnknown}
			}
			return lost
		})
		if len(l.waiting[id]) == 0 {
			delete(l.waiting, id)
		}
	}
	for round, c := range l.barriers { // a round dies with its leader
		close(c)
		delete(l.barriers, round)
	}
	switch {
	case lead.Number == 0 && l.led && l.leaderless.IsZero():
		l.leaderless = time.Now()
	case lead.Number != 0:
		l.stand.Stop()
		if !l.leaderless.IsZero() {
			l.group.config.Elected(time.Since(l.leaderless))
		}
		l.led, l.leaderless = true, time.Time{}
	}
	leader := l.group.Status().Leader
	l.group.config.Logger.Info("metadata group", "leader", l.group.State().NodeName(leader), "id", leader, "term", lead.Term, "won", lead.Won)
}

// confirm notes that a quorum has answered a round. Who waited for it finds it in Confirmed.
func (l *loop) confirm(round uint64) {
	l.renew(round)
	if c := l.barriers[round]; c != nil {
		c <- struct{}{}
		delete(l.barriers, round)
	}
}

// renew moves Confirmed on to a round of this node's own reign.
func (l *loop) renew(round uint64) {
	when, ours := l.issued[round]
	if !ours || !l.core.Lead().Won {
		return
	}
	if before := l.group.confirmed.Load(); before == nil || when.After(*before) {
		l.group.confirmed.Store(&when)
	}
	for r := range l.issued {
		if r <= round {
			delete(l.issued, r)
		}
	}
}

// issue begins a round whose confirmation proves that this node led when it began.
func (l *loop) issue() {
	now := time.Now()
	l.issued[l.core.ReadIndex()] = now
}

func (l *loop) tick() {
	if !l.heeds { // ticks have a follower stand
		l.core.Tick()
	}
	l.ticks++
	l.silent++
	if l.core.Lead().Number != l.group.config.Self.Raft {
		return
	}
	if l.ticks%l.group.config.HeartbeatTicks == 0 {
		l.issue()
	}
	if l.core.Lead().Won {
		l.voters.look(l)
	}
}

// receive takes a message of another member.
func (l *loop) receive(r *received) {
	if g, buried := l.dead[r.peer.Node]; buried && r.peer.Epoch <= g.epoch {
		if time.Since(g.at) < lastWords { // they came after the news of its death
			return
		}
		l.group.config.Logger.Warn("a leader that was taken for dead goes on: what refused at its address was not it", "node", r.peer.Node, "epoch", r.peer.Epoch)
		delete(l.dead, r.peer.Node)
	}
	l.learn(transport.Address{Node: r.peer.Node, Epoch: r.peer.Epoch, Addr: r.peer.Address})
	from := r.message.GetFrom()
	if r.message.GetType() != raftpb.MsgReadIndex { // that one is passed on
		m := l.core.State().Member(r.peer.Node)
		if m != nil && m.Raft != from {
			l.group.config.Logger.Warn("a message under another member's number", "node", r.peer.Node, "number", from)
			return
		}
		l.numbers[from] = r.peer.Node
	}
	if from == l.core.Lead().Number {
		l.silent = 0
	}
	if l.heeds && elects(r.message) {
		return
	}
	err := l.core.Step(r.message)
	if short := (*ShortError)(nil); errors.As(err, &short) { // what has come may not be in the log yet
		if l.broken = l.pump(); l.broken == nil {
			err = l.core.Step(r.message)
		}
		if errors.As(err, &short) {
			l.broken = cmp.Or(l.broken, err)
		}
	}
	if err != nil {
		l.group.config.Logger.Debug("a message was refused", "node", r.peer.Node, "error", err)
	}
}

// learn notes where a node is that the state does not know, or knows elsewhere.
func (l *loop) learn(a transport.Address) {
	if a.Addr == "" || a.Node == l.group.config.Self.ID || l.book[a.Node] == a || l.book[a.Node].Epoch > a.Epoch {
		return
	}
	m := l.core.State().Member(a.Node)
	if m != nil && m.Epoch >= a.Epoch || m == nil && l.core.State().Cluster != "" || len(l.book) >= maxAddresses {
		return
	}
	l.book[a.Node] = a
	l.connect()
}

// connect says whom this node wants to be connected with, if that has changed.
func (l *loop) connect() {
	state := l.core.State()
	var list []transport.Address
	for i := range state.Members {
		m := &state.Members[i]
		a := transport.Address{Node: m.ID, Epoch: m.Epoch, Addr: m.Peer}
		if known, found := l.book[m.ID]; found && known.Epoch > m.Epoch {
			a = known
		} else {
			delete(l.book, m.ID)
		}
		list = append(list, a)
	}
	for node, a := range l.book {
		if state.Member(node) != nil {
			continue
		}
		if state.Cluster != "" { // whoever is no member, or no longer, has to ask
			delete(l.book, node)
			continue
		}
		list = append(list, a)
	}
	list = slices.DeleteFunc(list, func(a transport.Address) bool { return a.Node == l.group.config.Self.ID || a.Addr == "" })
	slices.SortFunc(list, func(a, b transport.Address) int { return cmp.Compare(a.Node, b.Node) })
	if !slices.Equal(list, l.connected) {
		l.connected = list
		l.group.config.Connect(slices.Clone(list))
	}
}

// superseded says that the message is a heartbeat, and that another one follows to the same node: a round that confirms the lead
// is a heartbeat, too, and begins in the tick of one.
func superseded(m *raftpb.Message, later []*raftpb.Message) bool {
	return m.GetType() == raftpb.MsgHeartbeat && slices.ContainsFunc(later, func(n *raftpb.Message) bool {
		return n.GetType() == raftpb.MsgHeartbeat && n.GetTo() == m.GetTo()
	})
}

// send posts messages; one that cannot be sent is lost, and Raft told.
func (l *loop) send(messages []*raftpb.Message) {
	for i, m := range messages {
		if superseded(m, messages[i+1:]) {
			continue
		}
		to := l.nodeOf(m.GetTo())
		if to == "" {
			l.unsent(m)
			continue
		}
		body, err := proto.Marshal(m)
		if err != nil {
			panic("metadata: a message of Raft's cannot be encoded: " + err.Error())
		}
		if m.GetType() == raftpb.MsgSnap && len(body) > large {
			l.sendSnapshot(to, body)
			continue
		}
		class := transport.Control
		if len(body) > large {
			class = transport.Bulk
		}
		if err := l.group.config.Wire.Send(to, class, transport.KindRaft, body); err != nil {
			l.unsent(m)
		}
	}
}

func (l *loop) unsent(m *raftpb.Message) {
	switch {
	case m.GetType() == raftpb.MsgSnap:
		l.lostWhole = append(l.lostWhole, m.GetTo())
	case m.GetType() == raftpb.MsgApp && !slices.Contains(l.lost, m.GetTo()):
		l.lost = append(l.lost, m.GetTo())
	}
}

// sendSnapshot sends what may be more than a receiver grants at once. If it is lost the leader sees no answer, and sends
// another one.
func (l *loop) sendSnapshot(to shards.NodeID, body []byte) {
	g := l.group
	g.running.Go(func() {
		if err := g.config.Wire.SendWait(g.ctx, to, transport.Bulk, transport.KindRaft, body); err != nil {
			g.config.Logger.Warn("a snapshot of the cluster state was not sent", "node", to, "error", err)
		}
	})
}

// nodeOf is the node with a number: as the state says, or as it has itself said.
func (l *loop) nodeOf(number uint64) shards.NodeID {
	if number == l.group.config.Self.Raft {
		return l.group.config.Self.ID
	}
	if m := l.core.State().MemberByRaft(number); m != nil {
		return m.ID
	}
	return l.numbers[number]
}
