package metadata

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

var verbose = flag.Bool("group-log", false, "print what the Groups log")

// town is a few nodes with Groups over a network in memory, in one bubble of testing/synctest.
type town struct {
	t       *testing.T
	network *transport.Network
	mu      sync.Mutex // of houses, where goroutines of nodes ask
	houses  map[string]*house
	logger  *slog.Logger
	log     journal // what nodes have warned of
}

// journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

// warnings lists the lines of one node that say this.
func (n *town) warnings(of *house, text string) (list []string) {
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	for line := range strings.Lines(n.log.text.String()) {
		if strings.Contains(line, "node="+of.name) && strings.Contains(line, text) {
			list = append(list, line)
		}
	}
	return list
}

// house is one node. Its disk outlives it.
type house struct {
	town    *town
	name    string
	called  string // for people; default: as it is named
	fs      *vfs.MemFS
	number  uint64
	epoch   shards.Epoch
	initial []string
	join    func() []string
	alive   func(shards.NodeID) bool
	every   uint64 // entries between snapshots
	loose   []shards.KeyspaceID
	address string // where it listens; default: as it is named
	ignores string // of this node the group's messages do not reach it; calls do

	wal   *wal.Log
	wire  *transport.Transport
	group *Group
	taken atomic.Pointer[Group]
	mends []time.Duration // times without a leader, as the Group has told; read them when it has stopped
	fails atomic.Pointer[error]
}

