package admin

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// A cluster that has just formed has one voter for a moment: every copy may be in sync, and yet the loss of that node stops all.
func TestFewVotersAreNotGreen(t *testing.T) {
	members := func(n int) (list []cluster.Member) {
		for i := range n {
			list = append(list, cluster.Member{Raft: uint64(i + 1), Roles: cluster.DefaultRoles})
		}
		return list
	}
	for _, c := range []struct {
		members []cluster.Member
		voters  []uint64
		want    string
	}{
		{members(1), []uint64{1}, ""},
		{members(2), []uint64{1}, ""},
		{members(3), []uint64{1}, "1 of 3"},
		{members(3), []uint64{}, "0 of 3"},
		{members(3), []uint64{1, 2, 3}, ""},
		{members(3), nil, ""},
		{members(9), []uint64{1, 2, 3, 4, 5}, "5 of 7"},
		{append(members(2), cluster.Member{Roles: cluster.DefaultRoles, Down: true}), []uint64{1, 2, 3}, ""},
		{append(members(2), cluster.Member{Roles: cluster.RoleData}), []uint64{1}, ""},
	} {
		o := &overview{state: &cluster.State{Members: c.members}, evidence: Evidence{Voters: c.voters}}
		if got := o.fewVoters(); (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%d members, voters %v: %q, want %q", len(c.members), c.voters, got, c.want)
		}
	}
}
