package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// Node is a running Troupe node. Its methods may be called concurrently.
type Node struct {
	config    Config
	id        identity
	started   time.Time
	keyspaces []*keyspace

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
	n.build()
	if err := n.recover(ctx); err != nil {
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
func (n *Node) build() {
	if n.log != nil {
		n.committer = shard.NewCommitter(n.log, n.config.SyncInterval, n.fail)
	}
	var durable []*shard.Shard
	for _, config := range n.id.Keyspaces {
		k := &keyspace{Space: shard.NewSpace(config)}
		for i := range config.Shards {
			c := shard.Config{ID: shards.NewShardID(config.ID, i), Space: k.Space, Seed: uint64(n.started.UnixNano())}
			if config.Durability != shards.DurabilityMemory {
				c.Committer, c.Log = n.committer, n.log
			}
			s := shard.New(c)
			k.shards = append(k.shards, s)
			if c.Log != nil {
				durable = append(durable, s)
			}
		}
		n.keyspaces = append(n.keyspaces, k)
	}
	if n.log != nil {
		n.keeper = shard.NewKeeper(durable, n.files, n.config.SnapshotBytes, n.log.Low, n.config.Logger)
	}
}

// spawn gives every shard its actor.
func (n *Node) spawn() error {
	n.system = actors.NewSystem(n.config.Logger, n.broken)
	for _, k := range n.keyspaces {
		for _, s := range k.shards {
			ref, err := n.system.Spawn(s.Name(), s)
			if err != nil {
				return err
			}
			k.refs = append(k.refs, ref)
		}
	}
	return nil
}

// broken is told of an actor that panicked: its shard serves no more, the others go on.
func (n *Node) broken(name string, reason any) {
	n.config.Logger.Error("a shard broke an invariant and is out of service", "shard", name, "reason", reason)
	for _, k := range n.keyspaces {
		for _, s := range k.shards {
			if s.Name() == name {
				s.Fail(fmt.Errorf("%w: %v", ErrFailed, reason))
			}
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
		for _, k := range n.keyspaces {
			for i, s := range k.shards {
				if s.NeedsTick(now) {
					k.refs[i].Tell(shard.Tick{Now: now})
				}
			}
		}
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
	for _, k := range n.keyspaces {
		for i := range k.refs {
			problems = append(problems, n.system.Stop(k.refs[i]))
		}
		for _, s := range k.shards {
			s.Fail(shard.ErrClosed)
		}
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
