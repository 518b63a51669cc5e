package policies

import "fmt"

// Explanation is what all deciders say about one node.
type Explanation struct {
	Capability Capability
	Node       string // its name
	Verdict    Verdict
	Words      []Word   // of every decider with this capability, in the set's order
	Scores     []Rating // of every scorer, where they were asked with it
}

// Rating is what one scorer says about one node, in units of one copy: the lowest is preferred.
type Rating struct {
	Scorer string
	Score  float64
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

// Score is what one scorer says about each node, in the order of View.Nodes and in units of one copy: the lowest is preferred.
type Score struct {
	Scorer string
	Each   []float64
}

// Rate asks every scorer by itself: what Scores adds up.
func (s *Set) Rate(v *View, q *Question) []Score {
	var all []Score
	for _, scorer := range s.Scorers {
		each := make([]float64, len(v.Nodes))
		rate(scorer, v, q, each)
		all = append(all, Score{scorer.Name(), each})
	}
	return all
}

// Total adds up what scorers said, as Scores does; nil: there are none.
func Total(all []Score) []float64 {
	var sum []float64
	for _, s := range all {
		if sum == nil {
			sum = make([]float64, len(s.Each))
		}
		for i, x := range s.Each {
			sum[i] += x
		}
	}
	return sum
}

// RatingsOf is what scorers said about one node.
func RatingsOf(all []Score, node int) (ratings []Rating) {
	for _, s := range all {
		ratings = append(ratings, Rating{s.Scorer, s.Each[node]})
	}
	return ratings
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
