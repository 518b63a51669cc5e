package cluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// tenThousand is a state of 100 members and 10,000 shards with two copies each, named as real nodes are.
func tenThousand(b testing.TB) *State {
	s := &State{Cluster: testCluster, Version: 1, NextCopy: 1, NextKeyspace: 1, Voters: []uint64{1}}
	for i := range 100 {
		s.Members = append(s.Members, Member{ID: shards.NodeID(fmt.Sprintf("%032x", i)), Name: fmt.Sprintf("n%d", i), Raft: uint64(i + 1), Epoch: 1,
			Roles: DefaultRoles, Peer: strings.Repeat("x", 20)})
	}
	k := shards.Keyspace{Name: "orders", Shards: 10000}
	if err := k.Validate(); err != nil {
		b.Fatal(err)
	}
	s.Keyspaces = []Keyspace{{Keyspace: k}}
	for i := range k.Shards {
		r := Shard{ID: shards.NewShardID(0, i), Term: 1, Primary: s.NextCopy}
		for c := range 2 {
			r.Copies = append(r.Copies, Copy{ID: s.NextCopy, Node: s.Members[(i+c*7)%100].ID, InSync: c == 0 || i%2 == 0, Started: true})
			s.NextCopy++
		}
		s.Shards = append(s.Shards, r)
	}
	if err := Check(s); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkState(b *testing.B) {
	s := tenThousand(b)
	frame := s.Encode()
	b.Run("apply in-sync change", func(b *testing.B) {
		r := &s.Shards[5001]
		c := &Command{InSync: &InSync{Shard: r.ID, Term: 1, Primary: r.Primary, Add: []shards.CopyID{r.Copies[1].ID}}}
		for b.Loop() {
			if _, o := s.Apply(c); !o.Changed {
				b.Fatal(o)
			}
		}
	})
	b.Run("apply a death", func(b *testing.B) {
		c := &Command{Reroute: &Reroute{Down: []Death{{Node: s.Members[3].ID, Epoch: 1}}}}
		for b.Loop() {
			if _, o := s.Apply(c); !o.Changed {
				b.Fatal(o)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			s.Encode()
		}
		b.ReportMetric(float64(len(frame)), "bytes")
	})
	b.Run("decode and check", func(b *testing.B) {
		for b.Loop() {
			if _, err := DecodeState(frame); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("health", func(b *testing.B) {
		for b.Loop() {
			HealthOf(s)
		}
	})
}
