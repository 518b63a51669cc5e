package failover

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
	"github.com/troupe-actors/troupe/tracing"
)

// Group is what a Watch needs of the metadata group. Its methods may be called concurrently.
type Group interface {
	State() *cluster.State
	Leader() (shards.NodeID, uint64)
	// ProposeIn has a command ordered if this node leads in that term, and else fails at once.
	ProposeIn(ctx context.Context, term uint64, c *cluster.Command) (cluster.Outcome, error)
}

// Config says what a Watch leans on. Self, Name, Group and Evidence are required.
type Config struct {
	Self     shards.NodeID
	Name     string
	Group    Group
	Evidence func() *member.Evidence

	// Told is given each record that is complete, on the Watch's goroutine, after the cluster has it or could not take it. It
	// must be quick. nil: nobody wants to know.
	Told func(*tracing.Failover)

	Log *slog.Logger // default: none
}

// Watch writes the stories while its node leads. Its methods may be called concurrently, and return at once.
type Watch struct {
	c      Config
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	filled chan struct{}
	open   atomic.Pointer[[]*tracing.Failover] // copies, for whoever asks
	office atomic.Uint64                       // term in which this node leads and has taken up its stories; 0: none

	mu   sync.Mutex
	news []func() // in order

	// The goroutine's own.
	stories  stories
	drains   drains
	switches switches
	moves    moves
	copies   copies
	unsure   []*story // of reigns that are over: whoever finds in the cluster state what it proposed tells it
	leading  bool
	former   shards.NodeID // who led before this reign
	newcomer shards.NodeID // who has won after him, and under whom the state has not moved on from
	came     uint64        // this version
	won      int64
	told     []*tracing.Failover // of this node, newest last: what the cluster state does not keep
	version  uint64              // of the state that was followed
	seen     uint64              // of the state by which drains and switches were followed, whoever leads

	sighted int64 // when that was
	shown   int64 // when open was made

	answered atomic.Int64 // when a leader answered this node last; 0: none has

	curious atomic.Bool // a switch waits for its plan, though that changes nothing
}

// Bounds of the stories that only this node keeps, see Open, and of those that may have been told.
const (
	maxOwn    = 64
	maxUnsure = 16
)

// commitTimeout bounds the wait for a record to be committed.
const commitTimeout = 5 * time.Second

