package deciders

import (
	"fmt"
	"math"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// watermarks are the limits on one dimension of load:
//
//	used  ├──────────────────┼─────────┼───────┼───┤ capacity
//	                        low       high   flood stage
//	      copies may come    none come  copies    writes to shards with a copy here are
//	                                    leave     refused, deletes are not: see policies.FloodOf
//
// What is used counts with what is coming, so that a node which looks empty is not filled beyond it; and where it says that
// copies must leave, without what is leaving already. A shard's first copy is empty, and may come up to high. Of a node whose
// capacity is not known nothing is said.
type watermarks struct {
	what      string // as in "the disk of node n1"
	dimension func(*policies.Load) float64
	enabled   string // name of the setting that switches them on
	prefix    string // of their settings
	state     *policies.Derived[*stages]
}

// stages are the limits as they were read: low and high.
type stages struct {
	on       bool // some node's capacity is known
	marks    [2]cluster.Watermark
	headroom [2]float64
	limits   [][2]float64 // by node: low and high; infinite where the capacity is not known
	least    float64      // bytes between low and high on the node where they are nearest
	largest  float64      // bytes of the largest copy that was measured
	over     bool         // some node is beyond high
}

// The stages, and the codes of the reasons.
const (
	low = iota
	high
)

const (
	beyondLow = iota + 1
	beyondHigh
	wouldBeHigh
	mustLeave
)

var stageNames = [...]string{"low", "high"}

func newWatermarks(what, enabled, prefix string, dimension func(*policies.Load) float64) *watermarks {
	w := &watermarks{what: what, enabled: enabled, prefix: prefix, dimension: dimension}
	w.state = policies.Derive(w.read)
	return w
}

func (w *watermarks) read(v *policies.View) *stages {
	s := &stages{}
	if v.State.Value(w.enabled) != "true" {
		return s
	}
	for i, stage := range stageNames {
		var err error
		if s.marks[i], err = cluster.ParseWatermark(v.State.Value(w.prefix + stage)); err == nil {
			s.headroom[i], err = cluster.ParseHeadroom(v.State.Value(w.prefix + stage + ".max_headroom"))
		}
		if err != nil {
			panic("deciders: a watermark that CheckSetting let pass cannot be read: " + err.Error())
		}
	}
	s.limits, s.least = make([][2]float64, len(v.Nodes)), math.Inf(1)
	for n := range v.Nodes {
		s.limits[n] = [2]float64{math.Inf(1), math.Inf(1)}
		if capacity := w.dimension(&v.Nodes[n].Capacity); capacity > 0 {
			s.limits[n] = [2]float64{s.limit(low, capacity), s.limit(high, capacity)}
			s.least = min(s.least, s.limits[n][high]-s.limits[n][low])
			s.over = s.over || w.dimension(&v.Nodes[n].Used) > s.limits[n][high]
			s.on = true
		}
	}
	largest := v.Largest()
	s.largest = w.dimension(&largest)
	return s
}

func (s *stages) limit(stage int, capacity float64) float64 {
	return s.marks[stage].Limit(capacity, s.headroom[stage])
}

// size is what a copy costs in this dimension.
func (w *watermarks) size(v *policies.View, q *policies.Question) float64 {
	load := v.ShardLoad(q.Shard.ID)
	switch {
	case load == nil:
		return 0
	case q.Primary:
		return w.dimension(&load.Primary)
	}
	return w.dimension(&load.Replica)
}

// class: 0, nothing is said, or the shard's size plays no part. Another is large, and a class of its own; and when asked whether
// it may remain, one whose going would free something is of class 1.
func (w *watermarks) class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	switch s := w.state.Of(v); {
	case !s.on:
	case q.Capability == policies.Remain:
		if s.over && w.size(v, q) > 0 {
			return 1, true
		}
	case !q.New && s.largest > s.least:
		return 0, w.size(v, q) <= s.least
	}
	return 0, true
}

// meter is the answer about one node.
func (w *watermarks) meter(v *policies.View, q *policies.Question, node int) policies.Answer {
	s := w.state.Of(v)
	if !s.on {
		return 0
	}
	n, limits := &v.Nodes[node], &s.limits[node]
	used := w.dimension(&n.Used)
	if q.Capability == policies.Remain {
		if s.over && used-w.dimension(&n.Leaving) > limits[high] && w.size(v, q) > 0 {
			return policies.Say(policies.No, mustLeave)
		}
		return 0
	}
	used += w.dimension(&n.Coming)
	switch {
	case used > limits[high]:
		return policies.Say(policies.No, beyondHigh)
	case q.New:
	case used > limits[low]:
		return policies.Say(policies.No, beyondLow)
	case s.largest > s.least && used+s.largest > limits[high]:
		if size := w.size(v, q); size > s.least && used+size > limits[high] {
			return policies.Say(policies.No, wouldBeHigh)
		}
	}
	return 0
}

func (w *watermarks) row(v *policies.View, q *policies.Question, r policies.Row) {
	s := w.state.Of(v)
	if !s.on || q.Capability == policies.Remain && !s.over {
		return
	}
	for n := range v.Nodes {
		if !w.roomy(v, q, n) { // most are
			r.Raise(n, w.meter(v, q, n))
		}
	}
}

// roomy says that nothing is said against a node, whatever the shard: it would have room for the largest.
func (w *watermarks) roomy(v *policies.View, q *policies.Question, node int) bool {
	s, n := w.state.Of(v), &v.Nodes[node]
	if !s.on || q.Capability == policies.Remain {
		return !s.on
	}
	return w.dimension(&n.Used)+w.dimension(&n.Coming)+s.largest <= min(s.limits[node][low], s.limits[node][high])
}

func (w *watermarks) reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	n := &v.Nodes[node]
	capacity, used, stage, more := w.dimension(&n.Capacity), w.dimension(&n.Used), high, ""
	switch a.Code() {
	case beyondLow:
		stage = low
		fallthrough
	case beyondHigh:
		used += w.dimension(&n.Coming)
		more = " with what is coming"
	case wouldBeHigh:
		used += w.dimension(&n.Coming) + w.size(v, q)
		more = fmt.Sprintf(" with what is coming and the %s of shard %s", cluster.SizeText(w.size(v, q)), v.State.ShardName(q.Shard.ID))
	case mustLeave:
		used -= w.dimension(&n.Leaving)
		more = " without what is leaving"
	}
	return w.sentence(v, n, capacity, used, stage, more)
}

func (w *watermarks) sentence(v *policies.View, n *policies.Node, capacity, used float64, stage int, more string) string {
	s, name := w.state.Of(v), w.prefix+stageNames[stage]
	limit := s.limit(stage, capacity)
	text := fmt.Sprintf("%s of node %s has %s of %s in use%s, above %s: setting %s is %s", w.what, n.Name, cluster.SizeText(used), cluster.SizeText(capacity), more, cluster.SizeText(limit), name, v.State.Value(name))
	if s.marks[stage].Limit(capacity, 0) < limit {
		text += fmt.Sprintf(", and %s.max_headroom %s", name, v.State.Value(name+".max_headroom"))
	}
	return text
}
