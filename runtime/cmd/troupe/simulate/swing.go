package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// swing is how the cores that a shard takes go up and down, as those of most services do with the hours.
//
//	1+part ┤   ╭───╮               ╭───╮
//	     1 ┤╭──╯   ╰──╮         ╭──╯   ╰──╮
//	1-part ┤          ╰───────╯
//	       0        half a period        a period, and so on; begin is where in it tick 0 is
type swing struct {
	part   float64
	period int64   // ticks; 0: it does not swing
	begin  float64 // part of a period
}

// heat is what a shard's cores are multiplied with by now.
func (w *World) heat(c *cost) float64 {
	s := &c.swing
	if s.period == 0 {
		return c.hot
	}
	return c.hot * (1 + s.part*math.Sin(2*math.Pi*(float64(w.ticks%s.period)/float64(s.period)+s.begin)))
}

// seen is by how much what is measured of a shard's cores is off: as nodes smooth what they measure, it is another each minute.
func (w *World) seen(id shards.ShardID) float64 {
	if w.noise == 0 {
		return 1
	}
	return 1 + w.noise*(2*rand.New(rand.NewPCG(w.seed^uint64(id), uint64(w.ticks/w.ticksOf(time.Minute)))).Float64()-1)
}

// changes says whether loads change by themselves, or what is measured of them does.
func (w *World) changes() bool {
	for _, c := range w.costs {
		if c.swing.period != 0 && c.swing.part != 0 {
			return true
		}
	}
	return w.noise != 0
}

// readSwing reads: swing keyspace orders 60% [period=24h] [phases=4].
func readSwing(l *line) (func(*World) error, error) {
	if kind := l.next(); kind != "keyspace" {
		return nil, fmt.Errorf("%q does not swing; write: swing keyspace orders 60%%", kind)
	}
	name, err := l.need("which keyspace")
	if err != nil {
		return nil, err
	}
	text, err := l.need("by how much, such as 60%")
	if err != nil {
		return nil, err
	}
	part, err := fraction("how far it swings", text, 0, 1)
	if err != nil {
		return nil, err
	}
	period, err := duration("the period", l.option("period", "24h"))
	if err != nil {
		return nil, err
	}
	if period < time.Minute {
		return nil, fmt.Errorf("the period is %v; at least a minute", period)
	}
	phases, err := l.count("phases", 4, 1, 1000)
	if err != nil {
		return nil, err
	}
	return func(w *World) error {
		ids, err := w.chosen("keyspace", name, 0)
		if err != nil {
			return err
		}
		for i, id := range ids {
			w.costs[id].swing = swing{part, w.ticksOf(period), float64(i%phases) / float64(phases)}
		}
		w.restless = w.changes()
		return nil
	}, l.done()
}

// readNoise reads: noise 10%.
func readNoise(l *line) (func(*World) error, error) {
	text, err := l.need("by how much measurements are off, such as 10%")
	if err != nil {
		return nil, err
	}
	part, err := fraction("noise", text, 0, 1)
	if err != nil {
		return nil, err
	}
	return func(w *World) error {
		w.noise = part
		w.restless = w.changes()
		return nil
	}, l.done()
}

// shift is a relocation for balance.
type shift struct {
	tick     int64
	shard    shards.ShardID
	from, to shards.NodeID
	weight   float64 // cores that went with it; 1 where these are not measured
}

// Unrest says how much of what was moved for balance was for nothing.
type Unrest struct {
	Churn    float64 `json:"churn"`    // the most copies that moved for balance within an hour, as part of all
	Thrash   float64 `json:"thrash"`   // of what nodes got and gave by these moves: what they gave and got back within the hour, beyond the trend
	Returned int     `json:"returned"` // copies that came back for balance to a node that they had left for balance not an hour before
}

// unrest sums up.
func (w *World) unrest() (u Unrest) {
	hour, log := w.ticksOf(time.Hour), w.tally.shifts
	copies := 0
	for i := range w.State.Shards {
		copies += len(w.State.Shards[i].Copies)
	}
	first := 0
	for i := range log {
		for log[i].tick-log[first].tick >= hour {
			first++
		}
		u.Churn = max(u.Churn, float64(i-first+1)/float64(max(1, copies)))
		for j := first; j < i; j++ {
			if log[j].shard == log[i].shard && log[j].from == log[i].to {
				u.Returned++
				break
			}
		}
	}
	u.Thrash = w.thrash(log, hour)
	return u
}

// thrash is the trend-discounting variation of what moves brought to each node, as part of all variation. What begins at once, as the two
// moves of a swap, is one step; within an hour, steps up and steps down that cancel each other count twice over, and the rest is trend.
//
//	load of a node by moves   ┤  ╭──╮  ╭──       up 5, down 3 within the hour: 6 of 8 are thrash, and 2 are trend
//	                          ┤──╯  ╰──╯
func (w *World) thrash(log []shift, hour int64) float64 {
	all, undone := 0.0, 0.0
	for len(log) > 0 {
		until, some := log[0].tick+hour, 0
		for some < len(log) && log[some].tick < until {
			some++
		}
		for i := range w.State.Members {
			up, down := steps(log[:some], w.State.Members[i].ID)
			all, undone = all+up+down, undone+2*min(up, down)
		}
		log = log[some:]
	}
	if all == 0 {
		return 0
	}
	return undone / all
}

// steps adds up what a node got, and what it gave, moment by moment.
func steps(log []shift, node shards.NodeID) (up, down float64) {
	for len(log) > 0 {
		step, at := 0.0, log[0].tick
		for ; len(log) > 0 && log[0].tick == at; log = log[1:] {
			if log[0].to == node {
				step += log[0].weight
			}
			if log[0].from == node {
				step -= log[0].weight
			}
		}
		up, down = up+max(0, step), down+max(0, -step)
	}
	return up, down
}

// average is the mean of a dimension's balance over an eval; ok is false if it was not measured.
func (r *Result) average(d int) (mean float64, ok bool) {
	sum, length := 0.0, 0.0
	for i := range len(r.Samples) - 1 {
		if x := r.Samples[i].Balance[d]; x != nil {
			span := r.Samples[i+1].Seconds - r.Samples[i].Seconds
			sum, length = sum+*x*span, length+span
		}
	}
	if length == 0 {
		return 0, false
	}
	return sum / length, true
}

// shifted notes a relocation for balance.
func (t *tally) shifted(w *World, shard shards.ShardID, from *cluster.Copy, to shards.NodeID) {
	weight := w.share(w.State.Shard(shard), from).CPU
	if weight == 0 {
		weight = 1
	}
	t.shifts = append(t.shifts, shift{w.ticks, shard, from.Node, to, weight})
}
