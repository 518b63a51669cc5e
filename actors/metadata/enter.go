package metadata

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// How a node becomes a member at its start:
//
//	its log holds a group ────────────────────────► tell the others of its new life (Join with a higher epoch, back.go); refuse to
//	                                                start if the addresses it was given lead to another cluster only, or
//	                                                if the cluster has forgotten it
//	it was told to be part of a cluster, once ────► join that one
//	--join, or a file of peers ───────────────────► ask one after the other; any member passes it on to the leader
//	--initial A,B,C ──► ask all: one has a cluster? ► join there
//	                    none, and this is A ────────► once more than half of the list, A counted, has none: found
//	                    none, and this is B or C ───► ask again; A will found
//	nothing of all that ──────────────────────────► found a cluster of one
//
// Only the first of the sorted list ever founds, so that one list makes one cluster; and it asks a majority first, so that a
// first node which has lost its disk goes back to the cluster that is there, as a new member.
const (
	entryPause    = 250 * time.Millisecond // between two rounds of asking, up to twice as long
	progressPause = 5 * time.Second        // between two lines that say the same
	joinPatience  = 10 * time.Second       // for the answer to one request to join
)

// enter makes this node a member. An error is final.
func (g *Group) enter(ctx context.Context) error {
	log := g.config.Log
	first := false
	if err := g.ask(ctx, func(c *Core) { first = !c.Member() }); err != nil {
		return err
	}
	switch {
	case !first:
		if log.Cluster() == "" { // it was founding when it stopped
			if err := g.heed(ctx); err != nil {
				return err
			}
			return g.founded(ctx)
		}
		if err := g.belong(log.Cluster()); err != nil {
			return err
		}
		if err := g.heed(ctx); err != nil {
			return err
		}
		if err := g.sameCluster(ctx); err != nil {
			return err
		}
		if len(log.Cluster()) > 0 && g.State().Cluster == "" && g.alone(ctx) {
			return g.founded(ctx)
		}
		return g.renew(ctx)
	case log.Cluster() != "":
		return g.join(ctx, log.Cluster())
	case len(g.config.Initial) > 0:
		return g.gather(ctx)
	case g.config.MustJoin || len(g.seeds()) > 0:
		return g.join(ctx, "")
	}
	return g.found(ctx)
}

// sameCluster is an error if the addresses that this node was given lead to another cluster, and none to its own: then either
// they or the data folder are not the ones that were meant, and to go on with the folder's cluster would look like a success.
func (g *Group) sameCluster(ctx context.Context) error {
	own, foreign := g.config.Log.Cluster(), error(nil)
	for _, f := range g.askAll(ctx, g.seeds()) {
		rejected, another := (*transport.RejectedError)(nil), f.cluster
		if errors.As(f.err, &rejected) {
			another = rejected.Peer.Cluster
		}
		switch {
		case f.node == g.config.Self.ID:
		case another == own:
			return nil
		case another != "":
			foreign = fmt.Errorf("metadata: the data folder belongs to cluster %s, and %s is a member of cluster %s: use another folder, or the addresses of the folder's own cluster",
				own, f.address, another)
		}
	}
	return foreign
}

// elsewhere is an error if this node runs at the address that its folder has of it, and that is not the present one: then the folder is a copy,
// and its next life would depose one that goes on, for a log that may lack what that one has acknowledged. It is asked before any connection is
// made: with that the others would know of the later life.
func (g *Group) elsewhere(ctx context.Context) error {
	m := g.State().Member(g.config.Self.ID)
	if m == nil || m.Peer == "" || m.Peer == g.config.Self.Peer {
		return nil
	}
	f := g.discover(ctx, m.Peer, g.config.Patience)
	rejected, there := (*transport.RejectedError)(nil), f.node == g.config.Self.ID && len(f.members) > 0 && f.members[len(f.members)-1].Addr != g.config.Self.Peer
	if errors.As(f.err, &rejected) {
		there = rejected.Peer.Node == g.config.Self.ID
	}
	if !there { // nobody, somebody else, or this process: it can be reached under both addresses
		return nil
	}
	return fmt.Errorf("metadata: the data folder is a copy: its node runs at %s, and would be pushed out of the cluster by this one at %s: start nothing on the copy while that one runs; to move the node, stop it there first",
		m.Peer, g.config.Self.Peer)
}

// alone says whether this node is the only voter of its group.
func (g *Group) alone(ctx context.Context) (alone bool) {
	g.ask(ctx, func(c *Core) { alone = c.Votes() && len(c.Voters().GetVoters()) == 1 }) // not asked: the group is closing
	return alone
}

// belong makes this node part of a cluster: from now on it takes the group's messages.
func (g *Group) belong(id string) error {
	if err := g.config.Log.SetCluster(id); err != nil {
		return err
	}
	if err := g.config.Adopt(id); err != nil {
		return fmt.Errorf("metadata: become part of cluster %s: %w", id, err)
	}
	g.belongs.Store(&id)
	return nil
}

