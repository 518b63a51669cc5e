package tck

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// Trial says how a module is tried.
type Trial struct {
	Compiled    *hosted.Version
	Interpreted *hosted.Version // the same module on an interpreting engine; nil: it is tried on the compiler alone
	Settings    map[string]string
	Worlds      []*World     // asked about first, everything
	Questions   int          // random ones after that
	Dice        *rand.Rand   // for these
	Clock       func() int64 // nanoseconds; nil: nothing is timed
}

// Report is what came of it.
type Report struct {
	Name, Version, Digest string
	Questions             int
	Rows                  [5]Cost // by capability
	Scores                Cost
	Explained             int      // answers that have a sentence
	Problems              []string // sentences; none: it conforms
}

// Cost is what answers took, on the compiler.
type Cost struct {
	Count   int
	Nodes   int    // in all of the rows
	Fuel    uint64 // of all
	MaxFuel uint64
	Nanos   int64 // of all, if they were timed
}

// maxProblems ends a trial: what is wrong for the sixteenth time has been said.
const maxProblems = 16

// trial is one under way. The steady guest lives through all of it; fresh ones are made for each world, on both engines, and
// must say the same.
type trial struct {
	Trial
	report *Report
	loaded []*hosted.Version // compiled, interpreted
	steady *hosted.Set
	fresh  []*hosted.Set
	worlds int
}

// Try tries a module that anybody may have written. What is wrong with its answers is in the report.
func Try(how Trial) *Report {
	t := &trial{Trial: how, loaded: []*hosted.Version{how.Compiled}}
	if how.Interpreted != nil {
		t.loaded = append(t.loaded, how.Interpreted)
	}
	v := t.loaded[0]
	t.report = &Report{Name: v.Name(), Version: v.Manifest.Version, Digest: v.Digest()}
	t.steady = t.set(v)
	defer t.steady.Close()
	for _, w := range how.Worlds {
		t.world(w, func(view *policies.View) {
			Each(view, func(q *policies.Question) bool { return t.ask(w, view, q) })
		})
	}
	for t.report.Questions < how.Questions && !t.over() {
		t.random()
	}
	for _, set := range t.fresh {
		set.Close()
	}
	return t.report
}

func (t *trial) set(v *hosted.Version) *hosted.Set {
	s := hosted.NewSet(nil, []hosted.Policy{{Version: v, Settings: t.Settings}})
	s.Unbounded()
	s.Fence()
	return s
}

func (t *trial) over() bool { return len(t.report.Problems) >= maxProblems }

func (t *trial) problem(w *World, format string, args ...any) {
	if !t.over() {
		t.report.Problems = append(t.report.Problems, fmt.Sprintf("world %s: ", w.Name)+fmt.Sprintf(format, args...))
	}
}

// world begins with fresh guests, every eighth time: between these they live on.
func (t *trial) world(w *World, asks func(*policies.View)) {
	if t.worlds%8 == 0 {
		for _, set := range t.fresh {
			set.Close()
		}
		t.fresh = t.fresh[:0]
		for _, v := range t.loaded {
			t.fresh = append(t.fresh, t.set(v))
		}
	}
	t.worlds++
	asks(w.View())
}

func (t *trial) random() {
	w := Random(t.Dice)
	w.Name = fmt.Sprintf("random %d", t.worlds)
	moves := w.State.Try()
	t.world(&World{Name: w.Name, State: moves.State(), Facts: w.Facts}, func(v *policies.View) {
		for i := 0; i < perView && t.report.Questions < t.Questions; i++ {
			if !t.ask(w, v, Ask(t.Dice, v)) {
				return
			}
			if t.Dice.IntN(4) == 0 {
				t.stir(moves, v)
			}
		}
	})
}

func (t *trial) stir(moves *cluster.Trial, v *policies.View) {
	Stir(t.Dice, moves, v, 1+t.Dice.IntN(4), func(place int) {
		for _, set := range append(slices.Clone(t.fresh), t.steady) {
			set.Changed(v, place)
		}
	})
}

// Each asks everything that there is to ask about a view, until ask says that it is enough.
func Each(v *policies.View, ask func(q *policies.Question) bool) {
	for place := range v.State.Shards {
		r := &v.State.Shards[place]
		k := v.State.Keyspace(r.ID.Keyspace())
		for _, c := range []policies.Capability{policies.Allocate, policies.Start, policies.Promote} {
			for bits := range 4 {
				if !ask(&policies.Question{Capability: c, Keyspace: k, Shard: r, Place: place, Primary: bits&1 != 0, New: bits == 3}) {
					return
				}
			}
		}
		for at := range r.Copies {
			for c := range policies.Capability(5) {
				if !ask(&policies.Question{Capability: c, Keyspace: k, Shard: r, Place: place, Copy: &r.Copies[at], Primary: r.Copies[at].ID == r.Primary}) {
					return
				}
			}
		}
	}
}

