package deciders_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// town is a cluster that the allocator looks after, whose nodes do at once what the table says. Its disks hold what is on them.
type town struct {
	*testing.T
	*rand.Rand
	state *cluster.State
	set   policies.Set
	dead  map[shards.NodeID]bool
	base  []float64 // by node: what others have put on its disk
	moves int
	log   []string
}

func newTown(t *testing.T, dice *rand.Rand) *town {
	w := &town{T: t, Rand: dice, state: &cluster.State{}, set: policies.Set{Deciders: deciders.All()}, dead: map[shards.NodeID]bool{}}
	for i := range 5 + dice.IntN(6) {
		m := cluster.Member{ID: shards.NodeID(fmt.Sprintf("n%02d", i)), Name: fmt.Sprintf("N%d", i), Raft: uint64(i + 1), Epoch: 1, Roles: cluster.DefaultRoles,
			Host: fmt.Sprintf("h%d", i/2), Format: 1, Attributes: []cluster.Attribute{{Name: "rack", Value: fmt.Sprint(i)}, {Name: "zone", Value: string(rune('a' + i%3))}}}
		c := &cluster.Command{Join: &cluster.Join{Member: m}}
		if i == 0 {
			c = &cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("0", 40), Member: m}}
		}
		w.must(c)
		w.base = append(w.base, float64(dice.IntN(60))*gb)
	}
	for k := range 1 + dice.IntN(2) {
		replicas := dice.IntN(3)
		if replicas == 0 {
			replicas = shards.NoReplicas
		}
		w.must(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: fmt.Sprintf("k%d", k), Shards: 1 + dice.IntN(12), Replicas: replicas}}})
	}
	return w
}

const gb = 1 << 30

func (w *town) must(c *cluster.Command) {
	w.Helper()
	after, o := w.state.Apply(c)
	if o.Err != nil || len(o.Rows) > 0 {
		w.Fatalf("refused: %v %v\n%s", o.Err, o.Rows, strings.Join(w.log, "\n"))
	}
	w.state = after
}

// facts are what the members measure: each disk holds its base and the copies that are there.
func (w *town) facts() (f policies.Facts) {
	f.TickLength = 100_000_000
	used := append([]float64(nil), w.base...)
	place := map[shards.NodeID]int{}
	for i, m := range w.state.Members {
		place[m.ID] = i
		status := liveness.Status{Node: m.ID, Name: m.Name, Epoch: m.Epoch, State: liveness.Alive}
		if w.dead[m.ID] {
			status.State = liveness.Dead
			status.Since = -1e6 // nobody waits for it any more
		}
		f.Evidence = append(f.Evidence, status)
	}
	for _, r := range w.state.Shards {
		load := policies.Load{Disk: float64(1+r.ID%7) * gb, CPU: 0.1, Memory: gb / 8}
		f.Loads.Shards = append(f.Loads.Shards, policies.ShardLoad{Shard: r.ID, Primary: load, Replica: load})
		for _, c := range r.Copies {
			if c.Started {
				used[place[c.Node]] += load.Disk
			}
		}
	}
	for i, m := range w.state.Members {
		f.Loads.Nodes = append(f.Loads.Nodes, policies.NodeLoad{Node: m.ID, Epoch: m.Epoch, Used: policies.Load{Disk: used[i]}, Capacity: policies.Load{CPU: 8, Memory: 64 * gb, Disk: 100 * gb}})
	}
	return f
}

func (w *town) input() allocator.Input {
	f := w.facts()
	return allocator.Input{State: w.state, Evidence: f.Evidence, Loads: f.Loads, Policies: &w.set, Seed: 1, TickLength: f.TickLength}
}

// work lets living nodes open, recover and hand over.
func (w *town) work() {
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		p := r.PrimaryCopy()
		if p == nil || w.dead[p.Node] {
			continue
		}
		c := &cluster.InSync{Shard: r.ID, Term: r.Term, Primary: r.Primary}
		to := r.HandTo
		for _, x := range r.Copies {
			if !x.InSync && !w.dead[x.Node] {
				c.Add = append(c.Add, x.ID)
			}
			if x.Source == r.Primary && !w.dead[x.Node] {
				to = x.ID
			}
		}
		if len(c.Add) > 0 || p.Fresh {
			w.must(&cluster.Command{InSync: c})
		}
		if r = &w.state.Shards[i]; to != 0 && r.Copy(to) != nil && !w.dead[r.Copy(to).Node] {
			w.must(&cluster.Command{HandOver: &cluster.HandOver{Shard: r.ID, Term: r.Term, From: r.Primary, To: to}})
		}
	}
}

// settle plans and works until nothing is left to do. What one order leads to is bounded: no copy goes to and fro.
func (w *town) settle() {
	w.Helper()
	moves := w.moves
	defer func() {
		wanted := 0
		for i := range w.state.Shards {
			wanted += w.state.Keyspace(w.state.Shards[i].ID.Keyspace()).Copies()
		}
		if moved := w.moves - moves; moved > 2*wanted+10 {
			w.Errorf("%d moves of %d copies\n%s", moved, wanted, strings.Join(w.log, "\n"))
		}
	}()
	for range 400 {
		before := w.state.Version
		p := allocator.Make(w.input())
		if c := p.Command(); c != nil {
			w.moves += p.Moves()
			w.must(&cluster.Command{Reroute: c})
		}
		if w.work(); w.state.Version == before {
			return
		}
	}
	w.Fatalf("no end: still planning after 400 rounds and %d moves\n%s", w.moves, strings.Join(w.log, "\n"))
}

