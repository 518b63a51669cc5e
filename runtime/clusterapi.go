package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// clusterAPI is the cluster as HTTP clients of this node see and change it: it implements admin.Cluster.
type clusterAPI struct{ node *Node }

// Cluster is the cluster that the node belongs to.
func (a api) Cluster() admin.Cluster { return clusterAPI(a) }

// State is the newest state, and a channel that is closed when there is something newer.
func (c clusterAPI) State() (*cluster.State, <-chan struct{}) {
	newer := c.node.news.wait() // before the state is looked at: what comes in between must not go unnoticed
	return c.node.state(), newer
}

// news lets any number of goroutines wait for the next change.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}

// Evidence is what this node knows of leader and members: on the leader what its detector says, elsewhere what the leader
// said when it was last asked, a second ago at most.
func (c clusterAPI) Evidence() admin.Evidence {
	e := admin.Evidence{}
	e.Leader, e.Term = placing(c).Leader()
	if g := placing(c).group(); g != nil {
		e.Voters = []uint64{} // while they change, nobody is sure to be one
		if status := g.Status(); !status.Changing {
			e.Voters = append(e.Voters, status.Voters...)
		}
	}
	if e.Members = c.seen(); e.Members == nil && e.Leader != "" && e.Leader != c.node.id.Node {
		e.Members = c.node.hearsay.of(c.node, e.Leader)
	}
	if e.Leader == "" {
		e.Leaderless = c.node.leaderless(time.Now())
	}
	e.Full, e.Short = c.node.room.full(), c.node.room.short()
	return e
}

// leaderless is for how long, at least, nobody has led of whom this node knows and it has had no lease; 0: one of them it has.
func (n *Node) leaderless(now time.Time) time.Duration {
	if leader, _ := (placing{n}).Leader(); leader != "" {
		return 0
	}
	since := n.started
	if l := n.life.Load(); l != nil {
		since = l.at
	}
	if held := n.lease.Load(); held != nil && !held.Until().IsZero() {
		since = held.Until()
	}
	return max(0, now.Sub(since))
}

// seen is what this node's own detector says, if it leads; else nil.
func (c clusterAPI) seen() map[shards.NodeID]admin.Liveness {
	seen := placing(c).Evidence()
	if !seen.Leading {
		return nil
	}
	members := map[shards.NodeID]admin.Liveness{}
	loads := map[shards.NodeID]*policies.NodeLoad{}
	for i := range seen.Loads.Nodes {
		loads[seen.Loads.Nodes[i].Node] = &seen.Loads.Nodes[i]
	}
	for i := range seen.Nodes {
		n := &seen.Nodes[i]
		l := admin.Liveness{State: livenessOf(&n.Status), Heard: n.HeardAt.UnixMilli()}
		if n.Node != c.node.id.Node && n.Limit > n.Heard {
			l.Silence = float64(seen.Ticks-n.Heard) / float64(n.Limit-n.Heard)
		}
		if l.State != admin.Alive {
			l.Reason = n.Reason
		}
		if rest := n.Held - seen.Ticks; rest > 0 {
			l.Held = time.Now().Add(time.Duration(rest) * seen.TickLength).UnixMilli()
		}
		if measured := loads[n.Node]; measured != nil && measured.Epoch == n.Epoch {
			l.Load = loadOf(measured)
		}
		members[n.Node] = l
	}
	return members
}

func loadOf(l *policies.NodeLoad) *admin.Load {
	return &admin.Load{
		CPU: l.Used.CPU, CPUCapacity: l.Capacity.CPU, Memory: int64(l.Used.Memory), MemoryCapacity: int64(l.Capacity.Memory),
		Disk: int64(l.Used.Disk), DiskCapacity: int64(l.Capacity.Disk),
	}
}

func livenessOf(s *liveness.Status) admin.LivenessState {
	switch {
	case s.State == liveness.Dead:
		return admin.Dead
	case s.State == liveness.Suspect:
		return admin.Suspect
	case s.State == liveness.Grey:
		return admin.Grey
	}
	return admin.Alive
}

