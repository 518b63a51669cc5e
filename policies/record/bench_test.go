package record

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// BenchmarkFrame says what a leader of 100 nodes and 32,768 shards of two copies pays for a page of its history, and how long it is.
func BenchmarkFrame(b *testing.B) {
	w := newWorld(b, 1, 1)
	for i := range 92 {
		w.join(20 + i)
	}
	for _, name := range []string{"large", "larger"} {
		w.must(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: name, Shards: shards.Slots}}})
	}
	s := *w.state
	s.Shards = append([]cluster.Shard(nil), s.Shards...)
	dice := rand.New(rand.NewPCG(1, 1))
	for i := range s.Shards {
		r := &s.Shards[i]
		r.Copies = nil
		at := dice.IntN(len(s.Members) - 1)
		for n := range 2 {
			r.Copies = append(r.Copies, cluster.Copy{ID: s.NextCopy, Node: s.Members[at+n].ID, InSync: true, Started: true})
			s.NextCopy++
		}
		r.Primary, r.Term = r.Copies[0].ID, 1
		load := policies.Load{CPU: dice.Float64(), Memory: dice.Float64() * 1e9, Disk: dice.Float64() * 1e10}
		w.loads.Shards = append(w.loads.Shards, policies.ShardLoad{Shard: r.ID, Primary: load, Replica: load})
	}
	if err := cluster.Check(&s); err != nil {
		b.Fatal(err)
	}
	r := New(Key{1, 1}, Software{Release: "test"}, time.Unix(0, 0), allocator.Input{State: &s, Evidence: w.evidence, Loads: w.loads}, &allocator.Plan{Version: s.Version}, Outcome{})
	b.Run(fmt.Sprintf("shards=%d", len(s.Shards)), func(b *testing.B) {
		length := 0
		for b.Loop() {
			frame, err := r.Frame()
			if err != nil {
				b.Fatal(err)
			}
			length = len(frame)
		}
		b.ReportMetric(float64(length)/1e6, "MB")
	})
}
