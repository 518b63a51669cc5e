package metadata

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/cryptotest"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

var (
	worldSeeds = flag.Int("world-seeds", 100, "worlds that TestWorlds runs through")
	worldSeed  = flag.Uint64("world-seed", 0, "the one world to run, instead of many")
)

// world is a group of Cores over a network that loses, delays, repeats and reorders, on disks that forget, with nodes that
// crash, pause and are cut off. One step is about a millisecond; a node ticks every 50.
//
// What it holds them to, after every step:
//
//  1. at most one leader in a term;
//  2. the same hash after the same entry, on every node and in every life;
//  3. a command is applied once, however often it was proposed, with one outcome that everybody hears;
//  4. what was applied anywhere when a ReadIndex round began is applied where it ends;
//  5. Core.Check.
//
// And at the end, when all is healed: one leader, all members with all entries, the wanted voters voting, and every command
// whose outcome was heard still there.
type world struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	now     int
	nodes   []*node
	flying  []flight
	cut     map[[2]uint64]bool // from, to
	loss    int                // percent
	calm    bool               // nobody crashes any more
	leaders map[uint64]uint64  // term -> number
	hashes  map[uint64]uint64  // index -> hash
	heard   map[ProposalID]Applied
	highest uint64 // of all that was ever applied anywhere
	trace   uint64 // hash of everything that happened, for determinism
	wins    int
	crashes int
}

type node struct {
	number   uint64
	epoch    shards.Epoch
	log      disk
	core     *Core // nil: down
	next     int   // when it ticks
	ticks    int
	paused   int // until then it does nothing
	up       int // when it may start again
	seen     uint64
	sequence uint64
	pending  []Proposal        // not heard of yet
	reads    map[uint64]uint64 // round -> what was applied somewhere when it began
}

// disk is a Log that a crash of its node leaves something of.
type disk interface {
	Log
	crash(*rand.Rand) disk
}

type flight struct {
	due  int
	body []byte
}

func memberOf(number uint64, epoch shards.Epoch) cluster.Member {
	return cluster.Member{
		ID: shards.NodeID(fmt.Sprintf("node%d", number)), Name: fmt.Sprintf("n%d", number), Raft: number, Epoch: epoch,
		Peer: fmt.Sprintf("host%d:1", number), Roles: cluster.DefaultRoles, Release: "test", Format: cluster.Format,
	}
}

const worldCluster = "00000000000000000000000000000000000000aa"

func newWorld(t *testing.T, seed uint64, members int, newDisk func(number uint64) disk) *world {
	w := &world{
		t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 11)), cut: map[[2]uint64]bool{}, leaders: map[uint64]uint64{},
		hashes: map[uint64]uint64{}, heard: map[ProposalID]Applied{},
	}
	cryptotest.SetGlobalRandom(t, seed)
	for i := range members {
		w.nodes = append(w.nodes, &node{number: uint64(i + 1), log: newDisk(uint64(i + 1)), reads: map[uint64]uint64{}, up: math.MaxInt})
	}
	if err := Found(w.nodes[0].log, 1); err != nil {
		t.Fatal(err)
	}
	w.start(w.nodes[0])
	for w.nodes[0].core == nil || w.nodes[0].core.State().Cluster == "" {
		w.step()
	}
	for _, n := range w.nodes[1:] {
		w.start(n)
	}
	return w
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("at %d: %s\nrepeat with: go test ./actors/metadata -run TestWorlds -world-seed %d", w.now, fmt.Sprintf(format, args...), w.seed)
}

func (w *world) start(n *node) {
	n.epoch++
	var err error
	n.core, err = NewCore(CoreConfig{
		Number: n.number, Epoch: n.epoch, Log: n.log, SnapshotEntries: 20 + w.random.Uint64N(50), SnapshotBytes: 20_000, EntryBytes: 500,
		MessageBytes: []int{100, 1000, 1 << 20}[w.random.IntN(3)],
	})
	if err != nil {
		w.fatalf("start node %d: %v", n.number, err)
	}
	n.seen, n.pending, n.sequence, n.next = n.core.Applied(), nil, 0, w.now+w.random.IntN(50)
	clear(n.reads)
	if n.number == 1 && n.core.State().Cluster == "" {
		w.propose(n, &cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: worldCluster, Member: memberOf(1, n.epoch)}})
	}
	w.propose(n, &cluster.Command{Join: &cluster.Join{Member: memberOf(n.number, n.epoch)}})
	w.look(n)
}

