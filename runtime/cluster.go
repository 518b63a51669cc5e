package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// remote is how the directory reaches other nodes: over the wire of the present life.
type remote struct{ node *Node }

func (r remote) Call(ctx context.Context, to shards.NodeID, kind transport.Kind, body []byte) ([]byte, error) {
	l := r.node.life.Load()
	if l == nil {
		return nil, transport.ErrNoPeer
	}
	return l.wire.Call(ctx, to, kind, body)
}

// epoch is that of the present life; 0 before the first.
func (n *Node) epoch() shards.Epoch {
	if l := n.life.Load(); l != nil {
		return l.epoch
	}
	return 0
}

// attributes are the node's as the cluster state has them.
func (c *Config) attributes() (list []cluster.Attribute) {
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		list = append(list, cluster.Attribute{Name: name, Value: c.Attributes[name]})
	}
	return list
}

// bootstrap is what a cluster begins with that this node founds: the keyspaces of its configuration, and the data that its
// folder has from a time without clusters.
func (n *Node) bootstrap() (cluster.Bootstrap, error) {
	asked := n.config.Keyspaces
	if len(n.id.Keyspaces) == 0 {
		asked = n.config.firstKeyspaces()
	}
	all, err := mergeKeyspaces(n.id.Keyspaces, asked)
	if err != nil {
		return cluster.Bootstrap{}, err
	}
	b := cluster.Bootstrap{Cluster: n.id.Cluster, Keyspaces: all}
	if b.Cluster == "" {
		b.Cluster = newID()
	}
	for i := range b.Keyspaces {
		if err := b.Keyspaces[i].Validate(); err != nil {
			return b, invalid("%w", err)
		}
	}
	for _, k := range n.id.Keyspaces {
		if k.Durability == shards.DurabilityMemory {
			continue
		}
		for i := range k.Shards {
			b.Adopt = append(b.Adopt, shards.NewShardID(k.ID, i))
		}
	}
	return b, nil
}

// seeds are the addresses at which this node looks for its cluster.
func (n *Node) seeds() []string {
	list, err := n.config.Seeds()
	if err != nil {
		n.config.Logger.Warn("the list of peers cannot be read", "file", n.config.PeersFile, "err", err)
	}
	return list
}

// Seeds are the addresses at which a node with this configuration looks for its cluster: Join, and those in PeersFile as it is now. If that
// cannot be read the error says so, and the rest is there: a node goes on with it.
func (c Config) Seeds() ([]string, error) {
	list := slices.Clone(c.Join)
	if c.PeersFile == "" {
		return list, nil
	}
	text, err := os.ReadFile(c.PeersFile)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list, err
}

// belong notes, for good, which cluster this node is of.
func (l *life) belong(id string) error {
	n := l.node
	if n.id.Cluster != id && n.id.Cluster != "" {
		return fmt.Errorf("the data folder belongs to cluster %s, and this one is %s: use another folder, or the addresses of the folder's own cluster", n.id.Cluster, id)
	}
	if l.transport != nil {
		l.transport.SetCluster(id)
	}
	if n.id.Cluster == id {
		return nil
	}
	n.id.Cluster = id
	if n.log == nil {
		return nil
	}
	return saveIdentity(n.log, n.id)
}

// settleLimit is how long Start waits for every shard to have a primary before it serves anyway.
const settleLimit = 5 * time.Second

// settle waits until the copies on this node are read, makes the keyspaces that are asked for, and gives placement a while to
// have every shard served.
func (n *Node) settle(ctx context.Context) error {
	if err := n.folderless(n.state()); err != nil {
		return err
	}
	n.copies.nudge()
	select {
	case err := <-n.copies.first:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("the node is a member of its cluster and has not read its copies yet: %w", context.Cause(ctx))
	}
	if err := n.ensureKeyspaces(ctx); err != nil {
		return err
	}
	for _, k := range n.config.Kinds {
		if err := n.house(ctx, k); err != nil {
			return err
		}
	}
	n.compareNames(ctx)
	limited, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for !n.served(n.state()) {
		if limited.Err() != nil {
			n.config.Logger.Warn("not every shard has a primary yet; the node serves those that have")
			break
		}
		n.pause(limited, settlePause)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return n.disinherit()
}

// compareNames warns of a cluster name that is not that of the placement leader: it is for people, and each node has it from its own
// configuration, so two could show two.
func (n *Node) compareNames(ctx context.Context) {
	leader, _ := (placing{n}).Leader()
	if leader == "" || leader == n.id.Node {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hearsayLimit)
	defer cancel()
	view, err := clusterAPI{n}.View(ctx, leader, false)
	if err == nil && view.ClusterName != "" && view.ClusterName != n.config.ClusterName { // who does not answer is not compared
		n.config.Logger.Warn("this node calls the cluster otherwise than its placement leader: give all nodes the same cluster-name, and look whether this is the cluster that was meant",
			"cluster-name", n.config.ClusterName, "leader", n.state().NodeName(leader), "its cluster-name", view.ClusterName)
	}
}

// settlePause is how often Start looks whether the copies here have taken up what the table says.
const settlePause = 10 * time.Millisecond

// pause returns with the next change of the state, or after a while.
func (n *Node) pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_ = n.await(ctx, n.state().Version) // whatever ended the pause, the caller looks again
}

