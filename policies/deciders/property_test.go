package deciders_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/tck"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "seed of the random tests; 0 draws one")
	worldsFlag = flag.Int("worlds", 400, "worlds that the random tests ask about")
)

// random plays worlds of which each gets a few questions, and moves in between that one view follows.
func random(t *testing.T, each func(dice *rand.Rand, v *policies.View, set *policies.Set)) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./policies/deciders -run '^%s$' -seed %d", t.Name(), seed)
	for world := range *worldsFlag {
		dice := rand.New(rand.NewPCG(seed, uint64(world)))
		w := tck.Random(dice)
		trial := w.State.Try()
		v := policies.NewView(trial.State(), w.Facts)
		set := &policies.Set{Deciders: deciders.All(), Scorers: deciders.Scorers()}
		for range 6 {
			for range 30 {
				each(dice, v, set)
			}
			tck.Stir(dice, trial, v, 1+dice.IntN(5), func(place int) { set.Changed(v, place) })
		}
		fresh := policies.NewView(trial.State(), w.Facts)
		for n := range v.Nodes {
			if v.Nodes[n] != fresh.Nodes[n] {
				t.Fatalf("world %d: counted on, node %+v; counted anew %+v", world, v.Nodes[n], fresh.Nodes[n])
			}
		}
		if v.Relocating != fresh.Relocating || v.Unled != fresh.Unled || v.Unwhole != fresh.Unwhole {
			t.Fatalf("world %d: counted on %d %d %d, anew %d %d %d", world, v.Relocating, v.Unled, v.Unwhole, fresh.Relocating, fresh.Unled, fresh.Unwhole)
		}
	}
}

// What a set keeps by class, and meters by node, is what each decider would say if it were asked alone, of this very shard,
// in a view made for the occasion.
func TestKeptRowsAreWhatWouldBeSaid(t *testing.T) {
	asked, refused := 0, 0
	random(t, func(dice *rand.Rand, v *policies.View, set *policies.Set) {
		q := tck.Ask(dice, v)
		want := make(policies.Row, len(v.Nodes))
		for _, d := range set.Deciders {
			own := make(policies.Row, len(v.Nodes))
			policies.Put(d, v, q, own)
			for n, a := range own {
				want.Raise(n, a)
				if a == 0 {
					continue
				}
				if refused++; d.Reason(v, q, n, a) == "" {
					t.Fatalf("%s says %v of node %s and not why", d.Name(), a.Verdict(), v.Nodes[n].Name)
				}
			}
			if m, metered := d.(policies.Metered); metered && policies.Has(d, q.Capability) {
				for n := range own {
					if a := m.Meter(v, q, n); a != own[n] {
						t.Fatalf("%s says %#02x of node %s, and metered %#02x: %+v", d.Name(), own[n], v.Nodes[n].Name, a, q)
					}
				}
			}
		}
		asked++
		if n := dice.IntN(len(v.Nodes)); set.On(v, q, n) != want[n] {
			t.Fatalf("of node %d alone %#02x is said, and %#02x in the row: %v of shard %+v", n, set.On(v, q, n), want[n], q.Capability, *q.Shard)
		}
		if got := set.Ask(v, q); !slices.Equal(got, want) {
			t.Fatalf("kept %v, asked alone %v: %v of shard %+v, copy %+v, primary %t, new %t", got, want, q.Capability, *q.Shard, q.Copy, q.Primary, q.New)
		}
	})
	if refused < asked/10 {
		t.Errorf("%d questions found %d refusals: the worlds are too calm to prove anything", asked, refused)
	}
}

