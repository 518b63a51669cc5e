package cluster

import (
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// An index says of each member where it is, and of nobody else anything.
func TestIndexFindsMembersAlone(t *testing.T) {
	for _, count := range []int{0, 1, 3, 4, 1000} {
		for _, form := range []string{"n%d", "%040x", "node-%09d-of-one-cluster", "%d"} {
			var members []Member
			for i := range count {
				members = append(members, Member{ID: shards.NodeID(fmt.Sprintf(form, i))})
			}
			x := NewIndex(members)
			for i := range members {
				if at := x.Place(members[i].ID); at != i {
					t.Fatalf("%d members as %s: %s is at %d, not %d", count, form, members[i].ID, at, i)
				}
			}
			for _, other := range []shards.NodeID{"", "n", shards.NodeID(fmt.Sprintf(form, count)), "somebody else altogether"} {
				if at := x.Place(other); at >= 0 {
					t.Errorf("%d members as %s: %q is at %d", count, form, other, at)
				}
			}
		}
	}
}
