package failover

import (
	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// telltale is what is asked of the policies of a plan before they plan again: which modules they are, what their rows cost, and what
// they say of the places that copies of draining or dead nodes might have had. A plan itself does not say the latter: for the plan it is of no use.
type telltale struct {
	minds  map[string]mind // by decider; asked by key only
	places map[shards.ShardID][]policies.Explanation
}

// mind is a module by what it was asked: where it was not, its twin in Go has answered, or nobody, and nothing is said of it.
type mind struct {
	module [policies.Start + 1]string
	cost   [policies.Start + 1]uint64
}

// Bounds of what is asked about one plan: a drain of ten thousand copies shall not make plans wait for its story, and where shards
// have lost their primary nothing is asked at all.
const (
	maxWeighed = 8   // moves
	maxPlaces  = 128 // moves by nodes
)

// listen asks. It is called on the goroutine to which the policies belong, after the plan has been committed.
func listen(d *placement.Planned) *telltale {
	t := &telltale{}
	if d.Input == nil || d.Input.Policies == nil || len(d.Plan.Decisions) == 0 {
		return t
	}
	var moves []allocator.Decision
	for i := range d.Plan.Decisions {
		if d.Plan.Decisions[i].Lane == allocator.Emergency {
			moves = nil
			break
		}
		if x := &d.Plan.Decisions[i]; (leaves(d.Input.State, x) || missing(d.Input.State, x)) && len(moves) < maxWeighed && (len(moves)+1)*len(d.Input.State.Members) <= maxPlaces {
			moves = append(moves, d.Plan.Decisions[i])
		}
	}
	if len(moves) > 0 {
		t.places = map[shards.ShardID][]policies.Explanation{}
		for i, places := range allocator.Weigh(*d.Input, moves) {
			t.places[moves[i].Shard] = places
		}
	}
	t.meet(d.Input.Policies.Deciders)
	return t
}

// meet notes who gave the newest answers.
func (t *telltale) meet(all []policies.Decider) {
	t.minds = map[string]mind{}
	for _, x := range all {
		module, digested := x.(policies.Digested)
		f, fueled := x.(policies.Fueled)
		if !digested || !fueled {
			continue
		}
		var m mind
		for c := range m.cost {
			if fuel, spoke := f.Cost(policies.Capability(c)); spoke {
				m.module[c], m.cost[c] = module.Digest(), fuel
			}
		}
		t.minds[x.Name()] = m
	}
}

// leaves says whether a decision moves a copy off a node that is drained.
func leaves(state *cluster.State, d *allocator.Decision) bool {
	if d.Lane != allocator.Evacuate || d.Move.Kind != cluster.MoveAllocate || len(d.Candidates) > 0 {
		return false
	}
	r := state.Shard(d.Shard)
	if r == nil {
		return false
	}
	c := r.Copy(d.Move.Source)
	if c == nil {
		return false
	}
	m := state.Member(c.Node)
	return m != nil && m.Draining
}

// candidates are those of a decision.
func (t *telltale) candidates(d *allocator.Decision) []policies.Explanation {
	if t != nil && len(d.Candidates) == 0 {
		return t.places[d.Shard]
	}
	return d.Candidates
}

// of is the module of a decider, if it has answered such questions, and what its row cost.
func (t *telltale) of(decider string, c policies.Capability) (module string, fuel int64) {
	if t == nil {
		return "", 0
	}
	m := t.minds[decider]
	if c == policies.Allocate && m.module[c] == "" {
		c = policies.Start // one explanation has both: whether a copy may be there, and may begin now
	}
	return m.module[c], int64(m.cost[c])
}
