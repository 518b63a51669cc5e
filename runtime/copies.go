package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// copies brings the copies on this node in line with the committed table: it makes those that are allocated here, tells each
// its role, and removes those that are not listed any more. It compares and acts, from wherever it is; a change that it slept
// through makes no difference.
//
//	state changed ──► for each row: listed here, not there yet ──► make, read its snapshot and log
//	                                there ────────────────────────► Configure
//	                                there, not listed ────────────► Configure (a tombstone answers), later Destroy
type copies struct {
	node  *Node
	link  *shard.Link
	wake  chan struct{}
	first chan error // holds how the first comparison ended

	loose  []shards.KeyspaceID          // as the node's record has it
	told   map[shards.ShardID]told      // what each copy was told last
	buried map[shards.ShardID]time.Time // copies that the table does not list, and since when

	proposing context.Context // ends with close
	stop      context.CancelFunc
	proposals sync.WaitGroup

	mu     sync.Mutex
	closed bool                             // no more proposals
	given  map[shards.ShardID]shards.CopyID // copies that were given up, until the table has forgotten them
	opened []cluster.ShardCopy              // to be reported together
	failed []failure
	report chan struct{}

	unreadable unreadable
}

// told are versions: of a row, and of its keyspace, whose settings matter as well.
type told struct{ row, keyspace uint64 }

type failure struct {
	copy  cluster.ShardCopy
	cause error
}

// tombstone is how long a copy that moved away stays to answer where its shard went.
const tombstone = 10 * time.Second

func newCopies(n *Node) (*copies, error) {
	c := &copies{
		node: n, wake: make(chan struct{}, 1), first: make(chan error, 1), report: make(chan struct{}, 1),
		loose: n.loose, told: map[shards.ShardID]told{}, buried: map[shards.ShardID]time.Time{}, given: map[shards.ShardID]shards.CopyID{},
	}
	c.proposing, c.stop = context.WithCancel(context.Background())
	var err error
	c.link, err = shard.NewLink(shard.LinkConfig{
		Node: n.id.Node, Sender: sender{n}, Lease: lease{n}, Events: c, Files: n.files, Took: n.took, Arrived: n.arrived, Log: n.config.Logger, Messages: n.telling.messages, Commits: n.telling.figures.Commits,
	})
	return c, err
}

// close waits for the copies' proposals and snapshots on their way. They have been told to fail before, and the group is closed.
func (c *copies) close() {
	c.stop()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.proposals.Wait()
	if c.link != nil {
		c.link.Close()
	}
}

// nudge has the table looked at.
func (c *copies) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run compares whenever there is something new, until ctx ends.
func (c *copies) run(ctx context.Context) {
	var reporting sync.WaitGroup
	defer reporting.Wait()
	reporting.Go(func() { c.tell(ctx) })
	again := time.NewTicker(tombstone / 4)
	defer again.Stop()
	begun := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-again.C:
			c.bury(time.Now())
			continue
		}
		err := c.compare(ctx, c.node.state())
		if !begun {
			begun = true
			c.first <- err
		} else if err != nil && ctx.Err() == nil {
			c.node.config.Logger.Error("a copy could not be read", "err", err)
		}
	}
}

// compare brings the copies in line with one state.
func (c *copies) compare(ctx context.Context, state *cluster.State) error {
	if state.Cluster == "" {
		return nil
	}
	if err := c.node.learn(state); err != nil {
		return err
	}
	c.pace(state)
	c.clearAway(state)
	made, err := c.make(ctx, state)
	for i := range state.Shards {
		row := &state.Shards[i]
		k := state.Keyspace(row.ID.Keyspace())
		h, news := c.node.copyOf(row.ID), told{row.Version, k.Version}
		if h == nil || c.told[row.ID] == news && !made[row.ID] {
			continue
		}
		h.Configure(row, k.MinInSync)
		c.told[row.ID] = news
		if row.CopyOn(c.node.id.Node) == nil {
			if _, known := c.buried[row.ID]; !known {
				c.buried[row.ID] = time.Now()
			}
		} else {
			delete(c.buried, row.ID)
		}
	}
	return err
}

// pace has the copies go by the cluster's settings for them.
func (c *copies) pace(state *cluster.State) {
	rate, err := cluster.ParseRate(state.Value(cluster.SettingRecoveryRate))
	if err != nil {
		panic(fmt.Sprintf("runtime: a setting in force cannot be read: %v", err))
	}
	bytes := int64(rate * replicaTick.Seconds())
	if rate == 0 {
		bytes = math.MaxInt32
	}
	c.link.Pace(max(bytes, 1), int(state.Duration(cluster.SettingReplicationLag)/replicaTick))
}