// Start begins to watch. The owner calls Close.
func Start(c Config) (*Watch, error) {
	if c.Self == "" || c.Group == nil || c.Evidence == nil {
		return nil, errors.New("failover: Self, Group and Evidence are required")
	}
	if c.Told == nil {
		c.Told = func(*tracing.Failover) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watch{c: c, filled: make(chan struct{}, 1), stories: stories{self: string(c.Self), name: c.Name},
		drains: drains{self: string(c.Self), name: c.Name}, switches: switches{self: string(c.Self), name: c.Name}, moves: moves{self: string(c.Self), name: c.Name}, copies: copies{self: string(c.Self), name: c.Name}}
	w.open.Store(&[]*tracing.Failover{})
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.done.Go(w.run)
	return w, nil
}

// Close ends the watching, and returns when it has ended.
func (w *Watch) Close() {
	w.cancel()
	w.done.Wait()
}

// Open lists the stories that go on, as they are now, and those that only this node keeps: refuted suspicions, and what the cluster could not
// take, such as drains, moves and switches of policies beside releases that do not read their entries.
func (w *Watch) Open() []*tracing.Failover { return *w.open.Load() }

// Applied says that the cluster state has changed, or who leads.
func (w *Watch) Applied() { w.wake() }

// Connection takes the transport's news of a connection that broke.
func (w *Watch) Connection(node shards.NodeID, epoch shards.Epoch, cause error) {
	text, now := "no cause is known", nanos()
	if cause != nil {
		text = cause.Error()
	}
	w.put(func() { w.stories.broke(node, epoch, now, text) })
}

// Connected takes the transport's news of a connection that was made: if one to the same life broke before, that was not its end.
func (w *Watch) Connected(node shards.NodeID, epoch shards.Epoch) {
	w.put(func() { w.stories.reached(node, epoch) })
}

// Changed takes what the detector of this node, which leads, has found out about a member.
func (w *Watch) Changed(_ uint64, c liveness.Change) {
	now, state := nanos(), w.c.Group.State() // as it was found: what is planned for it may be carried out before this is written
	heard := now
	if known, found := w.c.Evidence().Of(c.Node); found {
		heard = known.HeardAt.UnixNano()
	}
	w.put(func() {
		if !w.leading {
			return
		}
		led := c.Unheard && (c.Node == w.former || c.Node == w.newcomer) // one that handed over has been heard since
		if c.Unheard {
			heard = w.unheard(&c, led, heard)
		}
		heard = min(heard, now-int64(c.Unanswered)) // heartbeats without an answer are no sign of a life that serves
		if x := w.stories.changed(state, c, heard, now); x != nil {
			w.keep(&x.Failover)
		}
		if x := w.stories.find(string(c.Node), uint64(c.Epoch)); x != nil {
			if led {
				w.stories.elected(x, w.won)
			}
			if c.State == liveness.Dead && !x.named {
				x.named = true
				w.log(x).Info("failover: "+x.Name+" is dead", "reason", c.Reason, "proof", c.Proof)
			}
		}
	})
}

// Planned takes a plan that was proposed. It is called by who made it, to whom the plan's policies belong.
func (w *Watch) Planned(p placement.Planned) {
	now, state, told := nanos(), w.c.Group.State(), listen(&p)
	w.put(func() {
		if !w.leading {
			return
		}
		w.follow(state)
		w.sight(state, now)
		w.stories.planned(state, &p, told, now)
		w.drains.planned(state, &p, told, now)
		w.moves.planned(state, &p, told, now)
		w.copies.follow(state, w.deathOf, now)
		w.copies.planned(state, &p, told, now)
		if x := w.switches.planned(state, &p, told, now); x != nil {
			w.switched(state, x)
		}
	})
}

// Idle takes a plan that changes nothing, like Planned. There are many of them, and only a switch of policies waits for one.
func (w *Watch) Idle(p placement.Planned) {
	if w.curious.Load() {
		w.Planned(p)
	}
}

// Took takes what copies tell of their takeovers and of copies that came in sync, and nodes of requests that waited. An error says that this node does not lead, or has
// won a moment ago and knows of no stories yet: they are to be told again.
func (w *Watch) Took(list []Takeover, waits []Felt, arrivals []Arrival) error {
	if leader, term := w.c.Group.Leader(); leader != w.c.Self || term != w.office.Load() {
		return errNotHere
	}
	w.put(func() {
		state := w.c.Group.State()
		w.follow(state)
		for i := range list {
			w.stories.took(state, &list[i])
		}
		for i := range waits {
			w.stories.feel(state, &waits[i])
		}
		w.arrived(state, arrivals)
	})
	return nil
}

// errNotHere: takeovers were told to a node that does not lead.
var errNotHere = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("failover: this node does not lead; tell who does")}

// Serve takes the takeovers that another node tells, or answers with the stories that go on.
func (w *Watch) Serve(from shards.NodeID, body []byte) ([]byte, error) {
	m, err := decodeMessage(from, body)
	if err != nil {
		return nil, err
	}
	if leader, _ := w.c.Group.Leader(); leader != w.c.Self {
		return nil, errNotHere
	}
	if !m.Ask {
		now := nanos()
		for i := range m.Takeovers {
			m.Takeovers[i].sent, m.Takeovers[i].received = m.Sent, now
		}
		for i := range m.Waits {
			m.Waits[i].sent, m.Waits[i].received = m.Sent, now
		}
		return nil, w.Took(m.Takeovers, m.Waits, m.Arrivals)
	}
	var a answer
	for _, f := range w.Open() {
		a.Records = append(a.Records, f.Encode())
	}
	return wire.Marshal(a), nil
}

func nanos() int64 { return time.Now().UnixNano() }

func (w *Watch) put(news func()) {
	w.mu.Lock()
	w.news = append(w.news, news)
	w.mu.Unlock()
	w.wake()
}

