package hosted_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/modules"
	"github.com/troupe-actors/troupe/policies/tck"
)

// house is the shipped modules, compiled.
func house(t testing.TB) []hosted.Policy {
	t.Helper()
	return houseOn(t, engine(t))
}

func houseOn(t testing.TB, e *hosted.Engine) (list []hosted.Policy) {
	t.Helper()
	versions, err := hosted.LoadBuiltIns(t.Context(), e, modules.All())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		list = append(list, hosted.Policy{Version: v})
	}
	return list
}

// interpreter is an engine that compiles nothing.
func interpreter(t testing.TB) *hosted.Engine {
	t.Helper()
	e, err := hosted.NewEngine(hosted.EngineConfig{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Plans made with the modules are those made with their twins in Go, sentence by sentence: on random worlds, and on what becomes
// of them when the plans are carried out. Interpreted modules make them too.
func TestPlansAreThoseOfTheTwins(t *testing.T) {
	e := interpreter(t)
	slow := hosted.NewSet(nil, houseOn(t, e))
	defer slow.Close()
	guests, native := hosted.NewSet(nil, house(t)), &policies.Set{Deciders: deciders.All()}
	defer guests.Close()
	moves, rounds, seeds := 0, 0, uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		w := tck.Random(rand.New(rand.NewPCG(seed, 9)))
		var memory allocator.Memory // guests see views that are made of older ones
		for round := range 4 {
			rounds++
			in := allocator.Input{State: w.State, Evidence: w.Facts.Evidence, Policies: native, Seed: seed, Ticks: w.Facts.Ticks + int64(100*round), TickLength: w.Facts.TickLength,
				Now: w.Facts.Now, Loads: w.Facts.Loads, Setbacks: w.Facts.Setbacks, Explain: true}
			want := allocator.Make(in)
			in.Policies = &guests.Set
			got := memory.Make(in)
			if faults, _ := guests.Faults(); len(faults) > 0 {
				t.Fatalf("seed %d: %s", seed, faults[0].Text)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, round %d: the plans differ: %s", seed, round, difference(got, want))
			}
			if seed%8 == 0 {
				in.Policies = &slow.Set
				if interpreted := allocator.Make(in); !reflect.DeepEqual(interpreted, want) {
					t.Fatalf("seed %d, round %d: the plans differ on the interpreter: %s", seed, round, difference(interpreted, want))
				}
			}
			moves += got.Moves()
			c := got.Command()
			if c == nil {
				break
			}
			w.State, _ = w.State.Apply(&cluster.Command{Reroute: c})
		}
	}
	if moves < rounds {
		t.Errorf("%d moves in %d plans: the worlds are too quiet", moves, rounds)
	}
}

// difference finds the first decision that is another.
func difference(a, b *allocator.Plan) string {
	for i := range min(len(a.Decisions), len(b.Decisions)) {
		if !reflect.DeepEqual(a.Decisions[i], b.Decisions[i]) {
			return fmt.Sprintf("\n%+v\n%+v", a.Decisions[i], b.Decisions[i])
		}
	}
	return fmt.Sprintf("%d and %d decisions, %d and %d moves", len(a.Decisions), len(b.Decisions), a.Moves(), b.Moves())
}