// found begins a cluster of one.
func (g *Group) found(ctx context.Context) error {
	var failed error
	err := g.ask(ctx, func(*Core) {
		if failed = Found(g.config.Log, g.config.Self.Raft); failed == nil {
			g.loop.core, failed = g.newCore()
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return g.founded(ctx)
}

// founded goes on where a founder may have stopped: its log names it as the only voter, and the cluster's first command is
// perhaps not in it.
func (g *Group) founded(ctx context.Context) error {
	b := g.config.Bootstrap
	if id := g.config.Log.Cluster(); id != "" { // noted before it stopped; the folder may not have had it anywhere else yet
		b.Cluster = id
	}
	if err := g.belong(b.Cluster); err != nil {
		return err
	}
	if err := g.stand(ctx); err != nil {
		return err
	}
	b.Member = g.config.Self
	if err := g.announce(); err != nil {
		return err
	}
	outcome, err := g.Propose(ctx, &cluster.Command{Bootstrap: &b})
	if err != nil {
		return err
	}
	if outcome.Err != nil && g.State().Cluster == "" {
		return fmt.Errorf("metadata: the cluster cannot be formed: %w", outcome.Err)
	}
	if g.State().Cluster == b.Cluster && outcome.Err == nil {
		g.config.Logger.Info("formed a cluster", "cluster", b.Cluster)
		return nil
	}
	return g.renew(ctx)
}

// stand makes the only voter stand for election until it leads: Raft does not listen before what is committed has been applied.
func (g *Group) stand(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := g.ask(ctx, func(c *Core) { c.Campaign() }); err != nil {
			return err
		}
		again, cancel := context.WithTimeout(ctx, standDelay)
		err := g.Wait(again, func(_ *cluster.State, s Status) bool { return s.Leader != "" })
		cancel()
		if err == nil || errors.Is(err, ErrClosed) {
			return err
		}
	}
	return ctx.Err()
}

// rejoin is what tells the group of this node's present life.
func (g *Group) rejoin() *cluster.Command {
	join := &cluster.Join{Member: g.config.Self, Clean: g.config.Clean, Awake: g.config.Awake}
	c := &cluster.Command{Join: join}
	if state := g.State(); !join.Clean && !join.Awake && state.Member(join.Member.ID) != nil { // else nothing is counted on, or all is
		join.Loose = g.config.Loose
		if state.Readable(c) != nil {
			join.Loose = nil
		}
	}
	return c
}

// gather forms a cluster of the initial list, or finds the one that it has formed.
func (g *Group) gather(ctx context.Context) error {
	say, rounds := progress5(g), g.newRounds(ctx)
	defer rounds.close()
	for {
		found := rounds.ask(g.config.Initial)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		free, self, other := map[shards.NodeID]bool{}, "", ""
		for _, f := range found {
			switch {
			case f.err != nil:
			case f.node == g.config.Self.ID:
				self, free[f.node] = f.address, true
			case f.cluster != "":
				g.meet(f.members)
				if err, final := g.joinAt(ctx, f.address, ""); err == nil || final {
					return err
				}
			case f.list != strings.Join(g.config.Initial, ","):
				other = fmt.Sprintf("%s was started with the list %q, this node with %q: give all the same one", f.address, f.list, strings.Join(g.config.Initial, ","))
			default:
				free[f.node] = true
			}
		}
		if self == "" && slices.Contains(g.config.Initial, g.config.Self.Peer) {
			self, free[g.config.Self.ID] = g.config.Self.Peer, true
		}
		switch first := g.config.Initial[0]; {
		case other != "":
			say.line(other)
		case self == "":
			say.line("none of the initial addresses leads to this node: write its own address there as the others reach it", "initial", g.config.Initial, "address", g.config.Self.Peer)
		case self == first && 2*len(free) > len(g.config.Initial):
			return g.found(ctx)
		case self == first:
			say.line("waiting for more than half of the initial nodes before a cluster is formed", "there", len(free), "of", len(g.config.Initial), "missing", missing(found))
		default:
			say.line("waiting for the first of the initial nodes to form the cluster", "first", first, "missing", missing(found))
		}
		if err := pause(ctx, entryPause); err != nil {
			return err
		}
	}
}

// finding is what one address answered.
type finding struct {
	address string
	node    shards.NodeID
	discovery
	err  error
	late bool // it failed, and took longer than Config.Patience
}

// missing lists the addresses at which no node answers, and why.
func missing(found []finding) (list []string) {
	for _, f := range found {
		if f.err != nil {
			list = append(list, fmt.Sprintf("%s (%v)", f.address, f.err))
		}
	}
	return list
}

// askAll asks all addresses at once who they are.
func (g *Group) askAll(ctx context.Context, addresses []string) []finding {
	found := make([]finding, len(addresses))
	var asking sync.WaitGroup
	for i, address := range addresses {
		asking.Go(func() { found[i] = g.discover(ctx, address, g.config.Patience) })
	}
	asking.Wait()
	return found
}

func (g *Group) discover(ctx context.Context, address string, patience time.Duration) (f finding) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f.address = address
	hello, body, err := g.config.Wire.CallAddress(ctx, address, transport.KindDiscover, encodeQuestion(strings.Join(g.config.Initial, ",")))
	f.node, f.err = hello.Node, err
	if err == nil {
		f.discovery, f.err = decodeDiscovery(body)
		f.members = append(f.members, transport.Address{Node: hello.Node, Epoch: hello.Epoch, Addr: hello.Address})
	}
	return f
}

// join asks the seeds to be taken in, until one does. want is the cluster that it must be; empty: any.
func (g *Group) join(ctx context.Context, want string) error {
	say := progress5(g)
	for {
		seeds := g.seeds()
		if len(seeds) == 0 {
			var which []any
			if want != "" {
				which = []any{"cluster", want}
			}
			say.line("this node is to join a cluster and knows none of its members: give it the address of one, with Join or in PeersFile (--join, --peers-file)", which...)
		}
		var last error
		for _, address := range seeds {
			err, final := g.joinAt(ctx, address, want)
			if err == nil || final {
				return err
			}
			last = errors.Join(last, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if last != nil {
			say.line("no member has taken this node in yet; is one running at these addresses, and can it reach a majority?", "join", seeds, "error", last)
		}
		if err := pause(ctx, entryPause); err != nil {
			return err
		}
	}
}

// seeds are the addresses that this node was given, as of now, each once.
func (g *Group) seeds() (list []string) {
	if g.config.Join != nil {
		list = slices.Clone(g.config.Join())
	}
	return once(append(list, g.config.Initial...))
}

// once drops from a list what stands further ahead in it.
func once(list []string) []string {
	met := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(address string) bool {
		again := met[address]
		met[address] = true
		return again
	})
}

// joinAt asks one address, and waits until this node has heard from its group.
func (g *Group) joinAt(ctx context.Context, address, want string) (err error, final bool) {
	patient, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	if err := g.announce(); err != nil {
		return err, true
	}
	hello, body, err := g.config.Wire.CallAddress(patient, address, transport.KindJoin, encodeJoin(g.rejoin().Join))
	if err != nil {
		return fmt.Errorf("%s: %w", address, err), false
	}
	a, err := decodeWelcome(body)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", address, err), false
	case a.verdict != verdictApplied:
		return fmt.Errorf("%s: %s", address, a.text), a.verdict == verdictRefused
	case a.outcome.Err != nil:
		return fmt.Errorf("metadata: cluster %s does not take this node in: %w", a.cluster, a.outcome.Err), true
	case want != "" && a.cluster != want:
		return fmt.Errorf("metadata: this node was to join cluster %s, and %s is a member of %s", want, address, a.cluster), true
	}
	g.meet(append(a.members, transport.Address{Node: hello.Node, Epoch: hello.Epoch, Addr: hello.Address}))
	if err := g.belong(a.cluster); err != nil {
		return err, true
	}
	select {
	case <-g.joined:
		g.config.Logger.Info("joined the cluster", "cluster", a.cluster, "through", address)
		return nil, true
	case <-patient.Done():
		return fmt.Errorf("%s: the leader has not sent the cluster state yet: %w", address, patient.Err()), false
	case <-g.done:
		return ErrClosed, true
	}
}

// meet learns where other nodes are.
func (g *Group) meet(addresses []transport.Address) {
	g.ask(g.ctx, func(*Core) { // not asked: the group is closing
		for _, a := range addresses {
			g.loop.learn(a)
		}
	})
}

// seek looks for the others while nobody leads: they may have moved while this node was away. If that lasts it asks why.
func (g *Group) seek(ctx context.Context) {
	var since, asked time.Time // nobody leads; and when it asked why
	rounds := g.newRounds(ctx)
	defer rounds.close()
	for pause(ctx, g.config.Patience) == nil {
		if leader, _ := g.Leader(); leader != "" || g.belongs.Load() == nil {
			since = time.Time{}
			continue
		}
		now := time.Now()
		if since.IsZero() {
			since = now
		}
		if now.Sub(since) >= lonelyAfter && now.Sub(asked) >= lonelyPause {
			asked = now
			g.wonder(ctx, now.Sub(since))
		}
		for _, f := range rounds.ask(g.seeds()) {
			if f.err == nil && f.cluster == *g.belongs.Load() {
				g.meet(f.members)
			}
		}
	}
}

// pause waits for so long, up to twice as long.
func pause(ctx context.Context, least time.Duration) error {
	timer := time.NewTimer(least + rand.N(least))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// progressLine says how far a node is, but not the same thing all the time.
type progressLine struct {
	group *Group
	last  string
	at    time.Time
}

func progress5(g *Group) *progressLine { return &progressLine{group: g} }

func (p *progressLine) line(text string, args ...any) {
	waits := text
	for i := 0; i+1 < len(args); i += 2 {
		waits += fmt.Sprintf("; %v: %v", args[i], args[i+1])
	}
	p.group.waits.Store(&waits)
	if now := time.Now(); text != p.last || now.Sub(p.at) >= progressPause {
		p.group.config.Logger.Warn(text, args...)
		p.last, p.at = text, now
	}
}
