package metadata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Wire is what a Group needs of the transport.
type Wire interface {
	Send(to shards.NodeID, class transport.Class, kind transport.Kind, body []byte) error
	SendWait(ctx context.Context, to shards.NodeID, class transport.Class, kind transport.Kind, body []byte) error
	Call(ctx context.Context, to shards.NodeID, kind transport.Kind, body []byte) ([]byte, error)
	CallAddress(ctx context.Context, addr string, kind transport.Kind, body []byte) (transport.Hello, []byte, error)
}

// Config says how a Group works. Self, Log, Wire and Bootstrap must be given, the rest has defaults.
type Config struct {
	Self  cluster.Member // this node, in this life; Raft is the Log's Number
	Clean bool           // its last life ended with everything on disk
	Awake bool           // the process of its last life goes on; see cluster.Join
	Log   *NodeLog
	Wire  Wire

	// Loose are the keyspaces, ascending, that its last life wrote with durability interval. Needed only if that was not Clean.
	Loose []shards.KeyspaceID

	// Bootstrap is the first command of a cluster that this node founds, without Member. Its Cluster is this node's own idea
	// of an id, used only if it founds.
	Bootstrap cluster.Bootstrap

	// Initial is the list of peer addresses with which several nodes were started together; this node's must be among them.
	// Together they form one cluster. Empty: this node was started alone, or joins.
	Initial []string

	// Join gives the addresses of members to join, or to find again after all have moved; it is asked before each try, so that
	// a file may stand behind it. nil or no addresses at the first start of a node without Initial and MustJoin: it forms a
	// cluster of one.
	Join func() []string

	// MustJoin keeps a node from forming a cluster of one while Join gives no addresses: the file behind it may not be there
	// yet. It is not for Initial.
	MustJoin bool

	// Adopt is told the cluster that this node is about to become part of, before anything else happens; what it must keep is
	// durable when it returns. It is told again at each start. nil: nobody wants to know.
	Adopt func(cluster string) error

	// Connect is told whom to keep connections to, all but this node, sorted, whenever that changes: the members, and those
	// that are about to be. It must be quick, and not call the Group.
	Connect func([]transport.Address)

	// Alive says whether a member shows signs of life. While this node leads, it then keeps the right number of voters among
	// them (cluster.VotersFor). nil: voters change only by command.
	Alive func(shards.NodeID) bool

	Tick           time.Duration // default 50 ms
	HeartbeatTicks int           // default 2
	ElectionTicks  int           // default 10: an election begins after 10 to 20 ticks without a leader
	Patience       time.Duration // how long one try to reach the leader, or a seed, may take; default 1 s. A seed that is too slow for that has longer each time (rounds.go)

	SnapshotEntries uint64 // see CoreConfig
	SnapshotBytes   int

	Logger *slog.Logger // default: nobody listens

	// Elected is told, whenever this node learns of a leader after it has known of none, how long that took; not of the first that it
	// ever knows. It must be quick, and not call the Group. nil: nobody wants to know.
	Elected func(took time.Duration)

	// Fatal is told, once, that the log cannot be written, after which this node takes no part any more. It must not call the
	// Group. Default: panic.
	Fatal func(error)
}

