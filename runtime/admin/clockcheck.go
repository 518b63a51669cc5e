package admin

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// ClockSlack is how far a member's clock may be from the middle one of the voters'. A node that is further ahead orders writes by that one.
const ClockSlack = time.Second

// reached is what a member answered, and how far its clock is ahead of this node's, if it tells the time: wrong by half of took at most.
type reached struct {
	view  View
	took  time.Duration
	ahead time.Duration
}

// timed works out the clock of one that was asked at a time.
func timed(view View, asked time.Time) reached {
	r := reached{view: view, took: time.Since(asked)}
	r.ahead = time.Duration(view.Clock - asked.Add(r.took/2).UnixNano())
	return r
}

// wrongClocks says whose clock is far from the middle one of those of most voters, of two middle ones the earlier, in the order of the members.
func wrongClocks(state *cluster.State, all []reached) []string {
	problems := make([]string, len(all))
	var clocks []reached
	for i := range all {
		if all[i].view.Clock != 0 && slices.Contains(state.Voters, state.Members[i].Raft) {
			clocks = append(clocks, all[i])
		}
	}
	if 2*len(clocks) <= len(state.Voters) {
		return problems
	}
	slices.SortFunc(clocks, func(a, b reached) int { return cmp.Compare(a.ahead, b.ahead) })
	middle := clocks[(len(clocks)-1)/2]
	for i := range all {
		off, side := all[i].ahead-middle.ahead, "ahead of"
		if all[i].view.Clock == 0 || off.Abs() <= ClockSlack+(all[i].took+middle.took)/2 {
			continue
		}
		if off < 0 {
			side = "behind"
		}
		problems[i] = fmt.Sprintf("its clock is %v %s the voters': set it right, as with NTP", off.Abs().Round(time.Second/10), side)
	}
	return problems
}
