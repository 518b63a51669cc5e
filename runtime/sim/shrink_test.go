package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards/activation"
)

// Of the faults of a world that fails, those are left that it takes, and the command that repeats it names them.
func TestShrink(t *testing.T) {
	for name, needed := range map[string][]int{"none": {}, "3": {3}, "3,11": {3, 11}, "0,1,15": {0, 1, 15}} {
		o := Options{Seed: 5, Faults: make([]Fault, 20)}
		for i := range o.Faults {
			o.Faults[i].At = time.Duration(i+1) * time.Second
		}
		trials := 0
		failure := &Failure{Invariant: invariantOldActivation, At: 16*time.Second + time.Millisecond}
		smaller, _ := shrink(o, failure, 60, func(trial Options) *Failure {
			trials++
			for _, i := range needed {
				if !slices.Contains(trial.Only, i) {
					return &Failure{Invariant: invariantLinear} // another rule is broken: that does not count
				}
			}
			return &Failure{Invariant: invariantOldActivation, At: failure.At}
		})
		if !slices.Equal(smaller.Only, needed) || trials > 60 {
			t.Errorf("%s: %v after %d trials", name, smaller.Only, trials)
		}
		smaller.Rules, smaller.Bugs = activation.BugAnyTerm, BugUnguarded
		if got := command(smaller, time.Minute); !strings.HasSuffix(got, "-seed 5 -seconds 60 -only "+name+" -bugs unguarded -rules-bugs 2") {
			t.Errorf("repeated by %s", got)
		}
	}
}

// A world with a planted bug fails with fewer faults, and alike when it is played again.
func TestShrinkAWorld(t *testing.T) {
	o := Options{Seed: 12, Length: 10 * time.Second, Rules: activation.BugAnyTerm}
	w, _ := play(t, o)
	if w.failure == nil {
		t.Fatal("the bug was not found")
	}
	again := func(trial Options) *Failure {
		w, _ := play(t, trial)
		return w.failure
	}
	smaller, f := shrink(o, w.failure, 30, again)
	if twice := again(smaller); twice == nil || *twice != *f || len(smaller.Only) >= len(smaller.Faults) {
		t.Errorf("%d faults of %d: %v, and then %v", len(smaller.Only), len(smaller.Faults), f, twice)
	}
}
