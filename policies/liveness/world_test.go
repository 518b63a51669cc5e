package liveness

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// world is a small cluster around detectors and lease holders: true time in nanoseconds, clocks that run apart, a network that
// delays, loses and is cut in single directions, processes that crash, stop and vanish. Whoever is elected gets a detector; who
// led before keeps his, as one who has not heard of it, until told. Leadership is confirmed by rounds to all nodes, which
// answer unless they know of a later term: ReadIndex, reduced to what leases need.
//
// After each step it checks what the package promises: that no lease of a life is valid once the leader has declared that
// life dead without proof.
type world struct {
	*testing.T
	now     int64
	nodes   []*machine
	members []cluster.Member // the committed state
	queue   []event
	serial  int
	random  *rand.Rand

	latency, jitter time.Duration
	loss            float64
	cuts            map[[2]shards.NodeID]bool
	filters         map[[2]shards.NodeID]bool // connections that one opens to the other are dropped, with all that goes over them

	term     uint64
	leader   *machine
	config   Config
	settings []cluster.Setting
	dead     []Status // declared by leaders in office
	print    func(format string, args ...any)
	beats    bool // tell of leases
}

type event struct {
	at     int64
	serial int
	to     *machine
	do     func()
}

// machine is one node with its process.
type machine struct {
	id                    shards.NodeID
	up, stopped, vanished bool
	epoch                 shards.Epoch
	ppm                   int64
	holder                *Holder
	health                Health
	term                  uint64
	inbox                 []func() // what arrived while it was stopped
	nextBeat, nextTick    int64
	roundTrip             time.Duration
	waits                 int64         // when the first heartbeat left of those since the last answer; 0: none has
	asked                 shards.NodeID // whom they went to
	old                   bool          // of a release that does not tell how long it waits
	hadLease, begins      bool

	detector  *Detector
	reigns    *Succession
	reign     uint64 // the term of its detector
	confirmed int64
	nextRound int64
}

const step = int64(5 * time.Millisecond)

func newWorld(t *testing.T, size int, c Config, seed uint64, print func(string, ...any)) *world {
	w := &world{T: t, config: c, random: rand.New(rand.NewPCG(seed, 1)), cuts: map[[2]shards.NodeID]bool{}, filters: map[[2]shards.NodeID]bool{},
		latency: time.Millisecond, print: print}
	for i := range size {
		id := shards.NodeID(fmt.Sprintf("n%d", i+1))
		w.nodes = append(w.nodes, &machine{id: id, up: true, epoch: 1, holder: NewHolder(1000), reigns: NewSuccession()})
		w.members = append(w.members, cluster.Member{ID: id, Name: string(id), Raft: uint64(i + 1), Epoch: 1, Peer: string(id) + ":7300"})
	}
	w.elect(w.nodes[0])
	return w
}

// clock is a machine's monotonic clock.
func (w *world) clock(m *machine) int64 { return 1e9 + w.now + w.now/1_000_000*m.ppm }

func (w *world) machine(id string) *machine {
	for _, m := range w.nodes {
		if string(m.id) == id {
			return m
		}
	}
	w.Fatalf("no machine %q", id)
	return nil
}

func (m *machine) runs() bool { return m.up && !m.stopped && !m.vanished }

// run lets time pass.
func (w *world) run(d time.Duration) {
	for end := w.now + int64(d); w.now < end; {
		w.now += step
		for len(w.queue) > 0 && w.queue[0].at <= w.now {
			e := w.queue[0]
			w.queue = w.queue[1:]
			e.do()
		}
		for _, m := range w.nodes {
			if m.runs() {
				w.live(m)
			}
		}
		w.check()
	}
}

// live is what a running process does in one step.
func (w *world) live(m *machine) {
	for _, do := range m.inbox {
		do()
	}
	m.inbox = nil
	now := w.clock(m)
	if now >= m.nextBeat {
		m.nextBeat = now + int64(250*time.Millisecond)
		w.beat(m, now)
	}
	if m.detector != nil {
		w.lead(m, now)
	}
}

func (w *world) beat(m *machine, sent int64) {
	m.holder.Sent(sent)
	epoch, health := m.epoch, m.health
	health.RoundTrip = m.roundTrip
	if m.waits == 0 || m.asked != w.leader.id {
		m.waits, m.asked = sent, w.leader.id
	}
	if !m.old {
		health.Unanswered = time.Duration(sent - m.waits)
	}
	for _, to := range w.nodes {
		if to == m || to.detector == nil || to.reign < m.term && to != w.leader {
			continue // a heartbeat goes to whom the node takes for the leader; here, to all who may be taken for one
		}
		w.post(m, to, func() { w.heard(to, m, epoch, sent, health) })
	}
	if m.detector != nil { // the leader's own lease
		standing := m.detector.Heard(m.id, epoch, health)
		w.carryOut(m)
		if standing == Declared && m == w.leader {
			w.print("%s leads and was declared dead in epoch %d", m.id, epoch)
			w.begin(m)
			return
		}
		age, ok := Age(sent, m.confirmed, w.leaseTime())
		if ok {
			m.detector.Confirmed(age)
		}
		if ok && standing == Granted {
			m.holder.Granted(Grant{Sent: sent, Age: age, Lease: w.leaseTime(), Term: m.reign})
		}
	}
}