func (c *Config) validate() error {
	if c.Tick == 0 {
		c.Tick = 50 * time.Millisecond
	}
	if c.HeartbeatTicks == 0 {
		c.HeartbeatTicks = 2
	}
	if c.Patience == 0 {
		c.Patience = time.Second
	}
	if c.Adopt == nil {
		c.Adopt = func(string) error { return nil }
	}
	if c.Connect == nil {
		c.Connect = func([]transport.Address) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Elected == nil {
		c.Elected = func(time.Duration) {}
	}
	if c.Fatal == nil {
		c.Fatal = func(err error) { panic(err) }
	}
	c.Initial = slices.Clone(c.Initial)
	slices.Sort(c.Initial)
	c.Initial = slices.Compact(c.Initial)
	switch {
	case c.Log == nil || c.Wire == nil:
		return errors.New("metadata: a group needs a log and a wire")
	case c.Tick < time.Millisecond:
		return fmt.Errorf("metadata: a tick of %v; must be 1ms at least", c.Tick)
	case c.Self.Raft != 0 && c.Self.Raft != c.Log.Number():
		return fmt.Errorf("metadata: member %x with the log of %x", c.Self.Raft, c.Log.Number())
	}
	c.Self.Raft = c.Log.Number()
	return nil
}

// Status is what a Group knows of itself at one moment.
type Status struct {
	Leader   shards.NodeID // empty: none is known
	Term     uint64        // of the group
	Won      bool          // this node leads, and may act on it
	Applied  uint64        // index of the last applied entry
	Digest   Digest        // at Applied, or just before
	Voters   []uint64      // by Raft number, ascending; of both configurations while they change
	Learners []uint64
	Changing bool // from one configuration to another
	Votes    bool // this node does
}

// ErrClosed says that the Group was closed, or stopped because its log failed.
var ErrClosed = fmt.Errorf("metadata: the group is closed on this node: %w", shards.ErrClosed)

// Group is this node's part of the metadata group. Its methods may be called concurrently, also from the transport's
// callbacks.
type Group struct {
	config Config
	state  atomic.Pointer[cluster.State]
	status atomic.Pointer[Status]

	committed atomic.Uint64 // as Core.Committed says before what is committed is applied
	confirmed atomic.Pointer[time.Time]
	sequence  atomic.Uint64
	belongs   atomic.Pointer[string] // id of the cluster, once this node takes its messages
	noted     string                 // id of the cluster that the log was of at Start; empty: none

	inbox   chan *received // pointers: it has room for a burst, and is nearly always empty
	tasks   chan task
	gone    chan life // leaders that are dead
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{} // closed when the loop has ended
	running sync.WaitGroup

	begun   atomic.Bool   // this process has asked that the cluster take this life in: who finds it there before has an old folder
	joined  chan struct{} // closed once this life is a member
	failure atomic.Pointer[error]
	waits   atomic.Pointer[string] // what stood in the way of becoming a member when it was last tried

	mu       sync.Mutex
	watchers map[chan struct{}]bool

	loop loop
}

type received struct {
	peer    transport.Hello
	message *raftpb.Message
}

// life is one life of a node.
type life struct {
	node  shards.NodeID
	epoch shards.Epoch
}

// task is work for the loop; done is closed after it.
type task struct {
	do   func(*Core)
	done chan struct{}
}

// Start begins or continues this node's part. It returns when State is what the log knows to be committed, and of a node at another address than before,
// which looks for as long as Patience whether somebody is there, a little later; Joined tells when the node is a member in this life.
func Start(c Config) (*Group, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	g := &Group{
		config: c, noted: c.Log.Cluster(), inbox: make(chan *received, 4096), tasks: make(chan task), gone: make(chan life, 16),
		done: make(chan struct{}), joined: make(chan struct{}), watchers: map[chan struct{}]bool{},
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	core, err := g.newCore()
	if err != nil {
		g.cancel()
		return nil, err
	}
	g.loop = newLoop(g, core)
	if err := g.loop.replay(); err != nil {
		g.cancel()
		return nil, err
	}
	g.publish()
	err = g.elsewhere(g.ctx)
	if err == nil {
		err = c.Log.begin(c.Self.Epoch)
	}
	if err != nil {
		g.cancel()
		return nil, err
	}
	g.loop.connect()
	g.running.Go(g.loop.run)
	g.running.Go(func() {
		if err := g.enter(g.ctx); err != nil && g.ctx.Err() == nil {
			g.config.Logger.Error("this node cannot be a member", "error", err)
			g.fail(err)
		}
	})
	g.running.Go(func() { g.seek(g.ctx) })
	return g, nil
}

func (g *Group) newCore() (*Core, error) {
	c := &g.config
	return NewCore(CoreConfig{
		Number: c.Log.Number(), Epoch: c.Self.Epoch, Log: c.Log, ElectionTicks: c.ElectionTicks, HeartbeatTicks: c.HeartbeatTicks,
		SnapshotEntries: c.SnapshotEntries, SnapshotBytes: c.SnapshotBytes,
		Logf: func(format string, args ...any) { c.Logger.Debug("raft: " + fmt.Sprintf(format, args...)) },
	})
}

// State is the cluster state as applied here. It is immutable, and never nil: before this node has heard from its cluster it
// is empty.
func (g *Group) State() *cluster.State { return g.state.Load() }

// ApplyLag is how many entries this node knows to be committed and has not applied yet.
func (g *Group) ApplyLag() uint64 {
	applied := g.Status().Applied // first: it may be overtaken by what is committed, and never overtakes
	return max(g.committed.Load(), applied) - applied
}

// Status is what this node knows now.
func (g *Group) Status() Status { return *g.status.Load() }

// Leader is the node that leads, empty if none is known, and the group's term.
func (g *Group) Leader() (shards.NodeID, uint64) {
	s := g.status.Load()
	return s.Leader, s.Term
}

// Watch gives a channel that holds one value whenever State or Status may have changed since the last one was taken, and a
// function that ends it. Changes that come close together are one value.
func (g *Group) Watch() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watchers[c] = true
	return c, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.watchers, c)
	}
}