// served says whether every shard has a primary, those that are here know it, and the keyspaces are known here as they are now.
func (n *Node) served(state *cluster.State) bool {
	if !n.knows(state.Keyspaces) {
		return false
	}
	for i := range state.Shards {
		row := &state.Shards[i]
		c := row.PrimaryCopy()
		if c == nil {
			return false
		}
		if c.Node != n.id.Node {
			continue
		}
		if h := n.copyOf(row.ID); h == nil || !h.Leads() {
			return false
		}
	}
	return len(state.Shards) > 0
}

// disinherit forgets the keyspaces of the time before the cluster once every shard of theirs is served from what the folder
// had. Until then the next start has to know of them.
func (n *Node) disinherit() error {
	if len(n.id.Keyspaces) == 0 || n.log == nil || !n.served(n.state()) {
		return nil
	}
	if err := n.committer.Barrier(); err != nil {
		return err
	}
	n.id.Keyspaces = nil
	n.inherited.Store(nil)
	return saveIdentity(n.log, n.id)
}

// ensureKeyspaces has the cluster know the keyspaces of the configuration, as they are configured.
func (n *Node) ensureKeyspaces(ctx context.Context) error {
	for _, k := range n.config.Keyspaces {
		known := n.state().KeyspaceByName(k.Name)
		if known != nil {
			k.ID = known.ID
			if known.Keyspace == k {
				continue
			}
			if _, err := mergeKeyspaces([]shards.Keyspace{known.Keyspace}, []shards.Keyspace{k}); err != nil {
				return err
			}
		}
		if err := n.keepable(ctx, &k); err != nil {
			return err
		}
		outcome, err := n.propose(ctx, &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}})
		if err == nil && outcome.Err != nil {
			return invalid("keyspace %q: %w", k.Name, outcome.Err)
		}
		if err != nil {
			return fmt.Errorf("keyspace %q: %w", k.Name, err)
		}
	}
	return nil
}

// apply is told of each change of the agreed state. It is quick: what takes long is done elsewhere.
func (n *Node) apply(state *cluster.State) {
	n.past.note(state, placing{n})
	n.telling.know(state)
	n.copies.nudge()
	n.directory.Changed()
	n.placement.Wake()
	n.guests.Wake()
	n.telling.applied(placing{n}.Leader())
	n.news.tell()
}

// livesOn begins another life whenever the cluster has declared the present one over, until ctx ends. The copies stay where
// they are, without a role.
func (n *Node) livesOn(ctx context.Context, l *life) {
	for {
		select {
		case <-ctx.Done():
			return
		case reason := <-l.over:
			n.config.Logger.Warn("the cluster has declared this node dead; it comes back as another epoch", "epoch", l.epoch, "reason", reason)
		}
		var err error
		if l, err = n.revive(ctx, l); err != nil { // until ctx ends it is the log that failed
			if ctx.Err() == nil {
				n.fail(err)
			}
			return
		}
	}
}

// revive ends a life and begins the next, however long that takes: the port may be taken, and the cluster out of reach. What the
// copies acknowledged is on disk before: the next life says so.
func (n *Node) revive(ctx context.Context, l *life) (*life, error) {
	if err := errors.Join(l.end()...); err != nil {
		n.config.Logger.Warn("the end of an epoch was not clean", "err", err)
	}
	if n.log != nil {
		if err := n.committer.Barrier(); err != nil {
			return l, err
		}
	}
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		n.id.Epoch++
		if n.log != nil {
			if err := saveIdentity(n.log, n.id); err != nil {
				return l, err
			}
		}
		next, err := n.live(ctx, n.id.Epoch, true, true)
		if err == nil {
			return next, nil
		}
		n.config.Logger.Error("the node could not come back; it tries again", "err", err, "after", pause)
		rest(ctx, pause)
		if ctx.Err() != nil {
			return l, ctx.Err()
		}
	}
}

// rest returns after a while, or with ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tidyTicks is how often shards look for expired keys and the like, in ticks of the protocol, while some find any; restTicks while
// none do. Readers do not see expired keys in any case.
const (
	tidyTicks = 2
	restTicks = 5
)

// replicaTick is the tick of the protocol between copies.
const replicaTick = 50 * time.Millisecond

// tick has shards tidy up, and lets the time of the protocol between copies pass while any copy needs it.
func (n *Node) tick(ctx context.Context) {
	protocol, tidy := actors.NewTicker(n.id.Node, replicaTick), actors.NewTicker(n.id.Node, replicaTick)
	defer protocol.Stop()
	defer tidy.Stop()
	resting, serves := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-protocol.C:
			resting = !n.copies.link.Restless()
			if !resting {
				protocol.Next()
				for _, h := range n.held() {
					h.TickReplica()
				}
			}
		case <-tidy.C:
			tidy.Take()
			if resting && n.copies.link.Restless() {
				resting = false
				protocol.Next()
			}
			if n.tidyUp(n.now()) {
				tidy.Rest(tidy.Until(tidyTicks))
			} else {
				tidy.Rest(tidy.Until(restTicks))
			}
			if valid := (lease{n}).Valid(); valid != serves {
				serves = valid
				n.config.Logger.Info("the right of this node's primaries to serve", "lease", valid, "epoch", n.epoch())
				n.news.tell()
			}
		}
	}
}

// tidyUp has shards look for keys that have expired by now and the like, and says whether any did.
func (n *Node) tidyUp(now time.Time) (some bool) {
	for _, h := range n.held() {
		if h.NeedsTick(now.UnixMilli()) {
			h.ref.Tell(shard.Tick{Now: now.UnixMilli()})
			some = true
		}
	}
	n.views.Expire(time.Now())
	n.watches.Expire(time.Now())
	return some
}
