package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// Node is a running Troupe node. Its methods may be called concurrently.
type Node struct {
	config  Config
	id      identity            // Node never changes; the rest belongs to Start, then to the life that begins or ends
	clean   bool                // the life before ended with everything on disk
	loose   []shards.KeyspaceID // what it wrote with interval
	started time.Time

	roomless  atomic.Pointer[string]            // what the opening of the folder waits for; nil: nothing so far
	inherited atomic.Pointer[[]shards.Keyspace] // id.Keyspaces, for those who make copies

	log       *wal.Log       // nil without a data folder
	files     *wal.Snapshots // likewise
	committer *shard.Committer
	keeper    *shard.Keeper
	groupWAL  *wal.Log // log, or one in memory: where the metadata group keeps its records
	groupLog  *metadata.NodeLog

	catalog   atomic.Pointer[catalog]
	copies    *copies
	directory *directory.Directory
	views     *directory.Views
	watches   *directory.Watches
	placement *placement.Placement
	plans     *planBook
	telling   *telling
	actors    *virtual.Host
	engine    *hosted.Engine // for modules; nil: this node runs none
	guests    *guest.Shell
	system    *actors.System
	life      atomic.Pointer[life]
	lease     atomic.Pointer[member.Lease] // of the present life

	listeners struct{ resp, http net.Listener }
	shown     *certificate // to clients; nil: they speak without TLS
	between   *certificate // to other nodes; nil likewise
	peer      string       // what the next life listens on; belongs to whoever begins it
	servers   []*server
	admin     func() *admin.Server        // made when it is first asked for
	door      door                        // of Handler
	resp      *resp.Server                // nil if it is not served
	speaker   atomic.Pointer[resp.Server] // the same, for goroutines that may be there before it

	watchers atomic.Int64 // watches that are on
	news     news         // of the cluster state and of the members
	hearsay  hearsay
	clocks   clocks
	room     rooms
	past     memory

	stop       context.CancelFunc // ends the goroutines of background
	background sync.WaitGroup

	closing sync.Once
	stopped atomic.Bool // Close was called
	closed  error
	done    chan struct{} // closed when the node can no longer serve
	failing sync.Once
	failure error // why, before done is closed; nil: it was closed
}

// ErrFailed is wrapped by the error of a node that gave up: its log could not be written, or an invariant broke.
var ErrFailed = errors.New("runtime: the node has failed")

// ErrClosed is in the errors of what is asked of a node that stops, or has been closed, and of what was under way then.
var ErrClosed = shards.ErrClosed

var errClosed = &shards.Error{Kind: shards.KindUnavailable, Err: ErrClosed}

// Start runs a node until Close. It returns when the node is a member of its cluster, has read its log and listens; ctx
// bounds only this, and its end makes Start give up: the error says what it waited for last. A node that finds none of its cluster waits
// for it until then, and tells Config.Logger. Errors wrap ErrConfig, wal.ErrLocked, *wal.CorruptError or what the
// operating system says; nothing is left running then. A start that waited for room on the disk leaves its folder locked until
// the process ends.
func Start(ctx context.Context, c Config) (*Node, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.Background())
	n := &Node{config: c, started: time.Now(), stop: stop, done: make(chan struct{}), door: newDoor()}
	n.admin = sync.OnceValue(n.newAdmin)
	n.catalog.Store(&catalog{})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	n.background.Go(func() { // a node that has failed waits for nobody
		select {
		case <-n.done:
			cancel(n.failure)
		case <-ctx.Done():
		}
	})
	if err := n.start(ctx, background); err != nil {
		n.fail(err)
		n.stopped.Store(true)
		return nil, lastWords(err, n.close())
	}
	return n, nil
}

func (n *Node) start(ctx, background context.Context) error {
	bound := n.bind() // before the folder is opened, which may wait for hours: for room on its disk
	meanwhile := n.answerMeanwhile()
	if err := cmp.Or(n.open(ctx), bound); err != nil { // of a node that runs already its folder says more than its ports
		return errors.Join(err, meanwhile.end())
	}
	if err := n.join(ctx, background); err != nil {
		return errors.Join(err, meanwhile.end())
	}
	if err := meanwhile.end(); err != nil {
		return err
	}
	return n.serve(background)
}

