package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// TestVotersFor: "the largest odd number of live eligible nodes, prefer current voters, … never shrunk below 3 without an
// operator; zone spread as tie-break". Members are 1 to n in zones b, c, a, b, …; number i is Raft number 100+i.
func TestVotersFor(t *testing.T) {
	for _, c := range []struct {
		what     string
		members  int
		now      []uint64
		dead     []int // not alive
		down     []int // declared dead
		data     []int // without the role meta
		excluded []int
		draining []int
		zones    string // a letter each, instead of the usual ones
		keep     int
		want     []uint64
	}{
		{what: "one alone", members: 1, now: []uint64{101}, want: []uint64{101}},
		{what: "a second waits for a third", members: 2, now: []uint64{101}, want: []uint64{101}},
		{what: "three", members: 3, now: []uint64{101}, want: []uint64{101, 102, 103}},
		{what: "a fourth does not vote", members: 4, now: []uint64{101, 102, 103}, want: []uint64{101, 102, 103}},
		{what: "five", members: 5, now: []uint64{101, 102, 103}, want: []uint64{101, 102, 103, 104, 105}},
		{what: "seven at most", members: 12, now: []uint64{110, 111, 112}, want: []uint64{101, 102, 103, 104, 110, 111, 112}},
		{what: "a third that is dead is not waited for", members: 3, now: []uint64{101}, dead: []int{3}, want: []uint64{101}},
		{what: "a dead voter is replaced", members: 4, now: []uint64{101, 102, 103}, dead: []int{2}, want: []uint64{101, 103, 104}},
		{what: "declared dead is dead", members: 4, now: []uint64{101, 102, 103}, dead: []int{2}, down: []int{2}, want: []uint64{101, 103, 104}},
		{what: "but for a voter that is waited for", members: 4, now: []uint64{101, 102, 103}, down: []int{2}, want: []uint64{101, 102, 103}},
		{what: "others that are down get no vote", members: 5, now: []uint64{101, 102, 103}, down: []int{5}, want: []uint64{101, 102, 103}},
		{what: "T2: five shrink to three", members: 5, now: []uint64{101, 102, 103, 104, 105}, dead: []int{4}, want: []uint64{101, 102, 103}},
		{what: "and the leader is one of them", members: 5, now: []uint64{101, 102, 103, 104, 105}, dead: []int{4}, keep: 5, want: []uint64{101, 103, 105}},
		{what: "three do not shrink because one dies", members: 3, now: []uint64{101, 102, 103}, dead: []int{1}, want: []uint64{101, 102, 103}},
		{what: "nor because two die", members: 3, now: []uint64{101, 102, 103}, dead: []int{1, 2}, want: []uint64{101, 102, 103}},
		{what: "five with two alive keep the living", members: 5, now: []uint64{101, 102, 103, 104, 105}, dead: []int{1, 2, 3}, want: []uint64{103, 104, 105}},
		{what: "two that are left when one was forgotten", members: 2, now: []uint64{101, 102}, want: []uint64{101}},
		{what: "excluding is an operator's word", members: 3, now: []uint64{101, 102, 103}, excluded: []int{1}, want: []uint64{102}},
		{what: "an excluded one is replaced", members: 4, now: []uint64{101, 102, 103}, excluded: []int{1}, want: []uint64{102, 103, 104}},
		{what: "roles count", members: 5, now: []uint64{101}, data: []int{2, 4}, want: []uint64{101, 103, 105}},
		{what: "a draining voter is replaced", members: 4, now: []uint64{101, 102, 103}, draining: []int{1}, want: []uint64{102, 103, 104}},
		{what: "if it can be", members: 3, now: []uint64{101, 102, 103}, draining: []int{1}, want: []uint64{101, 102, 103}},
		{what: "zones break ties", members: 6, now: []uint64{101}, zones: "aaabca", want: []uint64{101, 102, 103, 104, 105}},
		{what: "zones before numbers", members: 4, now: []uint64{101}, zones: "aabc", want: []uint64{101, 103, 104}},
		{what: "present voters before zones", members: 5, now: []uint64{101, 102, 103}, zones: "aaabc", dead: []int{5}, want: []uint64{101, 102, 103}},
		{what: "nobody alive: nothing changes", members: 3, now: []uint64{101, 102, 103}, dead: []int{1, 2, 3}, want: []uint64{101, 102, 103}},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := &State{Voters: c.now}
			for i := 1; i <= c.members; i++ {
				m := testMember(i, 1)
				m.Down, m.Excluded, m.Draining = slices.Contains(c.down, i), slices.Contains(c.excluded, i), slices.Contains(c.draining, i)
				if slices.Contains(c.data, i) {
					m.Roles = RoleData
				}
				if c.zones != "" {
					m.Attributes = []Attribute{{ZoneAttribute, c.zones[i-1 : i]}}
				}
				s.Members = append(s.Members, m)
			}
			slices.SortFunc(s.Members, func(a, b Member) int { return cmpID(a.ID, b.ID) })
			alive := func(id shards.NodeID) bool {
				return !slices.ContainsFunc(c.dead, func(i int) bool { return node(i) == id })
			}
			if got := VotersFor(s, alive, node(c.keep)); !slices.Equal(got, c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			s.Voters = c.want
			if got := VotersFor(s, alive, node(c.keep)); !slices.Equal(got, c.want) {
				t.Fatalf("asked again: got %v, want %v", got, c.want)
			}
		})
	}
}

