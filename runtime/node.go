package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// Node is a running Troupe node. Its methods may be called concurrently.
type Node struct {
	config    Config
	id        identity
	started   time.Time
	state     atomic.Pointer[cluster.State]
	catalog   atomic.Pointer[catalog]
	directory *directory.Directory

	log       *wal.Log       // nil without a data folder
	files     *wal.Snapshots // likewise
	committer *shard.Committer
	keeper    *shard.Keeper
	system    *actors.System
	servers   []*server
	resp      *resp.Server // nil if it is not served

	respAddress, httpAddress string // as listened on

	watchers atomic.Int64 // watches that are on

	stop       context.CancelFunc // ends the goroutines of background
	background sync.WaitGroup

	closing sync.Once
	closed  error
	done    chan struct{} // closed when the node can no longer serve
	failing sync.Once
	failure error // why, before done is closed
}

// ErrFailed is wrapped by the error of a node that gave up: its log could not be written, or an invariant broke.
var ErrFailed = errors.New("runtime: the node has failed")

// Start runs a node until Close. It returns when the node has read its log and listens; ctx bounds only this, and its end
// makes Start give up. Errors wrap ErrConfig, wal.ErrLocked, *wal.CorruptError or what the operating system says; nothing is
// left running then.
func Start(ctx context.Context, c Config) (*Node, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.Background())
	n := &Node{config: c, started: time.Now(), stop: stop, done: make(chan struct{})}
	if err := n.start(ctx, background); err != nil {
		n.fail(err)
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) start(ctx, background context.Context) error {
	if err := n.open(); err != nil {
		return err
	}
	if err := n.recover(ctx, n.build()); err != nil {
		return err
	}
	if err := n.spawn(); err != nil {
		return err
	}
	n.background.Go(func() { n.tick(background) })
	if n.keeper != nil {
		n.background.Go(func() { n.keeper.Run(background, time.Second) })
	}
	return n.listen(background)
}

// open takes the data folder, if there is one, and learns who this node is.
func (n *Node) open() (err error) {
	if n.config.Data == "" {
		n.id = newIdentity()
		n.id.Epoch = 1
		n.id.Keyspaces, err = mergeKeyspaces(nil, n.config.firstKeyspaces())
		return err
	}
	n.log, err = wal.Open(n.config.Data, wal.Options{Reserve: n.config.DiskReserve, Fatal: n.fail})
	if err != nil {
		return fmt.Errorf("data folder %s: %w", n.config.Data, err)
	}
	if n.files, err = wal.OpenSnapshots(n.config.Data, nil); err != nil {
		return fmt.Errorf("data folder %s: snapshots: %w", n.config.Data, err)
	}
	if n.id, err = loadIdentity(n.log, &n.config); err != nil {
		return fmt.Errorf("data folder %s: %w", n.config.Data, err)
	}
	return nil
}

// build makes the shards, which refuse work until they have recovered.
func (n *Node) build() []*shard.Shard {
	if n.log != nil {
		n.committer = shard.NewCommitter(n.log, n.config.SyncInterval, n.fail)
	}
	n.found()
	var all, durable []*shard.Shard
	for _, k := range n.keyspaces() {
		for i := range k.copies {
			c := shard.Config{ID: k.id(i), Space: k.Space, Seed: uint64(n.started.UnixNano())}
			if k.Durability != shards.DurabilityMemory {
				c.Committer, c.Log = n.committer, n.log
			}
			s := shard.New(c)
			all = append(all, s)
			k.copies[i].Store(&held{Shard: s})
			if c.Log != nil {
				durable = append(durable, s)
			}
		}
	}
	if n.log != nil {
		n.keeper = shard.NewKeeper(func() []*shard.Shard { return durable }, n.files, n.config.SnapshotBytes, n.log.Low, n.config.Logger)
	}
	return all
}

