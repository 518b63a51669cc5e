package hosted_test

import (
	"fmt"
	"hash/fnv"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// town is a settled cluster, or with empty one whose shards are all still to be created.
func town(b testing.TB, nodes, shards int, empty bool) *tck.World {
	b.Helper()
	var text strings.Builder
	for i := range nodes {
		fmt.Fprintf(&text, "node N%04d zone:z%d host=h%d disk=%d/1000000000000\n", i, i%3, i, 100_000_000_000+i)
	}
	fmt.Fprintf(&text, "keyspace k shards=%d replicas=1\n", shards)
	for i := range shards {
		if !empty {
			fmt.Fprintf(&text, "shard k/%d primary@N%04d sync@N%04d disk=1000000/1000000\n", i, i%nodes, (i+1+i/nodes%(nodes-1))%nodes)
		}
	}
	w, err := tck.Parse("town", text.String())
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// five are the deciders of the measurements: one that looks at each shard's copies, two that are asked once per keyspace, one
// that is metered, and one that is asked of every move.
var five = []string{"same_node", "alive", "draining", "disk", "throttling"}

// sets are pairs with the same rules, of twins and of modules.
func sets(b testing.TB, names []string) (native *policies.Set, guests *hosted.Set) {
	b.Helper()
	native = &policies.Set{}
	var of []hosted.Policy
	for i, p := range house(b) {
		if names == nil || slices.Contains(names, p.Name()) {
			native.Deciders = append(native.Deciders, deciders.All()[i])
			of = append(of, p)
		}
	}
	guests = hosted.NewSet(nil, of)
	b.Cleanup(guests.Close)
	return native, guests
}

// BenchmarkRow asks each decider for rows over 100 nodes, shard after shard: the twin in Go, and the module. Each question
// differs from the last one, so that no row is kept.
func BenchmarkRow(b *testing.B) {
	w := town(b, 100, 4096, false)
	for _, name := range five {
		native, guests := sets(b, []string{name})
		for _, side := range []struct {
			name string
			d    policies.Decider
		}{{"go", native.Deciders[0]}, {"wasm", guests.Deciders[0]}} {
			b.Run(name+"/"+side.name, func(b *testing.B) {
				v, row := w.View(), make(policies.Row, 100)
				q := question(v, 0)
				if name == "throttling" {
					q.Capability = policies.Start
				}
				place, begun := 0, cpu(b)
				for b.Loop() {
					place = (place + 1) & 4095
					q.Shard, q.Place, q.Primary = &v.State.Shards[place], place, place&1 == 0
					policies.Put(side.d, v, q, row)
				}
				b.ReportMetric(float64(cpu(b)-begun)/float64(b.N)/100, "cpu-ns/answer")
			})
		}
	}
}

// digest is a plan as a number.
func digest(p *allocator.Plan) uint64 {
	h := fnv.New64a()
	for _, r := range p.Rows {
		fmt.Fprintf(h, "%v %+v\n", r.Shard, r.Moves)
	}
	return h.Sum64()
}

// BenchmarkPlan makes whole plans with twins and with modules: the result is the same, and is compared.
func BenchmarkPlan(b *testing.B) {
	for _, kind := range []struct {
		name  string
		empty bool
		names []string
	}{{"cold, 5 deciders", true, five}, {"cold, all deciders", true, nil}, {"settled, 5 deciders", false, five}, {"settled, all deciders", false, nil}} {
		w := town(b, 100, 10000, kind.empty)
		native, guests := sets(b, kind.names)
		want := digest(allocator.Make(input(w, native)))
		for _, side := range []struct {
			name string
			set  *policies.Set
		}{{"go", native}, {"wasm", &guests.Set}} {
			b.Run(kind.name+"/"+side.name, func(b *testing.B) {
				var p *allocator.Plan
				begun := cpu(b)
				for b.Loop() {
					p = allocator.Make(input(w, side.set))
				}
				if got := digest(p); got != want {
					b.Fatalf("another plan: %x, want %x", got, want)
				}
				b.ReportMetric(float64(cpu(b)-begun)/float64(b.N)/1e6, "cpu-ms/op")
				b.ReportMetric(float64(p.Moves()), "moves")
			})
		}
	}
}

// BenchmarkImage makes the image of a view in which one shard in a thousand is another than in the last: all of it, and what differs.
func BenchmarkImage(b *testing.B) {
	w := town(b, 1000, 16000, false)
	_, guests := sets(b, nil)
	states := [2]cluster.State{*w.State, *w.State}
	states[1].Shards = slices.Clone(w.State.Shards)
	for i := 0; i < len(states[1].Shards); i += 1000 {
		states[1].Shards[i].Failures++
	}
	for _, side := range []struct {
		name string
		next func(v *policies.View, s *cluster.State) *policies.View
	}{
		{"drawn", func(_ *policies.View, s *cluster.State) *policies.View { return policies.NewView(s, w.Facts) }},
		{"mended", func(v *policies.View, s *cluster.State) *policies.View { return v.Renew(s, w.Facts) }},
	} {
		b.Run(side.name, func(b *testing.B) {
			v := w.View()
			for round := range b.N {
				b.StopTimer()
				v = side.next(v, &states[round%2])
				b.StartTimer()
				if err := guests.Look(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSwap begins a plan with the set of the last one, with one that has another policy beside the same others, and with
// one that has nothing of the last. What a plan waits for when policies are exchanged is the second without the first.
func BenchmarkSwap(b *testing.B) {
	w, all := town(b, 100, 10000, false), house(b)
	user := hosted.Policy{Version: load(b, engine(b), fixture(b, "hostile/yes", abi.Manifest{}))}
	for _, kind := range []string{"kept", "one exchanged", "all exchanged"} {
		b.Run(kind, func(b *testing.B) {
			with := slices.Clone(all)
			set := hosted.NewSet(nil, with)
			views := [2]*policies.View{w.View(), w.View()}
			begun := cpu(b)
			for i := 0; b.Loop(); i++ {
				if kind != "kept" {
					of := with
					if i%2 == 0 {
						of = append(with, user)
					}
					next := hosted.NewSet(nil, of)
					if kind == "one exchanged" {
						next.TakeOver(set)
					}
					set.Close()
					set = next
				}
				v := views[i%2]
				for c := range policies.Capability(5) {
					q := question(v, 1)
					q.Capability, q.Copy = c, &q.Shard.Copies[0]
					set.Ask(v, q)
				}
			}
			b.ReportMetric(float64(cpu(b)-begun)/float64(b.N)/1e6, "cpu-ms/op")
			set.Close()
		})
	}
}

// BenchmarkFailover plans the promotions of a node with 100 primaries, without a user's policy and with one that means no good and has a word
// on them, in turns. It is the first plan that asks it anything. What such a policy may cost there is bounded in fuel (TestWhatTheHostileCostAFailover);
// here is what that comes to, beside the plan without it: the medians.
func BenchmarkFailover(b *testing.B) {
	calm, w := town(b, 100, 10000, false), town(b, 100, 10000, false)
	w.Facts.Evidence[7].State = liveness.Dead
	e := engine(b)
	for _, name := range []string{"hostile/loop", "hostile/recursion", "hostile/memory", "hostile/third", "hostile/random", "hostile/no", "plain/slow", "plain/wordy"} {
		v := load(b, e, fixture(b, name, abi.Manifest{}))
		b.Run(name, func(b *testing.B) {
			var took [2][]int64
			fuel := uint64(0)
			for range b.N {
				for side, of := range [][]hosted.Policy{nil, {{Version: v}}} {
					set := hosted.NewSet(deciders.All(), of) // so that it is believed anew each time
					memory := readied(calm, set)
					goruntime.GC()
					begun := cpu(b)
					if n := memory.Make(input(w, &set.Set)).Moves(); n != 100 {
						b.Fatalf("%d promotions", n)
					}
					took[side] = append(took[side], cpu(b)-begun)
					fuel += used(set)
					set.Close()
				}
			}
			for side, name := range []string{"cpu-ms-without/op", "cpu-ms-with/op"} {
				slices.Sort(took[side])
				b.ReportMetric(float64(took[side][len(took[side])/2])/1e6, name)
			}
			b.ReportMetric(float64(fuel)/float64(b.N), "fuel/op")
		})
	}
}
