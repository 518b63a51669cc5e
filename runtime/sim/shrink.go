package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// shrink looks for fewer faults that still break the same invariant, by leaving out halves, then quarters, and so on, of
// those that happened before the failure. run plays a world; it is called at most that often.
func shrink(o Options, f *Failure, most int, run func(Options) *Failure) (Options, *Failure) {
	o.fill()
	var kept []int
	for i, fault := range o.Faults {
		if fault.At <= f.At && (o.Only == nil || slices.Contains(o.Only, i)) {
			kept = append(kept, i)
		}
	}
	for size := (len(kept) + 1) / 2; size > 0 && len(kept) > 0; {
		smaller := false
		for at := 0; at < len(kept) && most > 0; at += size {
			most--
			trial := o
			trial.Only = slices.Concat(kept[:at], kept[min(at+size, len(kept)):])
			if trial.Only == nil {
				trial.Only = []int{}
			}
			if again := run(trial); again != nil && again.Invariant == f.Invariant {
				kept, f, smaller = trial.Only, again, true
				break
			}
		}
		if !smaller {
			size /= 2
		}
	}
	o.Only = kept
	return o, f
}

// command is what repeats a world.
func command(o Options, seconds time.Duration) string {
	s := fmt.Sprintf("go test ./runtime/sim -run 'TestSeeds$' -v -tell -seeds 1 -seed %d -seconds %d", o.Seed, int(seconds.Seconds()))
	if o.Only != nil {
		s += " -only " + strings.Trim(strings.ReplaceAll(fmt.Sprint(o.Only), " ", ","), "[]")
		if len(o.Only) == 0 {
			s += "none"
		}
	}
	if o.Bugs != 0 {
		s += " -bugs " + o.Bugs.String()
	}
	if o.Replica != 0 {
		s += fmt.Sprintf(" -replica-bugs %d", uint32(o.Replica))
	}
	if o.Rules != 0 {
		s += fmt.Sprintf(" -rules-bugs %d", uint32(o.Rules))
	}
	if o.Hold {
		s += " -hold"
	}
	if o.Pebble {
		s += " -pebble"
	}
	return s
}

// Explain is everything that a reader of a failure wants: what broke, the smallest set of faults that breaks it, the last
// notes of that world, and the command that repeats it.
func explain(o Options, f *Failure, story string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n", o.Seed, f)
	if f.Invariant > 0 {
		fmt.Fprintf(&b, "the design: %q\n", Invariants[f.Invariant-1].Sentence)
	}
	fmt.Fprintf(&b, "%d nodes, %d clients, keyspaces", o.Nodes, o.Clients)
	for _, k := range o.Spaces {
		fmt.Fprintf(&b, " %s (%d shards, %d replicas, %v)", k.Name, k.Shards, k.Replicas, k.Durability)
	}
	fmt.Fprintf(&b, ", %d actors in each", max(0, o.Actors))
	b.WriteString("\nfaults that are needed:\n")
	for _, i := range o.Only {
		fmt.Fprintf(&b, "  %3d  %v\n", i, o.Faults[i])
	}
	fmt.Fprintf(&b, "the last notes:\n%s\nrepeat with:\n  %s\n", story, command(o, o.Length))
	return b.String()
}
