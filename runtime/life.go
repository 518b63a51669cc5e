package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/runtime/socket"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// life is one epoch of a node in its cluster: everything that must begin anew when the cluster has declared the node dead.
// The copies outlive it: with its lease they lose the right to serve, and the next life's table gives them their roles. Others
// see a life once it has wire and group; until then, and after its end, the one before tells what is known.
//
//	transport ──► group (the agreed state) ──► Node.apply: keyspaces, copies, member, placement
//	    └───────► member (lease, heartbeats, who is alive) ──► placement, while this node leads
type life struct {
	node      *Node
	epoch     shards.Epoch
	at        time.Time // when it began
	clean     bool      // the one before ended with everything on disk...
	awake     bool      // ...and in memory: the process has gone on
	wire      wire
	transport *transport.Transport // nil: this node listens for no peers
	address   string               // where other nodes reach this one; empty if they do not
	group     atomic.Pointer[metadata.Group]
	member    atomic.Pointer[member.Member]
	over      chan string // holds why the cluster has declared this life over
	stop      context.CancelFunc
	running   sync.WaitGroup
	begun     bool // it was a member

	ending sync.Once
	ended  []error
}

// wire is how a node reaches others.
type wire interface {
	metadata.Wire
	Probe(ctx context.Context, addr string) (transport.Hello, error)
	Isolate(nodes []shards.NodeID, both bool)
}

// alone is the wire of a node that listens for no peers: it reaches nobody.
type alone struct{}

func (alone) Send(shards.NodeID, transport.Class, transport.Kind, []byte) error {
	return transport.ErrNoPeer
}
func (alone) SendWait(context.Context, shards.NodeID, transport.Class, transport.Kind, []byte) error {
	return transport.ErrNoPeer
}
func (alone) Call(context.Context, shards.NodeID, transport.Kind, []byte) ([]byte, error) {
	return nil, transport.ErrNoPeer
}
func (alone) CallAddress(context.Context, string, transport.Kind, []byte) (transport.Hello, []byte, error) {
	return transport.Hello{}, nil, transport.ErrNoPeer
}
func (alone) Probe(context.Context, string) (transport.Hello, error) {
	return transport.Hello{}, transport.ErrNoPeer
}
func (alone) Isolate([]shards.NodeID, bool) {}

// live begins a life: the node listens to its peers, and enters its cluster. It returns when the cluster state lists it. clean:
// all that the life before had is on disk. awake: and in memory.
func (n *Node) live(ctx context.Context, epoch shards.Epoch, clean, awake bool) (*life, error) {
	l := &life{node: n, epoch: epoch, at: time.Now(), clean: clean, awake: awake, wire: alone{}, over: make(chan string, 1)}
	background, stop := context.WithCancel(context.Background())
	l.stop = stop
	if err := l.begin(ctx, background); err != nil {
		return l, errors.Join(append([]error{err}, l.end()...)...)
	}
	return l, nil
}

func (l *life) begin(ctx, background context.Context) error {
	if err := l.listen(); err != nil {
		return err
	}
	if err := l.enter(); err != nil {
		return err
	}
	l.node.life.Store(l)
	if err := l.await(ctx); err != nil {
		return err
	}
	if err := l.keepAlive(); err != nil {
		return err
	}
	changed, stop := l.group.Load().Watch()
	l.running.Go(func() {
		defer stop()
		l.follow(background, changed)
	})
	l.running.Go(func() { l.observe(background) })
	l.running.Go(func() { l.compareClocks(background) })
	for _, m := range l.node.state().Members { // whoever was connected before others could see this life
		if m.ID != l.node.id.Node {
			l.node.copies.up(m.ID)
		}
	}
	l.begun = true
	return nil
}

// listen opens the port for peers, if there is to be one.
func (l *life) listen() (err error) {
	n := l.node
	if n.config.Peer == "" {
		return nil
	}
	if n.peer == "" {
		n.peer = n.config.Peer
	}
	l.transport, err = transport.Listen(transport.Config{
		Self: transport.Hello{
			Format: WireFormat, Cluster: n.id.Cluster, Node: n.id.Node, Epoch: l.epoch, Name: n.config.Name, Release: Version(),
		},
		Oldest: oldestWire, Advertise: n.config.advertised, Messages: n.telling.messages, ReceiveTraced: l.receiveTraced,
		Listen: n.peer, TLS: n.between.peer(), Log: n.config.Logger, Receive: l.receive, Serve: l.serve, Changed: l.connection,
		Socket: l.socket,
	})
	if err != nil {
		return fmt.Errorf("the peer port cannot listen: %w: is another node running? choose another address with --peer", err)
	}
	l.wire = l.transport
	n.peer, l.address = l.transport.Address(), n.config.advertised(l.transport.Address())
	return nil
}

// socket is a connection to a peer as the transport uses it.
func (l *life) socket(c net.Conn, silence time.Duration) net.Conn {
	if err := socket.EndAfter(c, silence); err != nil {
		l.node.config.Logger.Info("a connection to a machine that vanishes ends late", "peer", c.RemoteAddr(), "err", err)
	}
	return socket.Direct(c)
}