// settledWell holds what must be true at the end: no copy is where it may not remain although another node would take it, and
// none is missing although a node would take it.
func (w *town) settledWell() {
	w.Helper()
	v := policies.NewView(w.state, w.facts())
	for place := range w.state.Shards {
		r := &w.state.Shards[place]
		k := &w.state.Keyspaces[v.Keyspace(r.ID.Keyspace())]
		if r.Primary == 0 {
			continue // what cannot be promoted waits for its node
		}
		q := policies.Question{Keyspace: k, Shard: r, Place: place}
		if len(r.Copies) < k.Copies() {
			w.nobodyTakes(v, q, "has too few copies")
		}
		for at := range r.Copies {
			q.Copy, q.Primary, q.Capability = &r.Copies[at], r.Copies[at].ID == r.Primary, policies.Remain
			n := v.Node(r.Copies[at].Node)
			if row := w.set.Ask(v, &q); row[n].Verdict() == policies.No && !v.Nodes[n].Down {
				e := w.set.Explain(v, &q, n)
				w.nobodyTakes(v, q, e.String())
			}
		}
	}
}

func (w *town) nobodyTakes(v *policies.View, q policies.Question, why string) {
	w.Helper()
	q.Capability = policies.Allocate
	for n, a := range w.set.Ask(v, &q) {
		if a.Verdict() <= policies.NotPreferred {
			w.Fatalf("%s %s, and node %s would take it\n%s\n%s", v.State.ShardName(q.Shard.ID), why, v.Nodes[n].Name, v.State.Describe(q.Shard), strings.Join(w.log, "\n"))
		}
	}
}

// order lets an operator or fate do one thing.
func (w *town) order() {
	node := w.state.Members[w.IntN(len(w.state.Members))]
	other := w.state.Members[w.IntN(len(w.state.Members))]
	set := func(name, value string) {
		if known, err := cluster.CheckSetting(name, value); !known || err != nil {
			w.Fatal(name, value, err)
		}
		w.log = append(w.log, name+"="+value)
		w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: name, Value: value}}}})
	}
	pick := func(from ...string) string { return from[w.IntN(len(from))] }
	yes := w.IntN(2) == 0
	switch w.IntN(12) {
	case 0:
		set(cluster.SettingAwareness, pick("zone", "rack", "zone,rack", ""))
	case 1:
		set(cluster.SettingAwarenessForce+"zone"+cluster.SettingAwarenessForceEnd, pick("a,b,c,d", "a,b", ""))
	case 2:
		set(cluster.SettingExclude+cluster.FilterName, pick(node.Name, other.Name+","+node.Name, ""))
	case 3:
		set(pick(cluster.SettingInclude, "keyspace.k0.routing.allocation.include.", cluster.SettingRequire)+"zone", pick("a", "a,b", "*", ""))
	case 4:
		set(pick(cluster.SettingShardsPerNode, "keyspace.k0.routing.allocation.total_shards_per_node"), pick("2", "4", "9", ""))
	case 5:
		set(cluster.SettingSameHost, pick("true", "false"))
	case 6:
		if node.ID != other.ID {
			set(cluster.SettingReplace+node.Name, pick(other.Name, ""))
		}
	case 7:
		set(cluster.SettingDiskWatermark+pick("low", "high"), pick("70%", "85%", "90%", "5gb", ""))
	case 8:
		w.log = append(w.log, fmt.Sprintf("drain %s %t", node.Name, yes))
		w.must(&cluster.Command{Member: &cluster.MemberChange{Node: node.ID, Draining: &yes}})
	case 9:
		switch {
		case w.dead[node.ID]:
			w.log = append(w.log, "start "+node.Name)
			node.Epoch++
			delete(w.dead, node.ID)
			w.must(&cluster.Command{Join: &cluster.Join{Member: node}})
		case len(w.dead) < 2:
			w.log = append(w.log, "kill "+node.Name)
			w.dead[node.ID] = true
		}
	case 10:
		zone := node.Attribute("zone")
		w.log = append(w.log, fmt.Sprintf("drain zone %s %t", zone, yes))
		for i := range w.state.Members {
			if m := &w.state.Members[i]; m.Attribute("zone") == zone {
				w.must(&cluster.Command{Member: &cluster.MemberChange{Node: m.ID, Draining: &yes}})
			}
		}
	case 11:
		w.log = append(w.log, "fill the disk of "+node.Name)
		w.base[w.state.Member(node.ID).Raft-1] = float64(w.IntN(95)) * gb
	}
}

// Whatever operators set and disks do, planning comes to an end, and where it ends no rule is broken that another node could
// keep. DESIGN.md section 3: "a restart at any point converges".
func TestWorldsSettle(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./policies/deciders -run '^TestWorldsSettle$' -seed %d", seed)
	for run := range *worldsFlag / 8 {
		w := newTown(t, rand.New(rand.NewPCG(seed, uint64(run))))
		w.settle()
		for range 8 {
			w.order()
			w.settle()
			w.settledWell()
		}
	}
}
