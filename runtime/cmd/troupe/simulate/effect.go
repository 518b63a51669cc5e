package simulate

import (
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Effect is what a plan does to a cluster, once its moves are done.
type Effect struct {
	Moves   Moves              `json:"moves"`
	Bytes   float64            `json:"bytes"`          // that recoveries copy
	Balance map[string]float64 `json:"balance"`        // greatest over mean, by dimension
	Late    int                `json:"late,omitempty"` // rows that the state refuses
}

// EffectOf carries a plan out in a copy of the cluster, and lets what it begins come to its end.
func EffectOf(in allocator.Input, plan *allocator.Plan) Effect {
	w := Copy(in, in.Policies)
	w.tally = newTally()
	w.tally.planned(w, plan)
	e := Effect{Moves: w.tally.moves, Balance: map[string]float64{}}
	if c := plan.Command(); c != nil {
		after, o := w.State.Apply(&cluster.Command{Reroute: c})
		w.State, e.Late = after, len(o.Rows)
	}
	for i := range w.State.Members {
		m := &w.State.Members[i]
		w.machines[m.ID].dead = w.machines[m.ID].dead || m.Down
	}
	w.work()
	for _, id := range w.order {
		j := w.jobs[id]
		e.Bytes += j.left
		j.left = 0
	}
	_, _ = w.finish() // nobody ends it
	for d, b := range w.balances() {
		if b.Mean > 0 {
			e.Balance[dimensionNames[d]] = round(b.ratio())
		}
	}
	return e
}
