package simulate

import (
	"fmt"
	"math"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// maxWhy bounds the reasons that a result lists.
const maxWhy = 8

// sum closes a result.
func (w *World) sum(r *Result, greenSince, lastEvent int64) {
	t := &w.tally
	r.Moves, r.Bytes, r.Peak, r.Plans, r.Lost = t.moves, t.flow, t.peak, t.plans, t.lost
	r.MovedTwice, r.Unrest = len(t.twice), w.unrest()
	r.Unserved = w.after(t.worst)
	r.UnservedFor = r.Unserved.Seconds()
	r.Red, r.Yellow = w.health()
	r.shards = len(w.State.Shards)
	r.TimeToGreen = -1
	if greenSince >= 0 {
		r.TimeToGreen = w.after(max(0, greenSince-lastEvent))
		x := r.TimeToGreen.Seconds()
		r.GreenAfter = &x
	}
	w.waiting(r)
	r.balances = w.balances()
	for d, b := range r.balances {
		if b.Mean > 0 {
			r.Balance = append(r.Balance, BalanceReport{dimensionNames[d], round(b.ratio()), round(b.Least), round(b.Mean), round(b.Most), b.Fullest})
		}
	}
}

func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// waiting says what the last plan could not do, and why.
func (w *World) waiting(r *Result) {
	if w.plan == nil {
		return
	}
	for i := range w.plan.Decisions {
		d := &w.plan.Decisions[i]
		if d.Move.Kind != 0 {
			continue
		}
		r.Waiting++
		if homeless(d) {
			r.Unplaceable++
		}
		why := fmt.Sprintf("%v %s: %s", d.Verdict, d.Name, d.Reason)
		switch n := len(r.Why); {
		case n > maxWhy || n > 0 && r.Why[n-1] == why: // of a shard that lacks two copies it is said once
		case n == maxWhy:
			r.Why = append(r.Why, "and others")
		default:
			r.Why = append(r.Why, why)
		}
	}
}

// together counts shards with two copies on nodes that have the same value of something.
func (w *World) together(of func(*cluster.Member) string) (n int) {
	for i := range w.State.Shards {
		seen := map[string]bool{}
		for _, c := range w.State.Shards[i].Copies {
			value := of(w.State.Member(c.Node))
			if value != "" && seen[value] {
				n++
				break
			}
			seen[value] = true
		}
	}
	return n
}
