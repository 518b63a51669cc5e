package record

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// world is a cluster to which things happen at random, and whose every plan is recorded.
type world struct {
	testing.TB
	r        *rand.Rand
	state    *cluster.State
	evidence []liveness.Status
	loads    policies.Loads
	policies *policies.Set
	ticks    int64
	records  []*Record
}

func newWorld(t testing.TB, seed, run uint64) *world {
	w := &world{TB: t, r: rand.New(rand.NewPCG(seed, run)), state: &cluster.State{}, policies: &policies.Set{Deciders: deciders.All()}}
	nodes := 3 + w.r.IntN(6)
	for i := range nodes {
		w.join(i)
	}
	for k := range 1 + w.r.IntN(3) {
		w.must(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: fmt.Sprintf("k%d", k), Shards: 1 + w.r.IntN(24), Replicas: 1 + w.r.IntN(2)}}})
	}
	return w
}

func (w *world) must(c *cluster.Command) {
	w.Helper()
	after, o := w.state.Apply(c)
	if o.Err != nil {
		w.Fatal(o.Err)
	}
	w.state = after
}

func (w *world) join(i int) {
	id := shards.NodeID(fmt.Sprintf("n%02d", i))
	m := cluster.Member{ID: id, Name: fmt.Sprintf("N%d", i), Raft: uint64(i + 1), Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format, Host: fmt.Sprintf("h%d", i/2),
		Attributes: []cluster.Attribute{{Name: "zone", Value: fmt.Sprintf("z%d", i%3)}}}
	if known := w.state.Member(id); known != nil {
		m.Epoch = known.Epoch + 1
	}
	if w.state.Cluster == "" {
		w.must(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("a", 40), Member: m}})
	} else {
		w.must(&cluster.Command{Join: &cluster.Join{Member: m}})
	}
	w.judge(id, liveness.Alive)
}

func (w *world) judge(id shards.NodeID, s liveness.State) {
	e := liveness.Status{Node: id, Name: w.state.NodeName(id), Epoch: w.state.Member(id).Epoch, State: s, Since: w.ticks, Heard: w.ticks - 1, Limit: w.ticks + 9, Reason: "at random"}
	at, found := slices.BinarySearchFunc(w.evidence, id, func(e liveness.Status, id shards.NodeID) int { return strings.Compare(string(e.Node), string(id)) })
	w.evidence = slices.Clone(w.evidence) // records have the old one
	if !found {
		w.evidence = slices.Insert(w.evidence, at, e)
	}
	w.evidence[at] = e
}

// measure has members and shards report figures, some of them odd.
func (w *world) measure() {
	w.loads = policies.Loads{}
	for _, m := range w.state.Members {
		w.loads.Nodes = append(w.loads.Nodes, policies.NodeLoad{Node: m.ID, Epoch: m.Epoch, Capacity: policies.Load{CPU: 8, Memory: 32 << 30, Disk: 1 << 40},
			Used: policies.Load{CPU: w.r.Float64() * 8, Memory: w.r.Float64() * 3e10, Disk: w.r.Float64() * 1e12}})
	}
	for _, s := range w.state.Shards {
		w.loads.Shards = append(w.loads.Shards, policies.ShardLoad{Shard: s.ID, Primary: policies.Load{CPU: w.r.Float64(), Memory: 1e9 * w.r.Float64(), Disk: 1e10 * w.r.Float64()}})
	}
}

// happen lets one thing happen, and plans.
func (w *world) happen() {
	m := w.state.Members[w.r.IntN(len(w.state.Members))]
	yes := w.r.IntN(3) == 0
	switch w.r.IntN(7) {
	case 0:
		w.judge(m.ID, liveness.Dead)
	case 1, 2:
		w.join(int(m.Raft) - 1)
	case 3:
		w.must(&cluster.Command{Member: &cluster.MemberChange{Node: m.ID, Draining: &yes}})
	case 4:
		w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: cluster.SettingConcurrentRecoveries, Value: fmt.Sprint(1 + w.r.IntN(5))}}}})
	case 5:
		w.measure()
	case 6:
		w.recover()
	}
	w.ticks += w.r.Int64N(300)
	w.plan()
}

func (w *world) plan() {
	in := allocator.Input{State: w.state, Evidence: w.evidence, Loads: w.loads, Policies: w.policies, Seed: w.r.Uint64(), Ticks: w.ticks, TickLength: 100 * time.Millisecond,
		Now: time.Unix(1_700_000_000, w.ticks).UTC(), Explain: w.r.IntN(4) == 0, NoBalance: w.r.IntN(8) == 0}
	p := allocator.Make(in)
	o := Outcome{Took: time.Duration(w.r.IntN(1e6))}
	if c := p.Command(); c != nil {
		after, outcome := w.state.Apply(&cluster.Command{Reroute: c})
		o = Outcome{Proposed: true, Version: outcome.Version, Late: len(outcome.Rows)}
		w.state = after
	}
	w.records = append(w.records, New(Key{7, uint64(len(w.records) + 1)}, Software{"test", "a build"}, in.Now, in, p, o))
}

// recover brings all copies in sync whose nodes live.
func (w *world) recover() {
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		if r.Primary == 0 {
			continue
		}
		c := &cluster.InSync{Shard: r.ID, Term: r.Term, Primary: r.Primary}
		for _, x := range r.Copies {
			if !x.InSync && !w.state.Member(x.Node).Down {
				c.Add = append(c.Add, x.ID)
			}
		}
		w.must(&cluster.Command{InSync: c})
	}
}
