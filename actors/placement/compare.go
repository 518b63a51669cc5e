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

	Asked  int    // shards that both were asked about
	Shards int    // that there are
	Flips  []Flip // verdicts that would be others, by question
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

// Flip counts the verdicts of one kind that would become others.
type Flip struct {
	Question string // a capability
	From, To string // verdicts
	Count    int
	Example  string // a sentence about one of them
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

// Bounds on a comparison.
const (
	comparedShards = 512 // a large cluster is sampled, every n-th shard
	listedMoves    = 20  // of each list
)

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

// ask puts the same questions to both sets, about a sample of the shards, and as many of them as both can answer with what policies may use for
// one plan. No plan asks so much: nothing is held against one that cannot.
func (c *Comparison) ask(in *allocator.Input, active, shadow *hosted.Set) {
	for _, s := range []*hosted.Set{active, shadow} {
		s.Lenient(true)
		defer s.Lenient(false)
	}
	v := policies.NewView(in.State, facts(in))
	f := flips{Comparison: c, v: v, active: active, shadow: shadow, at: map[flipKey]int{}}
	c.Shards = len(in.State.Shards)
	step := max(1, (len(in.State.Shards)+comparedShards-1)/comparedShards)
	for i := 0; i < len(in.State.Shards) && !f.exhausted(); i += step {
		c.Asked++
		f.shard(i)
	}
	slices.SortFunc(c.Flips, func(a, b Flip) int {
		return cmp.Or(cmp.Compare(a.Question, b.Question), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
}

type flipKey struct {
	question policies.Capability
	from, to policies.Verdict
}

// flips asks, and counts.
type flips struct {
	*Comparison
	v              *policies.View
	active, shadow *hosted.Set
	at             map[flipKey]int // place in Flips; only asked, never visited
}

func (f *flips) exhausted() bool { return f.active.Exhausted(f.v) || f.shadow.Exhausted(f.v) }

// shard asks whether a copy more might go to each node and begin there, and whether each copy may stay, leave and lead.
func (f *flips) shard(place int) {
	r := &f.v.State.Shards[place]
	q := policies.Question{Keyspace: &f.v.State.Keyspaces[f.v.Keyspace(r.ID.Keyspace())], Shard: r, Place: place, New: len(r.Copies) == 0, Primary: r.Primary == 0}
	for _, capability := range []policies.Capability{policies.Allocate, policies.Start} {
		q.Capability = capability
		f.question(&q, -1)
	}
	q.New = false
	for i := range r.Copies {
		q.Copy = &r.Copies[i]
		q.Primary = q.Copy.ID == r.Primary
		for _, capability := range []policies.Capability{policies.Remain, policies.Rebalance, policies.Promote} {
			q.Capability = capability
			f.question(&q, f.v.Node(q.Copy.Node))
		}
	}
}

// question counts what the two say otherwise, of one node or of all.
func (f *flips) question(q *policies.Question, only int) {
	before := slices.Clone(f.active.Ask(f.v, q)) // valid until the next, which may be the same set's
	after := f.shadow.Ask(f.v, q)
	if f.exhausted() {
		return // one of the two was not asked
	}
	for n := range before {
		key := flipKey{q.Capability, before[n].Verdict(), after[n].Verdict()}
		if key.from == key.to || only >= 0 && n != only {
			continue
		}
		at, known := f.at[key]
		if !known {
			at = len(f.Flips)
			f.at[key] = at
			f.Flips = append(f.Flips, Flip{Question: key.question.String(), From: key.from.String(), To: key.to.String(), Example: f.example(q, n)})
		}
		f.Flips[at].Count++
	}
}

// example says why, in the words of the set that is the stricter.
func (f *flips) example(q *policies.Question, node int) string {
	asked := *q // an explanation asks anew, and rows are its own
	a, b := f.active.Explain(f.v, &asked, node), f.shadow.Explain(f.v, &asked, node)
	words := b.Decisive()
	if a.Verdict > b.Verdict {
		words = a.Decisive()
	}
	text := fmt.Sprintf("shard %s, node %s", f.v.State.ShardName(q.Shard.ID), f.v.Nodes[node].Name)
	if words.Reason != "" {
		text += fmt.Sprintf(": [%s] %s", words.Decider, words.Reason)
	}
	return text
}
