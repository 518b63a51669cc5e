package placement

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// refusals are what is in force and refused by its own module: settings that have just been changed, or the state with them. The module is good, and
// the settings of before are: it goes back to those, instead of into quarantine. It is rare, since what is activated has been tried; the state may have
// changed since. Where no other settings of the same version were before, or they were on trial for long enough, a refusal is a fault like others.
// Its methods may be called concurrently.
type refusals struct {
	mu   sync.Mutex
	list map[string]refusal // by policy
}

type refusal struct {
	use  cluster.PolicyUse
	text string
}

// returns says whether a use that its module refuses can give way to the one before it.
func returns(s *cluster.State, policy string, use cluster.PolicyUse, probation time.Duration, now time.Time) bool {
	p := s.Policy(policy)
	return p != nil && p.Active == use && p.Previous.Version == use.Version && p.Previous != use && !p.TakenBack() && now.Sub(time.Unix(p.Since, 0)) < probation
}

// sort takes the faults that are refusals of what is in force and can give way, and gives the others.
func (r *refusals) sort(s *cluster.State, uses map[string]cluster.PolicyUse, faults []hosted.Fault, probation time.Duration, now time.Time) (others []hosted.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range faults {
		use, used := uses[f.Policy]
		if f.Kind != hosted.Refused || !used || !returns(s, f.Policy, use, probation, now) {
			others = append(others, f)
			continue
		}
		if r.list == nil {
			r.list = map[string]refusal{}
		}
		r.list[f.Policy] = refusal{use, f.Text}
	}
	return others
}

// due lists what has to go back, as commands, and forgets what is in force no more.
func (r *refusals) due(s *cluster.State, probation time.Duration, now time.Time) (list []*cluster.RetirePolicy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.list)) {
		x := r.list[name]
		if !returns(s, name, x.use, probation, now) {
			delete(r.list, name)
			continue
		}
		note := fmt.Sprintf("version %d went back to the settings of before: %s", x.use.Version, x.text)
		list = append(list, s.RetireCommand(cluster.RetirePolicy{Name: name, How: cluster.RetreatRollback, Note: cluster.ShortReason(note), At: now.Unix()}).Retire)
	}
	return list
}
