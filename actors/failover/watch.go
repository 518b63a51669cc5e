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

	mu   sync.Mutex
	news []func() // in order

	// The goroutine's own.
	stories stories
	leading bool
	former  shards.NodeID // who led before this reign
	missed  int64         // when this node lost its connection
	won     int64
	told    []*tracing.Failover // of this node, newest last: what the cluster state does not keep
	version uint64              // of the state that was followed
}

// maxOwn bounds the stories that only this node keeps: suspicions that were refuted.
const maxOwn = 64

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
	w := &Watch{c: c, filled: make(chan struct{}, 1), stories: stories{self: string(c.Self), name: c.Name}}
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

// Open lists the stories that go on, and those of refuted suspicions that this node has seen, as they are now.
func (w *Watch) Open() []*tracing.Failover { return *w.open.Load() }

// Applied says that the cluster state has changed, or who leads.
func (w *Watch) Applied() { w.put(func() {}) }

// Connection takes the transport's news of a connection that broke.
func (w *Watch) Connection(node shards.NodeID, epoch shards.Epoch, cause error) {
	text, now := "no cause is known", nanos()
	if cause != nil {
		text = cause.Error()
	}
	leader, _ := w.c.Group.Leader()
	w.put(func() {
		w.stories.broke(node, epoch, now, text)
		if node == leader {
			w.missed = now
		}
	})
}

// Changed takes what the detector of this node, which leads, has found out about a member.
func (w *Watch) Changed(_ uint64, c liveness.Change) {
	heard, now := nanos(), nanos()
	if known, found := w.c.Evidence().Of(c.Node); found {
		heard = known.HeardAt.UnixNano()
	}
	w.put(func() {
		if !w.leading {
			return
		}
		state := w.c.Group.State()
		if x := w.stories.changed(state, c, heard, now); x != nil {
			w.keep(&x.Failover)
		}
		if x := w.stories.find(string(c.Node), uint64(c.Epoch)); x != nil {
			w.stories.elected(x, w.former, w.missed, w.won)
		}
	})
}

// Planned takes a plan that was proposed.
func (w *Watch) Planned(p placement.Planned) {
	now, state := nanos(), w.c.Group.State()
	w.put(func() {
		if w.leading {
			w.follow(state)
			w.stories.planned(state, &p, now)
		}
	})
}

// Took takes what copies tell of their takeovers.
func (w *Watch) Took(list []Takeover) {
	w.put(func() {
		state := w.c.Group.State()
		w.follow(state)
		for i := range list {
			w.stories.took(state, &list[i])
		}
	})
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
		w.Took(m.Takeovers)
		return nil, nil
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
	if !w.leading {
		return time.Hour
	}
	state, now := w.c.Group.State(), nanos()
	w.follow(state)
	told, again := w.stories.ripe(state, now)
	for _, x := range told {
		w.finish(x)
	}
	for x := w.stories.unsaved(); x != nil; x = w.stories.unsaved() {
		w.save(x)
	}
	w.show()
	if again == 0 {
		return time.Hour
	}
	return max(time.Millisecond, time.Duration(again-now))
}

// follow takes what the cluster state says, once for each of its versions, and never an older one after a newer: in that a story
// which has been told would seem to go on.
func (w *Watch) follow(state *cluster.State) {
	if w.leading && state.Version > w.version {
		w.version = state.Version
		w.stories.follow(state, nanos())
	}
}

// reign notes when this node begins to lead, or ends.
func (w *Watch) reign() {
	leader, term := w.c.Group.Leader()
	leads := w.c.Evidence().Leading && leader == w.c.Self
	switch {
	case leads && (!w.leading || term != w.stories.term):
		state := w.c.Group.State()
		w.leading, w.won, w.version = true, nanos(), state.Version
		w.stories.lead(state, w.former, term, w.won)
	case !leads && w.leading:
		w.leading, w.stories.open, w.missed = false, nil, 0
	}
	if !w.leading && leader != "" && leader != w.c.Self {
		w.former = leader
	}
}

// save gives what is known of a story to the cluster, so that whoever leads next can go on with it.
func (w *Watch) save(x *story) {
	if outcome, err := w.commit(x, false); err != nil || outcome.Err != nil {
		w.c.Log.Debug("the beginning of a failover's story was not committed", "failover", x.ID(), "error", err, "reason", outcome.Err)
	}
}

func (w *Watch) commit(x *story, end bool) (cluster.Outcome, error) {
	ctx, cancel := context.WithTimeout(w.ctx, commitTimeout)
	defer cancel()
	return w.c.Group.ProposeIn(ctx, w.stories.term, &cluster.Command{Failover: &cluster.FailoverChange{
		Node: shards.NodeID(x.Node), Epoch: shards.Epoch(x.Epoch), Record: x.Encode(), Close: end}})
}

// finish gives a story to the cluster, and to whoever wants to know.
func (w *Watch) finish(x *story) {
	if !x.listed { // nobody was deposed: it is told here alone
		w.keep(&x.Failover)
		return
	}
	outcome, err := w.commit(x, true)
	switch {
	case err != nil:
		w.c.Log.Warn("the story of a failover was not committed; whoever leads next tells it", "failover", x.ID(), "error", err)
		return
	case outcome.Err != nil:
		w.c.Log.Warn("the cluster does not keep the story of a failover", "failover", x.ID(), "reason", outcome.Err)
	}
	w.tell(&x.Failover)
}

func (w *Watch) tell(f *tracing.Failover) {
	level := slog.LevelInfo
	if f.Outcome == tracing.OutcomeRed || f.Outcome == tracing.OutcomeGivenUp {
		level = slog.LevelWarn
	}
	w.c.Log.Log(w.ctx, level, "failover: "+f.Summary(), "trace_id", f.Trace().String(), "outcome", f.Outcome.String())
	w.c.Told(f)
}

// keep holds a story that the cluster does not.
func (w *Watch) keep(f *tracing.Failover) {
	if len(w.told) == maxOwn {
		w.told = w.told[1:]
	}
	w.told = append(w.told, f)
	w.tell(f)
}

// show publishes copies of what is being written.
func (w *Watch) show() {
	list := slices.Clone(w.told)
	for _, x := range w.stories.open {
		f := x.Failover
		f.Shards, f.Plans, f.Words, f.Checks, f.Elections = slices.Clone(f.Shards), slices.Clone(f.Plans), slices.Clone(f.Words), slices.Clone(f.Checks), slices.Clone(f.Elections)
		for i := range f.Shards {
			f.Shards[i].Attempts = slices.Clone(f.Shards[i].Attempts)
		}
		list = append(list, &f)
	}
	slices.SortStableFunc(list, func(a, b *tracing.Failover) int { return cmp.Compare(a.Gone(), b.Gone()) })
	w.open.Store(&list)
}
