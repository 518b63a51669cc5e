package simulate

import (
	"maps"
	"math"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// job is a recovery under way.
type job struct {
	shard      shards.ShardID
	from, to   shards.NodeID
	left, rate float64 // bytes, and bytes a tick
	total      float64
	wanted     bool // the table still asks for it
}

// tailShare is what a copy lacks that comes back with its disk: the log still has it.
const tailShare = 0.01

// work begins the recoveries that the table asks for, ends those that it does not ask for any more, and shares bandwidth out.
func (w *World) work() {
	w.order = w.order[:0]
	out, in := map[shards.NodeID]int{}, map[shards.NodeID]int{}
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		p := r.PrimaryCopy()
		if p == nil || !w.alive(p.Node) {
			continue
		}
		for n := range r.Copies {
			c := &r.Copies[n]
			if c.InSync || !w.alive(c.Node) {
				continue
			}
			j := w.jobs[c.ID]
			if j == nil {
				j = w.beginJob(r, c, p)
			}
			w.order = append(w.order, c.ID)
			j.wanted = true
			j.from = p.Node
			if j.left > 0 {
				out[j.from]++
				in[j.to]++
			}
		}
	}
	maps.DeleteFunc(w.jobs, func(_ shards.CopyID, j *job) bool { return !j.wanted })
	seconds := w.length.Seconds()
	for _, id := range w.order {
		j := w.jobs[id]
		j.wanted = false
		if j.left > 0 {
			j.rate = seconds * min(w.machines[j.from].bandwidth/float64(out[j.from]), w.machines[j.to].bandwidth/float64(in[j.to]))
		}
	}
	w.tally.peak = max(w.tally.peak, len(w.jobs))
}

func (w *World) beginJob(r *cluster.Shard, c, primary *cluster.Copy) *job {
	bytes := w.costs[r.ID].primary.Disk
	if w.State.Keyspace(r.ID.Keyspace()).Durability == shards.DurabilityMemory {
		bytes = w.costs[r.ID].primary.Memory
	}
	if primary.Fresh {
		bytes = 0
	}
	if m := w.machines[c.Node]; m.kept[r.ID] {
		bytes *= tailShare
		delete(m.kept, r.ID)
	}
	j := &job{shard: r.ID, from: primary.Node, to: c.Node, left: bytes, total: bytes}
	w.jobs[c.ID] = j
	return j
}

// next is the tick at which the first recovery ends; 0 if none goes on.
func (w *World) next() int64 {
	soonest := int64(0)
	for _, j := range w.jobs {
		at := w.ticks + 1
		if j.left > 0 {
			at = w.ticks + max(1, int64(math.Ceil(j.left/j.rate)))
		}
		if soonest == 0 || at < soonest {
			soonest = at
		}
	}
	return soonest
}

// advance lets time go by, and data flow.
func (w *World) advance(to int64) {
	passed := float64(to - w.ticks)
	w.tally.unserved(w, to-w.ticks)
	for _, id := range w.order { // in order: a sum of floats depends on it
		j := w.jobs[id]
		if j == nil {
			continue
		}
		part := min(j.left, j.rate*passed)
		if j.left-part < 1 {
			part = j.left
		}
		j.left -= part
		w.tally.flow += part
	}
	w.ticks = to
}

// breath is after how many changes of its own a world asks whether it is over: each makes a table of all shards.
const breath = 256

// finish reports what has come in sync, and hands over where that is asked for and possible. It says whether anything changed. An error is Over's.
func (w *World) finish() (changed bool, err error) {
	before, asked := w.State.Version, w.State.Version
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		p := r.PrimaryCopy()
		if p == nil || !w.alive(p.Node) {
			continue
		}
		c := &cluster.InSync{Shard: r.ID, Term: r.Term, Primary: r.Primary}
		for _, x := range r.Copies {
			if j := w.jobs[x.ID]; !x.InSync && j != nil && j.left == 0 && w.alive(x.Node) {
				c.Add = append(c.Add, x.ID)
			}
		}
		if len(c.Add) > 0 || p.Fresh {
			w.must(&cluster.Command{InSync: c})
			for _, id := range c.Add {
				delete(w.jobs, id)
			}
		}
		w.handOver(i)
		if w.State.Version >= asked+breath {
			asked = w.State.Version
			if err := w.over(); err != nil {
				return true, err
			}
		}
	}
	return w.State.Version != before, nil
}

func (w *World) handOver(i int) {
	r := &w.State.Shards[i]
	to := r.HandTo
	for _, x := range r.Copies {
		if x.InSync && x.Source == r.Primary {
			to = x.ID
		}
	}
	if to == 0 || !w.alive(r.Copy(to).Node) {
		return
	}
	w.must(&cluster.Command{HandOver: &cluster.HandOver{Shard: r.ID, Term: r.Term, From: r.Primary, To: to}})
}

// forget drops what is remembered of failures that are over.
func (w *World) forget() {
	w.setbacks = slices.DeleteFunc(w.setbacks, func(s policies.Setback) bool {
		r := w.State.Shard(s.Shard)
		return r == nil || r.Failures == 0
	})
}
