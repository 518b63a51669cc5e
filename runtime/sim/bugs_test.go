package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards/replica"
)

// mutant is a planted bug, with the number of seeds within which a world has to stumble over it.
type mutant struct {
	name    string
	bugs    Bugs
	replica replica.Bug
	within  int
}

func mutants() []mutant {
	var all []mutant
	for i, name := range bugNames {
		all = append(all, mutant{name: name, bugs: 1 << i, within: 60})
	}
	for _, b := range replica.Bugs() {
		all = append(all, mutant{name: "replica: " + b.String(), replica: b, within: 60})
	}
	return all
}

// TestPlantedBugs: each mistake is found within a bounded number of seeds, and the number is printed.
func TestPlantedBugs(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			begun := time.Now()
			for i := range m.within {
				_, w, f := hunt(t, m, uint64(i)+1)
				if f != nil {
					t.Logf("%-28s seed %2d, %5.1f s simulated, %4.1f s: %.150v", m.name, i+1, w.now.Seconds(), time.Since(begun).Seconds(), f)
					return
				}
			}
			t.Errorf("%d seeds did not find it", m.within)
		})
	}
}

func hunt(t *testing.T, m mutant, seed uint64) (Options, *World, *Failure) {
	o := Options{Seed: seed, Length: 40 * time.Second, Bugs: m.bugs, Replica: m.replica}
	w, _ := play(t, o)
	return o, w, w.failure
}

func TestBugNames(t *testing.T) {
	for _, all := range []Bugs{0, 1, bugsEnd - 1} {
		if got, err := ParseBugs(all.String()); err != nil || got != all {
			t.Errorf("%v came back as %v: %v", all, got, err)
		}
	}
	if _, err := ParseBugs("no-such-bug"); err == nil {
		t.Error("a bug that does not exist was accepted")
	}
	if n := fmt.Sprintf("%b", bugsEnd-1); len(n) != len(bugNames) {
		t.Errorf("%d bugs, and %d names", len(n), len(bugNames))
	}
}