// Two shards of one class have one row: whoever is asked first.
func TestClassesAreTrue(t *testing.T) {
	pairs := map[string]int{}
	random(t, func(dice *rand.Rand, v *policies.View, set *policies.Set) {
		a := tck.Ask(dice, v)
		b := *a
		b.Place = dice.IntN(len(v.State.Shards))
		b.Shard = &v.State.Shards[b.Place]
		if b.Shard.ID.Keyspace() != a.Shard.ID.Keyspace() || a.Copy != nil && len(b.Shard.Copies) == 0 {
			return
		}
		if a.Copy != nil {
			b.Copy = &b.Shard.Copies[dice.IntN(len(b.Shard.Copies))]
		}
		for _, d := range set.Deciders {
			if c, classifies := d.(policies.Classifier); classifies {
				one, ok := c.Class(v, a)
				other, ok2 := c.Class(v, &b)
				if !ok || !ok2 || one != other {
					continue
				}
			} else if d.PerShard() {
				continue
			}
			x, y := make(policies.Row, len(v.Nodes)), make(policies.Row, len(v.Nodes))
			policies.Put(d, v, a, x)
			policies.Put(d, v, &b, y)
			if !slices.Equal(x, y) {
				t.Fatalf("%s puts two shards in one class and says %v of one, %v of the other: %v, %+v and %+v", d.Name(), x, y, a.Capability, *a.Shard, *b.Shard)
			}
			if a.Shard.ID != b.Shard.ID && slices.Max(x) > 0 {
				pairs[d.Name()]++
			}
		}
	})
	for _, d := range deciders.All() {
		if _, classifies := d.(policies.Classifier); (classifies || !d.PerShard()) && pairs[d.Name()] == 0 {
			t.Errorf("no two shards of one class were refused anything by %s", d.Name())
		}
	}
}

// Two pairs of a shard and a node that are of one class have one answer, whichever keyspace, and whatever moved in between.
func TestPairClassesAreTrue(t *testing.T) {
	type pair struct {
		who        string
		capability policies.Capability
		primary    bool
		isNew      bool
		class      uint64
	}
	var of *policies.View
	said, agreed, refused := map[pair]policies.Answer{}, map[string]int{}, map[string]int{}
	random(t, func(dice *rand.Rand, v *policies.View, set *policies.Set) {
		if of != v {
			of = v
			clear(said)
		}
		q, node := tck.Ask(dice, v), dice.IntN(len(v.Nodes))
		for _, d := range set.Deciders {
			c, classifies := d.(policies.PairClassifier)
			if !classifies || !policies.Has(d, q.Capability) {
				continue
			}
			class, ok := c.PairClass(v, q, node)
			if !ok {
				continue
			}
			row, is := make(policies.Row, len(v.Nodes)), pair{d.Name(), q.Capability, q.Primary, q.New, class}
			policies.Put(d, v, q, row)
			before, known := said[is]
			if said[is] = row[node]; !known {
				continue
			}
			if agreed[is.who]++; row[node] > 0 {
				refused[is.who]++
			}
			if before != row[node] {
				t.Fatalf("%s puts two pairs in class %d and says %#02x of one, %#02x of the other: %v of shard %+v and node %+v", is.who, class, before, row[node], q.Capability, *q.Shard, v.Nodes[node])
			}
		}
	})
	for _, d := range deciders.All() {
		if _, classifies := d.(policies.PairClassifier); classifies && agreed[d.Name()] == 0 {
			t.Errorf("no two pairs were of one class of %s", d.Name())
		}
	}
	if refused["same_node"] == 0 || refused["throttling"] == 0 {
		t.Errorf("refused: %v; the worlds are too calm to prove anything", refused)
	}
}

// DESIGN.md section 5: "Verdicts fold worst-wins". Whoever is asked besides makes no answer milder.
func TestMoreRulesAreNeverMilder(t *testing.T) {
	random(t, func(dice *rand.Rand, v *policies.View, set *policies.Set) {
		q := tck.Ask(dice, v)
		some := &policies.Set{}
		for _, d := range set.Deciders {
			if dice.IntN(2) == 0 {
				some.Deciders = append(some.Deciders, d)
			}
		}
		few := some.Ask(v, q)
		for n, a := range set.Ask(v, q) {
			if a < few[n] {
				t.Fatalf("%v by all, %v by some", a, few[n])
			}
		}
	})
}

// The same view and question give the same row and the same figures.
func TestDecidersAreDeterministic(t *testing.T) {
	random(t, func(dice *rand.Rand, v *policies.View, set *policies.Set) {
		q := tck.Ask(dice, v)
		one := slices.Clone(set.Ask(v, q))
		again := &policies.Set{Deciders: deciders.All(), Scorers: deciders.Scorers()}
		if two := again.Ask(v, q); !slices.Equal(one, two) {
			t.Fatalf("%v, then %v", one, two)
		}
		if x, y := set.Scores(v, q), again.Scores(v, q); !slices.Equal(x, y) {
			t.Fatalf("scores %v, then %v", x, y)
		}
	})
}