// hearsay is the leader's evidence as another node has it. One goroutine asks; who comes meanwhile waits for it, as long as an
// answer may take.
type hearsay struct {
	mu      sync.Mutex
	at      time.Time // when the answer came
	from    shards.NodeID
	members map[shards.NodeID]admin.Liveness
	asking  chan struct{} // closed when the answer is there; nil: nobody asks
}

const (
	hearsayLife  = time.Second
	hearsayLimit = 300 * time.Millisecond
)

func (h *hearsay) of(n *Node, leader shards.NodeID) map[shards.NodeID]admin.Liveness {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.from != leader || time.Since(h.at) >= hearsayLife {
		if answered := h.asking; answered != nil {
			h.mu.Unlock()
			<-answered
			h.mu.Lock()
			return h.members // of this leader or the one before: the next look knows better
		}
		answered := make(chan struct{})
		h.asking = answered
		h.mu.Unlock()
		heard := n.heardFrom(leader)
		h.mu.Lock()
		h.at, h.from, h.members, h.asking = time.Now(), leader, heard, nil
		close(answered)
	}
	return h.members
}

// heardFrom is what the leader says of the members; nil if it does not answer in time.
func (n *Node) heardFrom(leader shards.NodeID) (members map[shards.NodeID]admin.Liveness) {
	ctx, cancel := context.WithTimeout(context.Background(), hearsayLimit)
	defer cancel()
	if n.ask(ctx, leader, inquiry{Evidence: true}, &members) != nil {
		return nil // nothing is known then
	}
	return members
}

// View asks a member what it knows.
func (c clusterAPI) View(ctx context.Context, node shards.NodeID, copies bool) (admin.View, error) {
	if node == c.node.id.Node {
		return c.own(copies), nil
	}
	var v admin.View
	return v, c.node.ask(ctx, node, inquiry{View: true, Copies: copies}, &v)
}

func (c clusterAPI) own(copies bool) admin.View {
	v := admin.View{ClusterName: c.node.config.ClusterName, Version: c.node.state().Version, Past: c.node.past.began(), Folderless: c.node.withoutFolder(), Clock: time.Now().UnixNano()}
	v.Leader, v.Term = placing(c).Leader()
	if g := placing(c).group(); g != nil {
		digest := g.Status().Digest
		v.Applied, v.Digest = digest.Index, digest.Hash
	}
	if held := c.node.lease.Load(); held != nil {
		v.Lease = time.Until(held.Until()).Milliseconds()
	}
	if copies {
		v.Copies = slices.Collect(api(c).Shards())
		v.Arriving = c.arriving()
	}
	return v
}

// Propose has the metadata group order a command. Where no majority is reached it fails at once: nothing was begun.
func (c clusterAPI) Propose(ctx context.Context, command *cluster.Command) (cluster.Outcome, error) {
	if err := c.headless(); err != nil {
		return cluster.Outcome{}, err
	}
	if command.Keyspace != nil {
		if err := cmp.Or(c.node.keepable(ctx, &command.Keyspace.Keyspace), c.node.staysWhole(&command.Keyspace.Keyspace)); err != nil {
			return cluster.Outcome{}, err
		}
	}
	return c.node.propose(ctx, command)
}

// headless is why nothing can be agreed on now: the node stops, or an election would have ended long ago.
func (c clusterAPI) headless() error {
	if c.node.stopped.Load() {
		return errClosed
	}
	since := c.node.leaderless(time.Now())
	if since <= 0 {
		return nil
	}
	return &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf(
		"no placement leader is known since %v: a majority of the voters must run and reach each other; troupe health and troupe nodes say who is missing",
		max(time.Second, since.Round(time.Second)))}
}