func (w *world) leaseTime() int64 {
	c := w.nodes[0].config(w.config)
	return int64(c.Lease) * int64(c.TickLength)
}

func (m *machine) config(c Config) Config {
	c.Self = m.id
	full, err := c.Validate()
	if err != nil {
		panic(err)
	}
	return full
}

// heard is the leader's side of a heartbeat.
func (w *world) heard(l, from *machine, epoch shards.Epoch, sent int64, h Health) {
	if l.detector == nil {
		return
	}
	standing := l.detector.Heard(from.id, epoch, h)
	w.carryOut(l)
	age, ok := Age(w.clock(l), l.confirmed, w.leaseTime())
	if !ok {
		l.detector.Unproven(from.id)
		return
	}
	reply := Grant{Sent: sent, Age: age, Lease: w.leaseTime(), Term: l.reign}
	w.post(l, from, func() {
		if from.epoch != epoch {
			return
		}
		if from.asked == l.id {
			from.waits = 0
		}
		switch {
		case standing == Granted:
			from.holder.Granted(reply)
			from.roundTrip = time.Duration(w.clock(from) - sent)
		case standing == Declared && !from.begins && l == w.leader:
			from.begins = true
			from.holder.Revoke()
			w.print("%s is told that epoch %d was declared dead, and begins another", from.id, epoch)
			w.begin(from)
		}
	})
}

// lead is what a process with a detector does in one step.
func (w *world) lead(m *machine, now int64) {
	tick := int64(m.detector.c.TickLength)
	if now >= m.nextTick {
		late := (now - m.nextTick) / tick
		m.nextTick = now + tick - (now-m.nextTick)%tick
		m.detector.Tick(late)
		w.carryOut(m)
	}
	if now >= m.nextRound {
		m.nextRound = now + int64(100*time.Millisecond)
		w.confirm(m, now)
	}
}

// confirm asks all nodes whether the reign goes on.
func (w *world) confirm(m *machine, issued int64) {
	reign, votes := m.reign, 1
	for _, voter := range w.nodes {
		if voter == m {
			continue
		}
		w.send(m, voter, func() {
			if voter.term > reign {
				return
			}
			w.send(voter, m, func() {
				if votes++; votes > len(w.nodes)/2 && m.reign == reign {
					m.confirmed = max(m.confirmed, issued)
				}
			})
		})
	}
}

// elect begins a reign, with the votes of all that can be reached now; false if they are too few. Whoever led before and has
// given his vote knows that he does not any more.
func (w *world) elect(m *machine) bool {
	var votes []*machine
	for _, v := range w.nodes {
		if v.runs() && (v == m || !w.cut(m, v) && !w.cut(v, m)) {
			votes = append(votes, v)
		}
	}
	if !m.runs() || 2*len(votes) <= len(w.nodes) {
		return false
	}
	w.term++
	for _, v := range votes {
		v.term, v.detector = w.term, nil
		v.reigns.Leads(w.clock(v), m.id, w.term)
	}
	d, err := New(m.config(w.config))
	if err != nil {
		w.Fatal(err)
	}
	m.detector, m.reign, m.confirmed = d, w.term, w.clock(m)
	m.nextTick, m.nextRound = w.clock(m)+int64(d.c.TickLength), w.clock(m)
	w.leader = m
	if before, known := m.reigns.Before(); known {
		d.Follows(before / int64(d.c.TickLength))
	}
	w.tune(m)
	d.Members(w.members)
	d.Voters(w.voters())
	for _, v := range w.nodes {
		d.Unsure(v.id, w.member(v).Epoch)
	}
	w.carryOut(m)
	return true
}

// tune has a leader go by the settings.
func (w *world) tune(m *machine) {
	m.detector.Tune(m.config(w.config).Tuned(&cluster.State{Settings: w.settings}))
}

// voters are all.
func (w *world) voters() (numbers []uint64) {
	for _, m := range w.members {
		numbers = append(numbers, m.Raft)
	}
	return numbers
}

