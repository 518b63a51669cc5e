package metadata

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

var (
	formSeeds = flag.Int("form-seeds", 60, "towns that TestInitialList forms")
	formSeed  = flag.Uint64("form-seed", 0, "the one town to form, instead of many")
)

// TestInitialList starts the nodes of one list in any order, with slow and lossy lines, some of them killed on the way, and
// one of them perhaps with an empty disk again after the cluster was formed: there is one cluster, and all are in it.
func TestInitialList(t *testing.T) {
	first, count := uint64(1), *formSeeds
	if *formSeed != 0 {
		first, count = *formSeed, 1
	} else if testing.Short() {
		count = min(count, 4)
	}
	for seed := first; seed < first+uint64(count); seed++ {
		synctest.Test(t, func(t *testing.T) { form(t, seed) })
		if t.Failed() {
			t.Fatalf("repeat with: go test ./actors/metadata -run TestInitialList -form-seed %d", seed)
		}
	}
}

func form(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 17))
	n := newTown(t)
	n.network.Seed(seed)
	size := 1 + random.IntN(5)
	var list []string
	for i := range size {
		h := n.build(fmt.Sprintf("n%d", i+1))
		list = append(list, h.address)
	}
	nodes := []*house{}
	for i := range size {
		h := n.houses[fmt.Sprintf("n%d", i+1)]
		h.initial = slices.Clone(list)
		random.Shuffle(size, func(a, b int) { h.initial[a], h.initial[b] = h.initial[b], h.initial[a] })
		nodes = append(nodes, h)
	}
	n.trouble(random, nodes)
	for _, i := range random.Perm(size) {
		wait(time.Duration(random.IntN(3000)) * time.Millisecond)
		nodes[i].start()
		if random.IntN(4) == 0 {
			wait(time.Duration(random.IntN(2000)) * time.Millisecond)
			nodes[i].kill()
			nodes[i].start()
		}
	}
	wait(time.Duration(random.IntN(10_000)) * time.Millisecond)
	n.quiet(nodes)
	n.oneCluster(nodes)
	if size >= 3 && random.IntN(2) == 0 { // the others are a majority of the list, but not of the voters, which is n1
		nodes[0].vote("n1", "n2", "n3")
		for _, h := range nodes {
			h.voters(20*time.Second, 3)
		}
		lost := nodes[random.IntN(3)]
		lost.stop()
		again := n.build(lost.name + "-again")
		again.address, again.initial = lost.address, lost.initial
		again.start()
		again.waitJoined()
		nodes[slices.Index(nodes, lost)] = again
		n.oneCluster(nodes)
	}
}

// The first of the list, alone with an empty disk, founds nothing while it cannot ask a majority: there may be a cluster, and
// here there is one.
func TestFirstAsksAMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		nodes := n.three()
		for _, h := range nodes {
			h.start()
		}
		n.oneCluster(nodes)
		nodes[1].vote("n1", "n2", "n3")
		for _, h := range nodes {
			h.voters(20*time.Second, 3)
		}
		nodes[0].stop()
		again := n.build("n1-again")
		again.address, again.initial = "at-n1", nodes[0].initial
		for _, other := range nodes[1:] {
			n.cut(again, other, true)
		}
		again.start()
		wait(30 * time.Second)
		if got := again.group.State().Cluster; got != "" {
			t.Fatalf("it founded %s", got)
		}
		for _, other := range nodes[1:] {
			n.cut(again, other, false)
		}
		nodes[0] = again
		n.oneCluster(nodes)
	})
}

// trouble makes lines slow and lossy, and cuts some.
func (n *town) trouble(random *rand.Rand, nodes []*house) {
	for _, a := range nodes {
		for _, b := range nodes {
			if a == b {
				continue
			}
			least := time.Duration(random.IntN(20)) * time.Millisecond
			n.network.Delay(idOf(a.name), idOf(b.name), least, least+time.Duration(random.IntN(50))*time.Millisecond)
			if random.IntN(4) == 0 {
				n.network.Lose(idOf(a.name), idOf(b.name), 0.2)
			}
			if random.IntN(6) == 0 {
				n.network.Cut(idOf(a.name), idOf(b.name))
			}
		}
	}
}

func (n *town) quiet(nodes []*house) {
	for _, a := range nodes {
		for _, b := range nodes {
			n.network.Lose(idOf(a.name), idOf(b.name), 0)
			n.network.Heal(idOf(a.name), idOf(b.name))
		}
	}
}

func (n *town) oneCluster(nodes []*house) {
	n.t.Helper()
	for _, h := range nodes {
		h.waitJoined()
	}
	id := nodes[0].group.State().Cluster
	for _, h := range nodes {
		if got := h.group.State().Cluster; got != id {
			n.t.Errorf("nodes %s and %s are in clusters %q and %q", nodes[0].name, h.name, id, got)
		}
	}
}

