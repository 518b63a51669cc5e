package metadata

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards/wal"
)

// push has a node propose a module of so many bytes, chunk by chunk.
func (h *house) push(seed byte, size int) cluster.Digest {
	t := h.town.t
	t.Helper()
	code := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(code)
	digest := cluster.DigestOf(code)
	for part := range cluster.Parts(size) {
		chunk := code[part*cluster.ChunkBytes : min(size, (part+1)*cluster.ChunkBytes)]
		o, err := h.group.Propose(h.town.within(10*time.Second), &cluster.Command{Push: &cluster.PushChunk{Digest: digest, Size: size, Part: part, Bytes: chunk}})
		if err != nil || o.Err != nil {
			t.Fatalf("chunk %d of module %d: %v, %v", part, seed, o.Err, err)
		}
	}
	return digest
}

// Twenty MiB of modules are in the log and in snapshots: who was away, who begins again and who is new has them all.
func TestModulesReachEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		var away, other *house
		for _, h := range n.houses {
			switch {
			case h == leader:
			case away == nil:
				away = h
			default:
				other = h
			}
		}
		away.kill()
		count := 5
		if testing.Short() {
			count = 1
		}
		for i := range count {
			other.push(byte(i), cluster.MaxModule)
		}
		if s := leader.group.State(); len(s.Modules) != count {
			t.Fatalf("%d modules, want %d", len(s.Modules), count)
		}
		away.start().waitJoined()
		fresh := n.build("n4")
		fresh.join = func() []string { return []string{leader.address} }
		fresh.start().waitJoined()
		other.kill()
		other.start().waitJoined()
		leader.set(10*time.Second, "after", "1")
		want := leader.group.State().Modules
		for _, h := range n.houses {
			h.wait(30*time.Second, "what was set last", func(s *cluster.State, _ Status) bool { return s.Setting("test.after") == "1" })
			h.agrees(30*time.Second, leader)
			if got := h.group.State().Modules; !reflect.DeepEqual(got, want) {
				t.Errorf("node %s has other modules", h.name)
			}
		}
	})
}

// What a member of an older release cannot read must not come into the log: it would end that member.
func TestOldMembersKeepNewCommandsOut(t *testing.T) {
	c, _ := solo(t, nil)
	old := memberOf(2, 1)
	old.Format, old.Release = 1, "0.3.1"
	propose(t, c, 2, &cluster.Command{Join: &cluster.Join{Member: old}})
	settleCore(t, c)
	last := c.config.Log.Last()
	push := &cluster.Command{Push: &cluster.PushChunk{Digest: cluster.DigestOf([]byte("x")), Size: 1, Bytes: []byte("x")}}
	err := c.Propose(Proposal{ID: ProposalID{Proposer: 1, Epoch: 1, Sequence: 3}, Command: push})
	if err == nil || !strings.Contains(err.Error(), "node n2 runs release 0.3.1, which reads format 1, and this needs 2") || c.config.Log.Last() != last {
		t.Errorf("proposed beside an old member: %v, log at %d, then %d", err, last, c.config.Log.Last())
	}
	propose(t, c, 4, setting("a", "1"))
	settleCore(t, c)
	old.Epoch, old.Format = 2, cluster.Format
	propose(t, c, 5, &cluster.Command{Join: &cluster.Join{Member: old}})
	settleCore(t, c)
	propose(t, c, 6, push)
	settleCore(t, c)
	if len(c.State().Modules) != 1 {
		t.Error("it was not taken when all members could read it")
	}
}

// A snapshot is written whole. Where modules make it large it must not be written after every few thousand short commands.
func TestSnapshotsComeAsTheyAreLarge(t *testing.T) {
	c := &CoreConfig{SnapshotEntries: 1000, SnapshotBytes: 8 << 20}
	for _, x := range []struct {
		entries  uint64
		bytes    int
		snapshot int
		due      bool
	}{
		{999, 100_000, 1000, false},
		{1000, 100_000, 1000, true},
		{1000, 100_000, 20 << 20, false},
		{1000, 5 << 20, 20 << 20, true},
		{10, 8 << 20, 20 << 20, true},
		{15_999, 1_600_000, 20 << 20, false},
		{16_000, 1_600_000, 20 << 20, true},
	} {
		if got := (progress{x.entries, x.bytes}).due(c, x.snapshot); got != x.due {
			t.Errorf("%d entries of %d bytes since a snapshot of %d bytes: due is %t", x.entries, x.bytes, x.snapshot, got)
		}
	}
}

// BenchmarkSnapshot measures what one costs with as many modules as there may be: it happens between two commands.
func BenchmarkSnapshot(b *testing.B) {
	for _, modules := range []int{0, 8} {
		b.Run(fmt.Sprintf("MiB=%d", modules*cluster.MaxModule>>20), func(b *testing.B) {
			c, log := benchmarkCore(b, modules)
			for b.Loop() {
				if err := log.Compact(c.snapshot(), c.applied+1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApplyBesideModules measures an ordinary command: it must cost the same beside 32 MiB of modules as without any.
func BenchmarkApplyBesideModules(b *testing.B) {
	for _, modules := range []int{0, 8} {
		b.Run(fmt.Sprintf("MiB=%d", modules*cluster.MaxModule>>20), func(b *testing.B) {
			c, _ := benchmarkCore(b, modules)
			command := setting("a", "1")
			state := c.State()
			for b.Loop() {
				if _, o := state.Apply(command); !o.Changed {
					b.Fatal(o.Err)
				}
			}
		})
	}
}

// benchmarkCore is a group of one on a real disk, with so many modules of MaxModule bytes.
func benchmarkCore(b *testing.B, modules int) (*Core, *NodeLog) {
	disk, err := wal.Open(b.TempDir(), wal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { disk.Close() })
	log, err := OpenLog(disk, 1)
	if err != nil {
		b.Fatal(err)
	}
	if err := Found(log, 1); err != nil {
		b.Fatal(err)
	}
	c, err := NewCore(CoreConfig{Number: 1, Epoch: 1, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	state, _ := c.state.Apply(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: worldCluster, Member: memberOf(1, 1)}})
	for i := range byte(modules) {
		code := make([]byte, cluster.MaxModule)
		rand.NewChaCha8([32]byte{i}).Read(code)
		digest := cluster.DigestOf(code)
		for part := range cluster.Parts(len(code)) {
			o := cluster.Outcome{}
			state, o = state.Apply(&cluster.Command{Push: &cluster.PushChunk{Digest: digest, Size: len(code), Part: part, Bytes: code[part*cluster.ChunkBytes:][:cluster.ChunkBytes]}})
			if o.Err != nil {
				b.Fatal(o.Err)
			}
		}
	}
	c.state = state
	return c, log
}