// crash takes the power away in the middle of a step or between two.
func (w *world) crash(n *node) {
	w.crashes++
	n.log, n.core, n.up = n.log.crash(w.random), nil, w.now+w.random.IntN(3000)
}

// propose gives a command a name, and proposes it at whoever leads until its outcome is heard.
func (w *world) propose(n *node, c *cluster.Command) {
	n.sequence++
	n.pending = append(n.pending, Proposal{ID: ProposalID{Proposer: n.number, Epoch: n.epoch, Sequence: n.sequence}, Command: c})
}

// repeat proposes what n has not heard of, at some node that leads, as if by a call that may be answered or not.
func (w *world) repeat(n *node) {
	for _, p := range slices.Clone(n.pending) {
		for _, at := range w.nodes {
			if n.core == nil || at.core == nil || at.paused > w.now || at.core.Lead().Number != at.number || w.cut[[2]uint64{n.number, at.number}] && at != n {
				continue
			}
			if err := at.core.Propose(p); err == nil {
				p.Since = max(1, n.core.Applied())
				n.tried(p)
			}
			w.run(at)
		}
	}
}

func (n *node) tried(p Proposal) {
	for i := range n.pending {
		if n.pending[i].ID == p.ID {
			n.pending[i] = p
		}
	}
}

// run carries out what a Core has to do. Now and then it crashes on the way.
func (w *world) run(n *node) {
	for n.core.Pending() {
		w.send(n, n.core.Begin())
		if !w.calm && w.random.IntN(4000) == 0 {
			w.crash(n)
			return
		}
		out, err := n.core.Finish()
		if err != nil {
			w.fatalf("node %d: %v", n.number, err)
		}
		if !w.calm && w.random.IntN(4000) == 0 {
			w.crash(n)
			return
		}
		w.send(n, out.Messages)
		w.take(n, &out)
	}
	w.look(n)
}

func (w *world) send(n *node, messages []*raftpb.Message) {
	for _, m := range messages {
		body, err := proto.Marshal(m)
		if err != nil {
			w.fatalf("%v", err)
		}
		for copies := 1; copies > 0; copies-- {
			if w.random.IntN(100) < w.loss || w.cut[[2]uint64{n.number, m.GetTo()}] {
				continue
			}
			if w.random.IntN(50) == 0 {
				copies++
			}
			delay := 1 + w.random.IntN(4)
			if w.loss > 0 && w.random.IntN(20) == 0 {
				delay += w.random.IntN(400)
			}
			w.flying = append(w.flying, flight{due: w.now + delay, body: body})
		}
	}
}

func (w *world) take(n *node, out *Output) {
	for _, a := range out.Applied {
		w.trace = w.trace*31 + a.Index
		if first, known := w.heard[a.ID]; known && a.Outcome.Version != first.Outcome.Version && !a.Forgotten {
			w.fatalf("command %v has outcome %+v on node %d, and had %+v", a.ID, a, n.number, first)
		} else if !known {
			w.heard[a.ID] = a
		}
		n.hear(a.ID)
	}
	if out.Restored {
		for _, p := range slices.Clone(n.pending) {
			if _, known := n.core.Outcome(p.ID); known {
				n.hear(p.ID)
			}
		}
	}
	for _, r := range out.Reads {
		if since, ours := n.reads[r.Round]; !ours || n.core.Applied() < since {
			w.fatalf("node %d: read %d ends at %d, and %d was applied when it began", n.number, r.Round, n.core.Applied(), since)
		}
	}
}

func (n *node) hear(id ProposalID) {
	n.pending = slices.DeleteFunc(n.pending, func(p Proposal) bool { return p.ID == id })
}

