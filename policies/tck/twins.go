package tck

import (
	"fmt"
	"math/rand/v2"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// Twins holds modules and their twins in Go to be equal: on random worlds, and in between moves.
//
//	world ─► view ─┬─► twin ──► row, sentence of every answer ─┐
//	               └─► guest ─► row, sentence of every answer ─┴─ equal, byte for byte
//	          moves ─► the view's sums, and the guest's image, change ─► asked again
type Twins struct {
	Dice  *rand.Rand
	pairs []couple
}

// couple is a module in a set of its own, and its twin: a decider or a scorer.
type couple struct {
	name  string
	twin  policies.Decider
	guest policies.Decider
	ranks policies.Scorer
	set   *hosted.Set
	alone policies.Set // the twin, asked as a set asks
}

// NewTwins takes modules that have twins.
func NewTwins(all []*hosted.Version, dice *rand.Rand) *Twins {
	t := &Twins{Dice: dice}
	for _, v := range all {
		c := couple{name: v.Name(), twin: v.Twin(), ranks: v.TwinScorer(), set: hosted.NewSet(nil, []hosted.Policy{{Version: v}})}
		c.set.Unbounded()
		if c.twin != nil {
			c.guest, c.alone.Deciders = c.set.Deciders[0], []policies.Decider{c.twin}
		}
		t.pairs = append(t.pairs, c)
	}
	return t
}

// perView is how many questions a world gets before the next is made.
const perView = 64

// Ask asks so many questions, each of every pair that has a word on it, and gives the number of rows that were compared. The
// first difference ends it, with a sentence that says all about it.
func (t *Twins) Ask(questions int) (rows int, err error) {
	for asked := 0; asked < questions; {
		w := Random(t.Dice)
		trial := w.State.Try()
		v := policies.NewView(trial.State(), w.Facts)
		for range perView {
			n, err := t.one(w, v)
			if err != nil {
				return rows, err
			}
			asked++
			if rows += n; t.Dice.IntN(4) == 0 {
				t.stir(trial, v)
			}
		}
	}
	return rows, nil
}

// Replay asks every question that there is about a world.
func (t *Twins) Replay(w *World) (rows int, err error) {
	v := w.View()
	Each(v, func(q *policies.Question) bool {
		n := 0
		n, err = t.compare(w, v, q)
		rows += n
		return err == nil
	})
	return rows, err
}

func (t *Twins) one(w *World, v *policies.View) (rows int, err error) {
	return t.compare(w, v, Ask(t.Dice, v))
}

func (t *Twins) stir(trial *cluster.Trial, v *policies.View) {
	Stir(t.Dice, trial, v, 1+t.Dice.IntN(8), func(place int) {
		for i := range t.pairs {
			t.pairs[i].set.Changed(v, place)
		}
	})
}

func (t *Twins) compare(w *World, v *policies.View, q *policies.Question) (rows int, err error) {
	for i := range t.pairs {
		p := &t.pairs[i]
		if p.twin != nil && !policies.Has(p.twin, q.Capability) {
			continue
		}
		rows++
		compare := p.compare
		if p.twin == nil {
			compare = p.rank
		}
		if err := compare(v, q); err != nil {
			return rows, fmt.Errorf("tck: %s, world %s: %w\nasked: %v of shard %s, copy %+v, primary %v, new %v\nsettings %v\nshard %+v",
				p.name, w.Name, err, q.Capability, v.State.ShardName(q.Shard.ID), q.Copy, q.Primary, q.New, v.State.Settings, *q.Shard)
		}
	}
	return rows, nil
}

func (p *couple) compare(v *policies.View, q *policies.Question) error {
	want, got := make(policies.Row, len(v.Nodes)), make(policies.Row, len(v.Nodes))
	policies.Put(p.twin, v, q, want)
	policies.Put(p.guest, v, q, got)
	if faults, _ := p.set.Faults(); len(faults) > 0 {
		return fmt.Errorf("it failed: %s", faults[0].Text)
	}
	for n := range v.Nodes {
		if a := p.set.On(v, q, n); a != want[n] {
			return fmt.Errorf("asked about node %s (%d) alone it says %#02x, and its twin of all nodes %#02x", v.Nodes[n].Name, n, a, want[n])
		}
	}
	shared := p.alone.Ask(v, q)
	for n, a := range p.set.Ask(v, q) {
		name := v.Nodes[n].Name
		if want[n] != got[n] {
			return fmt.Errorf("of node %s (%d) the twin says %v with code %d, the module %v with code %d", name, n, want[n].Verdict(), want[n].Code(), got[n].Verdict(), got[n].Code())
		}
		if a != got[n] || shared[n] != got[n] {
			return fmt.Errorf("of node %s (%d) it says %#02x, in a set %#02x, and its twin in a set %#02x", name, n, got[n], a, shared[n])
		}
		if want[n] == 0 {
			continue
		}
		sentence := p.twin.Reason(v, q, n, want[n])
		if said := p.guest.Reason(v, q, n, want[n]); said != sentence {
			return fmt.Errorf("the sentences differ:\n%s\n%s", sentence, said)
		}
	}
	if faults, _ := p.set.Faults(); len(faults) > 0 {
		return fmt.Errorf("it failed: %s", faults[0].Text)
	}
	return nil
}

// rank compares the figures of two scorers, to the last bit.
func (p *couple) rank(v *policies.View, q *policies.Question) error {
	want, got := make([]float64, len(v.Nodes)), make([]float64, len(v.Nodes))
	p.ranks.Score(v, q, want)
	p.set.Scorers[0].Score(v, q, got)
	if faults, _ := p.set.Faults(); len(faults) > 0 {
		return fmt.Errorf("it failed: %s", faults[0].Text)
	}
	for n := range want {
		if want[n] != got[n] {
			return fmt.Errorf("of node %s (%d) the twin says %v, the module %v", v.Nodes[n].Name, n, want[n], got[n])
		}
	}
	return nil
}