// wait lets fake time pass.
func wait(d time.Duration) { <-time.After(d) }

func TestJoinRefused(t *testing.T) {
	for _, c := range []struct {
		why   string
		build func(n *town, h *house)
		want  string
	}{
		{"a name that is taken", func(n *town, h *house) { h.called = "n1" }, "the name n1 belongs to node"},
		{"the data of another cluster", func(n *town, h *house) {
			h.join = nil
			h.start().waitJoined()
			h.stop()
			h.join = func() []string { return []string{"at-n1"} }
		}, "use another folder"},
		{"the data of another cluster, which is there", func(n *town, h *house) {
			h.join = nil
			h.start().waitJoined()
			friend := n.build("friend")
			friend.join = func() []string { return []string{"at-stranger"} }
			friend.start().waitJoined()
			h.stop()
			h.join = func() []string { return []string{"at-n1", "at-friend"} }
		}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newTown(t)
			n.build("n1").start().waitJoined()
			h := n.build("stranger")
			h.join = func() []string { return []string{"at-n1"} }
			c.build(n, h)
			h.start()
			if c.want == "" { // it keeps to its own
				h.waitJoined()
				if len(h.group.State().Members) != 2 || len(n.houses["n1"].group.State().Members) != 1 {
					t.Errorf("%s: two clusters have met", c.why)
				}
				return
			}
			<-h.group.Done()
			if err := h.group.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.why, err, c.want)
			}
		})
	}
}

// A node that stopped between being taken in and hearing from its group goes on to that cluster, and founds none.
func TestJoinInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		first := n.build("n1").start()
		first.waitJoined()
		h := n.build("n2")
		h.wal = openWal(t, h.fs)
		log, err := OpenLog(h.wal, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.SetCluster(first.group.State().Cluster); err != nil {
			t.Fatal(err)
		}
		if err := log.SetCluster("another"); err == nil || !strings.Contains(err.Error(), "belongs to cluster") {
			t.Errorf("a log became another cluster's: %v", err)
		}
		if err := h.wal.Close(); err != nil {
			t.Fatal(err)
		}
		h.start()
		wait(10 * time.Second)
		if got := h.group.State().Cluster; got != "" {
			t.Fatalf("it founded cluster %s", got)
		}
		h.stop()
		h.join = func() []string { return []string{"at-n1"} }
		h.start().waitJoined()
		if got := h.group.State().Cluster; got != first.group.State().Cluster {
			t.Errorf("it is in cluster %s", got)
		}
	})
}

// The file of peers is read again: a node that was started with the wrong ones joins once they are right.
func TestJoinReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		n.build("n1").start().waitJoined()
		begun := time.Now()
		h := n.build("n2")
		h.join = func() []string {
			switch since := time.Since(begun); {
			case since < 3*time.Second:
				return nil // the file is not there yet
			case since < 7*time.Second:
				return []string{"nowhere"}
			}
			return []string{"nowhere", "at-n1"}
		}
		h.start().waitJoined()
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// dies is the death of a node in its first life, which the group agrees on.
func dies(name string) *cluster.Command {
	return &cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: idOf(name), Epoch: 1, Reason: "it is silent"}}}}
}

// A member that the cluster goes on without, though it runs and hears the others, says now and then what may be and what to do: it was
// forgotten, or a later life of it has begun.
func TestLonelyMemberSaysSo(t *testing.T) {
	for what, c := range map[string]struct {
		command func(lost cluster.Member) *cluster.Command
		says    string
	}{
		"forgotten": {func(lost cluster.Member) *cluster.Command {
			return &cluster.Command{Member: &cluster.MemberChange{Node: lost.ID, Forget: true}}
		}, "the cluster has forgotten this node"},
		"later life": {func(lost cluster.Member) *cluster.Command {
			lost.Epoch++
			return &cluster.Command{Join: &cluster.Join{Member: lost}}
		}, "epoch 2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := village(t, 3, 3)
			leader := n.houses["n1"].waitLeader(5 * time.Second)
			names := slices.DeleteFunc([]string{"n1", "n2", "n3"}, func(name string) bool { return name == leader.name })
			other, lost := n.houses[names[0]], n.houses[names[1]]
			apart := func(on bool) {
				n.cut(lost, leader, on)
				n.cut(lost, other, on)
			}
			apart(true)
			dead := &cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: idOf(lost.name), Epoch: lost.epoch, Reason: "nobody hears it"}}}}
			if outcome, err := leader.group.Propose(n.within(time.Second), dead); err != nil || outcome.Err != nil {
				t.Fatal(err, outcome.Err)
			}
			outcome, err := leader.group.Propose(n.within(time.Second), c.command(*leader.group.State().Member(idOf(lost.name))))
			if err := errors.Join(err, outcome.Error()); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Minute)
			if list := n.warnings(lost, "knows no leader"); len(list) > 0 {
				t.Errorf("%s: nobody answers it, and it says %s", what, list)
			}
			apart(false)
			<-time.After(3 * time.Minute)
			list := n.warnings(lost, "knows no leader")
			if len(list) < 1 || len(list) > 4 || !strings.Contains(list[0], c.says) {
				t.Errorf("%s: in three minutes it says %s", what, list)
			}
			for _, h := range []*house{leader, other} {
				if list := n.warnings(h, "knows no leader"); len(list) > 0 {
					t.Errorf("%s: a member of the rest says %s", what, list)
				}
			}
		})
	}
}

