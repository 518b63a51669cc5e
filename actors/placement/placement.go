package placement

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Group is what placement needs of the metadata group. Its methods may be called concurrently.
type Group interface {
	// State is the newest cluster state that this node has applied.
	State() *cluster.State
	// Propose has a command ordered, from any node. When it returns without an error, State shows what became of it.
	Propose(ctx context.Context, c *cluster.Command) (cluster.Outcome, error)
	// Leader is who leads, as far as this node knows, and in which term; the empty id if nobody does.
	Leader() (shards.NodeID, uint64)
	// ProposeIn has a command ordered if this node leads in that term, and else fails at once. When it returns without an
	// error, State shows what became of the command.
	ProposeIn(ctx context.Context, term uint64, c *cluster.Command) (cluster.Outcome, error)
}

// Members is what placement needs of liveness.
type Members interface {
	// Evidence is what is known of the members; not Leading: this node does not lead, and places nothing.
	Evidence() *member.Evidence
}

// Config says what a Placement leans on and how often it looks. Group and Members are required.
type Config struct {
	Self    shards.NodeID
	Group   Group
	Members Members

	// Call takes an operator's request to the Serve of another node's Placement. nil: requests are answered only where this
	// node leads.
	Call func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error)

	Deciders []policies.Decider // those of the house, in Go. Default: deciders.All()
	Scorers  []policies.Scorer

	// Engine compiles the modules of policies. nil: this node can run none, and says so.
	Engine *hosted.Engine

	// Closed is called at the end of Close, when nothing uses the Engine any more. nil: nobody wants to know.
	Closed func() error

	// House compiles the deciders of the house as guests: from then on they decide in place of their twins among Deciders. It is
	// called once, in the background. nil: the twins decide.
	House func(context.Context, *hosted.Engine) ([]*hosted.Version, error)

	// Recorded says whether a plan that can still be made again was made with a module: then its version is kept. It may be called
	// concurrently. nil: no plan is recorded.
	Recorded func(cluster.Digest) bool

	Probation     time.Duration // for so long a policy that was put in force may be taken back by the leader. Default 5 min
	MaxShardMoves int           // moves of one shard within it, for balance or because it may not stay, after which it is. Default 12
	Stall         time.Duration // how long a plan may take before it counts as stalled. Default 5 s
	Famine        time.Duration // how long copies may find no node under it that they would find without it. Default 15 s

	Period  time.Duration // looks happen at least so often. Default 10 s
	Pause   time.Duration // and at most so often, unless a member is dead or a shard waits for its promotion. Default 25 ms
	Timeout time.Duration // for a plan to be committed. Default 5 s

	// Planned is told of each plan that was proposed, and of what became of it, on the Placement's goroutine: it must be
	// quick. nil: nobody wants to know.
	Planned func(Planned)

	// Asked is told of moves that an operator asked for and that were committed, as of a plan without an input. It is called by whoever
	// asked, and must be quick.
	Asked func(Planned)

	// Idle is told of each plan that asks for nothing, on the same terms.
	Idle func(Planned)

	// Faulted is told of each fault of a policy's module, on the same terms.
	Faulted func(hosted.Fault)

	// Answered is told how long guests took to answer questions of plans, of one question in eight, on the same terms. A policy is
	// called what the cluster calls it, as in faults.
	Answered func(policy string, took time.Duration)

	// Calendar is the time of day by which windows and policies go. nil: the machine's.
	Calendar func() time.Time

	Log *slog.Logger // default: none
}

// Planned is a plan that was proposed.
type Planned struct {
	Term    uint64           // of the reign
	Input   *allocator.Input // what it was made from: read only; Policies belongs to the Placement's goroutine
	Plan    *allocator.Plan
	Outcome cluster.Outcome
	Err     error         // it was not committed, or nobody knows
	Took    time.Duration // to plan
	Commit  time.Duration // to propose, commit and apply
}

