package placement

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/modules"
	"github.com/troupe-actors/troupe/shards"
)

// BenchmarkSwap measures what a plan costs when nothing has changed, and the first one after an activation: the difference is
// how long planning pauses. The house decides as WebAssembly, with one policy beside it.
func BenchmarkSwap(b *testing.B) {
	for _, size := range []struct{ nodes, shards int }{{3, 64}, {100, 10_000}} {
		p, s := planned(b, size.nodes, size.shards)
		defer p.shelf.empty()
		for _, swap := range []bool{false, true} {
			b.Run(fmt.Sprintf("nodes=%d/shards=%d/swap=%t", size.nodes, size.shards, swap), func(b *testing.B) {
				c := chair{p: p}
				defer c.leave()
				plan := func() {
					allocator.Make(allocator.Input{State: s, Policies: &c.sit(s).set.Set, Ticks: 1000, TickLength: 50 * time.Millisecond})
				}
				plan()
				for b.Loop() {
					if swap {
						next := *s
						next.PoliciesAt++
						s = &next
					}
					plan()
				}
			})
		}
	}
}

// planned is a Placement that does not run, and a green state with a policy in force.
func planned(b *testing.B, nodes, count int) (*Placement, *cluster.State) {
	engine, err := hosted.NewEngine(hosted.EngineConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = engine.Close() })
	code, err := os.ReadFile("testdata/keep_off.wasm")
	if err != nil {
		b.Fatal(err)
	}
	w := town{}
	p := &Placement{c: Config{Self: "n1", Group: citizen{&w, "n1"}, Members: citizen{&w, "n1"}}}
	if err := p.c.validate(); err != nil {
		b.Fatal(err)
	}
	house, err := hosted.LoadBuiltIns(context.Background(), engine, modules.All())
	if err != nil {
		b.Fatal(err)
	}
	version, err := hosted.Load(context.Background(), engine, code)
	if err != nil {
		b.Fatal(err)
	}
	p.shelf.furnish(house)
	p.shelf.put(cluster.DigestOf(code), version, "")
	s := &cluster.State{}
	do := func(c *cluster.Command) {
		after, o := s.Apply(c)
		if o.Err != nil || len(o.Rows) > 0 {
			b.Fatal(o)
		}
		s = after
	}
	for i := range nodes {
		m := cluster.Member{ID: shards.NodeID(fmt.Sprintf("n%04d", i)), Name: fmt.Sprintf("n%d", i), Raft: uint64(i + 1), Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format}
		if i == 0 {
			do(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: fmt.Sprintf("%040d", 1), Member: m}})
		} else {
			do(&cluster.Command{Join: &cluster.Join{Member: m}})
		}
	}
	do(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: "orders", Shards: count, Replicas: 1}}})
	for range 2 { // primaries, then replicas
		reroute := &cluster.Reroute{}
		for i := range s.Shards {
			move := cluster.Move{Kind: cluster.MoveCreate, Node: s.Members[i%nodes].ID}
			if len(s.Shards[i].Copies) > 0 {
				move = cluster.Move{Kind: cluster.MoveAllocate, Node: s.Members[(i+1)%nodes].ID}
			}
			reroute.Rows = append(reroute.Rows, cluster.RowChange{Shard: s.Shards[i].ID, Base: s.Shards[i].Version, Moves: []cluster.Move{move}})
		}
		do(&cluster.Command{Reroute: reroute})
	}
	for i := range s.Shards { // nobody else has this state
		s.Shards[i].Copies[0].Fresh = false
		s.Shards[i].Copies[1].InSync, s.Shards[i].Copies[1].Started = true, true
	}
	if err := cluster.Check(s); err != nil {
		b.Fatal(err)
	}
	do(&cluster.Command{Push: &cluster.PushChunk{Digest: cluster.DigestOf(code), Size: len(code), Bytes: code}})
	do(&cluster.Command{Register: &cluster.RegisterPolicy{Name: "spare", Digest: cluster.DigestOf(code)}})
	for _, m := range s.Members {
		do(&cluster.Command{Stage: &cluster.StageReport{Node: m.ID, Epoch: 1, Modules: []cluster.StagedModule{{Digest: cluster.DigestOf(code)}}}})
	}
	do(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: "spare"}})
	return p, s
}