func cmpID(a, b shards.NodeID) int {
	if a < b {
		return -1
	}
	return 1
}

// Nobody can be the last to be excluded; who cannot vote anyway may be.
func TestMayExclude(t *testing.T) {
	for _, c := range []struct {
		what                 string
		members              int
		excluded, down, data []int
		refused              bool // of the first
	}{
		{what: "one alone", members: 1, refused: true},
		{what: "one of two", members: 2},
		{what: "the last of three", members: 3, excluded: []int{2, 3}, refused: true},
		{what: "one that is excluded, and the others may vote", members: 2, excluded: []int{1}},
		{what: "the others are down", members: 3, down: []int{2, 3}, refused: true},
		{what: "the other has not the role", members: 2, data: []int{2}, refused: true},
		{what: "it has not the role itself", members: 2, data: []int{1}, excluded: []int{2}},
	} {
		s := &State{}
		for i := 1; i <= c.members; i++ {
			m := testMember(i, 1)
			m.Excluded, m.Down = slices.Contains(c.excluded, i), slices.Contains(c.down, i)
			if slices.Contains(c.data, i) {
				m.Roles = RoleData
			}
			s.Members = append(s.Members, m)
		}
		slices.SortFunc(s.Members, func(a, b Member) int { return cmpID(a.ID, b.ID) })
		if err := s.MayExclude(node(1)); errors.Is(err, &Refusal{Why: WhyUnsafe}) != c.refused {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestVotersCommand(t *testing.T) {
	s := &State{}
	for _, c := range []*Command{
		{Bootstrap: &Bootstrap{Cluster: testCluster, Member: testMember(1, 1)}},
		{Join: &Join{Member: testMember(2, 1)}},
		{Join: &Join{Member: func() Member { m := testMember(3, 1); m.Roles = RoleData; return m }()}},
	} {
		next, o := s.Apply(c)
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		s = next
	}
	for _, voters := range [][]uint64{nil, {102, 101}, {101, 101}, {101, 104}, {101, 103}, {1, 2, 3, 4, 5, 6, 7, 8}} {
		if _, o := s.Apply(&Command{Voters: &VotersChange{voters}}); o.Err == nil {
			t.Errorf("voters %v were accepted", voters)
		}
	}
	next, o := s.Apply(&Command{Voters: &VotersChange{[]uint64{101, 102}}})
	if o.Err != nil || !slices.Equal(next.Voters, []uint64{101, 102}) {
		t.Fatalf("voters %v: %v", next.Voters, o.Err)
	}
	s = next
	forget := &Command{Member: &MemberChange{Node: node(2), Forget: true}}
	if _, o = s.Apply(forget); o.Err == nil || !strings.Contains(o.Err.Text, "stop it, then forget it") {
		t.Fatalf("a node that runs was forgotten: %v", o.Err)
	}
	if s, o = s.Apply(&Command{Reroute: &Reroute{Down: []Death{{Node: node(2), Epoch: 1}}}}); o.Err != nil {
		t.Fatal(o.Err)
	}
	if next, o = s.Apply(forget); o.Err != nil || !slices.Equal(next.Voters, []uint64{101}) {
		t.Fatalf("after forgetting a voter: %v, %v", next.Voters, o.Err)
	}
	if _, o = next.Apply(&Command{Member: &MemberChange{Node: node(1), Forget: true}}); o.Err == nil {
		t.Fatal("the only voter was forgotten")
	}
}

func TestRoles(t *testing.T) {
	for text, want := range map[string]Roles{"": DefaultRoles, "meta": RoleMeta, "gateway": RoleGateway, "data, meta": DefaultRoles} {
		if got, err := ParseRoles(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	if _, err := ParseRoles("master"); err == nil || fmt.Sprint(RoleMeta|RoleGateway) != "meta,gateway" {
		t.Errorf("master: %v", err)
	}
}