// found makes the cluster state of a cluster of one.
func (n *Node) found() {
	state := &cluster.State{Cluster: n.id.Cluster, Version: 1, Members: []cluster.Member{{ID: n.id.Node, Name: n.config.Name, Epoch: n.id.Epoch}}}
	next := shards.CopyID(0)
	for _, k := range n.id.Keyspaces {
		state.Keyspaces = append(state.Keyspaces, cluster.Keyspace{Keyspace: k})
		for i := range k.Shards {
			next++
			state.Shards = append(state.Shards, cluster.Shard{
				ID: shards.NewShardID(k.ID, i), Term: 1, Primary: next,
				Copies: []cluster.Copy{{ID: next, Node: n.id.Node, InSync: true, Started: true}},
			})
		}
	}
	n.state.Store(state)
	n.catalog.Store(&catalog{})
	n.learn(state)
	n.directory = directory.New(directory.Config{
		Self: n.id.Node, Client: rand.Uint64()>>1 + 1, State: n.state.Load, Local: n.local,
		Await: func(ctx context.Context, _ uint64) error { <-ctx.Done(); return ctx.Err() },
	})
}

// spawn gives every shard its actor.
func (n *Node) spawn() error {
	n.system = actors.NewSystem(n.config.Logger, n.broken)
	var failed error
	n.held(func(_ *keyspace, h *held) {
		if failed == nil {
			h.ref, failed = n.system.Spawn(h.Name(), h.Shard)
		}
	})
	return failed
}

// broken is told of an actor that panicked: its shard serves no more, the others go on.
func (n *Node) broken(name string, reason any) {
	n.config.Logger.Error("a shard broke an invariant and is out of service", "shard", name, "reason", reason)
	n.held(func(_ *keyspace, h *held) {
		if h.Name() == name {
			h.Fail(fmt.Errorf("%w: %v", ErrFailed, reason))
		}
	})
}

// fail notes that the node cannot go on: its log takes no more writes, only reads are still served. The owner sees Done
// and calls Close.
func (n *Node) fail(cause error) {
	n.failing.Do(func() {
		n.failure = fmt.Errorf("%w: %w", ErrFailed, cause)
		close(n.done)
	})
}

// tickPeriod is how often shards look for expired keys. Readers do not see expired keys in any case.
const tickPeriod = 100 * time.Millisecond

// tick sends a message to each shard that has something to tidy.
func (n *Node) tick(ctx context.Context) {
	ticker := time.NewTicker(tickPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now().UnixMilli()
		n.held(func(_ *keyspace, h *held) {
			if h.NeedsTick(now) {
				h.ref.Tell(shard.Tick{Now: now})
			}
		})
	}
}

// Done is closed when the node can no longer serve by itself; Err then says why. Close is still to be called.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err says why the node failed, once Done is closed; before that it is nil.
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

// Close stops the node: clients are disconnected, writes under way end, and snapshots are written so that the next start
// has no log to replay. After a failure it only lets go of everything. It returns the same error each time it is called,
// and is safe to call from several goroutines.
func (n *Node) Close() error {
	n.closing.Do(func() { n.closed = n.close() })
	return n.closed
}

func (n *Node) close() error {
	var problems []error
	for _, s := range n.servers {
		problems = append(problems, s.close())
	}
	n.stop()
	n.background.Wait()
	if n.catalog.Load() != nil {
		n.held(func(_ *keyspace, h *held) {
			if n.system != nil {
				problems = append(problems, n.system.Stop(h.ref))
			}
			h.Fail(shard.ErrClosed)
		})
	}
	problems = append(problems, n.closeLog())
	if n.system != nil {
		n.system.Close()
	}
	return errors.Join(problems...)
}

func (n *Node) closeLog() error {
	if n.log == nil {
		return nil
	}
	var problems []error
	if n.committer != nil {
		if n.Err() == nil {
			problems = append(problems, n.committer.Barrier(), n.keeper.SaveAll(func(done, all int) {
				n.config.Progress(Progress{Phase: "save", Shards: done, Of: all})
			}))
		}
		problems = append(problems, n.committer.Close())
	}
	return errors.Join(append(problems, n.log.Close())...)
}

func (n *Node) lastSave() time.Time {
	if n.keeper == nil {
		return n.started
	}
	return n.keeper.LastSave()
}
