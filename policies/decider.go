package policies

import (
	"fmt"
	"math"
)

// Decider is a rule. It has a word on some of the questions: it implements one or more of Allocator, Remainer, Rebalancer,
// Promoter and Starter, or Mind, each of which raises the answers in a row that begins as all YES.
type Decider interface {
	// Name is how settings, explanations and traces call it.
	Name() string
	// PerShard says that answers depend on the shard's own copies, so that they cannot be shared by a keyspace's shards.
	PerShard() bool
	// Reason is the sentence behind an answer that it gave about a node; it is asked for no others.
	Reason(v *View, q *Question, node int, a Answer) string
}

// Allocator says on which nodes a new copy may be put.
type Allocator interface {
	Allocate(v *View, q *Question, r Row)
}

// Remainer says on which nodes the copy might stay.
type Remainer interface {
	Remain(v *View, q *Question, r Row)
}

// Rebalancer says which nodes the copy might leave for balance alone.
type Rebalancer interface {
	Rebalance(v *View, q *Question, r Row)
}

// Promoter says on which nodes the copy might lead.
type Promoter interface {
	Promote(v *View, q *Question, r Row)
}

// Starter says into which nodes a recovery of the copy may start now.
type Starter interface {
	Start(v *View, q *Question, r Row)
}

// Mind is a decider whose rule is no Go: which questions it has a word on is known only once it is loaded, so it says so
// itself and takes all of them in one place.
type Mind interface {
	Decider
	Has(c Capability) bool
	Answer(v *View, q *Question, r Row) // of a capability that it has
}

// Scorer ranks the nodes that deciders allow: it adds its figure for each to scores, in the order of View.Nodes. Lower is
// better; Scale is what a difference of one copy on a node is worth, so that figures of several scorers can be added.
type Scorer interface {
	Name() string
	Scale() float64
	Score(v *View, q *Question, scores []float64)
}

// Set is a list of deciders and scorers that are asked together. It keeps the rows that shards of one keyspace share until
// Forget, which whoever changes the view calls; what only the sums in the view change is asked anew each time (Start).
type Set struct {
	Deciders []Decider
	Scorers  []Scorer
	shared   map[class]Row
	row      Row
}

// class is what shards have in common that no decider without PerShard can tell apart.
type class struct {
	capability   Capability
	keyspace     uint16
	primary, new bool
}

// Forget drops the rows that are kept.
func (s *Set) Forget() { s.shared = nil }

// Ask folds the answers of all deciders: the strictest wins. The row is valid until the next Ask.
func (s *Set) Ask(v *View, q *Question) Row {
	if len(s.row) != len(v.Nodes) {
		s.row = make(Row, len(v.Nodes))
	}
	if q.Capability == Start {
		clear(s.row)
		for _, d := range s.Deciders {
			ask(d, v, q, s.row)
		}
		return s.row
	}
	copy(s.row, s.sharedRow(v, q))
	for _, d := range s.Deciders {
		if d.PerShard() {
			ask(d, v, q, s.row)
		}
	}
	return s.row
}

func (s *Set) sharedRow(v *View, q *Question) Row {
	key := class{q.Capability, uint16(q.Keyspace.ID), q.Primary, q.New}
	if row, known := s.shared[key]; known {
		return row
	}
	row := make(Row, len(v.Nodes))
	for _, d := range s.Deciders {
		if !d.PerShard() {
			ask(d, v, q, row)
		}
	}
	if s.shared == nil {
		s.shared = map[class]Row{}
	}
	s.shared[key] = row
	return row
}

// ask puts the question to one decider; one that has no word on it says YES.
func ask(d Decider, v *View, q *Question, r Row) {
	if m, ok := d.(Mind); ok {
		if m.Has(q.Capability) {
			m.Answer(v, q, r)
		}
		return
	}
	switch q.Capability {
	case Allocate:
		if d, ok := d.(Allocator); ok {
			d.Allocate(v, q, r)
		}
	case Remain:
		if d, ok := d.(Remainer); ok {
			d.Remain(v, q, r)
		}
	case Rebalance:
		if d, ok := d.(Rebalancer); ok {
			d.Rebalance(v, q, r)
		}
	case Promote:
		if d, ok := d.(Promoter); ok {
			d.Promote(v, q, r)
		}
	case Start:
		if d, ok := d.(Starter); ok {
			d.Start(v, q, r)
		}
	}
}

// Scores adds up what the scorers say, in units of one copy. A figure that is no number, or not finite, counts as 0: a soft
// rule that fails is ignored.
func (s *Set) Scores(v *View, q *Question) []float64 {
	if len(s.Scorers) == 0 {
		return nil
	}
	sum := make([]float64, len(v.Nodes))
	each := make([]float64, len(v.Nodes))
	for _, scorer := range s.Scorers {
		clear(each)
		scorer.Score(v, q, each)
		for i, x := range each {
			if x = x / scorer.Scale(); !math.IsNaN(x) && !math.IsInf(x, 0) {
				sum[i] += x
			}
		}
	}
	return sum
}

// Explanation is what all deciders say about one node.
type Explanation struct {
	Capability Capability
	Node       string // its name
	Verdict    Verdict
	Words      []Word // of every decider with this capability, in the set's order
}

// Word is one decider's verdict and why.
type Word struct {
	Decider string
	Verdict Verdict
	Reason  string // empty for a plain YES
}

// Explain asks every decider about one node, and for the reasons of all that are not a plain YES.
func (s *Set) Explain(v *View, q *Question, node int) Explanation {
	e := Explanation{Capability: q.Capability, Node: v.Nodes[node].Name}
	row := make(Row, len(v.Nodes))
	for _, d := range s.Deciders {
		if !has(d, q.Capability) {
			continue
		}
		clear(row)
		ask(d, v, q, row)
		w := Word{Decider: d.Name(), Verdict: row[node].Verdict()}
		if row[node] != 0 {
			w.Reason = d.Reason(v, q, node, row[node])
		}
		e.Words = append(e.Words, w)
		e.Verdict = max(e.Verdict, w.Verdict)
	}
	return e
}

func has(d Decider, c Capability) (ok bool) {
	if m, ok := d.(Mind); ok {
		return m.Has(c)
	}
	switch c {
	case Allocate:
		_, ok = d.(Allocator)
	case Remain:
		_, ok = d.(Remainer)
	case Rebalance:
		_, ok = d.(Rebalancer)
	case Promote:
		_, ok = d.(Promoter)
	case Start:
		_, ok = d.(Starter)
	}
	return ok
}

// Decisive is the first of the strictest words, or one without a decider if all said a plain YES.
func (e *Explanation) Decisive() Word {
	for _, w := range e.Words {
		if w.Verdict == e.Verdict && w.Reason != "" {
			return w
		}
	}
	return Word{Verdict: e.Verdict}
}

// String prints the verdict with the words that led to it, as in
//
//	n2 allocate NO: [draining NO] node n2 is draining
func (e *Explanation) String() string {
	text := fmt.Sprintf("%s %v %v", e.Node, e.Capability, e.Verdict)
	separator := ":"
	for _, w := range e.Words {
		if w.Reason != "" {
			text += fmt.Sprintf("%s [%s %v] %s", separator, w.Decider, w.Verdict, w.Reason)
			separator = ";"
		}
	}
	return text
}
