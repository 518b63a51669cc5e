package runtime

import (
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// A node's decision is whether a copy may be put there: not where one is already, however well that may stay.
func TestExplainSaysNoWhereACopyIs(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	var row cluster.Shard
	var x admin.Explanation
	eventually(t, "it is explained while nothing moves", func() bool {
		leads, _ := c.leader()
		before := c.nodes[leads].state()
		if slices.ContainsFunc(before.Shards, func(r cluster.Shard) bool { return len(r.Copies) != 2 || r.InSync() != 2 }) {
			return false
		}
		row = before.Shards[0]
		var err error
		x, err = clusterAPI{c.nodes[leads]}.Explain(t.Context(), row.ID, "")
		return err == nil && c.nodes[leads].state().Version == before.Version
	})
	if len(x.Nodes) != 3 {
		t.Fatalf("%+v", x)
	}
	for _, n := range x.Nodes {
		asked := func(question, decider, decision string) bool {
			return slices.ContainsFunc(n.Verdicts, func(v admin.Verdict) bool {
				return v.Question == question && v.Decider == decider && v.Decision == decision
			})
		}
		if !asked("start", "throttling", "yes") {
			t.Errorf("whether a copy may begin there is another question than whether it may be there: %+v", n.Verdicts)
		}
		holds := row.CopyOn(n.Node) != nil
		if want := map[bool]string{true: "no", false: "yes"}[holds]; n.Decision != want || asked("allocate", "same_node", "no") != holds {
			t.Errorf("a node that holds a copy: %v; its decision: %s, with %+v", holds, n.Decision, n.Verdicts)
		}
		if remains := slices.ContainsFunc(n.Verdicts, func(v admin.Verdict) bool { return v.Question == "remain" }); remains != holds {
			t.Errorf("a node that holds a copy: %v; asked whether it may stay: %v", holds, remains)
		}
	}
}