func (c *Config) validate() error {
	if c.Group == nil || c.Members == nil || c.Self == "" {
		return errors.New("placement: Self, Group and Members are required")
	}
	if c.Deciders == nil {
		c.Deciders = deciders.All()
	}
	if c.Planned == nil {
		c.Planned = func(Planned) {}
	}
	if c.Faulted == nil {
		c.Faulted = func(hosted.Fault) {}
	}
	if c.Asked == nil {
		c.Asked = func(Planned) {}
	}
	if c.Idle == nil {
		c.Idle = func(Planned) {}
	}
	if c.Recorded == nil {
		c.Recorded = func(cluster.Digest) bool { return false }
	}
	if c.Closed == nil {
		c.Closed = func() error { return nil }
	}
	if c.Calendar == nil {
		c.Calendar = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Period, c.Pause, c.Timeout = cmp.Or(c.Period, 10*time.Second), cmp.Or(c.Pause, 25*time.Millisecond), cmp.Or(c.Timeout, 5*time.Second)
	if c.Period < 0 || c.Pause < 0 || c.Timeout < 0 {
		return errors.New("placement: Period, Pause and Timeout are durations above 0, or 0 for their defaults")
	}
	c.Probation, c.MaxShardMoves, c.Stall = cmp.Or(c.Probation, 5*time.Minute), cmp.Or(c.MaxShardMoves, 12), cmp.Or(c.Stall, 5*time.Second)
	c.Famine = cmp.Or(c.Famine, 15*time.Second)
	if c.Probation < 0 || c.MaxShardMoves < 0 || c.Stall < 0 || c.Famine < 0 {
		return errors.New("placement: Probation, MaxShardMoves, Stall and Famine are above 0, or 0 for their defaults")
	}
	return nil
}

// Placement looks after where copies live, while its node leads. Its methods may be called concurrently.
type Placement struct {
	c      Config
	wake   chan struct{}
	asked  chan chan *allocator.Plan // operators who want a look now
	orders atomic.Uint64             // grows before and after moves of an operator's are committed
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	last   atomic.Pointer[allocator.Plan]
	began  time.Time

	setbacks atomic.Pointer[setbacks]
	shelf    shelf
	docket   docket
	refusals refusals
	tails    tails
	compared *ring[Comparison]
	restage  chan struct{} // wakes the stager
	exposed  chan exposure // holds one: the newest plan that is to be compared
	calm     chan calm     // holds one: the newest plan that had nothing to do
	foreseen atomic.Pointer[foreseen]

	asking sync.Mutex // guards desk: requests are answered one after the other
	desk   chair

	// The loop's own.
	chair   chair
	term    uint64           // of the reign that what follows is of
	memory  allocator.Memory // of the plans of this reign
	unrest  unrest
	obeyed  uint64        // of orders: what unrest knows of
	looked  time.Time     // when the last look began
	took    time.Duration // that it took to plan
	next    time.Duration // until the next look, if nothing happens
	failing bool          // the newest plan was not committed
	abiding time.Time     // since when it waits for policies to be compiled; zero: it does not
}

// Start begins to look. The owner calls Close.
func Start(c Config) (*Placement, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	p := &Placement{c: c, began: time.Now(), wake: make(chan struct{}, 1), asked: make(chan chan *allocator.Plan), restage: make(chan struct{}, 1),
		exposed: make(chan exposure, 1), calm: make(chan calm, 1), compared: newRing[Comparison](comparisons),
		unrest: unrest{probation: c.Probation, mostMoves: c.MaxShardMoves, stall: c.Stall}}
	p.chair.p, p.desk.p = p, p
	p.setbacks.Store(&setbacks{})
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.done.Go(p.run)
	p.done.Go(p.stage)
	p.done.Go(p.compare)
	p.done.Go(p.foresee)
	p.Wake()
	return p, nil
}

// clock is what questions to guests are timed by.
func (p *Placement) clock() int64 { return int64(time.Since(p.began)) }

// Close ends the looking, and returns when it has ended. A plan on its way may still be committed.
func (p *Placement) Close() {
	p.cancel()
	p.done.Wait()
	p.asking.Lock()
	defer p.asking.Unlock()
	p.desk.leave()
	p.shelf.empty()
	if err := p.c.Closed(); err != nil {
		p.c.Log.Warn("the engine of the policies was not closed cleanly", "error", err)
	}
}

// Wake says that the state, the evidence or the lead has changed. It never blocks.
func (p *Placement) Wake() {
	p.wakeLoop()
	select {
	case p.restage <- struct{}{}:
	default:
	}
}

func (p *Placement) wakeLoop() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Last is the newest plan that this node made in a reign of its own, or nil. It is read only.
func (p *Placement) Last() *allocator.Plan { return p.last.Load() }

func (p *Placement) run() {
	timer := time.NewTimer(p.c.Period)
	defer timer.Stop()
	defer p.chair.leave()
	for {
		var operator chan *allocator.Plan
		select {
		case <-p.ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		case operator = <-p.asked:
		}
		e, s := p.c.Members.Evidence(), p.c.Group.State()
		if wait := p.early(); e.Leading && wait > 0 && operator == nil && !urgent(s, e) {
			timer.Reset(wait)
			continue
		}
		plan := p.look(s, e)
		if operator != nil {
			operator <- plan // it holds one
		}
		timer.Reset(p.next)
	}
}

// early is how long the next look should wait, so that planning takes a fifth of a processor at most.
func (p *Placement) early() time.Duration {
	return time.Until(p.looked.Add(max(p.c.Pause, 5*p.took)))
}

// urgent says whether a look would find something to do that waits for no pause.
func urgent(s *cluster.State, e *member.Evidence) bool {
	for i := range e.Nodes {
		n := &e.Nodes[i]
		if m := s.Member(n.Node); n.State == liveness.Dead && m != nil && !m.Down && m.Epoch == n.Epoch {
			return true
		}
	}
	for i := range s.Shards {
		r := &s.Shards[i]
		if r.Primary == 0 && slices.ContainsFunc(r.Copies, func(c cluster.Copy) bool { return c.InSync && !c.Failed && !s.Member(c.Node).Down }) {
			return true
		}
	}
	return false
}

// input is what a plan is made from.
func (p *Placement) input(s *cluster.State, e *member.Evidence, set *policies.Set) allocator.Input {
	statuses := make([]liveness.Status, len(e.Nodes))
	for i := range e.Nodes {
		statuses[i] = e.Nodes[i].Status
	}
	h := fnv.New64a()
	h.Write([]byte(s.Cluster))
	in := allocator.Input{State: s, Evidence: statuses, Policies: set, Seed: h.Sum64(), Ticks: e.Ticks, TickLength: e.TickLength, Now: p.c.Calendar().UTC(), Setbacks: p.setbacks.Load().list, Behind: s.Behind()}
	if e.Loads != nil {
		in.Loads = *e.Loads
	}
	return in
}

// weigh is what a plan of this node is made from, whoever asks for one. What is moved for balance alone could go where a policy that it
// cannot ask does not want it: then nothing is.
func (p *Placement) weigh(s *cluster.State, e *member.Evidence, m *mind) allocator.Input {
	in := p.input(s, e, &m.set.Set)
	in.NoBalance = len(m.absent) > 0
	return in
}

// look plans once, proposes what was planned, and gives the plan as far as it was committed; nil where this node does not lead.
func (p *Placement) look(s *cluster.State, e *member.Evidence) *allocator.Plan {
	p.next = p.c.Period
	if !e.Leading || s.Cluster == "" {
		p.chair.leave()
		p.forget()
		return nil
	}
	if e.Term != p.term { // it may have lost the lead, and won it again, while a plan was made: ticks count from 0 again
		p.forget()
		p.term = e.Term
	}
	p.looked = time.Now()
	hurt := p.setbacks.Load().next(s, e.Ticks)
	p.setbacks.Store(&hurt)
	m := p.chair.sit(s)
	if p.abide(m, s, e) {
		return nil
	}
	in := p.weigh(s, e, m)
	before := m.set.Fuel()
	plan := p.memory.Make(in)
	p.took = time.Since(p.looked)
	work := m.worked(before)
	p.last.Store(plan)
	if plan.Command() == nil {
		m.set.Ready(p.memory.View()) // for the next failover
	}
	if plan.Next > 0 {
		p.next = min(p.next, time.Duration(plan.Next-e.Ticks)*e.TickLength)
	}
	p.drain(m)
	if p.retreat(s, e.Term) {
		return nil
	}
	done := p.carryOut(&in, plan, e.Term)
	p.expose(exposure{in: in, plan: plan, term: e.Term, took: p.took})
	p.drain(m)
	if orders := p.orders.Load(); orders != p.obeyed {
		p.unrest.commanded()
		p.obeyed = orders
	}
	p.unrest.note(s, done, p.took, work, time.Now())
	p.starve(m, &in, done, time.Now())
	p.judge(e.Term)
	return done
}

// forget drops what is of a reign that is over.
func (p *Placement) forget() {
	p.memory = allocator.Memory{}
	p.unrest.hunger = hunger{}
	p.setbacks.Store(&setbacks{})
}

// abideLimit is how long a node that has just begun waits for the policies that are in force to be compiled.
const abideLimit = 20 * time.Second

// abide says whether to plan nothing yet, since policies that are in force are still being compiled: without them copies would
// go where they must not. It happens where a leader has just begun its life. What cannot wait, deaths and promotions, does not.
func (p *Placement) abide(m *mind, s *cluster.State, e *member.Evidence) bool {
	if !m.pending {
		p.abiding = time.Time{}
		return false
	}
	if p.abiding.IsZero() {
		p.abiding = time.Now()
	}
	if urgent(s, e) || time.Since(p.abiding) > abideLimit {
		return false
	}
	p.next = min(p.next, time.Second) // the stager wakes it before
	return true
}

// carryOut proposes a plan, and gives it as far as it was committed.
func (p *Placement) carryOut(in *allocator.Input, plan *allocator.Plan, term uint64) *allocator.Plan {
	command := plan.Command()
	if command == nil {
		p.c.Idle(Planned{Term: term, Input: in, Plan: plan, Took: p.took})
		p.rest(in, term)
		return plan
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(p.ctx, p.c.Timeout)
	defer cancel()
	outcome, err := p.c.Group.ProposeIn(ctx, term, &cluster.Command{Reroute: command})
	done := committed(plan, outcome, err)
	p.tell(Planned{Term: term, Input: in, Plan: plan, Outcome: outcome, Err: err, Took: p.took, Commit: time.Since(began)})
	switch {
	case err != nil:
		p.next = min(p.next, 8*p.c.Pause) // no quorum, or no reign any more
	case plan.Again || len(outcome.Rows) > 0 || outcome.Err != nil:
		p.Wake()
	}
	return done
}

// committed is the plan with those rows only that were carried out.
func committed(plan *allocator.Plan, o cluster.Outcome, err error) *allocator.Plan {
	done := *plan
	if err != nil || o.Err != nil {
		done.Rows, done.Down = nil, nil
		return &done
	}
	done.Rows = slices.DeleteFunc(slices.Clone(plan.Rows), func(c cluster.RowChange) bool {
		return slices.ContainsFunc(o.Rows, func(left cluster.RowOutcome) bool { return left.Shard == c.Shard })
	})
	return &done
}

// tellDeath logs a death. It is no warning where it was to be: by whoever stops the node, or by its own word where it held nothing.
func (p *Placement) tellDeath(death *cluster.Death) {
	s, copies := p.c.Group.State(), 0
	for i := range s.Shards {
		if s.Shards[i].CopyOn(death.Node) != nil {
			copies++
		}
	}
	seen, _ := p.c.Members.Evidence().Of(death.Node)
	left := seen.Left && seen.Epoch == death.Epoch
	level := slog.LevelWarn
	if known := s.Member(death.Node); known != nil && known.Maintained || left && copies == 0 {
		level = slog.LevelInfo
	}
	p.c.Log.Log(context.Background(), level, "a member is declared dead", "node", s.NodeName(death.Node), "id", death.Node, "epoch", death.Epoch, "copies", copies,
		"in_order", left, "reason", death.Reason)
}

// tell logs a plan that was proposed, and passes it on.
func (p *Placement) tell(d Planned) {
	lanes := map[allocator.Lane]int{}
	for _, x := range d.Plan.Decisions {
		if x.Move.Kind != 0 {
			lanes[x.Lane]++
		}
	}
	args := []any{"term", d.Term, "version", d.Plan.Version, "rows", len(d.Plan.Rows), "moves", d.Plan.Moves(), "waiting", d.Plan.Waiting, "planning", d.Took, "commit", d.Commit}
	for lane := allocator.Emergency; lane <= allocator.Surplus; lane++ {
		if lanes[lane] > 0 {
			args = append(args, lane.String(), lanes[lane])
		}
	}
	again := p.failing && d.Err != nil // it has been said
	p.failing = d.Err != nil
	switch {
	case again:
		p.c.Log.Debug("a plan was not committed again", append(args, "error", d.Err)...)
	case d.Err != nil:
		p.c.Log.Warn("a plan was not committed; it is tried again as long as this node leads", append(args, "error", d.Err)...)
	case d.Outcome.Err != nil:
		p.c.Log.Info("a plan came too late", append(args, "reason", d.Outcome.Err)...)
	default:
		for i := range d.Plan.Down {
			p.tellDeath(&d.Plan.Down[i])
		}
		for _, r := range d.Outcome.Rows {
			p.c.Log.Debug("a row of a plan came too late", "shard", r.Shard, "reason", r.Err)
		}
		p.c.Log.Info("rerouted", args...)
	}
	p.c.Planned(d)
}