// join returns when the node is a member of its cluster and can serve.
func (n *Node) join(ctx, background context.Context) error {
	if err := n.build(); err != nil {
		return err
	}
	l, err := n.live(ctx, n.id.Epoch, n.clean, false)
	if errors.Is(err, metadata.ErrPast) && n.log != nil {
		return errors.Join(err, stayPast(n.log, n.id))
	}
	if err != nil {
		return err
	}
	n.background.Go(func() { n.copies.run(background) })
	n.background.Go(func() { n.tick(background) })
	n.background.Go(func() { n.livesOn(background, l) })
	if n.keeper != nil {
		n.background.Go(func() { n.keeper.Run(background, time.Second) })
	}
	n.background.Go(func() { n.lookForRoom(background) })
	n.background.Go(func() { n.watchCertificates(background) })
	n.background.Go(func() { n.tidyModules(background) })
	return n.settle(ctx)
}

// roomPause is how often a start that waits for room looks whether there is some.
const roomPause = 500 * time.Millisecond

// open takes the data folder, if there is one, and learns who this node is.
func (n *Node) open(ctx context.Context) (err error) {
	if n.config.Data == "" {
		n.id, n.clean = newIdentity(), true
		n.id.Epoch = 1
		n.groupWAL, err = wal.OpenMemory(wal.Options{Fatal: n.fail})
	} else {
		err = n.openFolder(ctx)
	}
	if err != nil {
		return err
	}
	if n.groupLog, err = metadata.OpenLog(n.groupWAL, 0); err != nil {
		return fmt.Errorf("data folder %s: %w", n.config.Data, err)
	}
	return nil
}

// openLog returns also where Pebble, which opens the log, does not: while there is no room it waits until there is, and cannot be told to end.
// What is left of it then waits for ever, and touches nothing.
func (n *Node) openLog(ctx context.Context) (*wal.Log, error) {
	type outcome struct {
		log *wal.Log
		err error
	}
	opened, given := make(chan outcome, 1), make(chan error, 1)
	waits := func(err error) {
		if end := n.waitForRoom(ctx, err); end != nil {
			select {
			case given <- end:
			default: // another goroutine of Pebble's has said so
			}
			goruntime.Goexit()
		}
	}
	go func() {
		log, err := wal.Open(n.config.Data, wal.Options{Reserve: n.config.DiskReserve, Fatal: n.fail, Waits: waits})
		opened <- outcome{log, err}
	}()
	select {
	case got := <-opened:
		return got.log, got.err
	case err := <-given:
		return nil, fmt.Errorf("%w; the folder stays locked until this process ends", err)
	}
}

// waitForRoom returns nil when it is time to look for room again, and the end of ctx as an error.
func (n *Node) waitForRoom(ctx context.Context, err error) error {
	why := fmt.Sprintf("the log in %s cannot be opened: make room on the disk, and the start goes on by itself: %v", n.config.Data, err)
	if n.roomless.Swap(&why) == nil {
		n.config.Logger.Error("the log cannot be opened, and the node waits with its start: make room on the disk, and it goes on by itself", "folder", n.config.Data, "error", err.Error())
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: there was no room on its disk: %w", context.Cause(ctx), err)
	case <-time.After(roomPause):
		return nil
	}
}

