package hosted

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
)

// Flip counts the verdicts of one kind that would become others.
type Flip struct {
	Question string // a capability
	From, To string // verdicts
	Count    int
	Example  string // a sentence about one of them
}

// Verdicts are what two sets of rules say to the same questions.
type Verdicts struct {
	Asked            int    // shards that both were asked about
	Answers          int    // verdicts that were compared
	Stricter, Milder int    // of those, how many the second set says otherwise
	First            string // the first of them, as in: promote YES would be NO: shard orders/1, node n2: [leads] not here
	Flips            []Flip // by question
}

// contrasted bounds the shards that are asked about: a large cluster is sampled, every n-th shard.
const contrasted = 512

// Contrast puts the same questions to both sets, about a sample of the shards, and as many of them as both can answer with what policies may use for
// one plan. No plan asks so much: nothing is held against one that cannot.
func Contrast(v *policies.View, was, is *Set) *Verdicts {
	for _, s := range []*Set{was, is} {
		s.Lenient(true)
		defer s.Lenient(false)
	}
	c := contrast{Verdicts: &Verdicts{}, v: v, was: was, is: is, at: map[flipKey]int{}}
	all := len(v.State.Shards)
	step := max(1, (all+contrasted-1)/contrasted)
	for i := 0; i < all && !c.exhausted(); i += step {
		c.Asked++
		c.shard(i)
	}
	slices.SortFunc(c.Flips, func(a, b Flip) int {
		return cmp.Or(cmp.Compare(a.Question, b.Question), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return c.Verdicts
}

type flipKey struct {
	question policies.Capability
	from, to policies.Verdict
}

// contrast asks, and counts.
type contrast struct {
	*Verdicts
	v       *policies.View
	was, is *Set
	at      map[flipKey]int // place in Flips; only asked, never visited
}

func (c *contrast) exhausted() bool { return c.was.Exhausted(c.v) || c.is.Exhausted(c.v) }

// shard asks whether a copy more might go to each node and begin there, and whether each copy may stay, leave and lead.
func (c *contrast) shard(place int) {
	r := &c.v.State.Shards[place]
	q := policies.Question{Keyspace: &c.v.State.Keyspaces[c.v.Keyspace(r.ID.Keyspace())], Shard: r, Place: place, New: len(r.Copies) == 0, Primary: r.Primary == 0}
	for _, capability := range []policies.Capability{policies.Allocate, policies.Start} {
		q.Capability = capability
		c.question(&q, -1)
	}
	q.New = false
	for i := range r.Copies {
		q.Copy = &r.Copies[i]
		for _, capability := range []policies.Capability{policies.Remain, policies.Rebalance, policies.Promote} {
			q.Capability, q.Primary = capability, q.Copy.ID == r.Primary || capability == policies.Promote // as plans ask: who is promoted leads
			c.question(&q, c.v.Node(q.Copy.Node))
		}
	}
}

// question counts what the two say otherwise, of one node or of all.
func (c *contrast) question(q *policies.Question, only int) {
	before := slices.Clone(c.was.Ask(c.v, q)) // valid until the next, which may be the same set's
	after := c.is.Ask(c.v, q)
	if c.exhausted() {
		return // one of the two was not asked
	}
	for n := range before {
		if only >= 0 && n != only {
			continue
		}
		key := flipKey{q.Capability, before[n].Verdict(), after[n].Verdict()}
		switch c.Answers++; {
		case key.from == key.to:
			continue
		case key.to > key.from:
			c.Stricter++
		default:
			c.Milder++
		}
		at, known := c.at[key]
		if !known {
			at = len(c.Flips)
			c.at[key] = at
			c.Flips = append(c.Flips, Flip{Question: key.question.String(), From: key.from.String(), To: key.to.String(), Example: c.example(q, n)})
		}
		if c.Flips[at].Count++; c.First == "" {
			c.First = fmt.Sprintf("%v %v would be %v: %s", key.question, key.from, key.to, c.Flips[at].Example)
		}
	}
}

// example says why, in the words of the set that is the stricter.
func (c *contrast) example(q *policies.Question, node int) string {
	asked := *q // an explanation asks anew, and rows are its own
	a, b := c.was.Explain(c.v, &asked, node), c.is.Explain(c.v, &asked, node)
	words := b.Decisive()
	if a.Verdict > b.Verdict {
		words = a.Decisive()
	}
	text := fmt.Sprintf("shard %s, node %s", c.v.State.ShardName(q.Shard.ID), c.v.Nodes[node].Name)
	if words.Reason != "" {
		text += fmt.Sprintf(": [%s] %s", words.Decider, words.Reason)
	}
	return text
}
