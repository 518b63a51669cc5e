package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// town is a cluster of Members over the transport's in-memory network, in a synctest bubble: time passes when everybody waits.
// In place of the metadata group it has a council, which everybody hears at once.
type town struct {
	*testing.T
	network *transport.Network
	config  liveness.Config
	nodes   map[shards.NodeID]*resident

	mu        sync.Mutex
	state     *cluster.State
	leader    shards.NodeID
	term      uint64
	refusals  int       // of transfers of the lead, to come
	confirmed time.Time // when the leader was confirmed last; zero: it is confirmed whenever somebody asks
}

// resident is one node.
type resident struct {
	town   *town
	id     shards.NodeID
	epoch  shards.Epoch
	wire   *transport.Transport
	member atomic.Pointer[Member]
	log    safeBuffer

	mu      sync.Mutex
	health  liveness.Health
	heldUp  time.Duration // of the member's goroutine, with each heartbeat
	changes []liveness.Change
	gone    []shards.Epoch  // of leaders
	trips   []time.Duration // of heartbeats
	missed  int             // heartbeats that were not answered
	over    string
	closed  bool
	sample  Sample          // what Loads measures
	reports int             // of loads, that have arrived here
	bytes   int             // of these
	deafTo  []shards.NodeID // whose loads do not arrive
	fenced  []shards.NodeID // that a firewall does not let it open connections to
	mum     transport.Kind  // what its release does not send
	full    []Flood
	told    int            // how often Flooded was called
	behind  *cluster.State // what State says here, if it is not what the council has decided
}

type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// inTown runs a test in a town of so many nodes, of which n1 leads, after a second.
func inTown(t *testing.T, size int, c liveness.Config, test func(*testing.T, *town)) {
	synctest.Test(t, func(t *testing.T) {
		w := &town{T: t, network: transport.NewNetwork(), config: c, nodes: map[shards.NodeID]*resident{}, leader: "n1", term: 1}
		w.state = &cluster.State{Cluster: "c", Version: 1}
		for i := range size {
			w.state.Voters = append(w.state.Voters, uint64(i+1))
			w.state.Members = append(w.state.Members, cluster.Member{ID: id(i), Name: string(id(i)), Raft: uint64(i + 1), Epoch: 1, Peer: "home of " + string(id(i))})
		}
		for i := range size {
			w.settle(id(i), 1)
		}
		synctest.Wait()
		w.nodes["n1"].member.Load().Lead(true, 1)
		w.pass(time.Second)
		defer func() {
			for _, r := range w.nodes {
				r.close()
			}
		}()
		test(t, w)
	})
}

func id(i int) shards.NodeID { return shards.NodeID(fmt.Sprintf("n%d", i+1)) }

