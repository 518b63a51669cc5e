package admin

import (
	"testing"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// What the health of a shard and the decision about it say alike is said once.
func TestExplainSaysNothingTwice(t *testing.T) {
	x := &allocator.Explanation{Row: "lost/0 term 0: no copy", Health: cluster.ShardHealth{Reason: "it has never been allocated"}}
	for _, c := range []struct{ reason, want string }{
		{"", "lost/0 term 0: no copy; it has never been allocated"},
		{"lost/0 has never been allocated, and no node may have it", "lost/0 term 0: no copy; lost/0 has never been allocated, and no node may have it"},
		{"lost/0 waits", "lost/0 term 0: no copy; it has never been allocated; lost/0 waits"},
	} {
		if x.Decisions = nil; c.reason != "" {
			x.Decisions = []allocator.Decision{{Reason: c.reason}}
		}
		if got := ExplanationOf(&cluster.State{}, x, "").Summary; got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
