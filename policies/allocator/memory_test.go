package allocator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// TestMemoryChangesNoPlan plays many things at many clusters. Each time somebody plans who remembers the plans before, somebody who
// remembers those of another cluster, and somebody who remembers nothing: they plan the same, and see the same. Not every plan is
// carried out, nor each time something has happened one is made.
func TestMemoryChangesNoPlan(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./policies/allocator -run '^TestMemoryChangesNoPlan$' -seed %d", seed)
	other, moves := &Memory{}, 0
	for run := range *runsFlag / 2 {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		nodes := 3 + r.IntN(8)
		if run%5 == 0 {
			nodes = few + 1 + r.IntN(10) // the solver places, though nothing has been measured
		}
		w, own := town(t, r, nodes), &Memory{}
		for range 40 {
			w.stir(r, nodes)
			if r.IntN(4) == 0 {
				continue
			}
			fresh := w.remembered(own)
			if other, own = own, other; r.IntN(8) > 0 {
				other, own = own, other
			}
			if c := fresh.Command(); c != nil && r.IntN(5) > 0 {
				c.Rows = c.Rows[:len(c.Rows)-r.IntN(1+min(len(c.Rows), 3))] // not all of them, if there was no room
				w.must(&cluster.Command{Reroute: c})
				moves += fresh.Moves()
			}
			if r.IntN(2) == 0 {
				w.work()
			}
			w.ticks += r.Int64N(300)
		}
	}
	if moves < 1000 {
		t.Errorf("%d moves: the test is too mild", moves)
	}
}

// town is a cluster with some keyspaces, zones, rules, and maybe loads.
func town(t *testing.T, r *rand.Rand, nodes int) *world {
	w := newWorld(t, r.Uint64())
	for i := 1; i <= nodes; i++ {
		w.join(i, fmt.Sprintf("h%d", r.IntN(nodes)), cluster.DefaultRoles)
	}
	for k := range 1 + r.IntN(3) {
		w.keyspace(fmt.Sprintf("k%d", k), 1+r.IntN(4*nodes), r.IntN(3))
	}
	set := func(name, value string) {
		w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: name, Value: value}}}})
	}
	if r.IntN(2) == 0 {
		set(cluster.SettingSameHost, "true")
	}
	if r.IntN(3) == 0 {
		set("keyspace.k0.routing.allocation.exclude._name", "N1")
	}
	set(cluster.SettingConcurrentRecoveries, fmt.Sprint(1+r.IntN(20)))
	if r.IntN(3) > 0 {
		w.weigh(r, 0.05+0.12*r.Float64())
	}
	return w
}

// stir lets something happen.
func (w *world) stir(r *rand.Rand, nodes int) {
	switch r.IntN(12) {
	case 0:
		if w.power != nil {
			w.weigh(r, 0.05+0.12*r.Float64())
		}
	case 1:
		w.keyspace(fmt.Sprintf("late%d", len(w.state.Keyspaces)), 1+r.IntN(10), r.IntN(3))
		if w.power != nil && r.IntN(2) == 0 { // else some shards have not been measured
			w.weigh(r, 0.05+0.12*r.Float64())
		}
	case 2:
		if w.power != nil && len(w.weights) > 0 { // who measures does not write to what it has told
			w.weights = slices.Delete(slices.Clone(w.weights), 0, 1)
		}
	default:
		w.disturb(r, nodes)
	}
}

// remembered plans with a memory and without one, and gives the plan.
func (w *world) remembered(m *Memory) *Plan {
	w.Helper()
	in := w.input()
	p := newPlanner(in)
	fresh := p.run()
	if plan := m.Make(in); !reflect.DeepEqual(plan, fresh) {
		w.Fatalf("with a memory the plan is\n%+v\nand without\n%+v", plan, fresh)
	}
	a, b := p.view, m.view
	for n := range a.Nodes {
		if !reflect.DeepEqual(a.Nodes[n], b.Nodes[n]) {
			w.Fatalf("who remembers sees node %+v, and who does not %+v", b.Nodes[n], a.Nodes[n])
		}
	}
	if !reflect.DeepEqual(a.Spread, b.Spread) || a.Relocating != b.Relocating || a.Unled != b.Unled || a.Unwhole != b.Unwhole {
		w.Fatal("the sums of who remembers are others than of who does not")
	}
	if !slices.Equal(a.Unsettled(), b.Unsettled()) {
		w.Fatalf("unsettled are %v with a memory, and %v without", b.Unsettled(), a.Unsettled())
	}
	for i := range b.State.Shards {
		for at, c := range b.State.Shards[i].Copies {
			if home := b.Home(i, at); b.Nodes[home].ID != c.Node {
				w.Fatalf("who remembers takes the home of copy %d of shard %d for %s, and it is %s", at, i, b.Nodes[home].ID, c.Node)
			}
		}
	}
	for i := range w.state.Shards {
		if a.Complete(i) != b.Complete(i) {
			w.Fatalf("shard %d is complete with a memory, or without", i)
		}
	}
	return fresh
}

// TestSomeShardsWeighAsAll: a solver that lists the shards that lack a copy, and of all others sums, finds nodes as hot as one that lists all,
// but for what sums are rounded to. A shard that nobody leads counts as one that somebody will.
func TestSomeShardsWeighAsAll(t *testing.T) {
	listed, all := 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		nodes := 5 + r.IntN(8)
		if seed%2 == 0 {
			nodes += few
		}
		w := newWorld(t, seed)
		for i := 1; i <= nodes; i++ {
			w.join(i, "", cluster.DefaultRoles)
		}
		for k := range 1 + r.IntN(3) {
			w.keyspace(fmt.Sprintf("k%d", k), 1+r.IntN(3*nodes), 1+r.IntN(2)) // one without a replica would have no leader
		}
		w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: cluster.SettingNodeLeftDelay, Value: "0s"}}}})
		if seed%4 != 0 {
			w.weigh(r, 0.2)
		}
		w.settle()
		w.judge(nodeID(1), liveness.Dead, "killed")
		w.reroute()
		p := newPlanner(w.input())
		p.declare()
		p.look()
		some, whole := p.partial(0), p.solver(true)
		for n := range some.Nodes {
			a, _ := some.Heat(n)
			b, _ := whole.Heat(n)
			if math.Abs(a-b) > 1e-4 {
				t.Errorf("world %d: node %d is at %v by sums, and at %v by the table", seed, n, a, b)
			}
		}
		if some.total != whole.total {
			t.Errorf("world %d: %d copies by sums, %d by the table", seed, some.total, whole.total)
		}
		for at, i := range some.places {
			a, b := some.Shards[at], whole.Shards[i]
			if a.Lead != b.Lead || a.Count != b.Count || !slices.Equal(some.Slots[a.First:a.First+a.Count], whole.Slots[b.First:b.First+b.Count]) {
				t.Errorf("world %d: shard %d is %+v by itself and %+v among all", seed, i, a, b)
			}
		}
		listed, all = listed+len(some.places), all+len(whole.Shards)
	}
	if listed == 0 || listed > all/2 {
		t.Errorf("%d of %d shards were listed", listed, all)
	}
}