// WireFormat is the version of messages between nodes: higher by one with each change that a node of before would take for something
// else. Nodes of a higher one are refused, so a release that brings one speaks the old one until all have it. What a node reads of the
// cluster state is cluster.Format.
const WireFormat = 1

// oldestWire is the lowest WireFormat of a node that this release can talk to.
const oldestWire = 1

// enter starts this node's part of the metadata group.
func (l *life) enter() error {
	n := l.node
	if n.id.Cluster == "" && !mayLeadTo(n.config.Initial, l.address) {
		return invalid("none of the initial addresses %v leads to this node: write its own address there as the others reach it, %s", n.config.Initial, l.address)
	}
	roles, err := n.config.roles()
	if err != nil {
		return err
	}
	self := cluster.Member{
		ID: n.id.Node, Name: n.config.Name, Raft: n.groupLog.Number(), Epoch: l.epoch, Peer: l.address,
		RESP: n.config.advertised(n.RESPAddr()), HTTP: n.config.advertised(n.HTTPAddr()), Host: n.config.Host, Roles: roles,
		Attributes: n.config.attributes(), Release: Version(), Format: cluster.Format,
	}
	if roles&cluster.RoleMeta == 0 && n.id.Cluster == "" && len(n.config.Join)+len(n.config.Initial) == 0 && n.config.PeersFile == "" {
		return invalid("a node without role meta forms no cluster of its own, and this one (roles %s) is told of no other: give it Join, Initial or PeersFile (--join, --initial, --peers-file), or the role", strings.Join(n.config.Roles, ", "))
	}
	bootstrap, err := n.bootstrap()
	if err != nil {
		return err
	}
	group, err := metadata.Start(metadata.Config{
		Self: self, Clean: l.clean, Awake: l.awake, Loose: n.loose, Log: n.groupLog, Wire: l.wire, Bootstrap: bootstrap,
		Initial: n.config.Initial, Join: n.seeds, MustJoin: n.config.PeersFile != "", Adopt: l.belong, Connect: l.connect, Alive: l.alive,
		Tick: n.config.Tick, HeartbeatTicks: int(n.config.Heartbeat / n.config.Tick), ElectionTicks: int(n.config.Election / n.config.Tick),
		Logger: n.config.Logger, Fatal: n.fail,
		Elected: func(took time.Duration) { n.telling.figures.Elections.Observe(took, tracing.Carrier{}) },
	})
	if err != nil {
		return fmt.Errorf("the metadata group: %w", err)
	}
	l.group.Store(group)
	return nil
}

// await waits until the node is a member, and says now and then that it does.
func (l *life) await(ctx context.Context) error {
	group, still := l.group.Load(), time.NewTicker(5*time.Second)
	defer still.Stop()
	for {
		select {
		case <-group.Joined():
			return nil
		case <-group.Done():
			return fmt.Errorf("the node could not become a member of its cluster: %w", group.Err())
		case <-ctx.Done():
			err := ctx.Err()
			if _, unread := l.node.config.Seeds(); unread != nil {
				err = fmt.Errorf("%w; the list of peers cannot be read: %w", err, unread)
			}
			if waits := group.Waits(); waits != "" {
				return fmt.Errorf("the node has not become a member of its cluster: %s: %w", waits, err)
			}
			return fmt.Errorf("the node has not become a member of its cluster: %w", err)
		case <-still.C:
			l.node.config.Logger.Info("waiting for the cluster: a majority of its voters must run and be reached",
				"join", l.node.seeds(), "initial", l.node.config.Initial)
		}
	}
}

// livenessTick is what the detector's defaults are made for. Leases are whole ones of these, and last for two at least.
const livenessTick = 50 * time.Millisecond

// keepAlive starts the heartbeats, and with them the lease.
func (l *life) keepAlive() error {
	n, lease, own, weights := l.node, int((l.node.config.Lease+livenessTick-1)/livenessTick), new(vitals), new(scales)
	m, err := member.Start(member.Config{
		Loads: func() member.Sample { return weights.weigh(n) }, Full: fullness, Flooded: n.flooded,

		Self: n.id.Node, Epoch: l.epoch, Wire: l.wire, Group: l.group.Load(), Log: n.config.Logger, Health: func() liveness.Health { return own.health(n) },
		Liveness: liveness.Config{TickLength: livenessTick, Lease: lease, Heartbeat: max(1, lease/6), NoProof: n.config.NoProof},
		Changed: func(term uint64, c liveness.Change) {
			n.suspected(&c)
			n.telling.watch.Changed(term, c)
		},
		Answered: func(roundTrip time.Duration) {
			n.telling.watch.Answered()
			n.telling.figures.RoundTrips.Observe(roundTrip, tracing.Carrier{})
		},
		Missed: n.telling.figures.HeartbeatMissed,
		Over: func(reason string) {
			select {
			case l.over <- reason:
			default:
			}
		},
	})
	if err != nil {
		return fmt.Errorf("heartbeats: %w", err)
	}
	l.member.Store(m)
	n.lease.Store(m.Lease())
	return nil
}

