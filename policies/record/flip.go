package record

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
)

// Flips count where two sets of rules answer one input otherwise.
type Flips struct {
	Asked    int    // answers that were compared: of each shard about each node
	Stricter int    // the second set says a stricter verdict
	Milder   int    // or a milder one
	First    string // the first of them, as a sentence
}

// Flip asks both sets about a new copy of each shard on each node.
func Flip(in allocator.Input, was, is *policies.Set) (f Flips) {
	facts := policies.Facts{Evidence: in.Evidence, Loads: in.Loads, Setbacks: in.Setbacks, Ticks: in.Ticks, TickLength: in.TickLength, Now: in.Now}
	v, w := policies.NewView(in.State, facts), policies.NewView(in.State, facts)
	was.Forget()
	is.Forget()
	for i := range in.State.Shards {
		r := &in.State.Shards[i]
		q := &policies.Question{Capability: policies.Allocate, Keyspace: in.State.Keyspace(r.ID.Keyspace()), Shard: r, Place: i, New: len(r.Copies) == 0, Primary: len(r.Copies) == 0}
		a, b := was.Ask(v, q), is.Ask(w, q)
		for n := range a {
			x, y := a[n].Verdict(), b[n].Verdict()
			f.Asked++
			switch {
			case y > x:
				f.Stricter++
			case y < x:
				f.Milder++
			default:
				continue
			}
			if f.First == "" {
				before, after := was.Explain(v, q, n), is.Explain(w, q, n)
				f.First = fmt.Sprintf("%s: %s; was %s", in.State.ShardName(r.ID), after.String(), before.String())
			}
		}
	}
	return f
}