// clearAway removes copies that were given up and that the table has forgotten, so that others can be made in their place.
func (c *copies) clearAway(state *cluster.State) {
	c.mu.Lock()
	var over []shards.ShardID
	for id, copy := range c.given {
		if row := state.Shard(id); row == nil || row.Copy(copy) == nil {
			over = append(over, id)
			delete(c.given, id)
		}
	}
	c.mu.Unlock()
	for _, id := range over {
		c.remove(id)
		delete(c.told, id)
		delete(c.buried, id)
	}
}

// make builds the copies that the table lists here and that are not there, several at a time.
func (c *copies) make(ctx context.Context, state *cluster.State) (made map[shards.ShardID]bool, err error) {
	made = map[shards.ShardID]bool{}
	var missing []*held
	for i := range state.Shards {
		row := &state.Shards[i]
		if row.CopyOn(c.node.id.Node) == nil || c.node.copyOf(row.ID) != nil {
			continue
		}
		h, err := c.build(row.ID)
		if errors.Is(err, errFolderless) {
			c.decline(row.ID, row.CopyOn(c.node.id.Node).ID, err)
			continue
		}
		if err != nil {
			return made, err
		}
		missing = append(missing, h)
		made[row.ID] = true
	}
	if len(missing) == 0 {
		return made, nil
	}
	r := recovery{node: c.node, of: len(missing)}
	if r.total, err = c.node.toRead(missing); err != nil {
		return made, err
	}
	return made, r.run(ctx, state, missing)
}

// build makes a copy with its actor. It refuses work until it has read what is on disk, and has a role.
func (c *copies) build(id shards.ShardID) (*held, error) {
	n := c.node
	k, err := n.numbered(id.Keyspace())
	if err != nil {
		return nil, err
	}
	durable := k.Durability != shards.DurabilityMemory
	if durable && n.log == nil {
		return nil, errFolderless
	}
	config := shard.Config{ID: id, Space: k.Space, Seed: uint64(n.started.UnixNano()), Link: c.link, Adopt: n.adopts(k)}
	if durable {
		config.Committer, config.Log = n.committer, n.log
	}
	h := &held{Shard: shard.New(config)}
	if h.ref, err = n.system.Spawn(h.Name(), h.Shard); err != nil {
		return nil, err
	}
	k.copies[id.Index()].Store(h)
	return h, nil
}

// bury removes the copies whose tombstones have stood long enough, unless they hold the last data of their shard.
func (c *copies) bury(now time.Time) {
	state := c.node.state()
	if state.Cluster == "" { // it says nothing of any copy
		return
	}
	for id, since := range c.buried {
		row := state.Shard(id)
		if now.Sub(since) < tombstone || row != nil && (row.CopyOn(c.node.id.Node) != nil || row.InSync() == 0) {
			continue
		}
		c.remove(id)
		delete(c.buried, id)
		delete(c.told, id)
	}
}

func (c *copies) remove(id shards.ShardID) {
	k, err := c.node.numbered(id.Keyspace())
	if err != nil {
		return
	}
	h := k.copies[id.Index()].Swap(nil)
	if h == nil {
		return
	}
	h.Fail(errGone)
	if err = errors.Join(c.node.system.Stop(h.ref), h.Destroy()); err != nil {
		c.node.config.Logger.Error("a copy that moved away could not be removed", "shard", h.Name(), "err", err)
	}
}

var errGone = errors.New("this copy was removed: the shard lives on other nodes")

// up has the copies send at once what a node that can be reached again has not answered.
func (c *copies) up(node shards.NodeID) {
	var all []*shard.Shard
	for _, h := range c.node.held() {
		all = append(all, h.Shard)
	}
	c.link.Up(node, all)
}

// copyOf is the copy of a shard on this node, with its actor, or nil.
func (n *Node) copyOf(id shards.ShardID) *held {
	k, err := n.numbered(id.Keyspace())
	if err != nil || id.Index() >= len(k.copies) {
		return nil
	}
	return k.copies[id.Index()].Load()
}

// logged yields the copies on this node that have a log.
func (n *Node) logged(yield func(*shard.Shard) bool) {
	for k, h := range n.held() {
		if k.Durability != shards.DurabilityMemory && !yield(h.Shard) {
			return
		}
	}
}

// adopts says that what the folder has of a keyspace, from the time before its node was a member, is now the cluster's.
func (n *Node) adopts(k *keyspace) bool {
	inherited := n.inherited.Load()
	return inherited != nil && slices.ContainsFunc(*inherited, func(old shards.Keyspace) bool { return old.ID == k.ID && old.Name == k.Name })
}

// propose has the metadata group order a command.
func (n *Node) propose(ctx context.Context, command *cluster.Command) (cluster.Outcome, error) {
	l := n.life.Load()
	if l == nil {
		return cluster.Outcome{}, metadata.ErrClosed
	}
	return n.proposed(func() (cluster.Outcome, error) { return l.group.Load().Propose(ctx, command) })
}