// A life of this node that goes on elsewhere, in the same epoch or a later one, tells that the data folder is a copy.
func TestCopiedFolderIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := village(t, 1, 1).houses["n1"].group
		self := g.config.Self
		for _, c := range []struct {
			heard transport.Address
			want  string
		}{
			{transport.Address{Node: self.ID, Epoch: self.Epoch, Addr: self.Peer}, ""},
			{transport.Address{Node: self.ID, Epoch: self.Epoch - 1, Addr: "elsewhere"}, ""},
			{transport.Address{Node: "id-other", Epoch: self.Epoch + 1, Addr: "elsewhere"}, ""},
			{transport.Address{Node: self.ID, Epoch: self.Epoch, Addr: "elsewhere"}, "is used twice: at-n2 knows of epoch 1 of this node at elsewhere"},
			{transport.Address{Node: self.ID, Epoch: self.Epoch + 1, Addr: self.Peer}, "of a life of this node that is past"},
		} {
			err := g.outlived(&finding{address: "at-n2", discovery: discovery{members: []transport.Address{c.heard}}})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v, want %q", c.heard, err, c.want)
			}
		}
	})
}

// A node that is started on a copy of a folder, at another address than the one that runs on the folder itself, pushes that one out in no
// epoch: it ends.
func TestCopyPushesNobodyOut(t *testing.T) {
	for _, later := range []shards.Epoch{0, 1, 5} {
		synctest.Test(t, func(t *testing.T) {
			n := village(t, 3, 3)
			own := n.houses["n3"]
			own.kill()
			twin := &house{town: n, name: own.name, number: own.number, epoch: own.epoch + later, fs: own.fs.CrashClone(vfs.CrashCloneCfg{}), address: "at-copy"}
			own.start().waitJoined()
			if err := twin.begin(); err == nil || !strings.Contains(err.Error(), "its node runs at at-n3") {
				t.Fatalf("%d epochs later it begins with %v", later, err)
			}
			twin.wire.Close()
			twin.wal.Close()
			own.set(5*time.Second, "after", "1")
			if m := n.houses["n1"].group.State().Member(idOf("n3")); m.Down || m.Epoch != own.epoch || m.Peer != own.address {
				t.Errorf("the member is %+v", m)
			}
		})
	}
}

// What stood in the way of becoming a member is not said of one that has become one.
func TestWaitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		n.houses["n1"].waitLeader(5 * time.Second)
		for _, name := range []string{"n1", "n2", "n3"} {
			n.houses[name].kill()
		}
		first := n.houses["n1"]
		first.start()
		<-time.After(20 * time.Second)
		if waits := first.group.Waits(); !strings.Contains(waits, "no other member answers") {
			t.Errorf("alone it says of what it waits for: %q", waits)
		}
		n.houses["n2"].start()
		select {
		case <-first.group.Joined():
		case <-time.After(20 * time.Second):
			t.Fatal("it is no member")
		}
		if waits := first.group.Waits(); waits != "" {
			t.Errorf("a member waits: %s", waits)
		}
	})
}

// An address that a node is given twice is asked, and told, once.
func TestAddressesAreGivenOnce(t *testing.T) {
	g := &Group{config: Config{Join: func() []string { return []string{"b", "a", "b"} }, Initial: []string{"a", "c"}}}
	if list := g.seeds(); !slices.Equal(list, []string{"b", "a", "c"}) {
		t.Errorf("given are %v", list)
	}
}

// Of many addresses those that the node was given are always asked, and each round others beside them.
func TestGivenAddressesAreAsked(t *testing.T) {
	var all []string
	for i := range 3 * mostAsked {
		all = append(all, fmt.Sprintf("h%d:7300", i))
	}
	given, asked := []string{"h5:7300", "h190:7300"}, map[string]bool{}
	for range 100 {
		round := some(slices.Clone(all), given)
		if len(round) != mostAsked || !slices.Contains(round, given[0]) || !slices.Contains(round, given[1]) {
			t.Fatalf("asked are %v", round)
		}
		for _, address := range round {
			asked[address] = true
		}
	}
	if len(asked) != len(all) { // (1-62/190)^100 of missing one: it does not happen
		t.Errorf("%d of %d addresses are asked in 100 rounds", len(asked), len(all))
	}
}