// ask puts one question to all guests, and says whether to go on.
func (t *trial) ask(w *World, v *policies.View, q *policies.Question) bool {
	t.report.Questions++
	if len(t.steady.Deciders) > 0 && policies.Has(t.steady.Deciders[0], q.Capability) {
		t.rows(w, v, q)
	}
	if len(t.steady.Scorers) > 0 {
		t.scores(w, v, q)
	}
	for _, set := range append(slices.Clone(t.fresh), t.steady) {
		if faults, _ := set.Faults(); len(faults) > 0 {
			t.problem(w, "%s", faults[0].Text)
			return false // three of them, and it would not be asked any more
		}
	}
	return !t.over()
}

// faulted says whether a guest has failed: what is said in its place is no answer of the module, and nothing is compared with it.
func (t *trial) faulted() bool {
	failed := func(s *hosted.Set) bool { return s.Strikes(t.report.Digest) > 0 }
	return failed(t.steady) || slices.ContainsFunc(t.fresh, failed)
}

func (t *trial) now() int64 {
	if t.Clock == nil {
		return 0
	}
	return t.Clock()
}

// add counts an answer that the guest gave itself.
func (c *Cost) add(nodes int, fuel uint64, nanos int64) {
	if fuel > 0 {
		c.Count, c.Nodes, c.Fuel, c.Nanos, c.MaxFuel = c.Count+1, c.Nodes+nodes, c.Fuel+fuel, c.Nanos+nanos, max(c.MaxFuel, fuel)
	}
}

func (t *trial) rows(w *World, v *policies.View, q *policies.Question) {
	want := make(policies.Row, len(v.Nodes))
	d := t.steady.Deciders[0]
	begun := t.now()
	policies.Put(d, v, q, want)
	t.report.Rows[q.Capability].add(len(want), hosted.Of(d).FuelUsed(), t.now()-begun)
	another := *q
	another.Primary = !q.Primary
	for i, set := range t.fresh {
		got := make(policies.Row, len(v.Nodes))
		policies.Put(set.Deciders[0], v, &another, got) // so that they have not been asked the same
		clear(got)
		policies.Put(set.Deciders[0], v, q, got)
		if t.faulted() {
			return
		}
		if !slices.Equal(got, want) {
			t.problem(w, "asked %s, it says %v, and newly made on engine %d %v: an answer depends on the question and the state alone", about(v, q), want, i+1, got)
		}
	}
	if !d.PerShard() && q.Capability != policies.Start {
		t.class(w, v, q, want)
	}
	if m, ok := d.(policies.Metered); ok {
		for n := range want {
			if a := m.Meter(v, q, n); a != want[n] {
				t.problem(w, "asked %s, meter says %#02x of node %s, and the row %#02x", about(v, q), a, v.Nodes[n].Name, want[n])
			}
		}
	}
	for n, a := range want {
		if a == 0 {
			continue
		}
		t.report.Explained++
		if d.Reason(v, q, n, a) == "" {
			t.problem(w, "asked %s, it says %v of node %s, with code %d, and does not say why", about(v, q), a.Verdict(), v.Nodes[n].Name, a.Code())
		}
	}
}

// class holds a module that answers per class to it: the next shard of the keyspace has the same row.
func (t *trial) class(w *World, v *policies.View, q *policies.Question, want policies.Row) {
	other := *q
	other.Place = v.Place(q) + 1
	if other.Place == len(v.State.Shards) || v.State.Shards[other.Place].ID.Keyspace() != q.Keyspace.ID {
		return
	}
	other.Shard, other.Copy = &v.State.Shards[other.Place], nil
	alone := t.set(t.loaded[0])
	defer alone.Close()
	got := make(policies.Row, len(v.Nodes))
	policies.Put(alone.Deciders[0], v, &other, got)
	if faults, _ := alone.Faults(); len(faults) > 0 {
		t.problem(w, "%s", faults[0].Text)
		return
	}
	if !slices.Equal(got, want) {
		t.problem(w, "asked %s, it says %v, and asked %s, %v: its manifest says that answers are per class; if they depend on the shard, say per shard", about(v, q), want, about(v, &other), got)
	}
}

func (t *trial) scores(w *World, v *policies.View, q *policies.Question) {
	s := t.steady.Scorers[0].(*hosted.Scorer)
	want := make([]float64, len(v.Nodes))
	begun := t.now()
	s.Score(v, q, want)
	t.report.Scores.add(len(want), s.FuelUsed(), t.now()-begun)
	for i, set := range t.fresh {
		got := make([]float64, len(v.Nodes))
		set.Scorers[0].Score(v, q, got)
		if t.faulted() {
			return
		}
		if !slices.Equal(got, want) {
			t.problem(w, "asked %s, it scores %v, and newly made on engine %d %v: a score depends on the question and the state alone", about(v, q), want, i+1, got)
		}
	}
}

// about is a question in words.
func about(v *policies.View, q *policies.Question) string {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%v of shard %s", q.Capability, v.State.ShardName(q.Shard.ID))
	if q.Copy != nil {
		fmt.Fprintf(&text, ", copy c%d on node %s", q.Copy.ID, v.State.NodeName(q.Copy.Node))
	}
	for _, flag := range []struct {
		set  bool
		text string
	}{{q.Primary, ", as primary"}, {q.New, ", as its first"}} {
		if flag.set {
			text.WriteString(flag.text)
		}
	}
	return text.String()
}
