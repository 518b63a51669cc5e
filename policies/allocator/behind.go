package allocator

import (
	"cmp"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Who cannot run yet what its keyspace's actors need had better not lead there: their messages would wait for a compiler.
//
//	                                        copies   leads
//	joins ──────────────────────────────────┬───►│      │
//	compiles what is in use                 │    │      │
//	says so: it is in Input.Behind no more  └────┼─────►│
//
// It is the planner's own rule, and weaker than all others: for balance no lead goes there, by hand-over or with its copy, and of two that
// may take a lead over from a node that had better not have it the other is taken. Nothing waits for it whose reason is not balance. A
// shard without a primary is led by whoever can; a node that must be emptied is; nobody loses a lead by it.

// ruleBehind is what explanations call the rule.
const ruleBehind = "kinds_ready"

// behind says why a node had better not lead shards of the keyspace of the shard at i; empty: nothing is against it.
func (p *planner) behind(i, n int) string {
	if len(p.in.Behind) == 0 {
		return ""
	}
	space, node := p.row(i).ID.Keyspace(), p.view.Nodes[n].ID
	at, found := slices.BinarySearchFunc(p.in.Behind, node, func(b cluster.Behind, id shards.NodeID) int {
		return cmp.Or(cmp.Compare(b.Keyspace, space), strings.Compare(string(b.Node), string(id)))
	})
	if !found {
		return ""
	}
	return p.in.Behind[at].Reason
}

// addBehind has an explanation of a lead name the rule, where it has a word.
func (p *planner) addBehind(e *policies.Explanation, i, n int) {
	if reason := p.behind(i, n); reason != "" {
		e.Verdict = max(e.Verdict, policies.NotPreferred)
		e.Words = append(slices.Clip(e.Words), policies.Word{Decider: ruleBehind, Verdict: policies.NotPreferred, Reason: reason + ": for balance no lead goes there before it has"})
	}
}