// look checks the invariants at one node.
func (w *world) look(n *node) {
	if err := n.core.Check(); err != nil {
		w.fatalf("node %d: %v", n.number, err)
	}
	lead := n.core.Lead()
	if lead.Number == n.number {
		if other, known := w.leaders[lead.Term]; known && other != n.number {
			w.fatalf("nodes %d and %d both lead term %d", other, n.number, lead.Term)
		} else if !known {
			w.leaders[lead.Term] = n.number
			w.wins++
		}
	}
	for i := max(n.seen, 1); i <= n.core.Applied(); i++ {
		d, known := n.core.DigestAt(i)
		if !known {
			continue // within a snapshot
		}
		if h, seen := w.hashes[i]; seen && h != d.Hash {
			w.fatalf("node %d has another hash at %d", n.number, i)
		}
		w.hashes[i] = d.Hash
	}
	n.seen = n.core.Applied()
	w.highest = max(w.highest, n.core.Applied())
}

// step lets a millisecond pass.
func (w *world) step() {
	w.now++
	flying := w.flying
	w.flying = nil
	for _, f := range flying {
		m := &raftpb.Message{}
		if err := proto.Unmarshal(f.body, m); err != nil {
			w.fatalf("%v", err)
		}
		to := w.nodes[m.GetTo()-1]
		switch {
		case f.due > w.now || to.core != nil && to.paused > w.now:
			w.flying = append(w.flying, f)
		case to.core != nil && !w.cut[[2]uint64{m.GetFrom(), m.GetTo()}]:
			if err := to.core.Step(m); err != nil {
				w.fatalf("node %d: %v", to.number, err)
			}
			w.run(to)
		}
	}
	for _, n := range w.nodes {
		switch {
		case n.core == nil && w.now >= n.up:
			w.start(n)
			w.run(n)
		case n.core != nil && n.paused <= w.now && n.next <= w.now:
			n.next = w.now + 50
			n.core.Tick()
			if n.ticks++; n.ticks%6 == 0 {
				w.repeat(n)
			}
			if n.core != nil {
				w.run(n)
			}
		}
	}
}

// trouble is one random event.
func (w *world) trouble() {
	n := w.nodes[w.random.IntN(len(w.nodes))]
	if n.core == nil {
		return
	}
	switch w.random.IntN(16) {
	case 0:
		w.crash(n)
	case 1:
		n.paused = w.now + w.random.IntN(2000)
	case 2, 3:
		for _, m := range w.nodes {
			w.cut[[2]uint64{n.number, m.number}] = w.random.IntN(2) == 0
			w.cut[[2]uint64{m.number, n.number}] = w.random.IntN(2) == 0
		}
	case 4:
		clear(w.cut)
	case 5:
		w.loss = w.random.IntN(20)
	case 6, 7:
		n.reads[n.core.ReadIndex()] = w.highest
		w.run(n)
	case 8:
		if lead := n.core.Lead().Number; lead != 0 && w.nodes[lead-1].core == nil {
			n.core.LeaderGone(lead)
			n.core.Campaign()
			w.run(n)
		}
	case 9:
		n.core.Transfer()
		w.run(n)
	case 10:
		w.propose(n, &cluster.Command{Voters: &cluster.VotersChange{Voters: w.someVoters()}})
	case 11:
		text := make([]byte, 1+w.random.IntN(4000))
		for i := range text {
			text[i] = 'a' + byte(w.random.IntN(26))
		}
		w.set(n, string(text))
	case 12:
		w.module(n)
	default:
		w.set(n, fmt.Sprint(w.now))
	}
}

func (w *world) set(n *node, value string) {
	name := fmt.Sprintf("test.%d", w.random.IntN(20))
	w.propose(n, &cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: name, Value: value}}}})
}

