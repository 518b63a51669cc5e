package allocator

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// spent is a relocation for balance as the test saw it begin.
type spent struct {
	at    int64 // ticks
	shard shards.ShardID
}

// TestBudgetsHold: deciders.RebalanceBudget "bounds what is moved for balance alone in some time: copies and bytes, of all keyspaces and
// of one"; deciders.Cooldown "leaves a shard alone of which a copy has just begun to move for balance". In random worlds in which nodes come,
// go and drain, no window ever sees more begin than it may, and no shard moves twice within its cooldown, whoever leads, with a memory and
// without.
func TestBudgetsHold(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./policies/allocator -run '^TestBudgetsHold$' -seed %d", seed)
	moved := 0
	for run := range *runsFlag / 6 {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		w := newWorld(t, seed)
		nodes := 3 + r.IntN(5)
		power := policies.Load{Disk: float64(int(1) << (25 + r.IntN(6)))} // so that what shards hold is much or little of it
		w.power = map[shards.NodeID]policies.Load{}
		for i := 1; i <= nodes; i++ {
			w.join(i, "", cluster.DefaultRoles)
			w.power[nodeID(i)] = power
		}
		w.keyspace("a", 8+r.IntN(24), 1)
		w.keyspace("b", 1+r.IntN(8), 2)
		for i := range w.state.Shards {
			if r.IntN(3) > 0 {
				load := policies.Load{Disk: float64(1 + r.IntN(1<<20))}
				w.weights = append(w.weights, policies.ShardLoad{Shard: w.state.Shards[i].ID, Primary: load, Replica: load})
			}
		}
		w.settle()
		limits := []limit{{name: "", copies: r.IntN(8), bytes: -1, ticks: 1 + r.Int64N(600)}, {name: "a", copies: -1, bytes: r.Int64N(3 << 20), ticks: 1 + r.Int64N(600)}}
		limits = limits[r.IntN(2):]
		for _, l := range limits {
			w.limit(l)
		}
		cooldown := time.Duration(r.IntN(2)*r.IntN(120)) * time.Second
		w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: cluster.SettingCooldown, Value: cooldown.String()}}}})
		var log []spent
		var memory Memory
		for step := range 40 {
			switch {
			case r.IntN(3) == 0:
				w.disturb(r, nodes)
			case r.IntN(10) == 0:
				nodes++
				w.join(nodes, "", cluster.DefaultRoles)
				w.power[nodeID(nodes)] = power
			}
			in := w.input()
			p := Make(in)
			if again := memory.Make(w.input()); fmt.Sprint(again.Rows, again.Rebalances) != fmt.Sprint(p.Rows, p.Rebalances) {
				t.Fatalf("run %d, step %d: who remembers spends otherwise: %v and %v", run, step, again.Rebalances, p.Rebalances)
			}
			for _, d := range p.Decisions {
				if d.Lane == Balance && d.Move.Kind == cluster.MoveAllocate {
					log = append(log, spent{w.ticks, d.Shard})
				}
			}
			if c := p.Command(); c != nil {
				w.must(&cluster.Command{Reroute: c})
			}
			if r.IntN(3) > 0 {
				w.work()
			}
			w.ticks += r.Int64N(200)
		}
		moved += len(log)
		for _, l := range limits {
			w.within(l, log)
		}
		w.rested(cooldown, log)
		if frame := w.state.Encode(); len(log) > 0 && len(w.state.Rebalances) == 0 || !bytes.Equal(frame, decoded(t, frame).Encode()) {
			t.Fatalf("run %d: %d moved, and %d are counted", run, len(log), len(w.state.Rebalances))
		}
	}
	if moved == 0 {
		t.Error("nothing ever moved for balance")
	}
}

func decoded(t *testing.T, frame []byte) *cluster.State {
	s, err := cluster.DecodeState(frame)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// limit is a budget of all keyspaces, or of one; below 0: none.
type limit struct {
	name   string
	copies int
	bytes  int64
	ticks  int64 // of its window: seconds, rounded up
}

func (w *world) limit(l limit) {
	name := func(setting string) string {
		if l.name != "" {
			return cluster.ScopedName(l.name, setting)
		}
		return setting
	}
	bytes := cluster.NoBudget
	if l.bytes >= 0 {
		bytes = fmt.Sprintf("%db", l.bytes)
	}
	w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: name(cluster.SettingBudgetCopies), Value: fmt.Sprint(l.copies)},
		{Name: name(cluster.SettingBudgetBytes), Value: bytes}, {Name: name(cluster.SettingBudgetWindow), Value: l.window().String()}}}})
}

func (l limit) window() time.Duration {
	return (time.Duration(l.ticks)*tickLength + time.Second - 1).Truncate(time.Second)
}

// within holds every window that ends with a relocation to a budget.
func (w *world) within(l limit, log []spent) {
	log = slices.DeleteFunc(slices.Clone(log), func(x spent) bool {
		return l.name != "" && w.state.Keyspace(x.shard.Keyspace()).Name != l.name
	})
	for i, last := range log {
		copies, before := 0, int64(0)
		for _, x := range log[:i] {
			if time.Duration(last.at-x.at)*tickLength < l.window() {
				copies++
				before += w.weight(x.shard)
			}
		}
		if l.copies >= 0 && copies+1 > l.copies || l.bytes >= 0 && before >= l.bytes {
			w.Fatalf("at tick %d %d copies with %d bytes had moved within %v when another began; the budget is %+v", last.at, copies, before, l.window(), l)
		}
	}
}

// rested holds the moves of each shard to a cooldown.
func (w *world) rested(cooldown time.Duration, log []spent) {
	last := map[shards.ShardID]int64{}
	for _, x := range log {
		if at, moved := last[x.shard]; moved && time.Duration(x.at-at)*tickLength < cooldown {
			w.Fatalf("shard %v moved at tick %d, and again at tick %d; the cooldown is %v", x.shard, at, x.at, cooldown)
		}
		last[x.shard] = x.at
	}
}

func (w *world) weight(id shards.ShardID) int64 {
	for i := range w.weights {
		if w.weights[i].Shard == id {
			return int64(w.weights[i].Replica.Disk)
		}
	}
	return 0
}

// Nothing is counted where nobody has set a budget: the cluster state stays what older releases read.
func TestNothingIsCountedWithoutBudget(t *testing.T) {
	w := newWorld(t, 1)
	for i := 1; i <= 3; i++ {
		w.join(i, "", cluster.DefaultRoles)
	}
	w.keyspace("a", 12, 1)
	w.settle()
	w.join(4, "", cluster.DefaultRoles)
	w.judge(nodeID(4), liveness.Alive, "")
	moves := len(w.moves)
	w.settle()
	if len(w.moves) == moves || len(w.state.Rebalances) != 0 {
		t.Errorf("%d moves, %d counted", len(w.moves)-moves, len(w.state.Rebalances))
	}
}