// follow tells the node of each change of the agreed state, until ctx ends.
func (l *life) follow(ctx context.Context, changed <-chan struct{}) {
	group, m := l.group.Load(), l.member.Load()
	won, term := false, uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		state, status := group.State(), group.Status()
		m.Applied(state)
		if status.Won != won || status.Term != term {
			won, term = status.Won, status.Term
			m.Lead(won, term)
		}
		l.node.apply(state)
		if s := l.node.speaker.Load(); s != nil {
			s.MapChanged()
		}
	}
}

// observe tells placement, and whoever waits for news, of each change in what is known of the members, until ctx ends.
func (l *life) observe(ctx context.Context) {
	m := l.member.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.Wake():
			l.node.placement.Wake()
			l.node.telling.applied(placing{l.node}.Leader())
			l.node.news.tell()
		}
	}
}

// receive takes one-way messages of other nodes.
func (l *life) receive(peer transport.Hello, _ transport.Class, kind transport.Kind, body []byte) {
	group, m := l.group.Load(), l.member.Load()
	switch {
	case kind == transport.KindRaft && group != nil:
		group.Receive(peer, body)
	case kind == transport.KindReplicate || kind == transport.KindRecover:
		l.node.replicate(peer, kind, body, tracing.Carrier{})
	case kind == transport.KindPublish:
		l.node.hear(body)
	case m != nil:
		m.Receive(peer, kind, body)
	}
}

// receiveTraced takes those that belong to a trace.
func (l *life) receiveTraced(peer transport.Hello, class transport.Class, kind transport.Kind, body []byte, from tracing.Carrier) {
	if kind == transport.KindReplicate {
		l.node.replicate(peer, kind, body, from)
		return
	}
	l.receive(peer, class, kind, body)
}

// errNotYet answers calls that come before the node is ready for them.
var errNotYet = errors.New("the node is starting; try again")

// serve answers calls of other nodes.
func (l *life) serve(ctx context.Context, peer transport.Hello, kind transport.Kind, body []byte) ([]byte, error) {
	group, m := l.group.Load(), l.member.Load()
	switch {
	case group == nil || m == nil && kind == transport.KindProbe:
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: errNotYet}
	case kind == transport.KindCommand || kind == transport.KindJoin || kind == transport.KindDiscover:
		return group.Serve(ctx, peer, kind, body)
	case kind == transport.KindForward:
		return l.node.directory.Serve(ctx, body)
	case kind == transport.KindRead:
		return l.node.views.Serve(ctx, body)
	case kind == transport.KindWatch:
		return l.node.watches.Serve(ctx, body)
	case kind == transport.KindProbe:
		return m.ServeProbe(ctx, body)
	case kind == transport.KindPlacement:
		return l.node.placement.Serve(ctx, body)
	case kind == transport.KindActor:
		return l.node.actors.Serve(ctx, body)
	case kind == transport.KindFailover:
		return l.node.telling.watch.Serve(peer.Node, body)
	case kind == transport.KindQuery:
		return l.node.answer(ctx, peer.Node, body)
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("this release does not serve %v", kind)}
}

// connection is told of connections made and broken.
func (l *life) connection(c transport.Change) {
	if m := l.member.Load(); m != nil {
		m.Changed(c)
	}
	if c.Up {
		l.node.telling.watch.Connected(c.Node, c.Epoch)
		l.node.copies.up(c.Node)
		l.node.config.Logger.Debug("connected to a node", "node", c.Node, "epoch", c.Epoch)
		return
	}
	l.node.telling.watch.Connection(c.Node, c.Epoch, c.Cause)
	l.node.config.Logger.Info("the connection to a node broke", "node", l.node.state().NodeName(c.Node), "id", c.Node, "epoch", c.Epoch, "cause", c.Cause)
}

func (l *life) connect(peers []transport.Address) {
	if l.transport != nil {
		l.transport.SetPeers(peers)
	}
}

// alive says whether a member shows signs of life, for the choice of voters.
func (l *life) alive(id shards.NodeID) bool {
	m := l.member.Load()
	if id == l.node.id.Node || m == nil {
		return true
	}
	known, found := m.Evidence().Of(id)
	return found && known.State != liveness.Dead
}

// end ends a life: nothing of it runs when it returns. The lease goes first and the port last: from then on others may take this
// node for dead at once, so it must have stopped to serve before. It may be called again, and concurrently.
func (l *life) end() []error {
	l.ending.Do(func() {
		l.stop()
		l.running.Wait()
		if m := l.member.Load(); m != nil {
			m.Close()
		}
		if group := l.group.Load(); group != nil {
			if err := group.Close(); l.begun { // else it is why the life did not begin, and has been told
				l.ended = append(l.ended, err)
			}
		}
		if l.transport != nil {
			l.ended = append(l.ended, l.transport.Close())
		}
	})
	return l.ended
}
