package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// town is a cluster whose state is real: members with attributes, keyspaces, the shard table, and what was measured.
type town struct {
	state    *cluster.State
	evidence []liveness.Status
	loads    policies.Loads
	policies *policies.Set
	ticks    int64
	faults   func() ([]hosted.Fault, int) // of deciders that are guests
}

const gigabyte = 1 << 30

// newTown draws the same world as solverWorld does, as a cluster: no shard has a copy yet.
func newTown(sh Shape) *town {
	r := rand.New(rand.NewPCG(sh.Seed, 2))
	t := &town{state: &cluster.State{Cluster: strings.Repeat("0", 40), Version: 1, NextCopy: 1}, policies: &policies.Set{Deciders: deciders.All()}, ticks: 1000}
	capacity := 0.0
	for n := range sh.Nodes {
		size := 1.0
		if r.Float64() < bigNodes {
			size = 2
		}
		capacity += size
		t.add(n, size, r.Float64() < tagged)
	}
	t.state.Voters = []uint64{1}
	perTable := sh.Copies / replicas / tables
	draw := func() float64 { return math.Exp(r.NormFloat64()*logSigma - logSigma*logSigma/2) }
	var sum policies.Load
	for k := range tables {
		space := shards.Keyspace{ID: shards.KeyspaceID(k), Name: fmt.Sprintf("table%02d", k), Shards: perTable, Replicas: replicas - 1}
		if err := space.Validate(); err != nil {
			panic(err)
		}
		t.state.Keyspaces = append(t.state.Keyspaces, cluster.Keyspace{Keyspace: space})
		for i := range perTable {
			id := shards.NewShardID(space.ID, i)
			l := policies.Load{CPU: draw(), Memory: draw(), Disk: draw()}
			sum = sum.Plus(l)
			t.state.Shards = append(t.state.Shards, cluster.Shard{ID: id})
			t.loads.Shards = append(t.loads.Shards, policies.ShardLoad{Shard: id, Primary: l, Replica: l})
		}
		if k < int(needTag*tables) {
			t.set("keyspace."+space.Name+".routing.allocation.require.tag", "yes")
		}
	}
	t.state.NextKeyspace = tables
	for i := range t.loads.Shards {
		l := &t.loads.Shards[i]
		l.Replica.CPU *= meanUse * capacity / sum.CPU / replicas
		l.Replica.Memory *= meanUse * capacity * gigabyte / sum.Memory / replicas
		l.Replica.Disk *= meanUse * capacity * 100 * gigabyte / sum.Disk / replicas
		l.Primary = l.Replica
	}
	t.set(cluster.SettingAwareness, "zone")
	t.set(cluster.SettingConcurrentRecoveries, "1000")
	t.set(cluster.SettingConcurrentRebalance, "1000")
	t.set(cluster.SettingInitialPrimaries, "1000")
	t.set(cluster.SettingNodeLeftDelay, "0s")
	return t
}

// add joins node n.
func (t *town) add(n int, size float64, tag bool) {
	m := cluster.Member{ID: shards.NodeID(fmt.Sprintf("n%04d", n)), Name: fmt.Sprintf("N%04d", n), Raft: uint64(n + 1), Epoch: 1, Roles: cluster.DefaultRoles,
		Attributes: []cluster.Attribute{{Name: "rack", Value: fmt.Sprintf("r%03d", n/zones/perRack*zones+n%zones)}, {Name: "zone", Value: fmt.Sprintf("z%d", n%zones)}}}
	if tag {
		m.Attributes = slices.Insert(m.Attributes, 1, cluster.Attribute{Name: "tag", Value: "yes"})
	}
	t.state.Members = append(t.state.Members, m)
	t.evidence = append(t.evidence, liveness.Status{Node: m.ID, Epoch: 1, State: liveness.Alive})
	t.loads.Nodes = append(t.loads.Nodes, policies.NodeLoad{Node: m.ID, Epoch: 1, Capacity: policies.Load{CPU: size, Memory: size * gigabyte, Disk: size * 100 * gigabyte}})
}

// set puts a setting where it belongs.
func (t *town) set(name, value string) {
	if known, err := cluster.CheckSetting(name, value); !known || err != nil {
		panic(fmt.Sprintf("%s: known %v, %v", name, known, err))
	}
	at, _ := slices.BinarySearchFunc(t.state.Settings, name, func(s cluster.Setting, name string) int { return strings.Compare(s.Name, name) })
	t.state.Settings = slices.Insert(t.state.Settings, at, cluster.Setting{Name: name, Value: value})
}

func (t *town) input() allocator.Input {
	return allocator.Input{State: t.state, Evidence: t.evidence, Policies: t.policies, Loads: t.loads, Seed: 1, Ticks: t.ticks, TickLength: 100 * time.Millisecond}
}

// apply commits a plan.
func (t *town) apply(p *allocator.Plan) {
	c := p.Command()
	if c == nil {
		return
	}
	after, o := t.state.Apply(&cluster.Command{Reroute: c})
	if o.Err != nil || len(o.Rows) > 0 {
		panic(fmt.Sprint(o.Err, o.Rows))
	}
	t.state = after
}

// recover brings all copies in sync at once, and ends relocations: command by command it would take minutes.
func (t *town) recover() {
	s := *t.state
	s.Shards = slices.Clone(s.Shards)
	for i := range s.Shards {
		r := &s.Shards[i]
		var copies []cluster.Copy
		for _, c := range r.Copies {
			if policies.Replaced(r, c.ID) || s.Member(c.Node).Down {
				continue
			}
			if c.Source == r.Primary && c.Source != 0 {
				r.Primary = c.ID
			}
			c.InSync, c.Started, c.Fresh, c.Source = true, true, false, 0
			copies = append(copies, c)
		}
		r.Copies = copies
		if r.HandTo != 0 {
			r.Primary, r.HandTo = r.HandTo, 0
		}
	}
	t.state = &s
	if err := cluster.Check(t.state); err != nil {
		panic(err)
	}
}

// fork is a town that can go its own way.
func (t *town) fork() *town {
	u := *t
	u.evidence = slices.Clone(t.evidence)
	u.loads.Nodes, u.loads.Shards = slices.Clone(t.loads.Nodes), slices.Clone(t.loads.Shards)
	s := *t.state
	s.Members, s.Shards = slices.Clone(s.Members), slices.Clone(s.Shards)
	u.state = &s
	return &u
}
