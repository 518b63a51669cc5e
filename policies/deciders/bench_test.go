package deciders_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// wide is a settled cluster of 1000 nodes in 10 zones and 100 racks, with 33,334 shards of three copies.
func wide(settings ...cluster.Setting) (*cluster.State, policies.Facts) {
	const nodes, rows = 1000, 33334
	s := &cluster.State{Cluster: strings.Repeat("0", 40), Version: 1, NextCopy: 1, NextKeyspace: 3, Settings: settings}
	f := policies.Facts{TickLength: 100_000_000}
	for i := range nodes {
		id := shards.NodeID(fmt.Sprintf("n%04d", i))
		s.Members = append(s.Members, cluster.Member{ID: id, Name: string(id), Raft: uint64(i + 1), Epoch: 1, Roles: cluster.DefaultRoles, Host: fmt.Sprintf("h%d", i/2),
			Attributes: []cluster.Attribute{{Name: "rack", Value: fmt.Sprintf("r%d", i%100)}, {Name: "zone", Value: fmt.Sprintf("z%d", i%10)}}})
		f.Evidence = append(f.Evidence, liveness.Status{Node: id, Epoch: 1, State: liveness.Alive})
		f.Loads.Nodes = append(f.Loads.Nodes, policies.NodeLoad{Node: id, Epoch: 1, Capacity: policies.Load{CPU: 8, Memory: 64 << 30, Disk: 1 << 40}, Used: policies.Load{CPU: 4, Memory: 30 << 30, Disk: 1 << 38}})
	}
	for k := range 3 {
		s.Keyspaces = append(s.Keyspaces, cluster.Keyspace{Keyspace: shards.Keyspace{ID: shards.KeyspaceID(k), Name: fmt.Sprintf("k%d", k), Shards: rows / 3, Replicas: 2, MinInSync: 2}})
		for i := range rows / 3 {
			r := cluster.Shard{ID: shards.NewShardID(shards.KeyspaceID(k), i), Term: 1, Primary: s.NextCopy}
			for c := range 3 {
				r.Copies = append(r.Copies, cluster.Copy{ID: s.NextCopy, Node: s.Members[(i*7+c*331+k)%nodes].ID, InSync: true, Started: true})
				s.NextCopy++
			}
			s.Shards = append(s.Shards, r)
			l := policies.Load{CPU: 0.01, Memory: 64 << 20, Disk: 128 << 20}
			f.Loads.Shards = append(f.Loads.Shards, policies.ShardLoad{Shard: r.ID, Primary: l, Replica: l})
		}
	}
	return s, f
}

// BenchmarkAsk asks where each of 100,000 copies could go instead, all deciders together, with a move counted in between: as a
// Set keeps rows, and beside it each decider anew for each question (of which every hundredth shard has to do).
func BenchmarkAsk(b *testing.B) {
	for _, c := range []struct {
		name     string
		settings []cluster.Setting
	}{
		{"as it is", nil},
		{"zones", []cluster.Setting{{Name: cluster.SettingAwareness, Value: "zone"}}},
		{"zones and hosts", []cluster.Setting{{Name: cluster.SettingAwareness, Value: "zone"}, {Name: cluster.SettingSameHost, Value: "true"}}},
		{"racks", []cluster.Setting{{Name: cluster.SettingAwareness, Value: "rack"}}},
		{"limits", []cluster.Setting{{Name: cluster.SettingShardsPerNode, Value: "200"}}},
	} {
		s, f := wide(c.settings...)
		for how, each := range []int{1, 100} {
			b.Run(c.name+[]string{", kept", ", anew"}[how], func(b *testing.B) {
				set, row := &policies.Set{Deciders: deciders.All()}, make(policies.Row, len(s.Members))
				v := policies.NewView(s, f)
				rows := 0
				for b.Loop() {
					rows += walk(s, v, each, func(q *policies.Question) {
						if each == 1 {
							set.Ask(v, q)
							return
						}
						clear(row)
						for _, d := range set.Deciders {
							policies.Put(d, v, q, row)
						}
					})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
			})
		}
	}
	b.Run("view", func(b *testing.B) {
		s, f := wide()
		for b.Loop() {
			policies.NewView(s, f)
		}
	})
}

// walk asks about the copies of each so many-th shard, and counts its row anew after it.
func walk(s *cluster.State, v *policies.View, each int, ask func(q *policies.Question)) (rows int) {
	for place := 0; place < len(s.Shards); place += each {
		r := &s.Shards[place]
		for at := range r.Copies {
			ask(&policies.Question{Capability: policies.Allocate, Keyspace: &s.Keyspaces[r.ID.Keyspace()], Shard: r, Copy: &r.Copies[at], Primary: at == 0, Place: place})
			rows++
		}
		v.Count(r, -1)
		v.Count(r, 1)
	}
	return rows
}
