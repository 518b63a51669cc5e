package cluster

import (
	"cmp"
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// ZoneAttribute names the attribute over whose values voters, and copies where policies ask for it, are spread.
const ZoneAttribute = "zone"

// VotersFor says who should vote in the metadata group: by Raft number, ascending. It is a pure function, so that any
// member, and any test, comes to the same answer.
//
//	living meta members   1  2  3  4  5  6  7  8 …
//	voters                1  1  3  3  5  5  7  7     the largest odd number, seven at most
//
// Present voters are preferred, and of those who are equal the ones in zones that have fewer voters. Draining members vote
// only if they must, excluded ones never. A dead voter is replaced by a living member, or the set shrinks by two; but three
// voters never become one because members die, since two of three would then be a majority that no longer counts: only when
// members are forgotten or excluded. alive says whether a member counts as living; who wants a grace period for the dead
// says true until it is over. keep lists members that stay voters before others, such as the leader, which would otherwise
// have to hand over. With nobody alive the voters stay as they are.
func VotersFor(s *State, alive func(shards.NodeID) bool, keep ...shards.NodeID) []uint64 {
	var pool []candidate
	living, voting := 0, 0
	for i := range s.Members {
		m := &s.Members[i]
		if !m.Has(RoleMeta) || m.Excluded {
			continue
		}
		c := candidate{Member: m, voter: slices.Contains(s.Voters, m.Raft), kept: slices.Contains(keep, m.ID)}
		c.dead = !alive(m.ID) || m.Down && !c.voter
		if !c.dead {
			living++
		}
		if c.voter {
			voting++
		}
		pool = append(pool, c)
	}
	if living == 0 {
		return slices.Clone(s.Voters)
	}
	wanted := min(MaxVoters, living-1+living%2)
	if voting >= 3 {
		wanted = max(wanted, 3)
	}
	return choose(pool, wanted)
}

// MayExclude is a *Refusal if nobody were left to vote without a member: the voters would then stay as they are, whatever was said. It is for
// who proposes an exclusion. Apply takes each, as all releases must come to one state.
func (s *State) MayExclude(id shards.NodeID) error {
	m := s.Member(id)
	if m == nil || !m.Has(RoleMeta) {
		return nil
	}
	for i := range s.Members {
		if other := &s.Members[i]; other.ID != id && other.Has(RoleMeta) && !other.Excluded && !other.Down {
			return nil
		}
	}
	return refuse(WhyUnsafe, "without node %s nobody could vote: no other with the role meta is alive and may", m.Name)
}

// candidate is a member that may vote.
type candidate struct {
	*Member
	dead, voter, kept bool
}

// rank orders candidates; what ranks equal is told apart by zone and number.
func (c *candidate) rank() int {
	rank := 0
	for _, worse := range []bool{c.dead, c.Draining, !c.kept, !c.voter} {
		rank *= 2
		if worse {
			rank++
		}
	}
	return rank
}

// choose picks n of the pool one by one: the best rank, then the zone with the fewest chosen, then the lowest number.
func choose(pool []candidate, n int) []uint64 {
	zones := map[string]int{} // how many are chosen; only asked, never visited
	var chosen []uint64
	for len(chosen) < n && len(pool) > 0 {
		best := 0
		for i := range pool {
			a, b := &pool[i], &pool[best]
			if cmp.Or(
				cmp.Compare(a.rank(), b.rank()),
				cmp.Compare(zones[a.Attribute(ZoneAttribute)], zones[b.Attribute(ZoneAttribute)]),
				cmp.Compare(a.Raft, b.Raft)) < 0 {
				best = i
			}
		}
		chosen = append(chosen, pool[best].Raft)
		zones[pool[best].Attribute(ZoneAttribute)]++
		pool = slices.Delete(pool, best, best+1)
	}
	slices.Sort(chosen)
	return chosen
}