func (w *world) member(m *machine) *cluster.Member {
	i := slices.IndexFunc(w.members, func(c cluster.Member) bool { return c.ID == m.id })
	return &w.members[i]
}

// carryOut does what a detector wants done.
func (w *world) carryOut(m *machine) {
	r := m.detector.Ready()
	for _, c := range r.Changes {
		w.change(m, c)
	}
	if heir := r.Heir; heir.Node != "" {
		w.at(int64(w.latency), m, func() { w.handOn(m, heir) })
	}
	for _, r := range r.Redials {
		target, d := w.machine(string(r.Node)), m.detector
		w.look(m, target, r.Timeout, func(a Answer, by shards.Epoch) {
			d.Redialed(r.Node, r.Epoch, a, by)
			if m.detector == d {
				w.carryOut(m)
			}
		})
	}
	for _, p := range r.Probes {
		by, target, d := w.machine(string(p.By)), w.machine(string(p.Target)), m.detector
		w.post(m, by, func() {
			w.look(by, target, p.Timeout, func(a Answer, epoch shards.Epoch) {
				w.send(by, m, func() { // over the connection that the question came by
					d.ProbeResult(p.By, p.Target, p.Epoch, a == Answered && epoch == p.Epoch)
					if m.detector == d {
						w.carryOut(m)
					}
				})
			})
		})
	}
}

// handOn elects the heir of the one who leads.
func (w *world) handOn(m *machine, heir Heir) {
	if m != w.leader {
		return
	}
	w.print("%s hands the lead to %s: %s", m.id, heir.Node, heir.Reason)
	if !w.elect(w.machine(string(heir.Node))) {
		w.print("%s gets no majority", heir.Node)
	}
}

func (w *world) change(m *machine, c Change) {
	office := ""
	if m != w.leader {
		office = " (so says " + string(m.id) + ", who leads no more)"
	}
	ended := ""
	if c.Outcome != OutcomeNone {
		ended = fmt.Sprintf(" [%v after %v]", c.Outcome, time.Duration(c.Took)*m.detector.c.TickLength)
	}
	w.print("%s epoch %d: %v -> %v%s: %s%s", c.Node, c.Epoch, c.From, c.State, ended, c.Reason, office)
	if c.State == Dead && m == w.leader && c.Outcome != OutcomeNone {
		w.dead = append(w.dead, c.Status)
		if member := w.member(w.machine(string(c.Node))); member.Epoch == c.Epoch {
			member.Down = true
			w.commit()
		}
	}
}

// commit tells every detector in office of the committed state.
func (w *world) commit() {
	w.leader.detector.Members(w.members)
}

// begin starts another life of a process, which joins as soon as the leader hears of it.
func (w *world) begin(m *machine) {
	m.epoch++
	m.up, m.stopped, m.vanished, m.begins = true, false, false, false
	m.inbox, m.detector, m.waits = nil, nil, 0
	m.holder.Revoke()
	epoch := m.epoch
	var join func()
	join = func() {
		if m.epoch != epoch || w.member(m).Epoch >= epoch {
			return
		}
		w.send(m, w.leader, func() {
			if c := w.member(m); c.Epoch < epoch && w.leader.detector != nil {
				c.Epoch, c.Down = epoch, false
				w.commit()
				w.carryOut(w.leader)
			}
		})
		w.at(int64(500*time.Millisecond), m, join)
	}
	w.at(int64(100*time.Millisecond), m, join)
}

// crash ends a process: its connections break at once.
func (w *world) crash(m *machine) {
	m.up, m.stopped, m.detector, m.inbox = false, false, nil, nil
	m.holder.Revoke()
	epoch := m.epoch
	for _, l := range w.nodes {
		if l != m && l.detector != nil {
			w.send(m, l, func() {
				if l.detector != nil {
					l.detector.Broken(m.id, epoch, "EOF")
					w.carryOut(l)
				}
			})
		}
	}
}

// check is the promise about leases.
func (w *world) check() {
	for _, s := range w.dead {
		m := w.machine(string(s.Node))
		if !s.Proof && m.epoch == s.Epoch && m.holder.Valid(w.clock(m)) {
			w.Fatalf("%v: the lease of %s, epoch %d, is valid until %v, and it was declared dead: %s",
				time.Duration(w.now), s.Node, s.Epoch, time.Duration(m.holder.Until()-1e9), s.Reason)
		}
	}
	for _, m := range w.nodes {
		if m.detector != nil {
			m.detector.check()
		}
		if has := m.up && m.holder.Valid(w.clock(m)); has != m.hadLease {
			m.hadLease = has
			if w.beats {
				w.print("%s %s", m.id, map[bool]string{true: "holds a lease", false: "holds no lease any more"}[has])
			}
		}
	}
}
