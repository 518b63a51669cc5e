package placement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/shards"
)

// Comparison is what a plan would have been with the policies in the shadow in place of their active namesakes, on the same
// input.
type Comparison struct {
	Number   uint64 // of this leader's
	At       int64  // Unix milliseconds
	Term     uint64
	Version  uint64 // of the state that was planned on
	Policies []Shadowed

	Asked  int           // shards that both were asked about
	Shards int           // that there are
	Flips  []hosted.Flip // verdicts that would be others, by question
	Added  []string
	Gone   []string
	More   int // moves added or gone beyond those that are listed

	Active, Shadow Sketch
	Faults         []string // of the policies in the shadow, while it was made
}

// Shadowed is a policy in the shadow.
type Shadowed struct {
	Name     string
	Version  uint32
	Digest   cluster.Digest
	Settings string
	Absent   string // why it was not asked; empty: it was
}

// Sketch is a plan in figures, and the cluster as it would be after it.
type Sketch struct {
	Moves     int
	Waiting   int     // copies that are wanted and wait
	Bytes     float64 // that its copies bring over the wire, as far as their shards have been measured
	Copies    float64 // of the node that has most, over the mean
	Primaries float64
	Micros    int64 // that it took to plan
}

// TotalFlips and TotalMoves are what a gate looks at.
func (c *Comparison) TotalFlips() (n int) {
	for _, f := range c.Flips {
		n += f.Count
	}
	return n
}

// TotalMoves counts the moves that only one of the two plans has.
func (c *Comparison) TotalMoves() int { return len(c.Added) + len(c.Gone) + c.More }

// listedMoves bounds each list of moves.
const listedMoves = 20

// contrast compares two plans of one input.
func (c *Comparison) contrast(in *allocator.Input, active, shadow *allocator.Plan) {
	c.Active.of(in, active)
	c.Shadow.of(in, shadow)
	before, after := moveNames(in.State, active), moveNames(in.State, shadow)
	c.Added, c.Gone = without(after, before), without(before, after)
	for _, list := range []*[]string{&c.Added, &c.Gone} {
		if len(*list) > listedMoves {
			c.More += len(*list) - listedMoves
			*list = (*list)[:listedMoves]
		}
	}
}

// moveNames prints each move in words that are the same in both plans if the moves are.
func moveNames(s *cluster.State, plan *allocator.Plan) (list []string) {
	words := map[cluster.MoveKind]string{cluster.MoveCreate: "create on", cluster.MoveEmpty: "begin empty on", cluster.MovePromote: "promote", cluster.MoveDrop: "drop",
		cluster.MoveStale: "go on with", cluster.MoveHandTo: "hand over to", cluster.MoveRetry: "retry"}
	for _, r := range plan.Rows {
		row := s.Shard(r.Shard)
		home := func(id shards.CopyID) string {
			if c := row.Copy(id); c != nil {
				return s.NodeName(c.Node)
			}
			return "?"
		}
		for _, m := range r.Moves {
			text := s.ShardName(r.Shard) + " "
			switch {
			case m.Kind == cluster.MoveAllocate && m.Source != 0:
				text += fmt.Sprintf("move %s -> %s", home(m.Source), s.NodeName(m.Node))
			case m.Kind == cluster.MoveAllocate:
				text += "allocate on " + s.NodeName(m.Node)
			case m.Node != "":
				text += words[m.Kind] + " " + s.NodeName(m.Node)
			case m.Copy != 0:
				text += words[m.Kind] + " " + home(m.Copy)
			default:
				text += words[m.Kind]
			}
			list = append(list, text)
		}
	}
	return list
}

// without lists what is in a and not in b, in a's order.
func without(a, b []string) (list []string) {
	in := map[string]int{}
	for _, x := range b {
		in[x]++
	}
	for _, x := range a {
		if in[x]--; in[x] < 0 {
			list = append(list, x)
		}
	}
	return list
}

// of fills in the figures of a plan.
func (k *Sketch) of(in *allocator.Input, plan *allocator.Plan) {
	k.Moves, k.Waiting = plan.Moves(), plan.Waiting
	after := in.State
	if c := plan.Command(); c != nil {
		after, _ = in.State.Apply(&cluster.Command{Reroute: c})
	}
	for _, r := range plan.Rows {
		at, measured := slices.BinarySearchFunc(in.Loads.Shards, r.Shard, func(l policies.ShardLoad, id shards.ShardID) int { return cmp.Compare(l.Shard, id) })
		for _, m := range r.Moves {
			if m.Kind == cluster.MoveAllocate && measured {
				k.Bytes += max(in.Loads.Shards[at].Replica.Disk, in.Loads.Shards[at].Primary.Disk)
			}
		}
	}
	v := policies.NewView(after, facts(in))
	var copies, primaries, nodes, mostCopies, mostPrimaries int
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Has(cluster.RoleData) && !n.Down {
			nodes++
			copies, primaries = copies+n.Copies, primaries+n.Primaries
			mostCopies, mostPrimaries = max(mostCopies, n.Copies), max(mostPrimaries, n.Primaries)
		}
	}
	k.Copies, k.Primaries = overMean(mostCopies, copies, nodes), overMean(mostPrimaries, primaries, nodes)
}

func overMean(most, all, nodes int) float64 {
	if all == 0 {
		return 1
	}
	return float64(most) * float64(nodes) / float64(all)
}

func facts(in *allocator.Input) policies.Facts {
	return policies.Facts{Evidence: in.Evidence, Loads: in.Loads, Setbacks: in.Setbacks, Ticks: in.Ticks, TickLength: in.TickLength, Now: in.Now}
}

// ask has both sets answer the same questions.
func (c *Comparison) ask(in *allocator.Input, active, shadow *hosted.Set) {
	said := hosted.Contrast(policies.NewView(in.State, facts(in)), active, shadow)
	c.Shards, c.Asked, c.Flips = len(in.State.Shards), said.Asked, said.Flips
}