// module pushes one of a few modules, or makes it a policy, or drops what is in use nowhere.
func (w *world) module(n *node) {
	code := bytes.Repeat([]byte{byte(w.random.IntN(4))}, 1500)
	digest := cluster.DigestOf(code)
	switch w.random.IntN(4) {
	case 0:
		w.propose(n, &cluster.Command{Forget: &cluster.ForgetPolicies{Name: "rule", Modules: []cluster.Digest{digest}}})
	case 1:
		w.propose(n, &cluster.Command{Register: &cluster.RegisterPolicy{Name: "rule", Digest: digest}})
	default:
		w.propose(n, &cluster.Command{Push: &cluster.PushChunk{Digest: digest, Size: len(code), Bytes: code}})
	}
}

func (w *world) someVoters() (voters []uint64) {
	for _, i := range w.random.Perm(len(w.nodes))[:1+w.random.IntN(len(w.nodes))] {
		voters = append(voters, uint64(i+1))
	}
	slices.Sort(voters)
	return voters
}

// heal makes everything well and waits until all agree.
func (w *world) heal() {
	clear(w.cut)
	w.loss, w.calm = 0, true
	for end := w.now + 60_000; ; {
		w.step()
		for _, n := range w.nodes {
			n.paused = 0
		}
		why := w.apart()
		if why == "" {
			return
		}
		if w.now > end {
			w.fatalf("a minute after all was healed, %s", why)
		}
	}
}

// apart says what still keeps the group from being one.
func (w *world) apart() string {
	var leader *node
	for _, n := range w.nodes {
		if n.core == nil {
			return fmt.Sprintf("node %d is down", n.number)
		}
		if n.core.Lead().Won {
			leader = n
		}
	}
	if leader == nil {
		return "nobody leads"
	}
	for _, n := range w.nodes {
		switch {
		case n.core.Lead().Number != leader.number:
			return fmt.Sprintf("node %d follows %d, not %d", n.number, n.core.Lead().Number, leader.number)
		case n.core.Applied() != leader.core.Applied():
			return fmt.Sprintf("node %d has applied %d of %d", n.number, n.core.Applied(), leader.core.Applied())
		case n.core.Digest() != leader.core.Digest():
			return fmt.Sprintf("nodes %d and %d have diverged", n.number, leader.number)
		case len(n.pending) > 0:
			return fmt.Sprintf("node %d has not heard of %v", n.number, n.pending[0].ID)
		}
	}
	conf := leader.core.Voters()
	got := slices.Sorted(slices.Values(conf.GetVoters()))
	if len(conf.GetVotersOutgoing()) > 0 || !slices.Equal(got, leader.core.State().Voters) || len(got)+len(conf.GetLearners()) != len(w.nodes) {
		return fmt.Sprintf("the configuration is %v, wanted voters are %v", conf, leader.core.State().Voters)
	}
	return ""
}

func (w *world) live(steps int) {
	for range steps {
		w.step()
		if w.random.IntN(100) == 0 {
			w.trouble()
		}
	}
	w.heal()
}

func inMemory(uint64) disk { return newMemLog() }

// TestWorlds lets groups of one to five nodes live through half a minute of trouble each.
func TestWorlds(t *testing.T) {
	first, count := uint64(1), *worldSeeds
	if *worldSeed != 0 {
		first, count = *worldSeed, 1
	} else if testing.Short() {
		count = min(count, 5)
	}
	wins, crashes, entries := 0, 0, uint64(0)
	for seed := first; seed < first+uint64(count); seed++ {
		w := newWorld(t, seed, 1+int(seed%5), inMemory)
		w.live(30_000)
		wins, crashes, entries = wins+w.wins, crashes+w.crashes, entries+w.highest
	}
	t.Logf("%d worlds: %d elections, %d crashes, %d entries", count, wins, crashes, entries)
}

// The same seed is the same world.
func TestWorldsRepeat(t *testing.T) {
	trace := func(seed uint64) uint64 {
		w := newWorld(t, seed, 3, inMemory)
		w.live(10_000)
		return w.trace*31 + w.highest + uint64(w.now)
	}
	if a, b := trace(7), trace(7); a != b {
		t.Errorf("seed 7 gave %x, then %x", a, b)
	}
	if a, b := trace(7), trace(8); a == b {
		t.Error("seeds 7 and 8 gave the same world")
	}
}