func (w *Watch) wake() {
	select {
	case w.filled <- struct{}{}:
	default:
	}
}

func (w *Watch) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-w.filled:
		case <-timer.C:
		}
		timer.Reset(w.turn())
	}
}

// turn works through the news, and says when to look again.
func (w *Watch) turn() time.Duration {
	w.reign()
	w.mu.Lock()
	news := w.news
	w.news = nil
	w.mu.Unlock()
	for _, f := range news {
		f()
	}
	state, now := w.c.Group.State(), nanos()
	w.sight(state, now)
	w.verify(state)
	rest := time.Hour
	if w.drains.large() || w.copies.large() {
		rest = time.Duration(drainPause)
	}
	soon := w.drained(state, now)
	if !w.leading {
		return rest
	}
	w.follow(state)
	told, again := w.stories.ripe(state, now)
	for _, x := range told {
		w.finish(x)
	}
	x, unsaved := w.stories.unsaved(now)
	for ; x != nil; x, unsaved = w.stories.unsaved(now) {
		if !w.save(x) {
			w.hush(nanos())
			unsaved = now + keepPause
			break
		}
	}
	if now >= w.shown+drainPause || rest == time.Hour { // to copy what is large is work as well
		w.shown = now
		w.show()
	}
	if again = sooner(sooner(again, unsaved), soon); again == 0 {
		return rest
	}
	return min(rest, max(time.Millisecond, time.Duration(again-now)))
}

// follow takes what the cluster state says, once for each of its versions, and never an older one after a newer: in that a story
// which has been told would seem to go on.
func (w *Watch) follow(state *cluster.State) {
	if w.leading && state.Version > w.version {
		w.version = state.Version
		w.stories.follow(state, nanos())
	}
}

// sight follows drains and switches of policies, also while another leads: whoever leads next knows of them.
func (w *Watch) sight(state *cluster.State, now int64) {
	if state.Version <= w.seen || now < w.sighted+drainPause && w.drains.large() {
		return
	}
	w.seen, w.sighted = state.Version, now
	for _, x := range w.drains.follow(state, now) {
		w.over(&x.Failover)
	}
	w.sightSwitches(state, now)
}

// over takes a drain or a switch that has ended and of which the cluster keeps no entry: who leads tells it, everybody keeps it.
func (w *Watch) over(f *tracing.Failover) {
	if w.leading {
		w.keep(f)
		return
	}
	w.hold(f)
}

// doubt keeps the stories of a reign that is over whose end may have been committed: if it was, nobody else tells them.
func (w *Watch) doubt() {
	for _, x := range w.stories.open {
		if len(x.sent) > 0 {
			w.unsure = append(w.unsure, x)
		}
	}
	w.unsure = w.unsure[max(0, len(w.unsure)-maxUnsure):]
}

// verify tells the stories whose end has been committed after all.
func (w *Watch) verify(state *cluster.State) {
	w.unsure = slices.DeleteFunc(w.unsure, func(x *story) bool {
		entry := state.FindFailover(shards.NodeID(x.Node), shards.Epoch(x.Epoch))
		if entry != nil && entry.Open {
			return false
		}
		if entry != nil && x.proposed(entry.Record) {
			w.retell(entry.Record)
		}
		return true
	})
}

// retell tells a story as the cluster has it: should two nodes tell it, they tell the same.
func (w *Watch) retell(record []byte) {
	f, err := tracing.DecodeFailover(record)
	if err != nil {
		w.c.Log.Warn("the record of a failover cannot be read", "error", err)
		return
	}
	w.tell(f)
}

// save gives what is known of a story to the cluster, so that whoever leads next can go on with it. It says whether the cluster answered.
func (w *Watch) save(x *story) bool {
	known := x.known()
	outcome, err := w.commit(x, x.Encode(), false)
	if err != nil || outcome.Err != nil {
		w.log(x).Debug("what is known of a failover was not committed", "error", err, "reason", outcome.Err)
	}
	if err == nil { // what is refused would be so again
		x.kept = known
	}
	return err == nil
}

