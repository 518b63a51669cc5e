package admin

import (
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// ExplainAnswer is the answer of /_cluster/allocation/explain.
type ExplainAnswer struct {
	Shard   Row             `json:"shard"`
	Summary string          `json:"explanation"`
	Nodes   []ExplainedNode `json:"node_allocation_decisions"`
	Refuses string          `json:"refuses_writes,omitempty"` // why no writes that grow are taken: a node with a copy is full; empty: they are
}

// ExplainedNode is what the deciders say about the shard on one node.
type ExplainedNode struct {
	Node     string      `json:"node_name"`
	Decision string      `json:"node_decision"` // whether a copy may be put there: the strictest verdict; one that is there already may stay all the same
	Copy     *RowCopy    `json:"copy,omitempty"`
	Verdicts []Verdict   `json:"deciders"`
	Scores   []NodeScore `json:"scorers,omitempty"` // of soft policies
}

// Verdict is what one decider says.
type Verdict struct {
	Question string `json:"question"` // what it was asked, as in "allocate", "start", "remain", "promote"
	Decider  string `json:"decider"`
	Decision string `json:"decision"` // "yes", "not_preferred", "throttle" or "no"
	Reason   string `json:"explanation"`
}

// NodeScore is how good a node is for another copy, by one soft policy.
type NodeScore struct {
	Scorer string  `json:"scorer"`
	Score  float64 `json:"score"` // in units of one copy more on the node: the lowest is preferred
}

// Explanation is what the deciders say about a shard.
type Explanation struct {
	Summary string // a sentence: how the shard stands, and what comes next
	Nodes   []NodeExplanation
}

// NodeExplanation is what the deciders say about a shard on one node.
type NodeExplanation struct {
	Node     shards.NodeID
	Decision string // the strictest verdict
	Verdicts []Verdict
	Scores   []NodeScore
}

// VerdictsOf are deciders' words on one question as the HTTP API has them.
func VerdictsOf(e *policies.Explanation) (list []Verdict) {
	for _, w := range e.Words {
		list = append(list, Verdict{Question: e.Capability.String(), Decider: w.Decider, Decision: decisionOf(w.Verdict), Reason: w.Reason})
	}
	return list
}

func decisionOf(v policies.Verdict) string {
	return strings.ReplaceAll(strings.ToLower(v.String()), " ", "_")
}

// ExplanationOf gathers what was said about each node: of one with a copy, whether that may stay and be promoted, and what keeps it from
// being moved for balance; and of each whether one may be put there and begin now, and how good it is for that. only: of one node; empty: of all.
func ExplanationOf(state *cluster.State, x *allocator.Explanation, only shards.NodeID) Explanation {
	out := Explanation{Summary: standing(x)}
	about := map[string]int{}
	add := func(name string, e *policies.Explanation) *NodeExplanation {
		m := state.MemberByName(name)
		if m == nil || only != "" && m.ID != only {
			return nil
		}
		at, known := about[name]
		if !known {
			at = len(out.Nodes)
			about[name] = at
			out.Nodes = append(out.Nodes, NodeExplanation{Node: m.ID})
		}
		out.Nodes[at].Verdicts = append(out.Nodes[at].Verdicts, VerdictsOf(e)...)
		return &out.Nodes[at]
	}
	for i := range x.Copies {
		add(x.Copies[i].Node, &x.Copies[i].Remain)
		if r := &x.Copies[i].Rebalance; r.Verdict != policies.Yes {
			add(x.Copies[i].Node, r)
		}
		add(x.Copies[i].Node, &x.Copies[i].Promote)
	}
	for i := range x.Nodes {
		add(x.Nodes[i].Node, &x.Nodes[i])
		n := add(x.Nodes[i].Node, &x.Starts[i])
		if n == nil {
			continue
		}
		n.Decision = decisionOf(x.Place(i).Verdict) // whether a copy may be put there now, or another
		for _, s := range x.Scores {
			n.Scores = append(n.Scores, NodeScore{Scorer: s.Scorer, Score: s.Each[i]})
		}
	}
	return out
}

// standing is how a shard stands and what comes next; what its health and a decision say alike is said once.
func standing(x *allocator.Explanation) string {
	text := x.Row
	told := strings.TrimPrefix(x.Health.Reason, "it ")
	if told != "" && !slices.ContainsFunc(x.Decisions, func(d allocator.Decision) bool { return strings.Contains(d.Reason, told) }) {
		text += "; " + x.Health.Reason
	}
	for i := range x.Decisions {
		text += "; " + x.Decisions[i].Reason
	}
	for i := range x.Conflict {
		text += "; in the way: " + x.Conflict[i].String()
	}
	if x.Burden != nil {
		text += "; " + x.Burden.String()
	}
	return text
}

// Explained is an explanation as the HTTP API gives it. Why no writes are taken is no part of it: that is for the nodes to say.
func Explained(state *cluster.State, row *cluster.Shard, e *Explanation) ExplainAnswer {
	a := ExplainAnswer{Shard: rowOf(state, row), Summary: e.Summary, Nodes: []ExplainedNode{}}
	for i := range a.Shard.Copies {
		m := state.Member(row.Copies[i].Node)
		a.Shard.Copies[i].Down = m != nil && m.Down
	}
	for _, n := range e.Nodes {
		one := ExplainedNode{Node: state.NodeName(n.Node), Decision: n.Decision, Verdicts: n.Verdicts, Scores: n.Scores}
		if one.Verdicts == nil {
			one.Verdicts = []Verdict{}
		}
		for i := range a.Shard.Copies {
			if a.Shard.Copies[i].Node == one.Node {
				one.Copy = &a.Shard.Copies[i]
			}
		}
		a.Nodes = append(a.Nodes, one)
	}
	slices.SortFunc(a.Nodes, func(x, y ExplainedNode) int { return strings.Compare(x.Node, y.Node) })
	return a
}