func newTown(t *testing.T) *town {
	n := &town{t: t, network: transport.NewNetwork(), houses: map[string]*house{}}
	n.logger = slog.New(slog.NewTextHandler(&n.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if *verbose {
		n.logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	t.Cleanup(n.end)
	return n
}

func idOf(name string) shards.NodeID { return shards.NodeID("id-" + name) }

// build makes a node with an empty disk, and does not start it.
func (n *town) build(name string) *house {
	h := &house{town: n, name: name, fs: vfs.NewCrashableMem(), address: "at-" + name}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.houses[name] = h
	return h
}

func (h *house) member() cluster.Member {
	return cluster.Member{
		ID: idOf(h.name), Name: cmp.Or(h.called, h.name), Epoch: h.epoch, Peer: h.address, Host: h.name, Roles: cluster.DefaultRoles, Release: "test", Format: cluster.Format,
	}
}

// start begins the next life of the node.
func (h *house) start() *house {
	h.town.t.Helper()
	if err := h.begin(); err != nil {
		h.town.t.Fatal(err)
	}
	return h
}

// begin is start, with what Start says.
func (h *house) begin() error {
	t := h.town.t
	t.Helper()
	h.epoch++
	h.wal = openWal(t, h.fs)
	log, err := OpenLog(h.wal, h.number)
	if err != nil {
		t.Fatal(err)
	}
	h.number = log.Number()
	h.taken.Store(nil)
	h.wire, err = h.town.network.Join(transport.Config{
		Self:   transport.Hello{Format: 1, Cluster: log.Cluster(), Node: idOf(h.name), Epoch: h.epoch, Name: h.name},
		Listen: h.address,
		Receive: func(peer transport.Hello, _ transport.Class, kind transport.Kind, body []byte) {
			if g := h.taken.Load(); g != nil && kind == transport.KindRaft && peer.Node != idOf(h.ignores) {
				g.Receive(peer, body)
			}
		},
		Serve: func(ctx context.Context, peer transport.Hello, kind transport.Kind, body []byte) ([]byte, error) {
			if g := h.taken.Load(); g != nil {
				return g.Serve(ctx, peer, kind, body)
			}
			return nil, &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("node %s begins", h.name)}
		},
		Changed: func(c transport.Change) {
			if g := h.taken.Load(); g != nil && !c.Up {
				if _, err := h.wire.Probe(context.Background(), h.town.addressOf(c.Node)); err != nil {
					g.LeaderGone(c.Node, c.Epoch)
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.group, err = Start(Config{
		Self: h.member(), Loose: h.loose, Log: log, Wire: h.wire, Initial: h.initial, Join: h.join, MustJoin: h.join != nil, Alive: h.alive, SnapshotEntries: h.every,
		Bootstrap: cluster.Bootstrap{Cluster: fmt.Sprintf("%040x", h.number)},
		Adopt:     func(id string) error { h.wire.SetCluster(id); return nil },
		Connect:   func(list []transport.Address) { h.wire.SetPeers(list) },
		Logger:    h.town.logger.With("node", h.name),
		Fatal:     func(err error) { h.fails.Store(&err) },
		Elected:   func(took time.Duration) { h.mends = append(h.mends, took) },
	})
	h.taken.Store(h.group)
	return err
}

func (n *town) addressOf(id shards.NodeID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.houses {
		if idOf(h.name) == id {
			return h.address
		}
	}
	return ""
}

// stop ends the node in order; kill takes its power away: what was not synced is gone. What others have been told was synced before: so
// the Group says nothing more when the disk is looked at.
func (h *house) stop() {
	h.silence()
	h.close()
}

func (h *house) kill() {
	h.silence()
	after := h.fs.CrashClone(vfs.CrashCloneCfg{})
	h.close()
	h.fs = after
}

func (h *house) silence() {
	h.taken.Store(nil)
	h.group.Close()
}

func (h *house) close() {
	if err := h.wire.Close(); err != nil {
		h.town.t.Error(err)
	}
	if err := h.wal.Close(); err != nil {
		h.town.t.Error(err)
	}
	h.group = nil
}

func (n *town) end() {
	for _, h := range n.houses {
		if h.group != nil {
			h.stop()
		}
	}
}

// within gives a context that ends after so long, with the test.
func (n *town) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	n.t.Cleanup(cancel)
	return ctx
}

// wait fails the test if the node does not come to this within so long.
func (h *house) wait(d time.Duration, what string, fits func(*cluster.State, Status) bool) {
	h.town.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := h.group.Wait(ctx, fits); err != nil {
		h.town.t.Fatalf("node %s: %s: %v after %v; it has %+v, group %v", h.name, what, err, d, h.group.Status(), h.group.Err())
	}
}

// agrees waits until another node has come to the same. Either may be the first to apply something, and a wait looks again when its own node does.
func (h *house) agrees(d time.Duration, other *house) {
	h.town.t.Helper()
	for {
		its := other.group.Status().Digest
		h.wait(d, "what "+other.name+" has", func(_ *cluster.State, now Status) bool { return now.Digest.Index >= its.Index })
		mine := h.group.Status().Digest
		other.wait(d, "what "+h.name+" has", func(_ *cluster.State, now Status) bool { return now.Digest.Index >= mine.Index })
		switch its = other.group.Status().Digest; {
		case its == mine:
			return
		case its.Index == mine.Index:
			h.town.t.Fatalf("%s has come to %+v, and %s to %+v", h.name, mine, other.name, its)
		}
	}
}

// others are all nodes but one, in any order.
func (n *town) others(than *house) (list []*house) {
	for _, h := range n.houses {
		if h != than {
			list = append(list, h)
		}
	}
	return list
}

// three builds nodes that are to form a cluster, by one list. None is started.
func (n *town) three() (nodes []*house) {
	for _, name := range []string{"n1", "n2", "n3"} {
		h := n.build(name)
		h.initial = []string{"at-n1", "at-n2", "at-n3"}
		nodes = append(nodes, h)
	}
	return nodes
}

func (h *house) waitJoined() {
	h.town.t.Helper()
	h.wait(30*time.Second, "joined", func(s *cluster.State, _ Status) bool {
		m := s.Member(idOf(h.name))
		return m != nil && m.Epoch == h.epoch && !m.Down
	})
}

func (h *house) waitLeader(d time.Duration) *house {
	h.town.t.Helper()
	h.wait(d, "a leader", func(s *cluster.State, now Status) bool { return now.Leader != "" })
	return h.town.byID(h.group.Status().Leader)
}

func (n *town) byID(id shards.NodeID) *house {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.houses {
		if idOf(h.name) == id {
			return h
		}
	}
	return nil
}

func setting(name, value string) *cluster.Command {
	return &cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: "test." + name, Value: value}}}}
}

// set proposes a setting at a node, which must succeed within so long.
func (h *house) set(d time.Duration, name, value string) cluster.Outcome {
	h.town.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	outcome, err := h.group.Propose(ctx, setting(name, value))
	if err != nil || outcome.Err != nil {
		h.town.t.Fatalf("node %s: set %s: %v, %v", h.name, name, err, outcome.Err)
	}
	if got := h.group.State().Setting("test." + name); got != value {
		h.town.t.Fatalf("node %s: %s is %q after it was set to %q", h.name, name, got, value)
	}
	return outcome
}

func (h *house) voters(d time.Duration, count int) {
	h.town.t.Helper()
	h.wait(d, fmt.Sprintf("%d voters", count), func(s *cluster.State, now Status) bool {
		return len(s.Voters) == count && !now.Changing && slices.Equal(now.Voters, s.Voters)
	})
}

// vote makes these nodes the wanted voters.
func (h *house) vote(names ...string) {
	h.town.t.Helper()
	var want []uint64
	for _, name := range names {
		want = append(want, h.town.houses[name].number)
	}
	want = sorted(want)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	outcome, err := h.group.Propose(ctx, &cluster.Command{Voters: &cluster.VotersChange{Voters: want}})
	if err != nil || outcome.Err != nil {
		h.town.t.Fatalf("voters %v: %v, %v", names, err, outcome.Err)
	}
}

// village makes a town of so many nodes, n1 founding and the others joining, of which so many vote.
func village(t *testing.T, nodes, voters int) *town {
	t.Helper()
	n := newTown(t)
	names := []string{}
	for i := range nodes {
		h := n.build(fmt.Sprintf("n%d", i+1))
		if names = append(names, h.name); i > 0 {
			h.join = func() []string { return []string{"at-n1"} }
		}
		h.start().waitJoined()
	}
	if voters > 1 {
		n.houses["n1"].vote(names[:voters]...)
	}
	for _, h := range n.houses {
		h.voters(20*time.Second, voters)
	}
	return n
}

// cut cuts or heals the line between two nodes, both ways.
func (n *town) cut(a, b *house, on bool) {
	change := n.network.Heal
	if on {
		change = n.network.Cut
	}
	change(idOf(a.name), idOf(b.name))
	change(idOf(b.name), idOf(a.name))
}