// Reroute has the placement leader plan now.
func (c clusterAPI) Reroute(ctx context.Context, r admin.Reroute) (admin.Rerouted, error) {
	if err := c.headless(); err != nil {
		return admin.Rerouted{}, err
	}
	q := placement.Request{DryRun: r.DryRun, RetryFailed: r.RetryFailed}
	for _, w := range r.Commands {
		q.Wishes = append(q.Wishes, placement.Wish{Kind: placement.Kind(w.Kind), Shard: w.Shard, From: w.From, To: w.To})
	}
	a, err := c.node.placement.Reroute(ctx, q)
	if err != nil {
		return admin.Rerouted{}, err
	}
	out := admin.Rerouted{Version: a.Version, Rows: a.Rows}
	for _, d := range a.Denied {
		refused := admin.RefusedCommand{Command: d.Wish, Reason: d.Reason}
		if r.Explain {
			refused.Verdicts = admin.VerdictsOf(&d.Explanation)
		}
		out.Refused = append(out.Refused, refused)
	}
	for _, w := range a.Waiting {
		out.Waiting = append(out.Waiting, admin.WaitingCopy{Shard: w.Shard, Reason: w.Reason})
	}
	return out, nil
}

// Explain has the placement leader ask its deciders about a shard.
func (c clusterAPI) Explain(ctx context.Context, shard shards.ShardID, node shards.NodeID) (admin.Explanation, error) {
	if err := c.headless(); err != nil {
		return admin.Explanation{}, err
	}
	x, err := c.node.placement.Explain(ctx, shard)
	if err != nil {
		return admin.Explanation{}, err
	}
	return admin.ExplanationOf(c.node.state(), x, node), nil
}

// Losses has the placement leader say what the death of each node would come to.
func (c clusterAPI) Losses(ctx context.Context) (admin.LossAnswer, error) {
	l, err := c.node.placement.Losses(ctx)
	if err != nil {
		return admin.LossAnswer{}, err
	}
	s, a := c.node.state(), admin.LossAnswer{Losses: []admin.NodeLoss{}, Reason: l.Why}
	if l.Burden != nil {
		a.Burden = l.Burden.String()
	}
	for i := range l.Lost {
		x := &l.Lost[i].Loss
		a.Losses = append(a.Losses, admin.NodeLoss{
			Node: s.NodeName(x.Node), Summary: x.String(), Lasting: x.Lasting(), Copies: x.Copies, Unserved: x.Unserved, Single: x.Single, Unplaceable: x.Unplaceable, Few: x.Few,
			Shard: x.Shard, Fullest: x.Fullest, Full: 100 * x.Full, Dimension: x.Dimension, At: l.Lost[i].At,
		})
	}
	for _, node := range l.Waiting {
		a.Waiting = append(a.Waiting, s.NodeName(node))
	}
	slices.SortFunc(a.Losses, func(x, y admin.NodeLoss) int { return strings.Compare(x.Node, y.Node) })
	slices.Sort(a.Waiting)
	return a, nil
}

// Transfer makes another member lead.
func (c clusterAPI) Transfer(ctx context.Context, to shards.NodeID) error {
	if c.node.stopped.Load() {
		return errClosed
	}
	leader, _ := placing(c).Leader()
	switch leader {
	case "":
		return &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("nobody leads now; an election is under way, or a majority of the voters is missing")}
	case to:
		return nil
	case c.node.id.Node:
		return c.transferHere(ctx, to)
	}
	var done bool
	return c.node.ask(ctx, leader, inquiry{Transfer: to}, &done)
}

// transferHere gives up the lead, on the node that has it.
func (c clusterAPI) transferHere(ctx context.Context, to shards.NodeID) error {
	g := placing(c).group()
	if g == nil {
		return metadata.ErrClosed
	}
	err := g.TransferTo(ctx, to)
	if err == nil {
		return nil
	}
	kind := shards.KindUnavailable
	if errors.Is(err, metadata.ErrNotVoter) { // every node says so, now and later
		kind = shards.KindConflict
	}
	return &shards.Error{Kind: kind, Err: fmt.Errorf("the lead was not handed over: %w", err)}
}

// Isolate cuts this node off from others, for fault injection.
func (c clusterAPI) Isolate(nodes []shards.NodeID, both bool) error {
	l := c.node.life.Load()
	if l == nil || l.transport == nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: errors.New("the node listens for no peers: there is nothing to cut")}
	}
	l.transport.Isolate(nodes, both)
	return nil
}