func (n *Node) openFolder(ctx context.Context) (err error) {
	n.log, err = n.openLog(ctx)
	n.roomless.Store(nil)
	if err != nil {
		return fmt.Errorf("data folder %s: %w", n.config.Data, err)
	}
	n.groupWAL = n.log
	if n.files, err = wal.OpenSnapshots(n.config.Data, nil); err != nil {
		return fmt.Errorf("data folder %s: snapshots: %w", n.config.Data, err)
	}
	if n.id, n.clean, err = loadIdentity(n.log, &n.config); err != nil {
		return fmt.Errorf("data folder %s: %w", n.config.Data, err)
	}
	if n.loose, err = readLoose(n.log); err != nil {
		return fmt.Errorf("data folder %s: %w", n.config.Data, err)
	}
	if len(n.id.Keyspaces) > 0 {
		inherited := slices.Clone(n.id.Keyspaces)
		n.inherited.Store(&inherited)
	}
	return nil
}

// build makes what a node consists of beside its life in the cluster. Nothing serves yet.
func (n *Node) build() (err error) {
	if n.log != nil {
		n.committer = shard.NewCommitter(n.log, n.config.SyncInterval, n.fail)
		n.keeper = shard.NewKeeper(n.logged, n.files, n.config.SnapshotBytes, n.log, n.config.Logger)
	}
	n.system = actors.NewSystem(n.config.Logger, n.broken)
	if n.telling, err = n.newTelling(); err != nil {
		return err
	}
	n.directory = directory.New(directory.Config{
		Self: n.id.Node, Client: rand.Uint64()>>1 + 1, State: n.state, Await: n.await, Local: n.local, Remote: remote{n},
		Patience: n.config.Patience, Behind: lease{n}.behind, Clock: n.now, Waited: n.waited, Messages: n.telling.messages,
	})
	n.views, n.watches = directory.NewViews(n.directory), directory.NewWatches(n.directory)
	if n.copies, err = newCopies(n); err != nil {
		return err
	}
	if n.actors, err = n.newActors(); err != nil {
		return err
	}
	if err = n.knowKinds(); err != nil {
		return err
	}
	if n.engine, err = n.newEngine(); err != nil {
		return err
	}
	if n.guests, err = n.newGuests(); err != nil {
		return err
	}
	n.placement, err = n.newPlacement()
	return err
}

// state is the newest cluster state that this node has applied; between two lives the last one of the first. It is never nil.
func (n *Node) state() *cluster.State {
	if l := n.life.Load(); l != nil {
		return l.group.Load().State()
	}
	return &cluster.State{}
}

// await returns when the state's version is above version, or with ctx. Lives may end and begin meanwhile.
func (n *Node) await(ctx context.Context, version uint64) error {
	return n.awaitUnless(ctx, nil, version)
}

// awaitUnless is await for who waits for something that can never come once the node is over.
func (n *Node) awaitUnless(ctx context.Context, over <-chan struct{}, version uint64) error {
	for {
		changed := n.news.wait()
		if n.state().Version > version {
			return nil
		}
		select {
		case <-changed:
		case <-over:
			return cmp.Or(n.Err(), error(errClosed))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// broken is told of an actor that panicked: its shard serves no more, the others go on.
func (n *Node) broken(name string, reason any) {
	n.config.Logger.Error("a shard broke an invariant and is out of service", "shard", name, "reason", reason)
	for _, h := range n.held() {
		if h.Name() == name {
			h.Fail(fmt.Errorf("%w: %v", ErrFailed, reason))
		}
	}
}

// fail notes that the node cannot go on: its log takes no more writes, only reads are still served. The owner sees Done
// and calls Close.
func (n *Node) fail(cause error) {
	n.failing.Do(func() {
		n.failure = fmt.Errorf("%w: %w", ErrFailed, cause)
		close(n.done)
	})
}

// Done is closed when the node can no longer serve by itself; Err then says why, as does Close, which is still to be called. It is closed as well
// when Close has ended.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err says why the node failed, once Done is closed; before that it is nil, and of a node that was closed without having failed.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.failure
	default:
		return nil
	}
}

// Name is the node's name.
func (n *Node) Name() string { return n.config.Name }

// ID is the node's id: 40 hexadecimal digits that survive restarts.
func (n *Node) ID() shards.NodeID { return n.id.Node }

func (n *Node) lastSave() time.Time {
	if n.keeper == nil {
		return n.started
	}
	return n.keeper.LastSave()
}
