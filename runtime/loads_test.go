package runtime

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

func TestSmoothForgetsHalfInAHalfLife(t *testing.T) {
	for _, step := range []time.Duration{time.Second, 5 * time.Second, halfLife} {
		s := smooth{}
		if s.add(8, time.Hour) != 8 {
			t.Errorf("the first value counts in full: %v", s.value)
		}
		for range halfLife / step {
			s.add(0, step)
		}
		if math.Abs(s.value-4) > 1e-9 {
			t.Errorf("steps of %v: %v of 8 is left after a half-life", step, s.value)
		}
	}
}

func TestPrice(t *testing.T) {
	for _, x := range []struct {
		spent      time.Duration
		operations uint64
		want       float64
	}{
		{time.Second, 0, 0}, {0, 5, 0}, {-time.Second, 5, 0}, {time.Second, 100_000, 10e-6},
		{50 * time.Millisecond, 1, 1e-3}, // an idle process was asked once
	} {
		if got := price(x.spent, x.operations); math.Abs(got-x.want) > 1e-12 {
			t.Errorf("%v for %d operations: %v, want %v", x.spent, x.operations, got, x.want)
		}
	}
}

func TestANodeWeighsItsCopies(t *testing.T) {
	n := start(t, Config{Data: t.TempDir(), Keyspaces: []shards.Keyspace{{Name: "a", Shards: 4}, {Name: "b", Shards: 2, Durability: shards.DurabilityMemory}}})
	s := &scales{}
	s.weigh(n)
	a := open(t, n, "a")
	for i := range 2000 {
		if _, err := a.Put(t.Context(), "{x}"+fmt.Sprint(i), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	sample := s.weigh(n)
	if len(sample.Copies) != 6 {
		t.Fatalf("%d copies", len(sample.Copies))
	}
	busy := n.keyspaces()[0].id(n.keyspaces()[0].ShardOf(shards.SlotOf([]byte("{x}"))))
	sum := 0.0
	for i, c := range sample.Copies {
		if i > 0 && c.Shard <= sample.Copies[i-1].Shard {
			t.Errorf("%v follows %v", c.Shard, sample.Copies[i-1].Shard)
		}
		sum += c.Cost.CPU
		switch {
		case !c.Primary:
			t.Errorf("the only copy does not lead: %+v", c)
		case c.Shard == busy:
			if c.Cost.Memory < 200_000 || c.Cost.Disk < 200_000 || c.Cost.CPU <= 0 || c.Apply != c.Cost.CPU {
				t.Errorf("2000 writes of 100 bytes cost %+v", c)
			}
		case c.Cost.CPU > 0 || c.Cost.Disk > 0 || c.Cost.Memory > 100_000:
			t.Errorf("an idle copy costs %+v", c)
		}
	}
	node := &sample.Node
	if node.Capacity.CPU < 1 || processCPU() > 0 && (node.Used.CPU <= 0 || sum > node.Used.CPU*1.001) {
		t.Errorf("copies take %v cores, the node %+v", sum, node)
	}
	if used, size := diskUse(n.config.Data); size > 0 && (node.Capacity.Disk <= 0 || node.Used.Disk > node.Capacity.Disk || used <= 0) {
		t.Errorf("%+v", node)
	}
	if _, limit := memoryUse(); limit > 0 && (node.Used.Memory <= 0 || node.Used.Memory > node.Capacity.Memory) {
		t.Errorf("%+v", node)
	}
	readsOnly(t, n, s, a, busy)
}

// readsOnly: what is only read costs a copy that does not lead nothing.
func readsOnly(t *testing.T, n *Node, s *scales, a *Store, busy shards.ShardID) {
	t.Helper()
	before := s.copies[busy].apply.value
	for range 2000 {
		if _, err := a.Get(t.Context(), "{x}1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range s.weigh(n).Copies {
		if c.Shard == busy && (c.Apply >= c.Cost.CPU || c.Apply > before) {
			t.Errorf("after reads alone applying costs %v of %v, and %v before", c.Apply, c.Cost.CPU, before)
		}
	}
}

// TestAFloodBlocksWritesAndEndsByItself: issue 4, "block writes but allow deletes, release by itself"; the error names setting and
// value, whichever node is asked.
func TestAFloodBlocksWritesAndEndsByItself(t *testing.T) {
	if _, size := diskUse(t.TempDir()); size == 0 {
		t.Skip("this system does not say how large a disk is")
	}
	c := newTroop(t, true, shards.Keyspace{Name: "a", Shards: 3})
	n := c.nodes[1]
	a := open(t, n, "a")
	must[uint64](t)(a.Put(t.Context(), "k", []byte("v")))
	set := func(pairs ...cluster.Setting) {
		t.Helper()
		if err := n.order(t.Context(), &cluster.Command{Settings: &cluster.SettingsChange{Set: pairs}}); err != nil {
			t.Fatal(err)
		}
	}
	stage := cluster.SettingDiskWatermark + "flood_stage"
	set(cluster.Setting{Name: stage, Value: "0%"}, cluster.Setting{Name: stage + ".max_headroom", Value: "-1"})
	var failure error
	eventually(t, "a write is refused", func() bool {
		_, failure = a.Put(t.Context(), "probe", []byte("w"))
		return failure != nil
	})
	var typed *shards.Error
	if !errors.As(failure, &typed) || typed.Kind != shards.KindDiskFull || !strings.Contains(failure.Error(), stage+" is 0%") {
		t.Errorf("a write gives %v", failure)
	}
	if v, err := a.Get(t.Context(), "k"); err != nil || string(v.Bytes) != "v" {
		t.Errorf("a read gives %v, %v", v, err)
	}
	if deleted, err := a.Delete(t.Context(), "k"); err != nil || !deleted {
		t.Errorf("a delete gives %v, %v", deleted, err)
	}
	leads, _ := c.leader()
	eventually(t, "everybody is known to use some of its disk", func() bool {
		members := clusterAPI{c.nodes[leads]}.seen()
		for _, m := range members {
			if m.Load == nil || m.Load.Disk <= 0 || m.Load.CPUCapacity < 1 {
				return false
			}
		}
		return len(members) == 3
	})
	set(cluster.Setting{Name: cluster.SettingDiskWatermark + "high", Value: "100%"}, cluster.Setting{Name: stage, Value: "100%"}) // this disk may be rather full
	eventually(t, "writes are taken again", func() bool {
		_, err := a.Put(t.Context(), "k", []byte("w"))
		return err == nil
	})
}

// BenchmarkWeigh is one look at a thousand idle copies.
func BenchmarkWeigh(b *testing.B) {
	n, err := Start(b.Context(), Config{Keyspaces: []shards.Keyspace{{Name: "a", Shards: 1000, Durability: shards.DurabilityMemory}}})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	s, sample := &scales{}, member.Sample{}
	for b.Loop() {
		sample = s.weigh(n)
	}
	if len(sample.Copies) != 1000 {
		b.Fatal(len(sample.Copies))
	}
}