// Opened notes a copy that began empty and is there.
func (c *copies) Opened(id shards.ShardID, copy shards.CopyID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = append(c.opened, cluster.ShardCopy{Shard: id, Copy: copy})
	c.toReport()
}

// Failed notes a copy that was given up.
func (c *copies) Failed(id shards.ShardID, copy shards.CopyID, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, failure{cluster.ShardCopy{Shard: id, Copy: copy}, cause})
	c.given[id] = copy
	c.toReport()
}

// decline gives up, once, a copy that cannot be made.
func (c *copies) decline(id shards.ShardID, copy shards.CopyID, cause error) {
	c.mu.Lock()
	known := c.given[id] == copy
	c.mu.Unlock()
	if !known {
		c.Failed(id, copy, cause)
	}
}

func (c *copies) toReport() {
	select {
	case c.report <- struct{}{}:
	default:
	}
}

// tell reports what copies have told, many at a time, until ctx ends.
func (c *copies) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.report:
		}
		c.mu.Lock()
		opened, failed := c.opened, c.failed
		c.opened, c.failed = nil, nil
		c.mu.Unlock()
		if len(opened) > 0 {
			opened = ordered(opened)
			c.must(ctx, func(epoch shards.Epoch) *cluster.Command {
				return &cluster.Command{Opened: &cluster.Opened{Node: c.node.id.Node, Epoch: epoch, Copies: opened}}
			})
		}
		for _, f := range failed {
			c.must(ctx, func(epoch shards.Epoch) *cluster.Command {
				return &cluster.Command{Failed: &cluster.Failed{
					Node: c.node.id.Node, Epoch: epoch, Copies: []cluster.ShardCopy{f.copy}, Reason: f.cause.Error(),
				}}
			})
		}
	}
}

// ordered sorts copies by shard, and leaves one of each shard: the newest.
func ordered(list []cluster.ShardCopy) []cluster.ShardCopy {
	slices.SortFunc(list, func(x, y cluster.ShardCopy) int {
		return cmp.Or(cmp.Compare(x.Shard, y.Shard), cmp.Compare(y.Copy, x.Copy))
	})
	return slices.CompactFunc(list, func(x, y cluster.ShardCopy) bool { return x.Shard == y.Shard })
}

// must proposes until the group has decided: what is reported here is not asked for again. A life that ends meanwhile is not
// the end of it: the next one says it in its own name.
func (c *copies) must(ctx context.Context, command func(shards.Epoch) *cluster.Command) {
	for ctx.Err() == nil {
		epoch := c.node.epoch()
		limited, cancel := context.WithTimeout(ctx, proposeLimit)
		outcome, err := c.node.propose(limited, command(epoch))
		cancel()
		switch {
		case err == nil && outcome.Err == nil:
			return
		case err == nil && epoch == c.node.epoch():
			c.node.config.Logger.Warn("the cluster refuses what this node reports", "err", outcome.Err)
			return
		case err != nil:
			c.node.config.Logger.Info("the cluster has not heard yet what this node reports", "err", err)
		}
		rest(ctx, mustPause)
	}
}

// mustPause is the pause between two tries to report.
const mustPause = 100 * time.Millisecond

// sender carries replication to other nodes.
type sender struct{ node *Node }

func (s sender) Send(to shards.NodeID, body []byte) error {
	l := s.node.life.Load()
	if l == nil {
		return transport.ErrNoPeer
	}
	err := l.wire.Send(to, transport.Replicate, transport.KindReplicate, body)
	if errors.Is(err, transport.ErrFull) {
		return shard.ErrBusy
	}
	return err
}

func (s sender) SendTraced(to shards.NodeID, body []byte, from tracing.Carrier) error {
	l := s.node.life.Load()
	if l == nil || l.transport == nil {
		return transport.ErrNoPeer
	}
	err := l.transport.SendTraced(to, transport.Replicate, transport.KindReplicate, body, from)
	if errors.Is(err, transport.ErrFull) {
		return shard.ErrBusy
	}
	return err
}

func (s sender) SendWait(ctx context.Context, to shards.NodeID, body []byte) error {
	l := s.node.life.Load()
	if l == nil {
		return transport.ErrNoPeer
	}
	return l.wire.SendWait(ctx, to, transport.Replicate, transport.KindReplicate, body)
}

func (s sender) SendBulk(ctx context.Context, to shards.NodeID, body []byte) error {
	l := s.node.life.Load()
	if l == nil {
		return transport.ErrNoPeer
	}
	return l.wire.SendWait(ctx, to, transport.Bulk, transport.KindRecover, body)
}

// lease is the lease of the node's present life.
type lease struct{ node *Node }

func (l lease) Valid() bool {
	held := l.node.lease.Load()
	return held != nil && held.Valid()
}

// behind is for how long, at most, this node may not have known what the cluster has agreed on.
func (l lease) behind() time.Duration {
	if held := l.node.lease.Load(); held != nil {
		return held.Known()
	}
	return math.MaxInt64
}