// pass lets time pass.
func (w *town) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// settle starts a life of a node.
func (w *town) settle(id shards.NodeID, epoch shards.Epoch) *resident {
	w.Helper()
	r := &resident{town: w, id: id, epoch: epoch}
	var err error
	r.wire, err = w.network.Join(transport.Config{
		Self:   transport.Hello{Cluster: "c", Node: id, Epoch: epoch, Name: string(id)},
		Listen: "home of " + string(id),
		Receive: func(peer transport.Hello, _ transport.Class, kind transport.Kind, body []byte) {
			if kind == transport.KindLoads {
				r.mu.Lock()
				r.reports++
				r.bytes += len(body)
				unheard := slices.Contains(r.deafTo, peer.Node)
				r.mu.Unlock()
				if unheard {
					return
				}
			}
			if m := r.member.Load(); m != nil && !m.Receive(peer, kind, body) {
				w.Errorf("%s got a %v", id, kind)
			}
		},
		Serve: func(ctx context.Context, _ transport.Hello, kind transport.Kind, body []byte) ([]byte, error) {
			if m := r.member.Load(); m != nil && kind == transport.KindProbe {
				return m.ServeProbe(ctx, body)
			}
			return nil, errors.New("not yet")
		},
		Changed: func(c transport.Change) {
			if m := r.member.Load(); m != nil {
				m.Changed(c)
			}
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	m, err := Start(Config{
		Self: id, Epoch: epoch, Wire: fenced{r.wire, r}, Group: r, Liveness: w.config, Health: r.figures,
		Log:      slog.New(slog.NewTextHandler(&r.log, nil)),
		Over:     func(reason string) { r.mu.Lock(); r.over = reason; r.mu.Unlock() },
		Changed:  func(_ uint64, c liveness.Change) { r.note(c) },
		Answered: func(roundTrip time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.trips = append(r.trips, roundTrip) },
		Missed:   func() { r.mu.Lock(); defer r.mu.Unlock(); r.missed++ },
		Loads:    func() Sample { r.mu.Lock(); defer r.mu.Unlock(); return r.sample },
		Full:     fuller,
		Flooded:  func(full []Flood) { r.mu.Lock(); defer r.mu.Unlock(); r.full, r.told = full, r.told+1 },
	})
	if err != nil {
		w.Fatal(err)
	}
	r.member.Store(m)
	w.mu.Lock()
	w.nodes[id] = r
	var peers []transport.Address
	for _, m := range w.state.Members {
		peers = append(peers, transport.Address{Node: m.ID, Epoch: m.Epoch, Addr: m.Peer})
	}
	w.mu.Unlock()
	r.wire.SetPeers(peers)
	return r
}

func (r *resident) figures() liveness.Health {
	r.mu.Lock()
	health, heldUp := r.health, r.heldUp
	r.mu.Unlock()
	if heldUp > 0 {
		<-time.After(heldUp)
	}
	return health
}

// note keeps a change. Whoever is declared dead without proof must not hold a lease at that moment.
func (r *resident) note(c liveness.Change) {
	r.mu.Lock()
	r.changes = append(r.changes, c)
	r.mu.Unlock()
	if c.Outcome == liveness.OutcomeTimeout {
		r.town.mu.Lock()
		other := r.town.nodes[c.Node]
		r.town.mu.Unlock()
		if other != nil && other.epoch == c.Epoch && other.lease().Valid() {
			r.town.Errorf("%s was declared dead and holds a lease until %v", c.Node, other.lease().Until())
		}
	}
}

func (r *resident) close() {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if !closed {
		r.member.Load().Close()
		r.wire.Close()
	}
}

func (r *resident) lease() *Lease { return r.member.Load().Lease() }

// last is the last change that a leader told of a node.
func (r *resident) last(id shards.NodeID) liveness.Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.changes) - 1; i >= 0; i-- {
		if r.changes[i].Node == id {
			return r.changes[i]
		}
	}
	return liveness.Change{}
}

func (r *resident) known(id shards.NodeID) Node {
	r.town.Helper()
	n, ok := r.member.Load().Evidence().Of(id)
	if !ok {
		r.town.Fatalf("%s knows nothing of %s", r.id, id)
	}
	return n
}

// The council.

func (r *resident) State() *cluster.State {
	r.mu.Lock()
	behind := r.behind
	r.mu.Unlock()
	if behind != nil {
		return behind
	}
	r.town.mu.Lock()
	defer r.town.mu.Unlock()
	return r.town.state
}

func (r *resident) Leader() (shards.NodeID, uint64) {
	r.town.mu.Lock()
	defer r.town.mu.Unlock()
	return r.town.leader, r.town.term
}

func (r *resident) Confirmed() time.Time {
	r.town.mu.Lock()
	defer r.town.mu.Unlock()
	if r.town.leader != r.id {
		return time.Time{}
	}
	if !r.town.confirmed.IsZero() {
		return r.town.confirmed
	}
	return time.Now()
}

func (r *resident) LeaderGone(node shards.NodeID, epoch shards.Epoch) {
	r.town.mu.Lock()
	right := node == r.town.leader
	r.town.mu.Unlock()
	if !right {
		r.town.Errorf("%s says that %s is gone, who does not lead", r.id, node)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, epoch)
}

// TransferTo is refused as often as refusals says.
func (r *resident) TransferTo(_ context.Context, to shards.NodeID) error {
	r.town.mu.Lock()
	refused := r.town.refusals > 0
	if refused {
		r.town.refusals--
	}
	r.town.mu.Unlock()
	if refused {
		return errors.New("the voter lacks too much")
	}
	r.town.elect(to, true)
	return nil
}

func (r *resident) leadersGone() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.gone)
}

// elect makes a node the leader; the one before is told if it can be.
func (w *town) elect(id shards.NodeID, tell bool) {
	w.mu.Lock()
	before := w.nodes[w.leader]
	w.leader, w.confirmed = id, time.Time{}
	w.term++
	term := w.term
	w.mu.Unlock()
	if tell {
		before.member.Load().Lead(false, term)
	}
	w.nodes[id].member.Load().Lead(true, term)
	for _, r := range w.nodes {
		if r.id != id {
			r.member.Load().Applied(nil)
		}
	}
}

// commit changes the members, and tells everybody.
func (w *town) commit(change func(m []cluster.Member) []cluster.Member) {
	w.mu.Lock()
	next := *w.state
	next.Version++
	next.Members = change(append([]cluster.Member(nil), w.state.Members...))
	w.state = &next
	w.mu.Unlock()
	for _, r := range w.nodes {
		r.member.Load().Applied(&next)
	}
}

// cut separates two nodes in both directions.
func (w *town) cut(a, b shards.NodeID) {
	w.network.Cut(a, b)
	w.network.Cut(b, a)
}

func (w *town) heal(a, b shards.NodeID) {
	w.network.Heal(a, b)
	w.network.Heal(b, a)
}
