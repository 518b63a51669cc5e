package admin

import (
	"fmt"
	"slices"
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
	excluded := func(list []cluster.Member, raft ...uint64) []cluster.Member {
		for i := range list {
			list[i].Name = fmt.Sprint("n", i+1)
			list[i].Excluded = slices.Contains(raft, list[i].Raft)
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
		{excluded(members(3), 1), []uint64{2}, "only 1 member votes, since n1 shall not vote"},
		{excluded(members(3), 1, 2), []uint64{3}, "only 1 member votes, since n1, n2 shall not vote"},
		{excluded(members(3), 1), []uint64{1, 2, 3}, ""}, // it is about to be so
		{excluded(members(4), 1), []uint64{2, 3, 4}, ""},
		{excluded(members(5), 1, 2), []uint64{3}, "1 of 3"},
		{excluded(members(2), 1), []uint64{2}, ""}, // two would be no more than one
	} {
		o := &overview{state: &cluster.State{Members: c.members}, evidence: Evidence{Voters: c.voters}}
		if got := o.fewVoters(); (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%d members, voters %v: %q, want %q", len(c.members), c.voters, got, c.want)
		}
	}
}
