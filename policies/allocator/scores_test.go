package allocator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// taste is a scorer made of a function: how many copies of imbalance it is worth that a shard is not on a node.
type taste func(q *policies.Question, node int) float64

func (taste) Name() string   { return "taste" }
func (taste) Scale() float64 { return 2 }
func (f taste) Score(_ *policies.View, q *policies.Question, scores []float64) {
	for n := range scores {
		scores[n] += 2 * f(q, n)
	}
}

// half wants all copies on the first three nodes.
func half(worth float64) taste {
	return func(_ *policies.Question, n int) float64 {
		if n < 3 {
			return 0
		}
		return worth
	}
}

// held counts the copies on the first nodes.
func (w *world) held(nodes int) (count int) {
	for i := range w.state.Shards {
		for _, m := range w.state.Members[:nodes] {
			if w.state.Shards[i].CopyOn(m.ID) != nil {
				count++
			}
		}
	}
	return count
}

// wasm/abi/ABI.md, section 1: "A scorer draws copies to the nodes that it prefers, as far as evenness lets it." What is worth less than half a copy
// moves nothing, and without the scorer all is evened out again.
func TestScorersDrawCopies(t *testing.T) {
	for _, measured := range []bool{false, true} {
		for _, c := range []struct {
			worth       float64
			least, most int
		}{{0.4, 12, 12}, {20, 16, 21}} {
			w := lenient(t, 6, measured)
			w.keyspace("orders", 12, 1)
			if measured {
				w.weighAll()
			}
			w.settle()
			w.moves = nil
			w.policies.Scorers = []policies.Scorer{half(c.worth)}
			wanted := Desire(w.input()).Moves
			if plan := Make(w.input()); c.worth > 1 && !strings.Contains(reasons(plan), "scorer taste prefers node N") {
				t.Errorf("measured %v: %s", measured, reasons(plan))
			}
			w.settle()
			if got := w.held(3); got < c.least || got > c.most || len(w.moves) > 0 != (c.least > 12) || wanted > 0 != (c.least > 12) {
				t.Errorf("measured %v, worth %g: %d of 24 copies on the half that is preferred, after %d moves, %d desired", measured, c.worth, got, len(w.moves), wanted)
			}
			w.policies.Scorers = nil
			if w.settle(); w.held(3) < 11 || w.held(3) > 13 {
				t.Errorf("measured %v, without the scorer: %s", measured, w.spread())
			}
		}
	}
}

func reasons(p *Plan) (all string) {
	for _, d := range p.Decisions {
		all += d.Reason + "\n"
	}
	return all
}

// A scorer tells the shards of a keyspace apart: each goes to the node of its own, which has no more than others for it.
func TestScorersTellShardsApart(t *testing.T) {
	for _, measured := range []bool{false, true} {
		w := lenient(t, 6, measured)
		w.keyspace("orders", 12, 0)
		if measured {
			w.weighAll()
		}
		w.settle()
		w.policies.Scorers = []policies.Scorer{taste(func(q *policies.Question, n int) float64 {
			if int(q.Shard.ID.Index())%6 == n {
				return 0
			}
			return 50
		})}
		w.settle()
		for i := range w.state.Shards {
			if r := &w.state.Shards[i]; r.CopyOn(nodeID(1+i%6)) == nil {
				t.Errorf("measured %v: shard %d is on %s", measured, i, r.Copies[0].Node)
			}
		}
	}
}

// What a node must give up goes where scorers say.
func TestScorersRankForWhatIsDrained(t *testing.T) {
	for _, measured := range []bool{false, true} {
		w := lenient(t, 6, measured)
		w.keyspace("orders", 12, 1)
		if measured {
			w.weighAll()
		}
		w.settle()
		w.policies.Scorers = []policies.Scorer{half(20)}
		w.must(&cluster.Command{Member: &cluster.MemberChange{Node: nodeID(6), Draining: yes()}})
		moved := 0
		for _, d := range Make(w.input()).Decisions {
			if d.Lane != Evacuate || d.Move.Kind != cluster.MoveAllocate {
				continue
			}
			moved++
			r := w.state.Shard(d.Shard)
			free := slices.ContainsFunc(w.state.Members[:3], func(m cluster.Member) bool { return r.CopyOn(m.ID) == nil })
			if free && d.Move.Node > nodeID(3) {
				t.Errorf("measured %v: %s", measured, d.Reason)
			}
		}
		if moved == 0 {
			t.Errorf("measured %v: nothing leaves the node that is drained", measured)
		}
	}
}

// Where copies times nodes are too many, one question a keyspace has to do.
func TestOneShardSpeaksForItsKeyspaceWhereTheyAreMany(t *testing.T) {
	w := lenient(t, 512, true)
	w.keyspace("orders", mostScores/512/2+1, 1)
	w.weighAll()
	for plan := w.reroute(); plan.Command() != nil; plan = w.reroute() {
		w.work()
	}
	asked := 0
	w.policies.Scorers = []policies.Scorer{taste(func(_ *policies.Question, n int) float64 {
		if n == 0 {
			asked++
		}
		return float64(n % 2 * 1000)
	})}
	if plan := Make(w.input()); asked > 8 || !strings.Contains(reasons(plan), "taste") {
		t.Errorf("%d questions; %s", asked, reasons(plan))
	}
}

// Whatever scorers say, and whatever happens, plans come to rest: with as many moves as a few for each copy.
func TestScoredWorldsComeToRest(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./policies/allocator -run '^%s$' -seed %d", t.Name(), seed)
	for run := range *runsFlag / 3 {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		nodes, salt, strength, leads := 3+r.IntN(8), r.Uint64(), 10*r.Float64(), run%4 > 1
		w := lenient(t, nodes, run%2 == 0)
		for k := range 1 + r.IntN(3) {
			w.keyspace(fmt.Sprintf("k%d", k), 1+r.IntN(20), r.IntN(3))
		}
		if run%2 == 0 {
			w.weighAll()
		}
		w.policies.Scorers = []policies.Scorer{taste(func(q *policies.Question, n int) float64 {
			key := salt ^ uint64(q.Shard.ID)
			if leads && q.Primary {
				key = ^key
			}
			return strength * rand.New(rand.NewPCG(key, uint64(n))).Float64()
		})}
		w.suffer(r, nodes, 20)
		copies := 0
		for i := range w.state.Shards {
			copies += len(w.state.Shards[i].Copies)
		}
		if len(w.moves) > 10*copies {
			t.Errorf("run %d: %d moves for %d copies", run, len(w.moves), copies)
		}
	}
}