// log is for lines about a story: each carries its trace.
func (w *Watch) log(x *story) *slog.Logger {
	return w.c.Log.With("failover", x.ID(), "trace_id", x.Trace().String())
}

func (w *Watch) commit(x *story, record []byte, end bool) (cluster.Outcome, error) {
	return w.propose(&cluster.Command{Failover: &cluster.FailoverChange{Node: shards.NodeID(x.Node), Epoch: shards.Epoch(x.Epoch), Record: record, Close: end}})
}

// finish gives a story to the cluster, and to whoever wants to know. One whose end could not be committed, or of which nobody knows,
// goes on: this node tries again while it leads, and looks afterwards whether its word was taken.
func (w *Watch) finish(x *story) {
	if !x.listed { // nobody was deposed: it is told here alone
		w.keep(&x.Failover)
		return
	}
	entry := func() *cluster.Failover {
		return w.c.Group.State().FindFailover(shards.NodeID(x.Node), shards.Epoch(x.Epoch))
	}
	if e := entry(); e != nil && !e.Open { // an earlier try has closed it, or the leader before in its last moment
		w.retell(e.Record)
		return
	}
	record := x.Encode()
	outcome, err := w.commit(x, record, true)
	switch {
	case err != nil:
		w.log(x).Debug("the story of a failover was not committed yet", "error", err)
		x.doubt(record)
		x.Done, x.Outcome, x.after = 0, tracing.OutcomeOpen, nanos()+endPause
		w.stories.open = append(w.stories.open, x)
		return
	case outcome.Err != nil && outcome.Err.Why == cluster.WhyStale:
		if e := entry(); e != nil {
			w.retell(e.Record)
		}
		return
	case outcome.Err != nil:
		w.log(x).Warn("the cluster does not keep the story of a failover", "reason", outcome.Err)
	}
	w.tell(&x.Failover)
}

func (w *Watch) tell(f *tracing.Failover) {
	level := slog.LevelInfo
	if f.Outcome == tracing.OutcomeRed || f.Outcome == tracing.OutcomeGivenUp {
		level = slog.LevelWarn
	}
	w.c.Log.Log(w.ctx, level, f.Kind.String()+": "+f.Summary(), "trace_id", f.Trace().String(), "outcome", f.Outcome.String())
	w.c.Told(f)
}

// keep holds a story that the cluster does not, and tells it: this node leads.
func (w *Watch) keep(f *tracing.Failover) {
	w.hold(f)
	w.tell(f)
}

func (w *Watch) hold(f *tracing.Failover) {
	if len(w.told) == maxOwn {
		w.told = w.told[1:]
	}
	w.told = append(w.told, f)
}

// show publishes copies of what is being written.
func (w *Watch) show() {
	list := slices.Clone(w.told)
	for _, x := range w.stories.open {
		list = append(list, clone(&x.Failover))
	}
	for _, x := range slices.Concat(w.drains.open, w.drains.ended, w.copies.open) {
		if x.Kind != tracing.KindCopies || len(x.Shards) > 0 { // copies that are only waited for are no news
			list = append(list, clone(&x.Failover))
		}
	}
	if w.moves.open != nil {
		list = append(list, clone(&w.moves.open.Failover))
	}
	for _, x := range append(w.switches.over[:len(w.switches.over):len(w.switches.over)], w.switches.open) {
		if x != nil {
			list = append(list, clone(&x.Failover))
		}
	}
	slices.SortStableFunc(list, func(a, b *tracing.Failover) int { return cmp.Compare(a.Gone(), b.Gone()) })
	w.open.Store(&list)
}

func clone(from *tracing.Failover) *tracing.Failover {
	f := *from
	f.Shards, f.Plans, f.Words, f.Checks, f.Elections, f.Earlier = slices.Clone(f.Shards), slices.Clone(f.Plans), slices.Clone(f.Words), slices.Clone(f.Checks), slices.Clone(f.Elections), slices.Clone(f.Earlier)
	for i := range f.Shards {
		f.Shards[i].Attempts = slices.Clone(f.Shards[i].Attempts)
	}
	return &f
}