// Wait returns nil once the state and status fit, or ctx's error, or ErrClosed.
func (g *Group) Wait(ctx context.Context, fits func(*cluster.State, Status) bool) error {
	changed, stop := g.Watch()
	defer stop()
	for {
		select {
		case <-changed:
			if fits(g.State(), g.Status()) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-g.done:
			return ErrClosed
		}
	}
}

// Joined is closed once the state lists this node in its present life. Err says why it never will be.
func (g *Group) Joined() <-chan struct{} { return g.joined }

// Waits says what stood in the way of becoming a member when this node last tried; empty if nothing did, if nothing is known yet, or if it has
// become one.
func (g *Group) Waits() string {
	select {
	case <-g.joined:
		return ""
	default:
	}
	if waits := g.waits.Load(); waits != nil {
		return *waits
	}
	return ""
}

// Done is closed when this node takes no part any more.
func (g *Group) Done() <-chan struct{} { return g.done }

// Err is why this node stopped, or cannot join; nil while it has not.
func (g *Group) Err() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends this node's part.
func (g *Group) fail(err error) {
	g.failure.CompareAndSwap(nil, &err)
	g.cancel()
}

// Close ends this node's part. It does not hand over the lead: see Transfer.
func (g *Group) Close() error {
	g.cancel()
	g.running.Wait()
	return g.Err()
}

// ask runs something in the loop, and returns when it has run.
func (g *Group) ask(ctx context.Context, do func(*Core)) error {
	t := task{do: do, done: make(chan struct{})}
	select {
	case g.tasks <- t:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.done:
		return ErrClosed
	}
	select {
	case <-t.done:
		return nil
	case <-g.done:
		select {
		case <-t.done: // both: it has run, and what it has begun may go on elsewhere
			return nil
		default:
			return ErrClosed
		}
	}
}

// publish makes the core's state visible, from the loop.
func (g *Group) publish() {
	core := g.loop.core
	state, lead, conf := core.State(), core.Lead(), core.Voters()
	s := &Status{
		Term: lead.Term, Won: lead.Won, Applied: core.Applied(), Digest: core.Digest(), Votes: core.Votes(),
		Changing: len(conf.GetVotersOutgoing()) > 0, Learners: slices.Sorted(slices.Values(conf.GetLearners())),
		Voters: slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(conf.GetVoters()), conf.GetVotersOutgoing()...)))),
	}
	if lead.Number != 0 {
		s.Leader = g.loop.nodeOf(lead.Number)
	}
	g.state.Store(state)
	g.status.Store(s)
	if m := state.Member(g.config.Self.ID); m != nil && m.Epoch == g.config.Self.Epoch && !m.Down && g.begun.Load() {
		select {
		case <-g.joined:
		default:
			close(g.joined)
		}
	}
	g.wake()
}

func (g *Group) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
